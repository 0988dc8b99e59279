// Written by sdk-bindings from wit/; not by hand.

import type * as types from "../types.js";

/** Bytes that stay with the host, so that 25 MiB need not pass through a guest's memory. Gone when the call ends. */
declare const host: {
  create(bytes: Uint8Array): types.BlobId;
  append(id: types.BlobId, bytes: Uint8Array): void;
  /** A decoded part; 0 is the raw message. */
  fromPart(part: types.PartId): types.BlobId;
  size(id: types.BlobId): number;
  read(id: types.BlobId, offset: number, length: number): Uint8Array;
};
export default host;
