import type { Address, Refusal, Reply } from "./types.js";
import type { OnInboundCommand, Stage } from "./events.js";

export * from "./types.js";
export * from "./events.js";

/** A reply with this code; the text may start with the enhanced status, and has a line for each line of the reply. */
export function reply(code: number, text: string): Reply;
/** A refusal for good: 550, or 552 where the status speaks of size or storage. `reason` is for log and metrics alone. */
export function permanent(text: string, reason?: string): Refusal;
/** A refusal for now: 451, or 452 where the status speaks of size or storage. */
export function transient(text: string, reason?: string): Refusal;

/** No opinion; what a function that returns nothing says. */
export function proceed(): { tag: "continue" };
/** Enough: the rest of this sink's tier is skipped. */
export function done(): { tag: "done" };
/** Refuses for good. */
export function reject(text: string, reason?: string): { tag: "reject"; val: Refusal };
/** Refuses for now; the client will try again. */
export function defer(text: string, reason?: string): { tag: "defer"; val: Refusal };
/** Answers and closes: 421, or 554 for a status of class 5. */
export function disconnect(text: string): { tag: "disconnect"; val: Reply };
/** The text after our host name in the 220 line. Only in onConnect. */
export function greet(text: string): { tag: "greet"; val: string };
/** This sink answers for the recipient. Only in onRcptTo. */
export function claim(): { tag: "claim" };
/** These recipients instead, at least one. Only in onRcptTo. */
export function rewrite(...addresses: Address[]): { tag: "rewrite"; val: Address[] };
/** Taken, and nothing is kept. */
export function discard(reason: string): { tag: "discard"; val: string };
/** Taken, and waits for an operator. */
export function quarantine(reason: string): { tag: "quarantine"; val: string };
/** A DSN for each recipient. Only in stages. */
export function fail(text: string, reason?: string): { tag: "fail"; val: Refusal };
/** Sleeps so many seconds, then this sink is asked again, with the state. Only in stages. */
export function wait(seconds: number, reason?: string, state?: Uint8Array): { tag: "defer"; val: Stage.Pause };
/** The whole answer to a command. Only in onInboundCommand. */
export function answer(code: number, text: string): { tag: "answer"; val: Reply };
/** Replies, reads a line, and asks again with it and this state. Only in onInboundCommand. */
export function askLine(code: number, text: string, state: Uint8Array): { tag: "more"; val: OnInboundCommand.Dialogue };
/** Replies, reads so many octets, and asks again with them and this state. Only in onInboundCommand. */
export function askOctets(
  code: number,
  text: string,
  count: number,
  state: Uint8Array,
): { tag: "more"; val: OnInboundCommand.Dialogue };

/** Whether the address is of this domain or of one below it; ASCII case does not count. */
export function isWithin(address: Address, domain: string): boolean;
/** The address as it stands between < and >: the local-part is quoted where RFC 5321 §4.1.2 asks for it. */
export function addressText(address: Address): string;
