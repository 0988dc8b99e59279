// Written by sdk-bindings from wit/; not by hand.

import type * as types from "../types.js";

declare const host: {
  now(): types.Timestamp;
  /** Wall clock left for this call. */
  remaining(): types.Duration;
};
export default host;
