//! Every reply that the server itself sends, each with its enhanced status (RFC 5321 §4.2.3, RFC 3463, RFC 5248).
//!
//! Promises texts that tell the client what to do and nothing of configuration, versions or internals. Those that carry a
//! name of ours or the client's (the banner, HELO, EHLO) are made in `session/greeting.rs`.

use crate::reply::{EnhancedStatus, Reply};

const fn reply(code: u16, status: [u16; 2], text: &'static str) -> Reply {
    let class = match code / 100 {
        2 => 2,
        4 => 4,
        _ => 5,
    };
    let [subject, detail] = status;
    Reply::new(code, EnhancedStatus::new(class, subject, detail), text)
}

/// MAIL is taken.
pub const REVERSE_PATH_ACCEPTED: Reply = reply(250, [1, 0], "Ok");
/// RCPT is taken.
pub const RECIPIENT_ACCEPTED: Reply = reply(250, [1, 5], "Ok");
/// RSET, NOOP.
pub const OK: Reply = reply(250, [0, 0], "Ok");
/// A content that is taken and not kept.
pub const CONTENT_ACCEPTED: Reply = reply(250, [0, 0], "Ok");
/// DATA: go on.
pub const START_CONTENT: Reply = Reply::bare(354, "End data with <CR><LF>.<CR><LF>");
/// QUIT.
pub const GOODBYE: Reply = reply(221, [0, 0], "Bye");
/// AUTH is done.
pub const AUTHENTICATED: Reply = reply(235, [7, 0], "Authenticated");
/// STARTTLS: the next bytes are the handshake's (RFC 3207 §4).
pub const READY_FOR_TLS: Reply = reply(220, [0, 0], "Go ahead");
/// HELP.
pub const HELP: Reply = reply(214, [0, 0], "See RFC 5321");
/// VRFY: RFC 5321 §3.5.3 and §7.3, without telling who is here.
pub const VERIFY_BY_SENDING: Reply = reply(252, [1, 5], "Send some mail, I'll try my best");

/// on-connect deferred.
pub const CONNECT_DEFERRED: Reply = reply(421, [7, 0], "Try again later");
/// on-connect rejected (RFC 5321 §3.1).
pub const CONNECT_REJECTED: Reply = reply(554, [7, 1], "No service for you here");
/// Everything but QUIT after that.
pub const ONLY_QUIT: Reply = reply(503, [5, 1], "No service for you here; send QUIT");
/// on-tls-established deferred.
pub const ENCRYPTION_DEFERRED: Reply = reply(421, [7, 0], "Try again later");
/// on-tls-established rejected.
pub const ENCRYPTION_REJECTED: Reply = reply(554, [7, 1], "No service for you here");
/// on-helo deferred.
pub const GREETING_DEFERRED: Reply = reply(451, [7, 1], "Greeting deferred, try again later");
/// on-helo rejected.
pub const GREETING_REJECTED: Reply = reply(550, [7, 1], "Greeting refused");
/// on-mail-from deferred.
pub const REVERSE_PATH_DEFERRED: Reply = reply(451, [7, 1], "Sender deferred, try again later");
/// on-mail-from rejected.
pub const REVERSE_PATH_REJECTED: Reply = reply(550, [7, 1], "Sender refused");
/// on-rcpt-to deferred.
pub const RECIPIENT_DEFERRED: Reply = reply(451, [7, 1], "Recipient deferred, try again later");
/// on-rcpt-to rejected.
pub const RECIPIENT_REJECTED: Reply = reply(550, [7, 1], "Recipient refused");
/// on-data and on-end-of-data deferred.
pub const MESSAGE_DEFERRED: Reply = reply(451, [7, 1], "Message deferred, try again later");
/// on-data and on-end-of-data rejected.
pub const MESSAGE_REJECTED: Reply = reply(554, [7, 1], "Message refused");
/// on-inbound-command deferred.
pub const COMMAND_DEFERRED: Reply = reply(451, [7, 1], "Command deferred, try again later");
/// on-inbound-command rejected.
pub const COMMAND_REJECTED: Reply = reply(550, [7, 1], "Command refused");
/// Any gate: disconnect.
pub const DISCONNECTED: Reply = reply(421, [7, 0], "Closing the session");

/// The line is no command: no verb, control characters, not UTF-8.
pub const LINE_MALFORMED: Reply = reply(500, [5, 2], "Syntax error");
/// RFC 5321 §4.5.3.1.4.
pub const LINE_TOO_LONG: Reply = reply(500, [5, 2], "Line too long");
/// RFC 5321 §2.3.8.
pub const LINE_BARE_LINE_FEED: Reply = reply(500, [5, 2], "Lines end with CR LF");
/// RFC 5321 §2.3.8.
pub const LINE_BARE_CARRIAGE_RETURN: Reply = reply(500, [5, 2], "A CR stands only before an LF");
/// A verb that nobody knows.
pub const COMMAND_UNKNOWN: Reply = reply(500, [5, 1], "Command unknown");
/// A verb that the host knows and does not serve.
pub const COMMAND_NOT_SERVED: Reply = reply(502, [5, 1], "Command not implemented");
/// RFC 5321 §4.1.4.
pub const GREETING_FIRST: Reply = reply(503, [5, 1], "Send HELO or EHLO first");
/// RFC 5321 §4.1.4.
pub const REVERSE_PATH_FIRST: Reply = reply(503, [5, 1], "Send MAIL first");
/// RFC 5321 §4.1.4: one transaction at a time.
pub const REVERSE_PATH_TWICE: Reply = reply(503, [5, 1], "Sender given already");
/// RFC 3207 §4.2: no second STARTTLS.
pub const ENCRYPTED_ALREADY: Reply = reply(503, [5, 1], "The session is encrypted already");
/// RFC 3207 §4: the listener serves nothing in clear.
pub const ENCRYPTION_FIRST: Reply = reply(530, [7, 0], "Send STARTTLS first");
/// RFC 4954 §4: not behind a 235.
pub const AUTHENTICATED_ALREADY: Reply = reply(503, [5, 1], "Authenticated already");
/// RFC 4954 §4: not between MAIL and the end of its transaction.
pub const AUTHENTICATION_NOT_NOW: Reply = reply(503, [5, 1], "Not within a transaction");
/// RFC 6409 §4.3: a listener for users.
pub const AUTHENTICATION_FIRST: Reply = reply(530, [7, 0], "Authentication required");
/// The same words for whoever does not exist and whoever mistyped.
pub const AUTHENTICATION_REFUSED: Reply = reply(535, [7, 8], "Authentication failed");
/// Whether the password is right was not looked at.
pub const AUTHENTICATION_DEFERRED: Reply =
    reply(454, [7, 0], "Authentication is not possible now, try again later");
/// RFC 4954 §4: `*`.
pub const AUTHENTICATION_CANCELLED: Reply = reply(501, [7, 0], "Authentication cancelled");
/// Not base64, or nothing that the mechanism has.
pub const AUTHENTICATION_MALFORMED: Reply = reply(501, [5, 2], "Not a message of this mechanism");
/// RFC 4954 §4.
pub const MECHANISM_UNKNOWN: Reply = reply(504, [5, 4], "Mechanism unknown");
/// RFC 4954 §6: a password would be read by others.
pub const ENCRYPTION_NEEDED: Reply = reply(538, [7, 11], "Encryption required for authentication");
/// AUTH.
pub const MECHANISM_ARGUMENT: Reply = reply(501, [5, 4], "Syntax: AUTH mechanism [initial response]");
/// The reverse-path is no address of the user (RFC 6409 §6.1).
pub const REVERSE_PATH_NOT_YOURS: Reply = reply(553, [7, 1], "Not your address");
/// RFC 5321 §3.3: DATA before any RCPT.
pub const RECIPIENT_FIRST: Reply = reply(503, [5, 1], "Send RCPT first");
/// RFC 5321 §3.3: DATA when every RCPT was refused.
pub const RECIPIENTS_NONE: Reply = reply(554, [5, 1], "No valid recipients");

/// HELO and EHLO.
pub const GREETING_ARGUMENT: Reply = reply(501, [5, 4], "Say your host name or address literal");
/// MAIL.
pub const REVERSE_PATH_ARGUMENT: Reply = reply(501, [5, 4], "Syntax: MAIL FROM:<address> [parameters]");
/// RCPT.
pub const RECIPIENT_ARGUMENT: Reply = reply(501, [5, 4], "Syntax: RCPT TO:<address> [parameters]");
/// VRFY and EXPN.
pub const ARGUMENT_MISSING: Reply = reply(501, [5, 4], "Argument missing");
/// DATA, RSET and QUIT.
pub const ARGUMENT_SURPLUS: Reply = reply(501, [5, 4], "No argument allowed");
/// The address of MAIL.
pub const REVERSE_PATH_MALFORMED: Reply = reply(501, [1, 7], "Bad sender address syntax");
/// The address of RCPT.
pub const RECIPIENT_MALFORMED: Reply = reply(501, [1, 3], "Bad recipient address syntax");
/// RFC 5321 §4.5.3.1.
pub const ADDRESS_TOO_LONG: Reply = reply(501, [1, 3], "Address too long");
/// The form of a parameter.
pub const PARAMETER_MALFORMED: Reply = reply(501, [5, 4], "Bad parameter syntax");
/// The value of a parameter.
pub const PARAMETER_VALUE: Reply = reply(501, [5, 4], "Bad parameter value");
/// RFC 5321 §4.1.1.11.
pub const PARAMETER_UNKNOWN: Reply = reply(555, [5, 4], "Parameter not recognized");
/// RFC 6531 §3.5, at MAIL and RCPT.
pub const SMTPUTF8_NEEDED: Reply = reply(553, [6, 7], "The address needs SMTPUTF8");

/// No road from here for this client. RFC 5321 §7.9, RFC 7504 aside.
pub const RELAY_REFUSED: Reply = reply(550, [7, 1], "No relaying here");
/// A domain of ours, and nobody of that name.
pub const MAILBOX_UNKNOWN: Reply = reply(550, [1, 1], "No such mailbox here");
/// Rewrites that never come to an end (RFC 3463 X.4.6).
pub const REWRITE_LOOP: Reply = reply(550, [4, 6], "Too many addresses for one recipient");
/// A rewrite to recipients who each want a transaction of their own (RFC 3463 X.3.5): a client that came again would name the
/// same recipient, and be refused for ever.
pub const REWRITE_APART: Reply = reply(550, [3, 5], "This recipient is set up in a way that cannot work");
/// The aliases of a recipient lead back to it, or too deep.
pub const ALIAS_LOOP: Reply = reply(550, [4, 6], "The address leads back to itself");
/// The aliases of a recipient mean too many.
pub const ALIAS_MEMBERS_TOO_MANY: Reply = reply(550, [5, 3], "The address means too many recipients");
/// Routing says that there is no way.
pub const UNREACHABLE: Reply = reply(550, [4, 4], "No way to that domain");
/// RFC 5321 §4.5.3.1.10.
pub const RECIPIENTS_TOO_MANY: Reply = reply(452, [5, 3], "Too many recipients");
/// RFC 1870 §6.1, §6.3.
pub const MESSAGE_TOO_LARGE: Reply = reply(552, [3, 4], "Message too large");
/// A line of content past our limit.
pub const CONTENT_LINE_TOO_LONG: Reply = reply(554, [6, 0], "A line of the message is too long");
/// RFC 5321 §2.3.8 in content.
pub const CONTENT_BARE_LINE_FEED: Reply = reply(554, [6, 0], "The message holds an LF without its CR");
/// RFC 5321 §2.3.8 in content.
pub const CONTENT_BARE_CARRIAGE_RETURN: Reply = reply(554, [6, 0], "The message holds a CR without its LF");

/// Disk, inodes, memory or descriptors run low.
pub const STORAGE_LOW: Reply = reply(452, [3, 1], "Insufficient system storage, try again later");
/// The owner of a recipient has too much in the queue. Mail system full (RFC 3463 §3.4): the owner's part of it; not 4.2.2,
/// which is a mailbox that its reader could empty.
pub const RECIPIENT_QUEUE_FULL: Reply =
    reply(452, [3, 1], "Too much is queued for this domain, try again later");
/// The message cannot be made durable.
pub const STORAGE_UNAVAILABLE: Reply = reply(451, [3, 0], "Try again later");
/// The message could not be made durable in time: the disk is slower than what comes in (RFC 3463 §3.5).
pub const STORAGE_BUSY: Reply = reply(451, [4, 5], "Too much at once, try again later");
/// A recipient cannot be judged now.
pub const RECIPIENT_UNDECIDED: Reply = reply(451, [3, 0], "Recipient cannot be checked now, try again later");
/// A dialogue of a sink past a limit.
pub const DIALOGUE_TOO_LONG: Reply = reply(451, [3, 0], "The dialogue takes too long");

/// Past `errors_max`, `refusals_max`, `unknown_commands_max` or `idle_commands_max`.
pub const ERRORS_TOO_MANY: Reply = reply(421, [7, 0], "Too many errors, closing the session");
/// Past `messages_max`.
pub const MESSAGES_TOO_MANY: Reply = reply(421, [7, 0], "Enough for one session, please connect again");
/// Past `command_drain_bytes_max` or `content_drain_bytes_max`.
pub const DRAINED_TOO_MUCH: Reply = reply(421, [7, 0], "Too much input, closing the session");
/// RFC 5321 §4.5.3.2.
pub const TIMED_OUT: Reply = reply(421, [4, 2], "Waited too long, closing the session");
/// RFC 5321 §3.8.
pub const SHUTTING_DOWN: Reply = reply(421, [3, 2], "Shutting down, try again later");

/// More sessions than the server or the client's address may have.
pub const CONNECTIONS_TOO_MANY: Reply = reply(421, [3, 2], "Too many connections, try again later");
/// RFC 5321 §6.3: more Received fields than any way has hops (RFC 3463 X.4.6).
pub const MESSAGE_LOOP: Reply = reply(554, [4, 6], "The message goes in circles");
/// A recipient that another transaction has to bring: its owner has a say in the content.
pub const TRANSACTION_OF_ITS_OWN: Reply = reply(452, [5, 3], "Send again for this recipient");
/// What a recipient's last attempt came to when its mailbox could not be written.
pub const MAILBOX_UNAVAILABLE: Reply = reply(450, [2, 0], "Mailbox unavailable");
