// Written by sdk-bindings from wit/; not by hand.

import type * as types from "../types.js";

/**
 * New mail. Staged in the event's outbox: sent exactly once if the event commits, never if it does not. Only in events
 * that have a durable record (end of data, stages, dsn, deliver, timer, feedback, track).
 */
declare const host: {
  send(mailFrom: types.ReversePath, recipients: types.Address[], content: types.BlobId, notBefore: types.Timestamp | null): types.MessageId;
};
export default host;
