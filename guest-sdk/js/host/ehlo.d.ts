// Written by sdk-bindings from wit/; not by hand.

/** The EHLO answer under way. Only in `on-helo`. */
declare const host: {
  offered(): string[];
  /** The keyword's verbs need an `on-inbound-command` of this sink. */
  offer(keyword: string, arguments: string | null): void;
  /** Parameters of MAIL or RCPT that the host shall take instead of answering 555. */
  offerParameter(verb: string, keyword: string): void;
  /** Never STARTTLS, and nothing that this session already uses. */
  hide(keyword: string): void;
};
export default host;
