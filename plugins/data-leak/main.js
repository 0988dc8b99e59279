// Holds mail that carries card numbers, bank accounts or secret keys out of the house.
import { isWithin, quarantine, reject } from "sluice-sdk";
import envelope from "sluice-sdk/envelope";
import message from "sluice-sdk/message";
import settings from "sluice-sdk/settings";

import { KINDS, holds } from "./kinds.js";

/** Bytes of a part's text that are read at a time; the contract's most. */
const READ_BYTES_MAX = 1 << 20;

const ANSWERS = ["reject", "quarantine"];

const chosen = () => JSON.parse(settings.json());

/** @type {import("sluice-sdk").OnSelfTest} */
export function onSelfTest() {
  const { kinds, answer } = chosen();
  const unknown = kinds.find((kind) => !(kind in KINDS));
  if (unknown !== undefined) {
    throw new Error(`kinds: ${Object.keys(KINDS).join(", ")} were expected, not ${unknown}`);
  }
  if (!ANSWERS.includes(answer)) {
    throw new Error(`answer: ${ANSWERS.join(" or ")} was expected, not ${answer}`);
  }
}

/** @type {import("sluice-sdk").OnEndOfData} */
export function onEndOfData() {
  const { "own-domains": own, kinds, patterns, answer } = chosen();
  if (!leaves(own)) {
    return;
  }
  const found = message.parts().map((part) => foundIn(part, kinds, patterns)).find((kind) => kind !== undefined);
  if (found === undefined) {
    return;
  }
  return answer === "quarantine"
    ? quarantine(`leak-${found}`)
    : reject(`5.7.1 It carries what may not leave (${found})`, `leak-${found}`);
}

/** Whether it goes from one of ours to somebody else. */
function leaves(own) {
  const isOwn = (address) => own.some((domain) => isWithin(address, domain));
  const sender = envelope.mailFrom();
  return sender?.tag === "mailbox" && isOwn(sender.val)
    && envelope.recipients().some((recipient) => !isOwn(recipient.address));
}

/** The host looks first, at its own speed; only what it found is read here. */
function foundIn(part, kinds, patterns) {
  if (part.id === 0 || !part.contentType.startsWith("text/")) {
    return;
  }
  const expressions = kinds.map((kind) => KINDS[kind].expression);
  const matched = message.matchAny(part.id, [...expressions, ...patterns]);
  return matched
    .sort((one, other) => one - other)
    .map((place) => kinds[place] ?? "pattern")
    .find((kind) => kind === "pattern" || holds(kind, text(part)));
}

function text(part) {
  let read = "";
  let offset = 0;
  for (;;) {
    const piece = message.readText(part.id, offset, READ_BYTES_MAX);
    if (piece === "") {
      return read;
    }
    read += piece;
    offset += byteLength(piece);
  }
}

/** Bytes of a text in UTF-8: offsets count those. */
function byteLength(piece) {
  let bytes = 0;
  for (const letter of piece) {
    const code = letter.codePointAt(0);
    bytes += code < 0x80 ? 1 : code < 0x800 ? 2 : code < 0x10000 ? 3 : 4;
  }
  return bytes;
}
