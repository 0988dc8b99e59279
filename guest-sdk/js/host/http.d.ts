// Written by sdk-bindings from wit/; not by hand.

import type * as types from "../types.js";

export interface Field {
  name: string;
  value: string;
}
export interface Request {
  method: string;
  url: string;
  fields: Field[];
  body: types.BlobId | null;
  timeout: types.Duration | null;
}
export interface Response {
  status: number;
  fields: Field[];
  body: types.BlobId;
}

/**
 * To the hosts that the grant names; never to loopback, private or link-local addresses, nor in clear, unless it says
 * so.
 */
declare const host: {
  send(request: Request): Response;
};
export default host;
