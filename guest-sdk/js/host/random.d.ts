// Written by sdk-bindings from wit/; not by hand.

declare const host: {
  /** Cryptographically strong; at most 4,096 bytes a call. */
  bytes(length: number): Uint8Array;
};
export default host;
