// Written by sdk-bindings from wit/; not by hand.

import type * as types from "../types.js";

/** What the host knows of domains and mailboxes; other tenants' are unknown. */
declare const host: {
  /** local, relay, alias, remote. */
  domain(name: string): types.Word;
  mailboxExists(address: types.Address): boolean;
};
export default host;
