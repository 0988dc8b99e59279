// Written by sdk-bindings from wit/; not by hand.

import type * as types from "../types.js";

/** The outbound session that the event belongs to. */
declare const host: {
  id(): types.SessionId | null;
  queue(): string;
  host(): string;
  peer(): types.Endpoint | null;
  /** The address of ours that the session comes from. */
  source(): types.Endpoint | null;
  extensions(): types.Parameter[];
  tlsVersion(): string | null;
  tlsCipher(): string | null;
  /** Live until the session ends; private to this installation. */
  getVariable(key: string): Uint8Array | null;
  setVariable(key: string, value: Uint8Array): void;
};
export default host;
