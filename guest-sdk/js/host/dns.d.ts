// Written by sdk-bindings from wit/; not by hand.

export interface Exchange {
  preference: number;
  name: string;
}

declare const host: {
  addresses(name: string): string[];
  mx(name: string): Exchange[];
  txt(name: string): Uint8Array[];
  ptr(ip: string): string[];
};
export default host;
