// Written by sdk-bindings from wit/; not by hand.

/** Exported with the installation's name as a label; the host bounds how many names a sink may make. */
declare const host: {
  count(name: string, delta: number): void;
  observe(name: string, value: number): void;
};
export default host;
