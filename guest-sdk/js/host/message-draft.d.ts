// Written by sdk-bindings from wit/; not by hand.

import type * as types from "../types.js";

export type Position = "top" | "bottom";

/**
 * Staged edits of the content. Fields and parts that no edit touches keep their bytes. Occurrences count from 0 at the
 * top and speak of the draft as it is now, as part ids do: an edit that adds or removes parts moves those behind it.
 * Trace fields and the host's own Authentication-Results can't be touched.
 */
declare const host: {
  /** The host folds and encodes. */
  addHeader(at: Position, name: string, value: string): void;
  /** Bytes as given (DKIM, ARC), checked to be one well-formed field; `index` counts fields from the top. */
  insertHeader(index: number, name: string, value: Uint8Array): void;
  replaceHeader(name: string, occurrence: number, value: string): void;
  removeHeader(name: string, occurrence: number): void;
  /** How many there were. */
  removeHeaders(name: string): number;
  /**
   * Another body and type; the part's other fields stay. The host chooses the transfer encoding. Not part 0: see
   * `rewrite`.
   */
  replacePart(part: types.PartId, contentType: string, decoded: types.BlobId): void;
  /** Not part 0 or 1. A container that would be empty goes with it. */
  removePart(part: types.PartId): void;
  /** Behind all other parts; the message becomes a multipart/mixed if it is none. */
  attach(contentType: string, fileName: string | null, decoded: types.BlobId): types.PartId;
  /**
   * A banner or a footer in each text body, plain and HTML, in its charset and transfer encoding; what is signed,
   * encrypted or cannot be read for sure stays whole and is wrapped. Without `html` it is made of `plain`. At most 64
   * KiB each.
   */
  addText(at: Position, plain: string, html: string | null): void;
  /** The whole message anew: replaces what this call edited, part ids are void afterwards. */
  rewrite(content: types.BlobId): void;
  /** Throw away what this call staged. */
  revert(): void;
};
export default host;
