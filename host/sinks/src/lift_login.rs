//! What a sink said of a login, lifted and checked: an identity is one of the tenant's own (EVENTS, rule 7).

use bytes::Bytes;
use smtp::sasl::CHALLENGE_BYTES_MAX;
use smtp::{Mailbox, Secret};

use crate::bindings::exports::sluice::sink as guest;
use crate::bindings::sluice::sink::types::Identity;
use crate::convert::{Illegal, lift_refusal};
use crate::lift::{Lifted, Said};
use crate::limits::STATE_BYTES_MAX;
use crate::provider::{Answer, LoginAnswer};
use crate::state::State;

fn login(answer: LoginAnswer) -> Lifted {
    Ok(Said::Answer(Answer::Login(answer)))
}

/// Where no tenant was asked the operator's sink names any address; whose it is the host finds out.
fn authenticated(identity: &Identity, state: &State) -> Lifted {
    let address = Mailbox::parse(&identity.name)
        .map_err(|error| Illegal::new(format!("an identity is an address, and this is none: {error}")))?;
    let is_for_all = state.subject.tiers.is_without_tenant();
    if !is_for_all && !state.call.outside.domains.owns(&state.subject.tenant, address.domain()) {
        return Err(Illegal::new("an identity in a domain that is not the tenant's"));
    }
    login(LoginAnswer::Authenticated(address))
}

pub(crate) fn authenticate(answer: guest::on_authenticate::Answer, state: &State) -> Lifted {
    use guest::on_authenticate::Answer as Said;
    match answer {
        Said::Continue => login(LoginAnswer::Continue),
        Said::Authenticated(identity) => authenticated(&identity, state),
        Said::Defer(refusal) => login(LoginAnswer::Defer(lift_refusal(refusal, 4)?)),
        Said::Reject(refusal) => login(LoginAnswer::Reject(lift_refusal(refusal, 5)?)),
    }
}

pub(crate) fn step(step: guest::on_auth_step::Step, state: &State) -> Lifted {
    use guest::on_auth_step::Step;
    match step {
        Step::Challenge(challenge) => {
            if challenge.data.len() > CHALLENGE_BYTES_MAX || challenge.state.len() > STATE_BYTES_MAX {
                return Err(Illegal::new(format!(
                    "a challenge has up to {CHALLENGE_BYTES_MAX} bytes, its state up to {STATE_BYTES_MAX}"
                )));
            }
            login(LoginAnswer::Challenge {
                data: Bytes::from(challenge.data),
                state: Secret::new(challenge.state),
            })
        }
        Step::Authenticated(identity) => authenticated(&identity, state),
        Step::Defer(refusal) => login(LoginAnswer::Defer(lift_refusal(refusal, 4)?)),
        Step::Reject(refusal) => login(LoginAnswer::Reject(lift_refusal(refusal, 5)?)),
    }
}
