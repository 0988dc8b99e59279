// Written by sdk-bindings from wit/; not by hand.

import type * as types from "../types.js";

export interface Mailbox {
  name: string | null;
  address: types.Address;
}
/** `size` is of the decoded bytes. `parent` is none for part 0 only. */
export interface Part {
  id: types.PartId;
  parent: types.PartId | null;
  contentType: string;
  fileName: string | null;
  size: number;
}
export interface Field {
  name: string;
  value: Uint8Array;
}
export interface Found {
  literal: number;
  offset: number;
}

/** Content of the current message, with the edits staged so far. The host parses it once for all sinks. */
declare const host: {
  id(): types.MessageId | null;
  /** The message that this one was made from, and by which sink. */
  parent(): types.MessageId | null;
  maker(): string | null;
  /** smtp, submission, lmtp, pickup, api, dsn, sink, resubmit. */
  ingress(): types.Word;
  arrived(): types.Timestamp | null;
  /** Bytes as it would be sent now, without the Received field that we add last. */
  size(): number;
  authResults(): types.AuthResult[];
  /** Name as written and the bytes between the colon and the final CRLF, in order. */
  fields(): Field[];
  /** The first field of that name, unfolded, RFC 2047 words decoded, invalid bytes replaced. */
  header(name: string): string | null;
  headerValues(name: string): string[];
  /** Mailboxes of an address field, groups flattened. */
  headerMailboxes(name: string): Mailbox[];
  /**
   * 0 is the raw message, 1 its top entity (the text, if there is nothing else), then each container's children in
   * order, parents before children; a message/rfc822 part is followed by the top entity of its message in the same way.
   */
  parts(): Part[];
  partHeader(part: types.PartId, name: string): string | null;
  /** attachment, inline, encrypted, signed, malformed, truncated. */
  partTraits(part: types.PartId): types.Word[];
  /** Transfer encoding removed; at most 1 MiB a call. */
  readPart(part: types.PartId, offset: number, length: number): Uint8Array;
  /** The same as text: charset converted to UTF-8; offset and length count bytes of that text. */
  readText(part: types.PartId, offset: number, length: number): string;
  readRaw(offset: number, length: number): Uint8Array;
  /** Work on many bytes that the host does at memory speed, paid in fuel by the byte. Part 0 is the raw message. */
  find(part: types.PartId, literals: Uint8Array[], ignoreCase: boolean, limit: number): Found[];
  /** Which regular expressions (linear time: no look-around, no back-references) match the part's text. */
  matchAny(part: types.PartId, expressions: string[]): number[];
  /** sha256, sha1, md5. */
  digest(part: types.PartId, algorithm: types.Word): Uint8Array;
  /** Durable, private to this installation, copied to forks. */
  getVariable(key: string): Uint8Array | null;
  setVariable(key: string, value: Uint8Array): void;
  /** Shared between the sinks of a tenant (`spam`); what operators' sinks set is read by all as `operator.spam`. */
  score(name: types.Word): number | null;
  setScore(name: types.Word, value: number): void;
};
export default host;
