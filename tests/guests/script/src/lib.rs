//! Says and does at each event what its settings say, so that a dialogue can ask for any verdict of any event.
//!
//! The setting `on-rcpt-to` is the script of that event; `on-rcpt-to:ann` goes first where the recipient's local-part is
//! `ann` (for commands and replies the verb stands there, at stages `again` from the second attempt on; see also [`way_out`]). A script is a list
//! of steps between semicolons: actions ([`act`]) and, as the last one, a verdict ([`say`]). Without a script: no opinion.

mod act;
mod edit;
mod misbehave;
mod outbound;
mod say;
mod way_out;

use say::Said;
use sluice_sdk::on_disconnect::Totals;
use sluice_sdk::{
    Address, Identity, Parameter, Reply, ReversePath, event, log, on_auth_step, on_authenticate, on_connect,
    on_data, on_end_of_data, on_inbound_command, on_post_categorize, on_rcpt_to, on_rejected, on_violation,
    session, settings,
};

/// What is wrong with a script; a fault of the call.
type Wrong = String;

#[sluice_sdk::on_self_test]
fn self_test() -> Result<(), String> {
    settings::get("on-self-test").map_or(Ok(()), |script| match say::read(&script, &[])? {
        Said::Fail(refusal) => Err(refusal.reply.map(|reply| reply.to_string()).unwrap_or_default()),
        _ => Ok(()),
    })
}

#[sluice_sdk::on_prepare]
fn prepare() -> Result<(), String> {
    settings::get("on-prepare").map_or(Ok(()), Err)
}

#[sluice_sdk::on_connect]
fn connect() -> Result<on_connect::Verdict, Wrong> {
    use on_connect::Verdict;
    Ok(match run("on-connect", "", &[])? {
        Said::Continue => Verdict::Continue,
        Said::Done => Verdict::Done,
        Said::Greet(text) => Verdict::Greet(text),
        Said::Defer(refusal) => Verdict::Defer(refusal),
        Said::Reject(refusal) => Verdict::Reject(refusal),
        Said::Disconnect(reply) => Verdict::Disconnect(reply),
        other => return Err(other.out_of_place()),
    })
}

#[sluice_sdk::on_tls_established]
fn tls_established() -> Result<on_data::Verdict, Wrong> {
    gate(run("on-tls-established", "", &[])?)
}

#[sluice_sdk::on_helo]
fn helo(greeting: &str, name: &str) -> Result<on_data::Verdict, Wrong> {
    gate(run("on-helo", name, &[("greeting", greeting)])?)
}

#[sluice_sdk::on_authenticate]
fn authenticate(mechanism: &str, user: &str, secret: &[u8]) -> Result<on_authenticate::Answer, Wrong> {
    use on_authenticate::Answer;
    let secret = String::from_utf8_lossy(secret);
    let facts = [("mechanism", mechanism), ("user", user), ("secret", &*secret)];
    Ok(match run("on-authenticate", user, &facts)? {
        Said::Continue => Answer::Continue,
        Said::Authenticated(name) => {
            Answer::Authenticated(Identity { name, mechanism: mechanism.to_owned() })
        }
        Said::Defer(refusal) => Answer::Defer(refusal),
        Said::Reject(refusal) => Answer::Reject(refusal),
        other => return Err(other.out_of_place()),
    })
}

#[sluice_sdk::on_auth_step("XTEST")]
fn auth_step(mechanism: &str, response: &[u8], state: &[u8]) -> Result<on_auth_step::Step, Wrong> {
    use on_auth_step::Step;
    let (response, state) = (String::from_utf8_lossy(response), String::from_utf8_lossy(state));
    let facts = [("response", &*response), ("state", &*state)];
    Ok(match run("on-auth-step", &state, &facts)? {
        Said::Challenge { data, state } => Step::challenge(data.as_bytes(), state.as_bytes()),
        Said::Authenticated(name) => Step::Authenticated(Identity { name, mechanism: mechanism.to_owned() }),
        Said::Defer(refusal) => Step::Defer(refusal),
        Said::Reject(refusal) => Step::Reject(refusal),
        other => return Err(other.out_of_place()),
    })
}

#[sluice_sdk::on_mail_from]
fn mail_from(reverse_path: &ReversePath, parameters: &[Parameter]) -> Result<on_data::Verdict, Wrong> {
    let local = reverse_path.address().map(|address| address.local.clone()).unwrap_or_default();
    let parameters: Vec<String> = parameters.iter().map(|parameter| parameter.keyword.clone()).collect();
    gate(run("on-mail-from", &local, &[("parameters", &parameters.join(" "))])?)
}

#[sluice_sdk::on_rcpt_to]
fn rcpt_to(recipient: &Address) -> Result<on_rcpt_to::Verdict, Wrong> {
    use on_rcpt_to::Verdict;
    Ok(match run("on-rcpt-to", &recipient.local, &[("recipient", &recipient.to_string())])? {
        Said::Continue => Verdict::Continue,
        Said::Done => Verdict::Done,
        Said::Claim => Verdict::Claim,
        Said::Rewrite(addresses) => Verdict::Rewrite(addresses),
        Said::Discard(reason) => Verdict::Discard(reason),
        Said::Defer(refusal) => Verdict::Defer(refusal),
        Said::Reject(refusal) => Verdict::Reject(refusal),
        Said::Disconnect(reply) => Verdict::Disconnect(reply),
        other => return Err(other.out_of_place()),
    })
}

#[sluice_sdk::on_data]
fn data() -> Result<on_data::Verdict, Wrong> {
    gate(run("on-data", "", &[])?)
}

#[sluice_sdk::on_end_of_data]
fn end_of_data() -> Result<on_end_of_data::Verdict, Wrong> {
    use on_end_of_data::Verdict;
    Ok(match run("on-end-of-data", "", &[])? {
        Said::Continue => Verdict::Continue,
        Said::Done => Verdict::Done,
        Said::Defer(refusal) => Verdict::Defer(refusal),
        Said::Reject(refusal) => Verdict::Reject(refusal),
        Said::Discard(reason) => Verdict::Discard(reason),
        Said::Quarantine(reason) => Verdict::Quarantine(reason),
        Said::Disconnect(reply) => Verdict::Disconnect(reply),
        other => return Err(other.out_of_place()),
    })
}

#[sluice_sdk::on_inbound_command]
fn command(
    verb: &str,
    argument: &str,
    input: &[u8],
    state: &[u8],
) -> Result<on_inbound_command::Answer, Wrong> {
    use on_inbound_command::{Answer, Dialogue, Input};
    let (input, state) = (String::from_utf8_lossy(input), String::from_utf8_lossy(state));
    let subject = if state.is_empty() { verb.to_owned() } else { format!("{verb}:{state}") };
    let more =
        |reply, input, state: String| Answer::More(Dialogue { reply, input, state: state.into_bytes() });
    let facts = [("argument", argument), ("input", &input), ("state", &state)];
    Ok(match run("on-inbound-command", &subject, &facts)? {
        Said::Continue => Answer::Continue,
        Said::Answer(reply) => Answer::Answer(reply),
        Said::Line { reply, state } => more(reply, Input::Line, state),
        Said::Octets { count, reply, state } => more(reply, Input::Octets(count), state),
        Said::Defer(refusal) => Answer::Defer(refusal),
        Said::Reject(refusal) => Answer::Reject(refusal),
        Said::Disconnect(reply) => Answer::Disconnect(reply),
        other => return Err(other.out_of_place()),
    })
}

#[sluice_sdk::on_reply]
fn reply(verb: &str, reply: &Reply) -> Result<Option<Reply>, Wrong> {
    Ok(match run("on-reply", verb, &[("reply", &reply.to_string())])? {
        Said::Continue => None,
        Said::Answer(reply) => Some(reply),
        other => return Err(other.out_of_place()),
    })
}

#[sluice_sdk::on_violation]
fn violation(kind: &str, detail: &str) -> Result<on_violation::Action, Wrong> {
    notice(run("on-violation", kind, &[("kind", kind), ("detail", detail)])?)
}

#[sluice_sdk::on_rejected]
fn rejected(verb: &str, by: &str, reply: &Reply) -> Result<on_rejected::Action, Wrong> {
    notice(run("on-rejected", verb, &[("by", by), ("reply", &reply.to_string())])?)
}

#[sluice_sdk::on_transaction_end]
fn transaction_end(outcome: &str) {
    log::info(format!("transaction {outcome}"));
}

#[sluice_sdk::on_disconnect]
fn disconnect(cause: &str, totals: &Totals) {
    log::info(format!("session {cause}, {} messages", totals.messages));
}

#[sluice_sdk::on_transport_submission]
fn transport_submission() -> Result<on_post_categorize::Verdict, Wrong> {
    stage("on-transport-submission", "")
}

#[sluice_sdk::on_pre_categorize]
fn pre_categorize() -> Result<on_post_categorize::Verdict, Wrong> {
    stage("on-pre-categorize", "")
}

#[sluice_sdk::on_post_categorize]
fn post_categorize() -> Result<on_post_categorize::Verdict, Wrong> {
    stage("on-post-categorize", "")
}

fn gate(said: Said) -> Result<on_data::Verdict, Wrong> {
    use on_data::Verdict;
    Ok(match said {
        Said::Continue => Verdict::Continue,
        Said::Done => Verdict::Done,
        Said::Defer(refusal) => Verdict::Defer(refusal),
        Said::Reject(refusal) => Verdict::Reject(refusal),
        Said::Disconnect(reply) => Verdict::Disconnect(reply),
        other => return Err(other.out_of_place()),
    })
}

fn notice(said: Said) -> Result<on_rejected::Action, Wrong> {
    use on_rejected::Action;
    Ok(match said {
        Said::Continue => Action::Continue,
        Said::Disconnect(_) => Action::Disconnect,
        other => return Err(other.out_of_place()),
    })
}

fn stage(name: &str, route: &str) -> Result<on_post_categorize::Verdict, Wrong> {
    use on_post_categorize::{Pause, Verdict};
    let subject = if event::attempt() > 1 { "again" } else { "" };
    let state = String::from_utf8_lossy(&event::state()).into_owned();
    Ok(match run(name, subject, &[("state", &state), ("route", route)])? {
        Said::Continue => Verdict::Continue,
        Said::Done => Verdict::Done,
        Said::Wait { seconds, state } => {
            Verdict::Defer(Pause { wait: seconds, state: state.into_bytes(), reason: "script".to_owned() })
        }
        Said::Fail(refusal) => Verdict::Fail(refusal),
        Said::Discard(reason) => Verdict::Discard(reason),
        Said::Quarantine(reason) => Verdict::Quarantine(reason),
        other => return Err(other.out_of_place()),
    })
}

/// The script of `event` for `subject`, carried out; `{name}` in it stands for what the facts and the session say.
fn run(event: &str, subject: &str, facts: &[(&str, &str)]) -> Result<Said, Wrong> {
    let Some(mut script) = script(event, subject) else { return Ok(Said::Continue) };
    if script.contains("{session}") {
        script = script.replace("{session}", &of_the_session());
    }
    say::read(&script, facts)
}

/// What the session knows of the client, in a line.
fn of_the_session() -> String {
    let or_none = |known: Option<String>| known.unwrap_or_else(|| "-".to_owned());
    let certificate = match (session::client_certificate(), session::client_verified()) {
        (None, _) => "no certificate",
        (Some(_), false) => "unverified",
        (Some(_), true) => "verified",
    };
    format!(
        "tls={} cipher={} asked={} certificate={certificate} helo={}",
        or_none(session::tls_version()),
        or_none(session::tls_cipher()),
        or_none(session::tls_server_name()),
        or_none(session::helo_name()),
    )
}

fn script(event: &str, subject: &str) -> Option<String> {
    let own = (!subject.is_empty()).then(|| settings::get(&format!("{event}:{subject}"))).flatten();
    own.or_else(|| settings::get(event))
}
