//! From the question of an AUTH exchange to its answer: sinks that are shown the password, then the users' files.
//!
//! Promises that nobody is let in on a listener of another tenant, that a password is shown to sinks of the operator and of the
//! tenant that owns the user's domain alone (EVENTS, rule 7), that guesses are counted whoever judges them, and that nothing of
//! a password gets into the log.

use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;

use bytes::Bytes;
use sinks::provider::{self, LoginAnswer};
use sinks::{Asked, Event, Sinks, Tiers, Verdict};
use smtp::sasl::{ScramKeys, ScramSalt};
use smtp::{AuthAnswer, AuthQuestion, By, Identity, Mailbox, Refusal, Reply, ReversePath, Secret, Session};

use super::Gates;
use crate::clock;
use crate::inbound::Inbound;
use crate::inbound::guesses::Chance;
use crate::inbound::passwords::Checked;
use crate::tenants::Login;

/// What the session is told.
enum Answer {
    /// It is this user.
    Identity {
        /// Who.
        login: Login,
        /// By which mechanism.
        mechanism: String,
    },
    /// What SCRAM needs.
    Keys(ScramSalt, ScramKeys),
    /// A sink goes on with its mechanism.
    Challenge { data: Bytes, state: Secret },
    /// It is nobody.
    Refuse(Option<Reply>, By),
    /// Nobody knows.
    Defer(Option<Reply>, By),
}

impl From<Answer> for AuthAnswer {
    fn from(answer: Answer) -> Self {
        match answer {
            Answer::Identity { login, mechanism } => {
                Self::Identity(Identity { name: login.address.to_string(), mechanism })
            }
            Answer::Keys(salt, keys) => Self::Keys { keys, salt, nonce: clock::random_bytes() },
            Answer::Challenge { data, state } => Self::Challenge { data, state },
            Answer::Refuse(reply, by) => Self::Refuse { reply, by },
            Answer::Defer(reply, by) => Self::Defer { reply, by },
        }
    }
}

impl Gates {
    /// Who is it that logs in?
    pub(in crate::inbound) async fn authenticate(
        &mut self,
        inbound: &Inbound,
        session: &mut Session,
        question: AuthQuestion,
    ) -> AuthAnswer {
        let answer = ask(self, (inbound, session), question).await;
        if let Answer::Identity { login, .. } = &answer {
            self.resolver.authenticated(Some(Arc::clone(&login.tenant)));
            self.sender.get_or_insert_with(|| Arc::clone(&login.tenant));
            self.login = Some(login.clone());
        }
        answer.into()
    }

    /// The listener's tenant: nobody else logs in there.
    fn listener_tenant(&self) -> Option<&Arc<str>> {
        self.listener.as_ref()
    }

    /// Asks about a login; none where nobody is to be asked.
    async fn ask_login(
        &mut self,
        (inbound, session): (&Inbound, &mut Session),
        (event, tenant): (Event, Option<&Arc<str>>),
    ) -> Option<(LoginAnswer, By)> {
        let tiers = if tenant.is_some() { Tiers::All } else { Tiers::OperatorOnly };
        let asked = Asked { tenant: tenant.cloned(), tiers };
        if !Sinks::wants(&self.snapshot, event.kind(), tenant.map(|tenant| &**tenant)) {
            return None;
        }
        match self.fire(inbound, session, (event, &asked)).await {
            (Verdict::Answer(provider::Answer::Login(answer)), by) => Some((answer, by)),
            (_, by) => Some((LoginAnswer::Defer(Refusal::default()), by)),
        }
    }

    /// Whether the reverse-path may be who logged in; whoever did not has no address to be held to.
    pub(in crate::inbound) fn may_send_as(&self, inbound: &Inbound, session: &Session) -> bool {
        match (&self.login, &session.envelope().reverse_path) {
            (Some(login), ReversePath::Mailbox(address)) => {
                login.may_send_from(address, &inbound.tenants.folder(address))
            }
            (Some(_), ReversePath::Null) | (None, _) => true,
        }
    }
}

/// What somebody found out.
enum Found {
    Checked(Checked, By),
    Answer(Answer),
    Defer(Option<Reply>, By),
    Refuse(Option<Reply>, By),
}

/// Finds out.
async fn ask(
    gates: &mut Gates,
    (inbound, session): (&Inbound, &mut Session),
    question: AuthQuestion,
) -> Answer {
    let remote = session.facts().remote.map_or(IpAddr::V4(Ipv4Addr::UNSPECIFIED), |remote| remote.ip());
    let mechanism = question.mechanism().to_owned();
    let passwords = &inbound.passwords;
    let (user, found) = match question {
        AuthQuestion::Password { user, password, .. } => {
            let found =
                password_found(gates, (inbound, session), (&user, password, remote), &mechanism).await;
            (user, found)
        }
        AuthQuestion::Keys { user } => {
            let keys = passwords.keys(&user, remote);
            let found = keys
                .map_or(Found::Defer(None, By::Host), |(salt, keys)| Found::Answer(Answer::Keys(salt, keys)));
            (user, found)
        }
        AuthQuestion::Proved { user } => {
            let checked = passwords.proved(&user, remote);
            (user, Found::Checked(checked, By::Host))
        }
        AuthQuestion::NotProved { user } => {
            let checked = passwords.not_proved(&user, remote);
            (user, Found::Checked(checked, By::Host))
        }
        AuthQuestion::Step { mechanism, response, state } => {
            // Who it is stands in the message, so guesses are counted for the network alone.
            let name = remote.to_string();
            let event = Event::AuthStep { mechanism: mechanism.into_string(), response, state };
            (name, step_found(gates, (inbound, session), event, remote).await)
        }
    };
    let session = session.facts().session_id.as_str();
    conclude((inbound, session, gates.listener_tenant()), (&user, mechanism, remote), found)
}

/// The sinks first: the first one that has an opinion decides.
async fn password_found(
    gates: &mut Gates,
    (inbound, session): (&Inbound, &mut Session),
    (user, password, remote): (&str, Secret, IpAddr),
    mechanism: &str,
) -> Found {
    let passwords = &inbound.passwords;
    if passwords.chance(user, remote) == Chance::Later {
        return Found::Checked(Checked::Later, By::Host);
    }
    let owner = Mailbox::parse(user).ok().and_then(|user| inbound.tenants.owner(user.domain()).cloned());
    let is_elsewhere = gates.listener_tenant().is_some_and(|tenant| Some(tenant) != owner.as_ref());
    let said = if is_elsewhere {
        None
    } else {
        let event = Event::Authenticate {
            mechanism: mechanism.to_owned(),
            user: user.to_owned(),
            secret: password.clone(),
        };
        gates.ask_login((inbound, session), (event, owner.as_ref())).await
    };
    match said {
        None | Some((LoginAnswer::Continue, _)) => {
            Found::Checked(passwords.check(user, &password, remote).await, By::Host)
        }
        Some((answer, by)) => heed(inbound, (user, remote), answer, by),
    }
}

async fn step_found(
    gates: &mut Gates,
    (inbound, session): (&Inbound, &mut Session),
    event: Event,
    remote: IpAddr,
) -> Found {
    let name = remote.to_string();
    if inbound.passwords.chance(&name, remote) == Chance::Later {
        return Found::Checked(Checked::Later, By::Host);
    }
    let tenant = gates.listener_tenant().cloned();
    match gates.ask_login((inbound, session), (event, tenant.as_ref())).await {
        None => Found::Defer(None, By::Host),
        Some((answer, by)) => heed(inbound, (&name, remote), answer, by),
    }
}

/// What a sink said.
fn heed(inbound: &Inbound, (user, remote): (&str, IpAddr), answer: LoginAnswer, by: By) -> Found {
    let passwords = &inbound.passwords;
    match answer {
        LoginAnswer::Authenticated(address) => {
            let tenant = inbound.tenants.owner(address.domain()).cloned();
            let login = tenant.map(|tenant| Login { tenant, address, user: None });
            Found::Checked(passwords.judge(user, login, remote), by)
        }
        LoginAnswer::Challenge { data, state } => Found::Answer(Answer::Challenge { data, state }),
        LoginAnswer::Reject(refusal) => {
            passwords.judge(user, None, remote);
            Found::Refuse(refusal.reply, by)
        }
        LoginAnswer::Defer(refusal) => Found::Defer(refusal.reply, by),
        LoginAnswer::Continue => Found::Refuse(None, by),
    }
}

/// Counts and logs what came of it.
fn conclude(
    (inbound, session, listener): (&Inbound, &str, Option<&Arc<str>>),
    (user, mechanism, remote): (&str, String, IpAddr),
    found: Found,
) -> Answer {
    // What is no address may be a password that was typed into the wrong field.
    let user = Mailbox::parse(user).map_or_else(|_| "no address".to_owned(), |address| address.to_string());
    let counters = &inbound.counters;
    let answer = match found {
        Found::Answer(answer) => return answer,
        Found::Checked(Checked::Right(login), _) if listener.is_none_or(|tenant| *tenant == login.tenant) => {
            counters.logins.count();
            tracing::info!(session, %remote, user = %login.address, mechanism, "logged in");
            return Answer::Identity { login, mechanism };
        }
        Found::Checked(Checked::Right(_) | Checked::Wrong, by) => Answer::Refuse(None, by),
        Found::Checked(Checked::Later, by) => Answer::Defer(None, by),
        Found::Refuse(reply, by) => Answer::Refuse(reply, by),
        Found::Defer(reply, by) => Answer::Defer(reply, by),
    };
    match &answer {
        Answer::Refuse(_, by) => {
            counters.logins_refused.count();
            tracing::info!(session, %remote, user, mechanism, by = by.word(), "not logged in");
        }
        Answer::Defer(_, by) => {
            counters.logins_deferred.count();
            tracing::info!(session, %remote, user, mechanism, by = by.word(), "no password was judged: too many failures, or no answer");
        }
        Answer::Identity { .. } | Answer::Keys(..) | Answer::Challenge { .. } => {}
    }
    answer
}
