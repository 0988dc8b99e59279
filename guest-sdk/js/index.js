// Replies, refusals and verdicts as a postmaster writes them.
//
// Nothing here fails. What is no status at the start of a text is text, and the host adds the status that fits the code.

const STATUS = /^([245])\.(\d{1,3})\.(\d{1,3}) /;

/** A reply with this code; the text may start with the enhanced status, and has a line for each line of the reply. */
export function reply(code, text) {
  const found = STATUS.exec(text);
  const status = found && { class: Number(found[1]), subject: Number(found[2]), detail: Number(found[3]) };
  return { code, status, text: text.slice(found ? found[0].length : 0).split("\n") };
}

// RFC 3463: X.2.2 mailbox full, X.2.3 too big for the mailbox, X.3.1 system full, X.3.4 message too big.
function concernsRoom(status) {
  return status !== null && ["2.2", "2.3", "3.1", "3.4"].includes(`${status.subject}.${status.detail}`);
}

function refusal(text, code, codeOfRoom, reason) {
  const answer = reply(code, text);
  return { reply: concernsRoom(answer.status) ? { ...answer, code: codeOfRoom } : answer, reason };
}

/** A refusal for good: 550, or 552 where the status speaks of size or storage. `reason` is for log and metrics alone. */
export const permanent = (text, reason = "policy") => refusal(text, 550, 552, reason);

/** A refusal for now: 451, or 452 where the status speaks of size or storage. */
export const transient = (text, reason = "policy") => refusal(text, 451, 452, reason);

/** No opinion; what a function that returns nothing says. */
export const proceed = () => ({ tag: "continue" });

/** Enough: the rest of this sink's tier is skipped. */
export const done = () => ({ tag: "done" });

/** Refuses for good. */
export const reject = (text, reason) => ({ tag: "reject", val: permanent(text, reason) });

/** Refuses for now; the client will try again. */
export const defer = (text, reason) => ({ tag: "defer", val: transient(text, reason) });

/** Answers and closes: 421, or 554 for a status of class 5. */
export function disconnect(text) {
  const answer = reply(421, text);
  return { tag: "disconnect", val: answer.status?.class === 5 ? { ...answer, code: 554 } : answer };
}

/** The text after our host name in the 220 line. Only in onConnect. */
export const greet = (text) => ({ tag: "greet", val: text });

/** This sink answers for the recipient. Only in onRcptTo. */
export const claim = () => ({ tag: "claim" });

/** These recipients instead, at least one. Only in onRcptTo. */
export const rewrite = (...addresses) => ({ tag: "rewrite", val: addresses });

/** Taken, and nothing is kept. */
export const discard = (reason) => ({ tag: "discard", val: reason });

/** Taken, and waits for an operator. */
export const quarantine = (reason) => ({ tag: "quarantine", val: reason });

/** A DSN for each recipient. Only in stages. */
export const fail = (text, reason) => ({ tag: "fail", val: permanent(text, reason) });

/** Sleeps so many seconds, then this sink is asked again, with the state. Only in stages. */
export const wait = (seconds, reason = "policy", state = new Uint8Array()) =>
  ({ tag: "defer", val: { wait: seconds, state, reason } });

/** The whole answer to a command. Only in onInboundCommand. */
export const answer = (code, text) => ({ tag: "answer", val: reply(code, text) });

/** Replies, reads a line, and asks again with it and this state. Only in onInboundCommand. */
export const askLine = (code, text, state) => ask(code, text, { tag: "line" }, state);

/** Replies, reads so many octets, and asks again with them and this state. Only in onInboundCommand. */
export const askOctets = (code, text, count, state) => ask(code, text, { tag: "octets", val: count }, state);

const ask = (code, text, input, state) => ({ tag: "more", val: { reply: reply(code, text), input, state } });

/** Whether the address is of this domain or of one below it; ASCII case does not count. */
export function isWithin(address, domain) {
  const [has, wanted] = [address.domain.toLowerCase(), domain.toLowerCase()];
  return has === wanted || has.endsWith(`.${wanted}`);
}

/** The address as it stands between < and >: the local-part is quoted where RFC 5321 §4.1.2 asks for it. */
export function addressText({ local, domain }) {
  const isPlain = local.split(".").every((atom) => /^[\p{L}\p{N}!#$%&'*+\-/=?^_`{|}~\u0080-\u{10ffff}]+$/u.test(atom));
  return isPlain ? `${local}@${domain}` : `"${local.replace(/["\\]/g, "\\$&")}"@${domain}`;
}
