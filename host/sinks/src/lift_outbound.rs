//! What sinks said of a message on its way out, lifted from the contract's types and checked: as many answers as questions,
//! legal addresses and hosts, waits within bounds.

use std::net::IpAddr;
use std::ops::RangeInclusive;
use std::time::Duration;

use smtp::client::{AfterReply, Class, Judgement, Verdict};
use smtp::route::ROUTE_HOSTS_MAX;
use smtp::{Domain, Host, Mailbox, NextHop, QueueName, Route, TlsPolicy};

use crate::bindings::exports::sluice::sink as guest;
use crate::bindings::sluice::sink::types;
use crate::capability::Capability;
use crate::convert::{Illegal, lift_address, lift_refusal, lift_reply_of, lift_word};
use crate::lift::{Lifted, Said};
use crate::limits::{CANDIDATES_MAX, EXPAND_MAX, REDIRECT_MAX, STAGE_WAIT_MAX};
use crate::provider::{AgePlan, Answer, Candidate, Choice, Delivered, Exchangers, RetryPlan, Target};
use crate::state::State;
use crate::verdict::DsnVerdict;

/// What the sink may name beyond its tenant's own.
#[derive(Clone, Copy)]
pub(crate) struct Reach<'a>(pub(crate) &'a State);

impl Reach<'_> {
    fn has(self, capability: Capability) -> bool {
        self.0.call.installation.grants.contains(&capability)
    }

    /// An address of the tenant's own domains, or any with the grant `forward` (EVENTS rule 5).
    fn address(self, address: &types::Address) -> Result<Mailbox, Illegal> {
        let mailbox = lift_address(address)?;
        let owns = self.0.call.outside.domains.owns(&self.0.subject.tenant, mailbox.domain());
        if owns || self.has(Capability::Forward) {
            return Ok(mailbox);
        }
        Err(Illegal::new(format!("{} is another domain's, and `forward` is not granted", mailbox.domain())))
    }

    fn addresses(self, addresses: &[types::Address], most: usize) -> Result<Vec<Mailbox>, Illegal> {
        if addresses.is_empty() || addresses.len() > most {
            return Err(Illegal::new(format!(
                "{} addresses, where 1 to {most} are allowed",
                addresses.len()
            )));
        }
        addresses.iter().map(|address| self.address(address)).collect()
    }

    fn host(self, name: &str, port: u16) -> Result<Host, Illegal> {
        if !self.has(Capability::NextHop) {
            return Err(Illegal::new("hosts of one's own need the grant `next-hop`"));
        }
        let name = Domain::parse(name).map_err(|error| Illegal::new(format!("host: {error}")))?;
        if port == 0 {
            return Err(Illegal::new("host: port 0"));
        }
        Ok(Host { name, port })
    }

    fn route(self, route: types::Route) -> Result<Route, Illegal> {
        let queue = QueueName::parse(&route.queue).map_err(|error| Illegal::new(error.to_string()))?;
        within(0..=ROUTE_HOSTS_MAX, route.hosts.len(), "hosts of a route")?;
        let to = match route.agent {
            Some(_) if !route.hosts.is_empty() => {
                return Err(Illegal::new("a route has hosts or an agent, not both"));
            }
            Some(agent) => NextHop::Agent(lift_word(agent)?),
            None if route.hosts.is_empty() => NextHop::Configured,
            None => NextHop::Hosts(
                route.hosts.iter().map(|host| self.host(&host.name, host.port)).collect::<Result<_, _>>()?,
            ),
        };
        let tls = match route.tls {
            types::TlsPolicy::Opportunistic => TlsPolicy::Opportunistic,
            types::TlsPolicy::Required => TlsPolicy::Required,
            types::TlsPolicy::Dane => TlsPolicy::Dane,
            types::TlsPolicy::None => TlsPolicy::None,
        };
        Ok(Route { queue, to, pool: route.pool.map(lift_word).transpose()?, tls })
    }
}

/// Not more of something than there may be, and not fewer.
fn within(allowed: RangeInclusive<usize>, count: usize, what: &str) -> Result<(), Illegal> {
    if allowed.contains(&count) {
        return Ok(());
    }
    Err(Illegal::new(format!("{count} {what}, where {} to {} are allowed", allowed.start(), allowed.end())))
}

/// Within what a stage may wait.
fn wait(seconds: u32) -> Duration {
    Duration::from_secs(seconds.into()).clamp(Duration::from_secs(1), STAGE_WAIT_MAX)
}

/// One answer for each question.
fn each<T, A>(
    answers: Vec<T>,
    questions: usize,
    lift: impl Fn(T) -> Result<A, Illegal>,
) -> Result<Vec<A>, Illegal> {
    if answers.len() != questions {
        return Err(Illegal::new(format!("{} answers to {questions} questions", answers.len())));
    }
    answers.into_iter().map(lift).collect()
}

fn answer(answer: Answer) -> Lifted {
    Ok(Said::Answer(answer))
}

pub(crate) fn categorize(
    targets: Vec<guest::on_categorize::Target>,
    questions: usize,
    reach: Reach<'_>,
) -> Lifted {
    use guest::on_categorize::Target as Guest;
    let lift = |target| {
        Ok(match target {
            Guest::Continue => Target::Continue,
            Guest::Mailbox(name) => {
                let legal = !name.is_empty() && name.len() <= smtp::address::LOCAL_PART_BYTES_MAX;
                if !legal || name.chars().any(char::is_control) {
                    return Err(Illegal::new("a mailbox has a name without control characters"));
                }
                Target::Mailbox(name)
            }
            Guest::Remote => Target::Remote,
            Guest::Forward(addresses) => Target::Forward(reach.addresses(&addresses, REDIRECT_MAX)?),
            Guest::Expand(addresses) => Target::Expand(reach.addresses(&addresses, EXPAND_MAX)?),
            Guest::Unknown(refusal) => Target::Unknown(lift_refusal(refusal, 5)?),
            Guest::RetryIn(seconds) => Target::RetryIn(wait(seconds)),
        })
    };
    answer(Answer::Targets(each(targets, questions, lift)?))
}

pub(crate) fn route(choices: Vec<guest::on_route::Choice>, questions: usize, reach: Reach<'_>) -> Lifted {
    use guest::on_route::Choice as Guest;
    let lift = |choice| {
        Ok(match choice {
            Guest::Continue => Choice::Continue,
            Guest::Via(route) => Choice::Via(reach.route(route)?),
            Guest::Local => Choice::Local,
            Guest::Unreachable(refusal) => Choice::Unreachable(lift_refusal(refusal, 5)?),
            Guest::Later(seconds) => Choice::Later(wait(seconds)),
        })
    };
    answer(Answer::Choices(each(choices, questions, lift)?))
}

pub(crate) fn resolve(said: guest::on_resolve_next_hop::Answer, reach: Reach<'_>) -> Lifted {
    use guest::on_resolve_next_hop::{Answer as Guest, Candidate as Told};
    let candidate = |told: &Told| {
        let address = |text: &String| {
            text.parse::<IpAddr>().map_err(|_| Illegal::new(format!("{text:?} is no IP address")))
        };
        within(0..=CANDIDATES_MAX, told.addresses.len(), "addresses of one host")?;
        Ok(Candidate {
            host: reach.host(&told.name, told.port)?,
            preference: told.preference,
            addresses: told.addresses.iter().map(address).collect::<Result<_, _>>()?,
        })
    };
    answer(Answer::Exchangers(match said {
        Guest::Continue => Exchangers::Continue,
        Guest::Hosts(hosts) => {
            within(1..=CANDIDATES_MAX, hosts.len(), "hosts")?;
            Exchangers::Hosts(hosts.iter().map(candidate).collect::<Result<_, _>>()?)
        }
        Guest::Later(seconds) => Exchangers::Later(wait(seconds)),
        Guest::Unreachable(refusal) => Exchangers::Unreachable(lift_refusal(refusal, 5)?),
    }))
}

pub(crate) fn deliver(outcomes: Vec<guest::on_deliver::Outcome>, questions: usize) -> Lifted {
    use guest::on_deliver::Outcome as Guest;
    let lift = |outcome| {
        Ok(match outcome {
            Guest::Delivered(reply) => Delivered::Delivered(lift_reply_of(&reply, 2)?),
            Guest::Failed(reply) => Delivered::Failed(lift_reply_of(&reply, 5)?),
            Guest::Deferred(postponed) => Delivered::Deferred {
                reply: lift_reply_of(&postponed.reply, 4)?,
                wait: postponed.wait.map(wait),
            },
        })
    };
    answer(Answer::Delivered(each(outcomes, questions, lift)?))
}

pub(crate) fn retry(plan: guest::on_retry::Plan, reach: Reach<'_>) -> Lifted {
    use guest::on_retry::Plan as Guest;
    answer(Answer::Retry(match plan {
        Guest::Continue => RetryPlan::Continue,
        Guest::After(seconds) => RetryPlan::After(wait(seconds)),
        Guest::Reroute(route) => RetryPlan::Reroute(reach.route(route)?),
        Guest::GiveUp(refusal) => RetryPlan::GiveUp(lift_refusal(refusal, 5)?),
        Guest::SuspendQueue(seconds) => RetryPlan::SuspendQueue(wait(seconds)),
    }))
}

pub(crate) fn queue_age(plan: guest::on_queue_age::Plan) -> Lifted {
    use guest::on_queue_age::Plan as Guest;
    answer(Answer::Age(match plan {
        Guest::Continue => AgePlan::Continue,
        Guest::ReportDelay => AgePlan::ReportDelay,
        Guest::StaySilent => AgePlan::StaySilent,
        Guest::Extend(seconds) => AgePlan::Extend(wait(seconds)),
        Guest::GiveUp(refusal) => AgePlan::GiveUp(lift_refusal(refusal, 5)?),
    }))
}

pub(crate) fn dsn(verdict: guest::on_dsn::Verdict, reach: Reach<'_>) -> Lifted {
    use guest::on_dsn::Verdict as Guest;
    Ok(Said::Dsn(match verdict {
        Guest::Continue => DsnVerdict::Continue,
        Guest::Suppress(reason) => DsnVerdict::Suppress(lift_word(reason)?),
        Guest::Redirect(addresses) => DsnVerdict::Redirect(reach.addresses(&addresses, REDIRECT_MAX)?),
    }))
}

fn outbound(verdict: Verdict) -> Lifted {
    Ok(Said::Outbound(verdict))
}

pub(crate) fn remote_tls(verdict: guest::on_remote_tls::Verdict) -> Lifted {
    use guest::on_remote_tls::Verdict as Guest;
    outbound(match verdict {
        Guest::Continue => Verdict::Continue,
        Guest::SkipHost => Verdict::SkipHost,
        Guest::PostponeQueue => Verdict::Postpone(None),
    })
}

pub(crate) fn session_start(verdict: guest::on_session_start::Verdict) -> Lifted {
    use guest::on_session_start::Verdict as Guest;
    outbound(match verdict {
        Guest::Continue => Verdict::Continue,
        Guest::GreetAs(name) => {
            let name = Domain::parse(&name).map_err(|error| Illegal::new(format!("greet-as: {error}")))?;
            Verdict::GreetAs(name.as_str().to_owned())
        }
        Guest::SkipHost => Verdict::SkipHost,
    })
}

pub(crate) fn message_start(verdict: guest::on_message_start::Verdict) -> Lifted {
    use guest::on_message_start::Verdict as Guest;
    outbound(match verdict {
        Guest::Continue => Verdict::Continue,
        Guest::Postpone(seconds) => Verdict::Postpone(Some(wait(seconds))),
        Guest::Fail(refusal) => Verdict::Fail(lift_refusal(refusal, 5)?),
        Guest::DropSession => Verdict::DropSession,
    })
}

pub(crate) fn per_recipient(verdict: guest::on_per_recipient::Verdict) -> Lifted {
    use guest::on_per_recipient::Verdict as Guest;
    outbound(match verdict {
        Guest::Continue => Verdict::Continue,
        Guest::Postpone(seconds) => Verdict::Postpone(Some(wait(seconds))),
        Guest::Fail(refusal) => Verdict::Fail(lift_refusal(refusal, 5)?),
    })
}

pub(crate) fn before_data(verdict: guest::on_before_data::Verdict) -> Lifted {
    use guest::on_before_data::Verdict as Guest;
    outbound(match verdict {
        Guest::Continue => Verdict::Continue,
        Guest::Postpone(seconds) => Verdict::Postpone(Some(wait(seconds))),
        Guest::Fail(refusal) => Verdict::Fail(lift_refusal(refusal, 5)?),
        Guest::DropSession => Verdict::DropSession,
    })
}

pub(crate) fn server_response(judgement: guest::on_server_response::Judgement) -> Lifted {
    use guest::on_server_response::{Class as GuestClass, Next};
    let class = match judgement.class {
        GuestClass::AsSent => Class::AsSent,
        GuestClass::Success => Class::Success,
        GuestClass::Transient => Class::Transient,
        GuestClass::Permanent => Class::Permanent,
    };
    let next = match judgement.next {
        Next::AsUsual => AfterReply::AsUsual,
        Next::NextRecipient => AfterReply::NextRecipient,
        Next::NextMessage => AfterReply::NextMessage,
        Next::EndSession => AfterReply::EndSession,
        Next::SkipHost => AfterReply::SkipHost,
        Next::SuspendQueue => AfterReply::SuspendQueue,
    };
    let tag = judgement.tag.map(lift_word).transpose()?.map(String::into_boxed_str);
    let judgement = Judgement { class, next, tag };
    outbound(if judgement == Judgement::as_sent() { Verdict::Continue } else { Verdict::Judge(judgement) })
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::{each, wait, within};
    use crate::convert::Illegal;
    use crate::limits::{CANDIDATES_MAX, EXPAND_MAX, STAGE_WAIT_MAX};

    #[test]
    fn there_is_one_answer_for_each_question() {
        let lift = Ok::<u8, Illegal>;
        assert_eq!(each(vec![1, 2], 2, lift).unwrap(), [1, 2]);
        each(vec![1], 2, lift).unwrap_err();
        each(vec![1, 2, 3], 2, lift).unwrap_err();
    }

    #[test]
    fn lists_have_a_least_and_a_most() {
        for most in [EXPAND_MAX, CANDIDATES_MAX] {
            within(1..=most, most, "members").unwrap();
            within(1..=most, most + 1, "members").unwrap_err();
            within(1..=most, 0, "members").unwrap_err();
        }
    }

    #[test]
    fn a_wait_is_within_bounds() {
        assert_eq!(wait(0), Duration::from_secs(1));
        assert_eq!(wait(u32::MAX), STAGE_WAIT_MAX);
    }
}
