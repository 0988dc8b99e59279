// Written by sdk-bindings from wit/; not by hand.

import type * as types from "../types.js";

/**
 * A function that makes no sense in the event that is on answers none, an empty list, or `not-permitted`; EVENTS says
 * which. The call itself.
 */
declare const host: {
  /** The same when the host asks again after a crash or a fault: use it to make effects outside idempotent. */
  id(): string;
  /** `on-rcpt-to`. */
  name(): types.Word;
  tenant(): string;
  /** 1 at first. */
  attempt(): number;
  /** What this installation returned with its last `defer` of this event; empty at first. */
  state(): Uint8Array;
  /** When a timer or a deferred stage was due. */
  due(): types.Timestamp | null;
};
export default host;
