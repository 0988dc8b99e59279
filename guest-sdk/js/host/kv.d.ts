// Written by sdk-bindings from wit/; not by hand.

import type * as types from "../types.js";

/**
 * The tenant's own keys, within its quota, a snapshot with the call's own writes. `set` and `delete` commit with the
 * event; the last writer wins.
 */
declare const host: {
  get(bucket: string, key: string): Uint8Array | null;
  set(bucket: string, key: string, value: Uint8Array, timeToLive: types.Seconds | null): void;
  delete(bucket: string, key: string): void;
  /** Keys with this prefix after `after`, in order. */
  keys(bucket: string, prefix: string, after: string | null, limit: number): string[];
  /**
   * Atomic, seen at once by all, never rolled back: for rate limits and greylisting. Answers the new value; the time to
   * live counts from the key's creation.
   */
  add(bucket: string, key: string, delta: number, timeToLive: types.Seconds | null): number;
  /** Sets if the value is still `expected`; at once, never rolled back. Answers whether it did. */
  compareAndSet(bucket: string, key: string, expected: Uint8Array | null, value: Uint8Array, timeToLive: types.Seconds | null): boolean;
};
export default host;
