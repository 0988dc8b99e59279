//! What a script can do besides its verdict: edits ([`crate::edit`]), variables, a line in the log, and what no sink should
//! do.

use sluice_sdk::{Notify, ReversePath, command_draft, ehlo, envelope_draft, log, message, remote, session};

use crate::edit::edit;
use crate::say::{address, number, pair};
use crate::{Wrong, misbehave};

/// Carries out one step.
pub(crate) fn act(word: &str, rest: &str) -> Result<(), Wrong> {
    let done = match word {
        "remember" => {
            let (key, value) = pair(rest)?;
            session::set_variable(key, value.as_bytes())
        }
        "keep" => {
            let (key, value) = pair(rest)?;
            message::set_variable(key, value.as_bytes())
        }
        "score" => {
            let (name, value) = pair(rest)?;
            message::set_score(name, number(value)?)
        }
        "log" => {
            log::info(rest);
            Ok(())
        }
        _ => match edit(word, rest) {
            Some(edited) => edited?,
            None => return act_outside_of_the_content(word, rest),
        },
    };
    done.map_err(|error| format!("{word}: {error:?}"))
}

/// What is about the envelope or the session.
fn act_outside_of_the_content(word: &str, rest: &str) -> Result<(), Wrong> {
    let done = match word {
        "offer" => ehlo::offer(rest, None),
        "hide" => ehlo::hide(rest),
        "offer-parameter" => {
            let (verb, keyword) = pair(rest)?;
            ehlo::offer_parameter(verb, keyword)
        }
        "from-null" => envelope_draft::set_mail_from(&ReversePath::Null),
        "from" => envelope_draft::set_mail_from(&ReversePath::Mailbox(address(rest)?)),
        "add-recipient" => envelope_draft::add_recipient(&address(rest)?, Notify::empty()).map(drop),
        "redirect" => {
            let (id, to) = pair(rest)?;
            envelope_draft::redirect(number(id)?, &[address(to)?]).map(drop)
        }
        "discard-recipient" => envelope_draft::discard(number(rest)?, "script"),
        "defer-recipient" => envelope_draft::defer(number(rest)?, None),
        "reject-recipient" => envelope_draft::reject(number(rest)?, None),
        "quarantine-recipient" => envelope_draft::quarantine(number(rest)?, "script"),
        "fork" => envelope_draft::fork(&[number(rest)?]).map(drop),
        "select" => envelope_draft::select(number(rest)?),
        "parameter" => {
            let (keyword, value) =
                rest.split_once(' ').map_or((rest, None), |(keyword, value)| (keyword, Some(value)));
            command_draft::set_parameter(keyword, value)
        }
        "remove-parameter" => command_draft::remove_parameter(rest),
        "send" => {
            let (verb, argument) = rest.split_once(' ').unwrap_or((rest, ""));
            let (argument, payload) = argument
                .split_once(" payload ")
                .map_or((argument, None), |(argument, payload)| (argument, Some(payload)));
            command_draft::send_first(verb, argument, payload.map(str::as_bytes))
        }
        "remember-remote" => {
            let (key, value) = pair(rest)?;
            remote::set_variable(key, value.as_bytes())
        }
        "send-remembered" => {
            let value = remote::get_variable(rest).unwrap_or_default();
            command_draft::send_first("XSAY", &String::from_utf8_lossy(&value), None)
        }
        "tarpit" => session::tarpit(number(rest)?),
        other => return misbehave::misbehave(other, rest),
    };
    done.map_err(|error| format!("{word}: {error:?}"))
}

/// `<key>` stands for what this installation remembered in the session, `<<key>>` for what it kept with the message.
pub(crate) fn expanded(value: &str) -> String {
    let text = |bytes: Option<Vec<u8>>| {
        bytes.map_or_else(|| "none".to_owned(), |bytes| String::from_utf8_lossy(&bytes).into_owned())
    };
    let inside = |open: &str, close: &str| value.strip_prefix(open).and_then(|rest| rest.strip_suffix(close));
    if let Some(key) = inside("<<", ">>") {
        return text(message::get_variable(key));
    }
    match inside("<", ">") {
        Some(key) => text(session::get_variable(key)),
        None => value.to_owned(),
    }
}
