//! Events of the session: connect, greeting, verbs of one's own, our replies, and what became of them.

/// A client connected; nothing was sent yet.
///
/// `greet` sets the text of the 220 line; `defer` answers 421 and closes; after `reject` the session serves QUIT alone.
///
/// ```
/// use sluice_sdk::{on_connect::Verdict, session};
///
/// #[sluice_sdk::on_connect]
/// fn welcome() -> Verdict {
///     if session::connections() > 20 {
///         return Verdict::disconnect("4.7.0 Too many connections from your address");
///     }
///     Verdict::greet("at your service")
/// }
/// ```
pub mod on_connect {
    #[doc(hidden)]
    pub use crate::bindings::on_connect as bindings;
    #[doc(hidden)]
    pub use crate::bindings::on_connect::exports::sluice::sink::on_connect::Guest;
    pub use crate::bindings::on_connect::exports::sluice::sink::on_connect::Verdict;
}

/// The TLS handshake is done, behind STARTTLS or before the banner; [`session`](crate::session) knows what it agreed on.
///
/// Nothing of what the client said in clear is known any more. `defer` answers 421 and closes; after `reject` the session
/// serves QUIT alone.
///
/// ```
/// use sluice_sdk::{on_tls_established::Verdict, session};
///
/// #[sluice_sdk::on_tls_established]
/// fn judge() -> Verdict {
///     match session::tls_version().as_deref() {
///         Some("TLSv1.3") => Verdict::Continue,
///         _ => Verdict::reject("5.7.1 TLS 1.3, please"),
///     }
/// }
/// ```
pub mod on_tls_established {
    pub use crate::bindings::contract::sluice::sink::gate::Verdict;
    #[doc(hidden)]
    pub use crate::bindings::on_tls_established as bindings;
    #[doc(hidden)]
    pub use crate::bindings::on_tls_established::exports::sluice::sink::on_tls_established::Guest;
}

/// HELO, EHLO or LHLO (`greeting` says which), before its reply; [`ehlo`](crate::ehlo) edits what is offered.
///
/// ```
/// use sluice_sdk::{ehlo, on_helo::Verdict};
///
/// #[sluice_sdk::on_helo]
/// fn greet(greeting: &str, name: &str) -> Result<Verdict, sluice_sdk::Error> {
///     if name == "localhost" {
///         return Ok(Verdict::reject("5.7.1 That is my name, not yours"));
///     }
///     ehlo::offer("XNOTE", None)?;
///     Ok(Verdict::Continue)
/// }
/// ```
pub mod on_helo {
    pub use crate::bindings::contract::sluice::sink::gate::Verdict;
    #[doc(hidden)]
    pub use crate::bindings::on_helo as bindings;
    #[doc(hidden)]
    pub use crate::bindings::on_helo::exports::sluice::sink::on_helo::Guest;
}

/// Any command, known or not, before what the host would do with it. The attribute lists the verbs; without a list it is every command.
///
/// A verb of the sink's own is answered, or answered with a question: `more` reads a line or so many octets, and asks again
/// with that `input` and the `state` that the sink gave. Both are empty at first.
///
/// ```
/// use sluice_sdk::on_inbound_command::Answer;
///
/// #[sluice_sdk::on_inbound_command("XPING")]
/// fn pong(_verb: &str, argument: &str, input: &[u8], state: &[u8]) -> Answer {
///     match (argument, state) {
///         ("", b"") => Answer::ask_line(354, "Ping what?", b"asked"),
///         (_, b"") => Answer::reply(250, &format!("2.0.0 pong {argument}")),
///         _ => Answer::reply(250, &format!("2.0.0 pong {}", String::from_utf8_lossy(input))),
///     }
/// }
/// ```
pub mod on_inbound_command {
    #[doc(hidden)]
    pub use crate::bindings::on_inbound_command as bindings;
    #[doc(hidden)]
    pub use crate::bindings::on_inbound_command::exports::sluice::sink::on_inbound_command::Guest;
    pub use crate::bindings::on_inbound_command::exports::sluice::sink::on_inbound_command::{
        Answer, Dialogue, Input,
    };
}

/// A reply of ours is about to be sent: another text, status, or code of the same class. `None` sends it as it is, and so does a fault.
///
/// The attribute lists the verbs that are replied to (`CONNECT` is the greeting, `.` the end of data); without a list it is
/// every reply.
///
/// ```
/// use sluice_sdk::Reply;
///
/// #[sluice_sdk::on_reply("VRFY", "EXPN")]
/// fn say_less(_verb: &str, reply: &Reply) -> Option<Reply> {
///     (reply.code == 252).then(|| Reply::new(252, "2.5.2 Send some mail, and see"))
/// }
/// ```
pub mod on_reply {
    #[doc(hidden)]
    pub use crate::bindings::on_reply as bindings;
    #[doc(hidden)]
    pub use crate::bindings::on_reply::exports::sluice::sink::on_reply::Guest;
}

/// The client broke the protocol or a limit; `kind` says how: early-talker, bare-line-feed, too-many-errors and so on. May
/// close the session.
///
/// ```
/// use sluice_sdk::on_violation::Action;
///
/// #[sluice_sdk::on_violation]
/// fn no_early_talkers(kind: &str, _detail: &str) -> Action {
///     if kind == "early-talker" { Action::Disconnect } else { Action::Continue }
/// }
/// ```
pub mod on_violation {
    pub use crate::bindings::contract::sluice::sink::notice::Action;
    #[doc(hidden)]
    pub use crate::bindings::on_violation as bindings;
    #[doc(hidden)]
    pub use crate::bindings::on_violation::exports::sluice::sink::on_violation::Guest;
}

/// A command was refused, by the host or by an installation (`by`). May close the session.
///
/// ```
/// use sluice_sdk::{Reply, on_rejected::Action, session};
///
/// #[sluice_sdk::on_rejected]
/// fn lose_patience(verb: &str, _by: &str, _reply: &Reply) -> Action {
///     if verb == "RCPT" && session::errors() > 10 { Action::Disconnect } else { Action::Continue }
/// }
/// ```
pub mod on_rejected {
    pub use crate::bindings::contract::sluice::sink::notice::Action;
    #[doc(hidden)]
    pub use crate::bindings::on_rejected as bindings;
    #[doc(hidden)]
    pub use crate::bindings::on_rejected::exports::sluice::sink::on_rejected::Guest;
}

/// The session is over: `cause` is client-quit, client-closed, refused, timed-out, shutting-down or failed.
///
/// ```
/// use sluice_sdk::{log, on_disconnect::Totals};
///
/// #[sluice_sdk::on_disconnect]
/// fn note(cause: &str, totals: &Totals) {
///     if totals.messages == 0 && totals.refused > 5 {
///         log::warn(format!("{} refusals and no message ({cause})", totals.refused));
///     }
/// }
/// ```
pub mod on_disconnect {
    #[doc(hidden)]
    pub use crate::bindings::on_disconnect as bindings;
    #[doc(hidden)]
    pub use crate::bindings::on_disconnect::exports::sluice::sink::on_disconnect::Guest;
    pub use crate::bindings::on_disconnect::exports::sluice::sink::on_disconnect::Totals;
}
