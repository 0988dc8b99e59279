// Written by sdk-bindings from wit/; not by hand.

import type * as types from "../types.js";

/** Staged edits of the command that comes next. Parameters are edited, never bytes of the line. */
declare const host: {
  verb(): string;
  parameters(): types.Parameter[];
  setParameter(keyword: string, value: string | null): void;
  removeParameter(keyword: string): void;
  /**
   * A verb that the host does not know, sent before the command that comes next; its reply arrives in
   * `on-server-response`, where a dialogue can go on in the same way, and fails nothing by itself. The payload goes
   * only after a 3xx. Not before EHLO. Grant: `outbound-verbs`.
   */
  sendFirst(verb: string, argument: string, payload: Uint8Array | null): void;
};
export default host;
