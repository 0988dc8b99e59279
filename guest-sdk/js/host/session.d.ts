// Written by sdk-bindings from wit/; not by hand.

import type * as types from "../types.js";

/** The inbound SMTP session that the event belongs to. */
declare const host: {
  id(): types.SessionId | null;
  /** The listener's name in the configuration; `smtp`, `submission` or `lmtp`. */
  listener(): string;
  protocol(): types.Word;
  hostName(): string;
  local(): types.Endpoint | null;
  remote(): types.Endpoint | null;
  /** The proxy that announced `remote`, if one did. */
  proxy(): types.Endpoint | null;
  /** Forward-confirmed name of `remote`, none if there is none; resolved when first asked for. */
  reverseName(): string | null;
  /** What PTR says, unconfirmed. */
  pointerName(): string | null;
  heloName(): string | null;
  /** `TLSv1.3`; none in clear. */
  tlsVersion(): string | null;
  tlsCipher(): string | null;
  tlsServerName(): string | null;
  /** DER of the client's certificate, and whether it was verified. */
  clientCertificate(): Uint8Array | null;
  clientVerified(): boolean;
  authenticated(): types.Identity | null;
  authResults(): types.AuthResult[];
  /** Of this client address at this moment. */
  connections(): number;
  messages(): number;
  errors(): number;
  /** Live until the session ends; private to this installation. */
  getVariable(key: string): Uint8Array | null;
  setVariable(key: string, value: Uint8Array): void;
  /** Answer this client later; the host caps it. */
  tarpit(pause: types.Duration): void;
};
export default host;
