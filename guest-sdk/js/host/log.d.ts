// Written by sdk-bindings from wit/; not by hand.

export type Level = "trace" | "debug" | "info" | "warn" | "error";
export interface Field {
  key: string;
  value: string;
}

declare const host: {
  /** Bounded in bytes for each call; goes to the server's log and to the trace. */
  write(level: Level, text: string, fields: Field[]): void;
};
export default host;
