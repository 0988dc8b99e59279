// Written by sdk-bindings from wit/; not by hand.

/** Milliseconds since 1970-01-01T00:00:00Z; whole numbers below 2^53, so exact. */
export type Timestamp = number;
/** Milliseconds. */
export type Duration = number;
/** Seconds. */
export type Seconds = number;
/** One of a vocabulary that may grow, lower case with hyphens. */
export type Word = string;
/** ULID. A fork has its own and names its parent. */
export type MessageId = string;
/** ULID of an inbound or outbound session. */
export type SessionId = string;
/** Unique inside one message, kept by forks. */
export type RecipientId = number;
/** A MIME part of the current message; 0 is the whole message. */
export type PartId = number;
/** Bytes that the host holds during one call; see `blob`. */
export type BlobId = number;
/**
 * `local` is unquoted; `domain` is lower-case A-labels, or an address literal with its brackets. The address that RFC
 * 5321 lets stand without a domain, `<postmaster>`, comes with the host's own.
 */
export interface Address {
  local: string;
  domain: string;
}
export type ReversePath =
  | { tag: "null" }
  | { tag: "mailbox"; val: Address };
/** An ESMTP parameter, keyword in upper case. */
export interface Parameter {
  keyword: string;
  value: string | null;
}
export interface Endpoint {
  ip: string;
  port: number;
}
/** RFC 3463. */
export interface EnhancedStatus {
  class: number;
  subject: number;
  detail: number;
}
/**
 * The host writes the lines, so a sink cannot smuggle one. Of a sink: at most 10 lines of at most 400 bytes, no control
 * characters; without `status` the host adds the one that fits the code. Of a peer: at most 128 lines of 512 bytes.
 */
export interface Reply {
  code: number;
  status: EnhancedStatus | null;
  text: string[];
}
/**
 * Why a sink refuses. `reply` must be 4xx to defer and 5xx to reject; without it the host answers for the event.
 * `reason` is a word of the sink's own (`spam`, `policy`) for log, metrics and trace; never sent.
 */
export interface Refusal {
  reply: Reply | null;
  reason: Word;
}
export interface Identity {
  name: string;
  mechanism: string;
}
export interface NextHop {
  name: string;
  port: number;
}
export type TlsPolicy = "opportunistic" | "required" | "dane" | "none";
/**
 * `queue` groups what shares connections and limits; no hosts means the operator's route of that name, else MX of the
 * domain; `pool` names source addresses; `agent` an installed sink that exports `on-deliver`. Hosts of one's own need
 * the grant `next-hop`.
 */
export interface Route {
  queue: string;
  hosts: NextHop[];
  pool: string | null;
  tls: TlsPolicy;
  agent: string | null;
}
/** RFC 8601: method `spf`, `dkim`, `dmarc`, `arc`, `iprev`, `auth`; result as its vocabulary has it. */
export interface AuthResult {
  method: Word;
  outcome: Word;
  domain: string | null;
  detail: string;
}
export interface Notify { success: boolean; failure: boolean; delay: boolean; never: boolean }
/** What an imported function answers when it cannot do as asked. */
export type HostError =
  /** Not in this event. */
  | { tag: "not-permitted" }
  | { tag: "quota-exceeded" }
  | { tag: "not-found" }
  | { tag: "invalid-argument"; val: string }
  | { tag: "too-large" }
  | { tag: "unavailable" }
  /** Too little of the call's time is left; the sink still has some to decide with. */
  | { tag: "timed-out" }
  | { tag: "other"; val: Word };
