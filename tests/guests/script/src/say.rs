//! The steps of a script, read: what is to be done, and the verdict.

use sluice_sdk::{Address, Refusal, Reply};

use crate::{Wrong, act};

/// The verdicts of all events together.
pub(crate) enum Said {
    Continue,
    Done,
    Claim,
    Greet(String),
    Authenticated(String),
    Challenge { data: String, state: String },
    Rewrite(Vec<Address>),
    Discard(String),
    Quarantine(String),
    Defer(Refusal),
    Reject(Refusal),
    Fail(Refusal),
    Disconnect(Option<Reply>),
    Answer(Reply),
    Line { reply: Reply, state: String },
    Octets { count: u32, reply: Reply, state: String },
    Wait { seconds: u32, state: String },
}

impl Said {
    /// A verdict that the event does not have.
    pub(crate) fn out_of_place(&self) -> Wrong {
        "this event has no such verdict".to_owned()
    }
}

/// Carries out the steps; the last one may be a verdict.
pub(crate) fn read(script: &str, facts: &[(&str, &str)]) -> Result<Said, Wrong> {
    Ok(steps(script, facts, verdict)?.unwrap_or(Said::Continue))
}

/// The same with the verdicts that `verdict` knows.
pub(crate) fn steps<V>(
    script: &str,
    facts: &[(&str, &str)],
    verdict: impl Fn(&str, &str) -> Result<Option<V>, Wrong>,
) -> Result<Option<V>, Wrong> {
    let mut said = None;
    for step in script.split(';') {
        let step = facts
            .iter()
            .fold(step.trim().to_owned(), |step, (name, fact)| step.replace(&format!("{{{name}}}"), fact));
        let (word, rest) = step.split_once(' ').unwrap_or((&step, ""));
        match verdict(word, rest)? {
            Some(verdict) => said = Some(verdict),
            None => act::act(word, rest)?,
        }
    }
    Ok(said)
}

fn verdict(word: &str, rest: &str) -> Result<Option<Said>, Wrong> {
    Ok(Some(match word {
        "continue" => Said::Continue,
        "done" => Said::Done,
        "claim" => Said::Claim,
        "greet" => Said::Greet(control(rest)),
        "authenticated" => Said::Authenticated(rest.to_owned()),
        "challenge" => {
            let (state, data) = pair(rest)?;
            Said::Challenge { data: data.to_owned(), state: state.to_owned() }
        }
        "rewrite" => Said::Rewrite(rest.split(',').map(address).collect::<Result<_, _>>()?),
        "discard" => Said::Discard(rest.to_owned()),
        "quarantine" => Said::Quarantine(rest.to_owned()),
        "defer" => Said::Defer(refusal(rest)?),
        "reject" => Said::Reject(refusal(rest)?),
        "fail" => Said::Fail(refusal(rest)?),
        "disconnect" if rest.is_empty() => Said::Disconnect(None),
        "disconnect" => Said::Disconnect(Some(reply(rest)?)),
        "answer" => Said::Answer(reply(rest)?),
        "line" => {
            let (state, rest) = pair(rest)?;
            Said::Line { reply: reply(rest)?, state: state.to_owned() }
        }
        "octets" => {
            let (count, rest) = pair(rest)?;
            let (state, rest) = pair(rest)?;
            Said::Octets { count: number(count)?, reply: reply(rest)?, state: state.to_owned() }
        }
        "wait" => {
            let (seconds, state) = rest.split_once(' ').unwrap_or((rest, ""));
            Said::Wait { seconds: number(seconds)?, state: state.to_owned() }
        }
        _ => return Ok(None),
    }))
}

/// `451 4.7.1 Text`; without text the host answers.
pub(crate) fn refusal(text: &str) -> Result<Refusal, Wrong> {
    let reply = if text.is_empty() { None } else { Some(reply(text)?) };
    Ok(Refusal { reply, reason: "script".to_owned() })
}

/// `250 2.0.0 Text`, in which `/n` starts a line and `\r` and `\n` are smuggled in as they are.
pub(crate) fn reply(text: &str) -> Result<Reply, Wrong> {
    let (code, text) = text.split_once(' ').unwrap_or((text, ""));
    let mut reply = Reply::new(number(code)?, &text.replace("/n", "\n"));
    for line in &mut reply.text {
        *line = control(line);
    }
    Ok(reply)
}

fn control(text: &str) -> String {
    text.replace("\\r", "\r").replace("\\n", "\n")
}

pub(crate) fn pair(text: &str) -> Result<(&str, &str), Wrong> {
    text.split_once(' ').ok_or_else(|| format!("{text}: something is missing"))
}

pub(crate) fn address(text: &str) -> Result<Address, Wrong> {
    let (local, domain) = text.rsplit_once('@').ok_or_else(|| format!("{text}: no address"))?;
    Ok(Address { local: local.to_owned(), domain: domain.to_owned() })
}

pub(crate) fn number<T: std::str::FromStr>(text: &str) -> Result<T, Wrong> {
    text.parse().map_err(|_| format!("{text}: no number"))
}
