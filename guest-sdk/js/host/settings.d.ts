// Written by sdk-bindings from wit/; not by hand.

/** The installation's settings, validated against the manifest's schema. Secret ones are absent while `on-prepare` runs. */
declare const host: {
  get(key: string): string | null;
  json(): string;
};
export default host;
