//! From the question of an AUTH exchange to its answer: the users' files.
//!
//! Promises that nobody is let in on a listener of another tenant, and that nothing of a password gets into the log.

use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;

use smtp::sasl::{ScramKeys, ScramSalt};
use smtp::{AuthAnswer, AuthQuestion, By, Identity, Mailbox, Session};

use super::Inbound;
use super::passwords::Checked;
use crate::clock;
use crate::tenants::Login;

/// What the session is told.
pub(super) enum Answer {
    /// It is this user.
    Identity {
        /// Who.
        login: Login,
        /// By which mechanism.
        mechanism: String,
    },
    /// What SCRAM needs.
    Keys(ScramSalt, ScramKeys),
    /// It is nobody.
    Refuse,
    /// Nobody looked.
    Defer,
}

impl From<Answer> for AuthAnswer {
    fn from(answer: Answer) -> Self {
        match answer {
            Answer::Identity { login, mechanism } => {
                Self::Identity(Identity { name: login.user.address.to_string(), mechanism })
            }
            Answer::Keys(salt, keys) => Self::Keys { keys, salt, nonce: clock::random_bytes() },
            Answer::Refuse => Self::Refuse { reply: None, by: By::Host },
            Answer::Defer => Self::Defer { reply: None, by: By::Host },
        }
    }
}

/// Finds out.
pub(super) async fn ask(
    inbound: &Inbound,
    (session, listener): (&Session, Option<&Arc<str>>),
    question: AuthQuestion,
) -> Answer {
    let remote = session.facts().remote.map_or(IpAddr::V4(Ipv4Addr::UNSPECIFIED), |remote| remote.ip());
    let mechanism = question.mechanism().to_owned();
    let passwords = &inbound.passwords;
    let (user, checked) = match question {
        AuthQuestion::Password { user, password, .. } => {
            let checked = passwords.check(&user, &password, remote).await;
            (user, checked)
        }
        AuthQuestion::Keys { user } => {
            return passwords
                .keys(&user, remote)
                .map_or(Answer::Defer, |(salt, keys)| Answer::Keys(salt, keys));
        }
        AuthQuestion::Proved { user } => {
            let checked = passwords.proved(&user, remote);
            (user, checked)
        }
        AuthQuestion::NotProved { user } => {
            let checked = passwords.not_proved(&user, remote);
            (user, checked)
        }
        AuthQuestion::Step { .. } => return Answer::Defer,
    };
    let session = session.facts().session_id.as_str();
    // What is no address may be a password that was typed into the wrong field.
    let user = Mailbox::parse(&user).map_or_else(|_| "no address".to_owned(), |address| address.to_string());
    match checked {
        Checked::Right(login) if listener.is_none_or(|tenant| *tenant == login.tenant) => {
            inbound.counters.logins.count();
            tracing::info!(session, %remote, user = %login.user.address, mechanism, "logged in");
            Answer::Identity { login, mechanism }
        }
        Checked::Right(_) | Checked::Wrong => {
            inbound.counters.logins_refused.count();
            tracing::info!(session, %remote, user, mechanism, "not logged in");
            Answer::Refuse
        }
        Checked::Later => {
            inbound.counters.logins_deferred.count();
            tracing::info!(session, %remote, user, mechanism, "no password was checked: too many failures, or too much at once");
            Answer::Defer
        }
    }
}
