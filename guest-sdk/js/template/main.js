// Refuses mail to the mailbox that nobody reads, and marks what it has seen.
import { reject } from "sluice-sdk";
import draft from "sluice-sdk/message-draft";

/** @type {import("sluice-sdk").OnRcptTo} */
export function onRcptTo(recipient) {
  if (recipient.local === "noreply") {
    return reject("5.1.1 Nobody reads this mailbox");
  }
}

/** @type {import("sluice-sdk").OnEndOfData} */
export function onEndOfData() {
  draft.addHeader("bottom", "X-Checked-By", "my-sink");
}
