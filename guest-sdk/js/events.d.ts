// Written by sdk-bindings from wit/; not by hand.

import type * as types from "./types.js";

/**
 * Verdict of most gates. `continue`: no opinion, ask the next sink. `done`: enough, skip the rest of my tier.
 * `disconnect`: answer (421, or a 5xx) and close.
 */
export namespace Gate {
  export type Verdict =
    | { tag: "continue" }
    | { tag: "done" }
    | { tag: "defer"; val: types.Refusal }
    | { tag: "reject"; val: types.Refusal }
    | { tag: "disconnect"; val: types.Reply | null };
}

/** What a notice, told in the dialogue, may do. */
export namespace Notice {
  export type Action = "continue" | "disconnect";
}

export namespace OnConnect {
  /** `greet` sets the text after our host name in the 220 line. */
  export type Verdict =
    | { tag: "continue" }
    | { tag: "done" }
    | { tag: "greet"; val: string }
    | { tag: "defer"; val: types.Refusal }
    | { tag: "reject"; val: types.Refusal }
    | { tag: "disconnect"; val: types.Reply | null };
}
/**
 * A client connected; nothing was sent yet. `defer` answers 421 and closes; after `reject` only QUIT is served (RFC
 * 5321 §3.1).
 */
export type OnConnect = () => OnConnect.Verdict | void;

/** The TLS handshake is done (STARTTLS or implicit). */
export type OnTlsEstablished = () => Gate.Verdict | void;

/** HELO, EHLO or LHLO (`greeting`), before its reply. `ehlo` edits what is offered. */
export type OnHelo = (greeting: types.Word, name: string) => Gate.Verdict | void;

export namespace OnAuthenticate {
  export type Answer =
    | { tag: "continue" }
    | { tag: "authenticated"; val: types.Identity }
    | { tag: "defer"; val: types.Refusal }
    | { tag: "reject"; val: types.Refusal };
}
/**
 * Checks a password for the mechanisms that the host speaks. The first sink that does not continue decides. Grant:
 * `credentials`.
 */
export type OnAuthenticate = (mechanism: types.Word, user: string, secret: Uint8Array) => OnAuthenticate.Answer | void;

export namespace OnAuthStep {
  export interface Challenge {
    data: Uint8Array;
    state: Uint8Array;
  }
  export type Step =
    | { tag: "challenge"; val: OnAuthStep.Challenge }
    | { tag: "authenticated"; val: types.Identity }
    | { tag: "defer"; val: types.Refusal }
    | { tag: "reject"; val: types.Refusal };
}
/** A SASL mechanism of the sink's own. `state` is what it answered last time, empty at first. Grant: `credentials`. */
export type OnAuthStep = ((mechanism: types.Word, response: Uint8Array, state: Uint8Array) => OnAuthStep.Step | void) | { mechanisms: types.Word[]; handle: (mechanism: types.Word, response: Uint8Array, state: Uint8Array) => OnAuthStep.Step | void };

/** MAIL FROM, before its reply. `envelope-draft` may set the reverse-path and the priority. */
export type OnMailFrom = (reversePath: types.ReversePath, parameters: types.Parameter[]) => Gate.Verdict | void;

export namespace OnRcptTo {
  /**
   * `claim`: the sink answers for a recipient of a domain that is its tenant's; never a way to relay elsewhere.
   * `rewrite`: these instead, at least one; each passes relay control and the gates of its own tenant. `discard`: 250,
   * and nothing is kept.
   */
  export type Verdict =
    | { tag: "continue" }
    | { tag: "done" }
    | { tag: "claim" }
    | { tag: "rewrite"; val: types.Address[] }
    | { tag: "discard"; val: types.Word }
    | { tag: "defer"; val: types.Refusal }
    | { tag: "reject"; val: types.Refusal }
    | { tag: "disconnect"; val: types.Reply | null };
}
/** RCPT TO, before its reply. */
export type OnRcptTo = (recipient: types.Address, parameters: types.Parameter[]) => OnRcptTo.Verdict | void;

/** DATA before its 354, or the first BDAT after its chunk was read. */
export type OnData = () => Gate.Verdict | void;

/**
 * The header section is in, the body still arriving. A refusal drops the rest and is answered at its end; only
 * `disconnect` cuts. Only header functions of `message` work.
 */
export type OnHeaders = () => Gate.Verdict | void;

export namespace OnSizeExceeded {
  export type Answer =
    | { tag: "continue" }
    | { tag: "allow"; val: number };
}
/** The message is, or announces to be, larger than the limit. Up to the listener's hard limit. The old OnMaxMsgSize. */
export type OnSizeExceeded = (limit: number, announced: number | null, received: number) => OnSizeExceeded.Answer | void;

export namespace OnEndOfData {
  export type Verdict =
    | { tag: "continue" }
    | { tag: "done" }
    | { tag: "defer"; val: types.Refusal }
    | { tag: "reject"; val: types.Refusal }
    | { tag: "discard"; val: types.Word }
    | { tag: "quarantine"; val: types.Word }
    | { tag: "disconnect"; val: types.Reply | null };
}
/** The message is complete and the reply not yet sent. Edits and verdict are on disk before 250 is. */
export type OnEndOfData = () => OnEndOfData.Verdict | void;

export namespace OnInboundCommand {
  /** A `line` without its CRLF, or exactly so many `octets`. */
  export type Input =
    | { tag: "line" }
    | { tag: "octets"; val: number };
  export interface Dialogue {
    reply: types.Reply;
    input: OnInboundCommand.Input;
    state: Uint8Array;
  }
  /**
   * `answer` and `more` (reply, read input, ask again with it and the state) are for verbs that the host does not know
   * and for HELP, VRFY, EXPN and NOOP; the other cases are for all.
   */
  export type Answer =
    | { tag: "continue" }
    | { tag: "answer"; val: types.Reply }
    | { tag: "more"; val: OnInboundCommand.Dialogue }
    | { tag: "defer"; val: types.Refusal }
    | { tag: "reject"; val: types.Refusal }
    | { tag: "disconnect"; val: types.Reply | null };
}
/** Any command, known or not, before what the host would do with it. AUTH comes with its mechanism alone. */
export type OnInboundCommand = ((verb: string, argument: string, input: Uint8Array, state: Uint8Array) => OnInboundCommand.Answer | void) | { verbs: string[]; handle: (verb: string, argument: string, input: Uint8Array, state: Uint8Array) => OnInboundCommand.Answer | void };

/** A reply of ours is about to be sent: another text, status, or code of the same class. A fault sends it as it is. */
export type OnReply = ((verb: string, reply: types.Reply) => types.Reply | null | void) | { verbs: string[]; handle: (verb: string, reply: types.Reply) => types.Reply | null | void };

/**
 * The client broke the protocol or a limit: early-talker, bare-line-feed, bare-carriage-return, unannounced-pipelining,
 * line-too-long, bad-sequence, unknown-command, too-many-errors, too-many-recipients, message-too-large,
 * authentication-failed, tls-failed, timed-out.
 */
export type OnViolation = (kind: types.Word, detail: string) => Notice.Action | void;

/** A command was refused, by the host or by an installation (`by`). */
export type OnRejected = (verb: string, by: string, reply: types.Reply) => Notice.Action | void;

/**
 * A transaction that got past MAIL FROM is over: committed, deferred, rejected, discarded, quarantined, reset,
 * disconnected.
 */
export type OnTransactionEnd = (outcome: types.Word) => void;

export namespace OnDisconnect {
  export interface Totals {
    messages: number;
    refused: number;
    received: number;
    sent: number;
    lasted: types.Duration;
  }
}
/** The session is over: client-quit, client-closed, refused, timed-out, shutting-down, failed. */
export type OnDisconnect = (cause: types.Word, totals: OnDisconnect.Totals) => void;

/**
 * Verdict of the stages. `defer`: sleep, then ask this installation again with `state`. `fail`: a DSN for each
 * recipient.
 */
export namespace Stage {
  export interface Pause {
    wait: types.Seconds;
    state: Uint8Array;
    reason: types.Word;
  }
  export type Verdict =
    | { tag: "continue" }
    | { tag: "done" }
    | { tag: "defer"; val: Pause }
    | { tag: "fail"; val: types.Refusal }
    | { tag: "discard"; val: types.Word }
    | { tag: "quarantine"; val: types.Word };
}

/** Every message, by whichever door it came. The old OnTransportSubmission and CDO's OnArrival. */
export type OnTransportSubmission = () => Stage.Verdict | void;

/** Before recipients are resolved; they can't be added or redirected here. */
export type OnPreCategorize = () => Stage.Verdict | void;

export namespace OnCategorize {
  export interface Subject {
    id: types.RecipientId;
    address: types.Address;
  }
  export type Target =
    | { tag: "continue" }
    /** A mailbox here, by its name. */
    | { tag: "mailbox"; val: string }
    | { tag: "remote" }
    | { tag: "forward"; val: types.Address[] }
    /** Members of a list; the reverse-path stays. */
    | { tag: "expand"; val: types.Address[] }
    | { tag: "unknown"; val: types.Refusal }
    | { tag: "retry-in"; val: types.Seconds };
}
/**
 * What are these recipients? Asked with many at once; one answer for each, in order; the first sink that does not
 * continue decides for each.
 */
export type OnCategorize = (recipients: OnCategorize.Subject[]) => OnCategorize.Target[] | void;

/** The true recipients are known. */
export type OnPostCategorize = () => Stage.Verdict | void;

export namespace OnRoute {
  export type Choice =
    | { tag: "continue" }
    | { tag: "via"; val: types.Route }
    | { tag: "local" }
    | { tag: "unreachable"; val: types.Refusal }
    | { tag: "later"; val: types.Seconds };
}
/** Next hops for recipients of one domain: one choice for each, in order. */
export type OnRoute = (domain: string, recipients: types.RecipientId[]) => OnRoute.Choice[] | void;

/** The last look: afterwards the bytes are frozen, signed and queued. Content may change, recipients may not. */
export type OnRouted = (route: types.Route | null) => Stage.Verdict | void;

export namespace OnResolveNextHop {
  export interface Candidate {
    name: string;
    port: number;
    preference: number;
    addresses: string[];
  }
  export type Answer =
    | { tag: "continue" }
    | { tag: "hosts"; val: OnResolveNextHop.Candidate[] }
    | { tag: "later"; val: types.Seconds }
    | { tag: "unreachable"; val: types.Refusal };
}
/** Which hosts take mail for this domain? Before DNS. Hosts of one's own need the grant `next-hop`. */
export type OnResolveNextHop = (queue: string, domain: string) => OnResolveNextHop.Answer | void;

export namespace OnRemoteTls {
  export interface Policy { dane: boolean; mtaSts: boolean; required: boolean }
  export type Verdict =
    | { tag: "continue" }
    | { tag: "skip-host" }
    | { tag: "postpone-queue" };
}
/** The TLS handshake with the peer is done; is this peer good enough? */
export type OnRemoteTls = (policy: OnRemoteTls.Policy, chain: Uint8Array[]) => OnRemoteTls.Verdict | void;

export namespace OnSessionStart {
  /** `greet-as`: the name in our EHLO. */
  export type Verdict =
    | { tag: "continue" }
    | { tag: "greet-as"; val: string }
    | { tag: "skip-host" };
}
/** Before EHLO is sent; the extensions are not known yet. */
export type OnSessionStart = () => OnSessionStart.Verdict | void;

export namespace OnMessageStart {
  export type Verdict =
    | { tag: "continue" }
    | { tag: "postpone"; val: types.Seconds }
    | { tag: "fail"; val: types.Refusal }
    | { tag: "drop-session" };
}
/** Before MAIL. */
export type OnMessageStart = () => OnMessageStart.Verdict | void;

export namespace OnPerRecipient {
  export type Verdict =
    | { tag: "continue" }
    | { tag: "postpone"; val: types.Seconds }
    | { tag: "fail"; val: types.Refusal };
}
/** Before each RCPT; `envelope.current` names it. */
export type OnPerRecipient = (recipient: types.RecipientId) => OnPerRecipient.Verdict | void;

export namespace OnBeforeData {
  export type Verdict =
    | { tag: "continue" }
    | { tag: "postpone"; val: types.Seconds }
    | { tag: "fail"; val: types.Refusal }
    | { tag: "drop-session" };
}
/** Before DATA or BDAT: the last moment to cancel. */
export type OnBeforeData = (accepted: number, refused: number) => OnBeforeData.Verdict | void;

export namespace OnServerResponse {
  export type Class = "as-sent" | "success" | "transient" | "permanent";
  export type Next = "as-usual" | "next-recipient" | "next-message" | "end-session" | "skip-host" | "suspend-queue";
  export interface Judgement {
    class: OnServerResponse.Class;
    next: OnServerResponse.Next;
    tag: types.Word | null;
  }
}
/**
 * The peer answered a command (`CONNECT`, `EHLO`, `MAIL`, `RCPT`, `DATA`, `.`, `QUIT`, or one that a sink sent first;
 * for RCPT and for LMTP's dot `envelope.current` names the recipient). `success` is for added verbs alone; 2xx to the
 * dot stands.
 */
export type OnServerResponse = ((verb: string, reply: types.Reply) => OnServerResponse.Judgement | void) | { verbs: string[]; handle: (verb: string, reply: types.Reply) => OnServerResponse.Judgement | void };

/** Before QUIT (verbs of one's own may still be sent), or when the connection is lost. */
export type OnSessionEnd = (delivered: number, deferred: number, failed: number) => void;

export namespace OnDeliver {
  export interface Postponed {
    reply: types.Reply;
    wait: types.Seconds | null;
  }
  export type Outcome =
    | { tag: "delivered"; val: types.Reply }
    | { tag: "failed"; val: types.Reply }
    | { tag: "deferred"; val: OnDeliver.Postponed };
}
/**
 * The sink is the delivery agent of a route (`agent`), or the old store driver's local delivery. `event.id` is the same
 * for each attempt at these recipients. One outcome for each, in order.
 */
export type OnDeliver = (queue: string, recipients: types.RecipientId[]) => OnDeliver.Outcome[] | void;

export namespace OnDeliveryAttempt {
  /** `outcome`: delivered, deferred, failed. */
  export interface Attempt {
    at: types.Timestamp;
    message: types.MessageId;
    recipient: types.Address;
    queue: string;
    host: string | null;
    outcome: types.Word;
    reply: types.Reply | null;
    took: types.Duration;
  }
}
/** Observer, batched, at least once, never in the way of delivery. */
export type OnDeliveryAttempt = (attempts: OnDeliveryAttempt.Attempt[]) => void;

export namespace OnRetry {
  export type Plan =
    | { tag: "continue" }
    | { tag: "after"; val: types.Seconds }
    | { tag: "reroute"; val: types.Route }
    | { tag: "give-up"; val: types.Refusal }
    | { tag: "suspend-queue"; val: types.Seconds };
}
/** A transient failure: what now? */
export type OnRetry = (recipients: types.RecipientId[], reply: types.Reply | null, failures: number, age: types.Seconds) => OnRetry.Plan | void;

export namespace OnQueueAge {
  export type Plan =
    | { tag: "continue" }
    | { tag: "report-delay" }
    | { tag: "stay-silent" }
    | { tag: "extend"; val: types.Seconds }
    | { tag: "give-up"; val: types.Refusal };
}
/** The message reached an age that the sink named. */
export type OnQueueAge = ((queue: string, age: types.Seconds) => OnQueueAge.Plan | void) | { ages: types.Seconds[]; handle: (queue: string, age: types.Seconds) => OnQueueAge.Plan | void };

export namespace OnDsn {
  export type Verdict =
    | { tag: "continue" }
    | { tag: "suppress"; val: types.Word }
    | { tag: "redirect"; val: types.Address[] };
}
/**
 * The host composed a DSN (delivered, delayed, failed, relayed, expanded): it is the current message, and may be
 * edited.
 */
export type OnDsn = (kind: types.Word) => OnDsn.Verdict | void;

/** A bounce, a complaint (ARF) or a TLS report came in, and the host parsed it: failed, delayed, complaint, tls-report. */
export type OnFeedback = (kind: types.Word, recipient: types.Address | null, reply: types.Reply | null, json: string) => void;

export namespace OnTrack {
  /** `json` holds the fields of that kind; `sequence` only grows. */
  export interface Entry {
    sequence: number;
    at: types.Timestamp;
    kind: types.Word;
    message: types.MessageId | null;
    session: types.SessionId | null;
    json: string;
  }
}
/** The message tracking log: immutable records, batched, at least once. A slow tracker lags; it never holds mail. */
export type OnTrack = (entries: OnTrack.Entry[]) => void;

export namespace OnTimer {
  export interface Timer {
    name: string;
    cron: string;
  }
}
/** Cron. */
export type OnTimer = ((name: string) => void) | { timers: OnTimer.Timer[]; handle: (name: string) => void };

/**
 * Once, at load, before the memory is frozen as the image of every instance of this installation: parse rules, build
 * tables. `log` and `settings` alone answer, secrets left out. An error refuses the load.
 */
export type OnPrepare = () => void;

/** Before a version may take traffic. An error keeps the version that runs. */
export type OnSelfTest = () => void;
