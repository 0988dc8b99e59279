//! The events of a message's way out, each with the verdicts that the contract gives it.
//!
//! on-categorize and on-route run their script once for each recipient, by its local-part.

use std::net::Ipv4Addr;

use sluice_sdk::on_categorize::{Subject, Target};
use sluice_sdk::on_deliver::{Outcome, Postponed};
use sluice_sdk::on_route::Choice;
use sluice_sdk::{Address, NextHop, Route, TlsPolicy, envelope, on_post_categorize};

use crate::say::{address, number, pair, refusal, reply, steps};
use crate::{Wrong, script, stage};

#[sluice_sdk::on_categorize]
fn categorize(recipients: &[Subject]) -> Result<Vec<Target>, Wrong> {
    let one = |subject: &Subject| {
        let said = way_out("on-categorize", &subject.address.local, &[], target)?;
        Ok(said.unwrap_or(Target::Continue))
    };
    recipients.iter().map(one).collect()
}

#[sluice_sdk::on_route]
fn route(domain: &str, recipients: &[u32]) -> Result<Vec<Choice>, Wrong> {
    let known = envelope::recipients();
    let one = |id: &u32| {
        let local = known.iter().find(|one| one.id == *id).map_or("", |one| &one.address.local);
        let said = way_out("on-route", local, &[("domain", domain)], choice)?;
        Ok(said.unwrap_or(Choice::Continue))
    };
    recipients.iter().map(one).collect()
}

#[sluice_sdk::on_routed]
fn routed(route: Option<&Route>) -> Result<on_post_categorize::Verdict, Wrong> {
    stage("on-routed", route.map_or("none", |route| &route.queue))
}

#[sluice_sdk::on_deliver]
fn deliver(queue: &str, recipients: &[u32]) -> Result<Vec<Outcome>, Wrong> {
    let known = envelope::recipients();
    let one = |id: &u32| {
        let local = known.iter().find(|one| one.id == *id).map_or("", |one| &one.address.local);
        let said = way_out("on-deliver", local, &[("queue", queue)], outcome)?;
        said.ok_or_else(|| "an agent says what it did".to_owned())
    };
    recipients.iter().map(one).collect()
}

/// The script of `event` for `subject` with the verdicts of that event.
pub(crate) fn way_out<V>(
    event: &str,
    subject: &str,
    facts: &[(&str, &str)],
    verdict: impl Fn(&str, &str) -> Result<Option<V>, Wrong>,
) -> Result<Option<V>, Wrong> {
    script(event, subject).map_or(Ok(None), |script| steps(&script, facts, verdict))
}

fn target(word: &str, rest: &str) -> Result<Option<Target>, Wrong> {
    Ok(Some(match word {
        "continue" => Target::Continue,
        "mailbox" => Target::mailbox(rest),
        "remote" => Target::Remote,
        "forward" => Target::Forward(addresses(rest)?),
        "expand" => Target::Expand(addresses(rest)?),
        "unknown" => Target::Unknown(refusal(rest)?),
        "retry-in" => Target::RetryIn(number(rest)?),
        _ => return Ok(None),
    }))
}

fn outcome(word: &str, rest: &str) -> Result<Option<Outcome>, Wrong> {
    Ok(Some(match word {
        "delivered" => Outcome::Delivered(reply(rest)?),
        "failed" => Outcome::Failed(reply(rest)?),
        "deferred" => {
            let (wait, rest) = pair(rest)?;
            Outcome::Deferred(Postponed { reply: reply(rest)?, wait: Some(number(wait)?) })
        }
        _ => return Ok(None),
    }))
}

fn choice(word: &str, rest: &str) -> Result<Option<Choice>, Wrong> {
    Ok(Some(match word {
        "continue" => Choice::Continue,
        "via" => Choice::Via(way(rest)?),
        "local" => Choice::Local,
        "unreachable" => Choice::Unreachable(refusal(rest)?),
        "later" => Choice::Later(number(rest)?),
        _ => return Ok(None),
    }))
}

/// `QUEUE host=NAME:PORT agent=NAME pool=NAME tls=POLICY`, all but the first as they are wanted.
fn way(text: &str) -> Result<Route, Wrong> {
    let mut words = text.split(' ');
    let mut route = Route::named(words.next().unwrap_or_default());
    for word in words {
        let (key, value) = word.split_once('=').ok_or_else(|| format!("{word}: no key=value"))?;
        match key {
            "host" => {
                let (name, port) = value.rsplit_once(':').ok_or_else(|| format!("{value}: no port"))?;
                let is_address = name.parse::<Ipv4Addr>().is_ok();
                let name = if is_address { format!("[{name}]") } else { name.to_owned() };
                route.hosts.push(NextHop { name, port: number(port)? });
            }
            "agent" => route.agent = Some(value.to_owned()),
            "pool" => route = route.from_pool(value),
            "tls" => route = route.with_tls(tls(value)?),
            _ => return Err(format!("{key}: no part of a route")),
        }
    }
    Ok(route)
}

fn tls(word: &str) -> Result<TlsPolicy, Wrong> {
    Ok(match word {
        "opportunistic" => TlsPolicy::Opportunistic,
        "required" => TlsPolicy::Required,
        "dane" => TlsPolicy::Dane,
        "none" => TlsPolicy::None,
        other => return Err(format!("{other}: no policy")),
    })
}

fn addresses(text: &str) -> Result<Vec<Address>, Wrong> {
    text.split(',').map(address).collect()
}
