// Written by sdk-bindings from wit/; not by hand.

import type * as types from "../types.js";

export type Recipient = import("./envelope.js").Recipient;

/** The message that a DSN or a report speaks of. Only in `on-dsn` and `on-feedback`. */
declare const host: {
  id(): types.MessageId | null;
  recipients(): import("./envelope.js").Recipient[];
  lastReply(id: types.RecipientId): types.Reply | null;
  headerValues(name: string): string[];
};
export default host;
