// Written by sdk-bindings from wit/; not by hand.

/** The operator's or the tenant's look-up tables: files that the host reloads when they change. */
declare const host: {
  get(table: string, key: string): string | null;
};
export default host;
