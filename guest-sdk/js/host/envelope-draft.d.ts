// Written by sdk-bindings from wit/; not by hand.

import type * as types from "../types.js";

/**
 * Staged edits of the envelope. Each recipient ends kept, redirected, deferred, rejected, quarantined or discarded,
 * exactly once: the host checks the sum when it commits.
 */
declare const host: {
  setMailFrom(path: types.ReversePath): void;
  /** Another domain than the tenant's own needs the grant `forward`. */
  addRecipient(address: types.Address, notify: types.Notify): types.RecipientId;
  redirect(id: types.RecipientId, to: types.Address[]): types.RecipientId[];
  /**
   * Answered for that recipient where the protocol can (LMTP, PRDR). In SMTP the dot has one reply: 4xx if all
   * recipients are deferred; else the recipient is deferred in a message of its own, which goes through the stages
   * after five minutes and may be decided about there. In a stage the host forks it off and waits.
   */
  defer(id: types.RecipientId, reply: types.Reply | null): void;
  reject(id: types.RecipientId, reply: types.Reply | null): void;
  quarantine(id: types.RecipientId, reason: types.Word): void;
  discard(id: types.RecipientId, reason: types.Word): void;
  setPriority(priority: number): void;
  /** From now to 30 days from now; a time outside of that becomes the nearer end. */
  setExpiry(at: types.Timestamp): void;
  /**
   * Stages only: moves these recipients to a sibling with the content as it is now; it goes on at the next sink of the
   * stage. The answer is for `select`.
   */
  fork(ids: types.RecipientId[]): number;
  /** From here on the current message is this sibling; 0 is the one that the event came with, and the verdict is for it. */
  select(sibling: number): void;
};
export default host;
