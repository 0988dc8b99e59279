// Written by sdk-bindings from wit/; not by hand.

import type * as types from "../types.js";

/**
 * `original` is ORCPT, or what the client said at RCPT. `state`: pending, delivered, relayed, expanded, failed,
 * deferred, discarded, quarantined.
 */
export interface Recipient {
  id: types.RecipientId;
  address: types.Address;
  original: types.Address;
  notify: types.Notify;
  state: types.Word;
}

/** Envelope of the current transaction or message. A call sees its own tenant's recipients alone. */
declare const host: {
  mailFrom(): types.ReversePath | null;
  /** ESMTP parameters of MAIL, as they came. */
  parameters(): types.Parameter[];
  recipients(): Recipient[];
  /** The one that the event is about. */
  current(): types.RecipientId | null;
  recipientParameters(id: types.RecipientId): types.Parameter[];
  attempts(id: types.RecipientId): number;
  lastReply(id: types.RecipientId): types.Reply | null;
  /** `headers`, `full`. */
  dsnReturn(): types.Word | null;
  envelopeId(): string | null;
  /** -9 to 9 (RFC 6710); higher goes first. */
  priority(): number;
  expires(): types.Timestamp | null;
};
export default host;
