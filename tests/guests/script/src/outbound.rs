//! The events of the dialogue with another server, each with the verdicts that the contract gives it.
//!
//! on-server-response takes the script of the verb; on-per-recipient that of the recipient's local-part.

use std::net::Ipv4Addr;

use sluice_sdk::on_remote_tls::Policy;
use sluice_sdk::on_resolve_next_hop::{Answer, Candidate};
use sluice_sdk::on_server_response::{Class, Judgement, Next};
use sluice_sdk::{
    Reply, command_draft, envelope, log, on_before_data, on_message_start, on_per_recipient, on_remote_tls,
    on_session_start, remote,
};

use crate::Wrong;
use crate::say::{number, refusal};
use crate::way_out::way_out;

#[sluice_sdk::on_resolve_next_hop]
fn resolve(queue: &str, domain: &str) -> Result<Answer, Wrong> {
    let said =
        way_out("on-resolve-next-hop", domain, &[("queue", queue), ("domain", domain)], |word, rest| {
            Ok(Some(match word {
                "continue" => Answer::Continue,
                "hosts" => Answer::Hosts(rest.split(',').map(candidate).collect::<Result<_, _>>()?),
                "later" => Answer::Later(number(rest)?),
                "unreachable" => Answer::Unreachable(refusal(rest)?),
                _ => return Ok(None),
            }))
        })?;
    Ok(said.unwrap_or(Answer::Continue))
}

#[sluice_sdk::on_remote_tls]
fn remote_tls(policy: Policy, chain: &[Vec<u8>]) -> Result<on_remote_tls::Verdict, Wrong> {
    use on_remote_tls::Verdict;
    let required = if policy & Policy::REQUIRED == Policy::REQUIRED { "required" } else { "opportunistic" };
    let version = remote::tls_version().unwrap_or_default();
    let certificates = chain.len().to_string();
    let facts = [("policy", required), ("tls", &version), ("certificates", &certificates)];
    let said = way_out("on-remote-tls", "", &facts, |word, _| {
        Ok(Some(match word {
            "continue" => Verdict::Continue,
            "skip-host" => Verdict::SkipHost,
            "postpone-queue" => Verdict::PostponeQueue,
            _ => return Ok(None),
        }))
    })?;
    Ok(said.unwrap_or(Verdict::Continue))
}

#[sluice_sdk::on_session_start]
fn session_start() -> Result<on_session_start::Verdict, Wrong> {
    use on_session_start::Verdict;
    let said = way_out("on-session-start", "", &[], |word, rest| {
        Ok(Some(match word {
            "continue" => Verdict::Continue,
            "greet-as" => Verdict::greet_as(rest),
            "skip-host" => Verdict::SkipHost,
            _ => return Ok(None),
        }))
    })?;
    Ok(said.unwrap_or(Verdict::Continue))
}

#[sluice_sdk::on_message_start]
fn message_start() -> Result<on_message_start::Verdict, Wrong> {
    use on_message_start::Verdict;
    let offered = remote::extensions();
    let offered: Vec<&str> = offered.iter().map(|parameter| parameter.keyword.as_str()).collect();
    let facts =
        [("offered", &*offered.join(".")), ("queue", &*remote::queue()), ("verb", &*command_draft::verb())];
    let said = way_out("on-message-start", "", &facts, |word, rest| {
        Ok(Some(match word {
            "continue" => Verdict::Continue,
            "postpone" => Verdict::Postpone(number(rest)?),
            "fail" => Verdict::Fail(refusal(rest)?),
            "drop-session" => Verdict::DropSession,
            _ => return Ok(None),
        }))
    })?;
    Ok(said.unwrap_or(Verdict::Continue))
}

#[sluice_sdk::on_per_recipient]
fn per_recipient(recipient: u32) -> Result<on_per_recipient::Verdict, Wrong> {
    use on_per_recipient::Verdict;
    let current = envelope::current();
    let known = envelope::recipients();
    let local = known.iter().find(|one| one.id == recipient).map_or("", |one| &one.address.local);
    if current != Some(recipient) {
        return Err(format!("about {recipient}, and the envelope says {current:?}"));
    }
    let said = way_out("on-per-recipient", local, &[("local", local)], |word, rest| {
        Ok(Some(match word {
            "continue" => Verdict::Continue,
            "postpone" => Verdict::Postpone(number(rest)?),
            "fail" => Verdict::Fail(refusal(rest)?),
            _ => return Ok(None),
        }))
    })?;
    Ok(said.unwrap_or(Verdict::Continue))
}

#[sluice_sdk::on_before_data]
fn before_data(accepted: u32, refused: u32) -> Result<on_before_data::Verdict, Wrong> {
    use on_before_data::Verdict;
    let counts = [accepted.to_string(), refused.to_string()];
    let facts = [("accepted", &*counts[0]), ("refused", &*counts[1])];
    let said = way_out("on-before-data", "", &facts, |word, rest| {
        Ok(Some(match word {
            "continue" => Verdict::Continue,
            "postpone" => Verdict::Postpone(number(rest)?),
            "fail" => Verdict::Fail(refusal(rest)?),
            "drop-session" => Verdict::DropSession,
            _ => return Ok(None),
        }))
    })?;
    Ok(said.unwrap_or(Verdict::Continue))
}

#[sluice_sdk::on_server_response]
fn server_response(verb: &str, reply: &Reply) -> Result<Judgement, Wrong> {
    let text = reply.text.join(" ");
    let code = reply.code.to_string();
    let said = way_out("on-server-response", verb, &[("code", &code), ("text", &text)], judgement)?;
    Ok(said.unwrap_or_else(Judgement::as_sent))
}

#[sluice_sdk::on_session_end]
fn session_end(delivered: u32, deferred: u32, failed: u32) -> Result<(), Wrong> {
    log::info(format!("session: {delivered} delivered, {deferred} deferred, {failed} failed"));
    way_out("on-session-end", "", &[], |_, _| Ok(None::<()>)).map(drop)
}

/// `judge CLASS NEXT TAG`.
fn judgement(word: &str, rest: &str) -> Result<Option<Judgement>, Wrong> {
    if word != "judge" {
        return Ok((word == "continue").then(Judgement::as_sent));
    }
    let mut words = rest.split(' ');
    let class = match words.next().unwrap_or_default() {
        "as-sent" => Class::AsSent,
        "success" => Class::Success,
        "transient" => Class::Transient,
        "permanent" => Class::Permanent,
        other => return Err(format!("{other}: no class")),
    };
    let next = match words.next().unwrap_or("as-usual") {
        "as-usual" => Next::AsUsual,
        "next-recipient" => Next::NextRecipient,
        "next-message" => Next::NextMessage,
        "end-session" => Next::EndSession,
        "skip-host" => Next::SkipHost,
        "suspend-queue" => Next::SuspendQueue,
        other => return Err(format!("{other}: nothing that comes next")),
    };
    Ok(Some(Judgement { class, next, tag: words.next().map(str::to_owned) }))
}

/// `NAME:PORT` or `NAME:PORT/ADDRESS`.
fn candidate(text: &str) -> Result<Candidate, Wrong> {
    let (host, address) = text.split_once('/').unwrap_or((text, ""));
    let (name, port) = host.rsplit_once(':').ok_or_else(|| format!("{host}: no port"))?;
    let addresses = if address.is_empty() { Vec::new() } else { vec![address.to_owned()] };
    let name = if name.parse::<Ipv4Addr>().is_ok() { format!("[{name}]") } else { name.to_owned() };
    Ok(Candidate { addresses, ..Candidate::new(&name, number(port)?) })
}
