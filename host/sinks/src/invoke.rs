//! From an event to the typed call of its export, and back to what the sink said.

use smtp::{Gate, Notice};
use wasmtime::Store;
use wasmtime::component::Instance;

use crate::bindings::exports::sluice::sink::on_disconnect::Totals;
use crate::convert::{self, Illegal};
use crate::event::Event;
use crate::exports::Exports;
use crate::invoke_outbound;
use crate::lift::{self, Lifted, Said};
use crate::lift_login;
use crate::state::State;

/// The instance that a call is made on.
pub(crate) struct Target<'a> {
    pub(crate) exports: &'a Exports,
    pub(crate) store: &'a mut Store<State>,
    pub(crate) instance: &'a Instance,
}

/// The guest of an export on this instance.
macro_rules! guest {
    ($target:ident . $export:ident) => {
        match &$target.exports.$export {
            Some(indices) => indices.load(&mut *$target.store, $target.instance)?,
            None => {
                return Err(wasmtime::format_err!("the component does not export {}", stringify!($export)))
            }
        }
    };
}
pub(crate) use guest;

/// Calls the event's export.
pub(crate) async fn invoke(event: &Event, target: Target<'_>) -> wasmtime::Result<Said> {
    let lifted = match event {
        Event::Gate(gate) => Box::pin(invoke_gate(gate, target)).await?,
        Event::Notice(notice) => Box::pin(invoke_notice(notice, target)).await?,
        Event::TransportSubmission => {
            let guest = guest!(target.on_transport_submission);
            lift::stage(guest.call_handle(target.store).await?)
        }
        Event::PreCategorize => {
            let guest = guest!(target.on_pre_categorize);
            lift::stage(guest.call_handle(target.store).await?)
        }
        Event::PostCategorize => {
            let guest = guest!(target.on_post_categorize);
            lift::stage(guest.call_handle(target.store).await?)
        }
        Event::Authenticate { .. } | Event::AuthStep { .. } => Box::pin(invoke_login(event, target)).await?,
        event => Box::pin(invoke_outbound::invoke(event, target)).await?,
    };
    lifted.map_err(wasmtime::Error::new)
}

/// What passwords and SASL messages are shown for.
async fn invoke_login(event: &Event, target: Target<'_>) -> wasmtime::Result<Lifted> {
    Ok(match event {
        Event::Authenticate { mechanism, user, secret } => {
            let guest = guest!(target.on_authenticate);
            let answer = guest.call_handle(&mut *target.store, mechanism, user, secret.reveal()).await?;
            lift_login::authenticate(answer, target.store.data())
        }
        Event::AuthStep { mechanism, response, state } => {
            let guest = guest!(target.on_auth_step);
            let (response, state) = (response.reveal(), state.reveal());
            let step = guest.call_handle(&mut *target.store, mechanism, response, state).await?;
            lift_login::step(step, target.store.data())
        }
        other => return Err(wasmtime::format_err!("{} is no login", other.kind())),
    })
}

async fn invoke_gate(gate: &Gate, target: Target<'_>) -> wasmtime::Result<Lifted> {
    Ok(match gate {
        Gate::Connect => {
            let guest = guest!(target.on_connect);
            lift::connect(guest.call_handle(target.store).await?)
        }
        Gate::TlsEstablished => {
            let guest = guest!(target.on_tls_established);
            lift::gate(guest.call_handle(target.store).await?)
        }
        Gate::Helo { greeting, name } => {
            let guest = guest!(target.on_helo);
            lift::gate(guest.call_handle(target.store, &greeting.word().to_owned(), name).await?)
        }
        Gate::MailFrom => {
            let guest = guest!(target.on_mail_from);
            let Some(envelope) = target.store.data().subject.envelope.clone() else {
                return Err(wasmtime::format_err!("on-mail-from without an envelope"));
            };
            let path = convert::reverse_path(&envelope.reverse_path);
            let parameters = convert::parameters(&envelope.parameters);
            lift::gate(guest.call_handle(target.store, &path, &parameters).await?)
        }
        Gate::RcptTo { recipient, parameters } => {
            let guest = guest!(target.on_rcpt_to);
            let address = convert::address(recipient);
            let parameters = convert::parameters(parameters);
            let verdict = guest.call_handle(&mut *target.store, &address, &parameters).await?;
            lift::rcpt_to(verdict).and_then(|said| check_claim(said, recipient, target.store.data()))
        }
        Gate::Data => {
            let guest = guest!(target.on_data);
            lift::gate(guest.call_handle(target.store).await?)
        }
        Gate::EndOfData => {
            let guest = guest!(target.on_end_of_data);
            lift::end_of_data(guest.call_handle(target.store).await?)
        }
        Gate::InboundCommand { verb, argument, input, state } => {
            let guest = guest!(target.on_inbound_command);
            lift::command(guest.call_handle(target.store, verb, argument, input, state).await?, verb)
        }
        Gate::Reply { verb, reply } => {
            let guest = guest!(target.on_reply);
            let told = convert::reply(reply);
            lift::reply(guest.call_handle(target.store, verb, &told).await?, reply)
        }
    })
}

/// A sink answers for mailboxes of its tenant's domains alone (EVENTS rule 5).
fn check_claim(said: Said, recipient: &smtp::Mailbox, state: &State) -> Lifted {
    let owns = || state.call.outside.domains.owns(&state.subject.tenant, recipient.domain());
    match said {
        Said::Gate(smtp::Verdict::Claim) if !owns() => {
            Err(Illegal::new("a claim in a domain that is not the tenant's"))
        }
        said => Ok(said),
    }
}

async fn invoke_notice(notice: &Notice, target: Target<'_>) -> wasmtime::Result<Lifted> {
    Ok(match notice {
        Notice::Violation { kind, detail } => {
            let guest = guest!(target.on_violation);
            lift::notice(guest.call_handle(target.store, &kind.word().to_owned(), detail).await?)
        }
        Notice::Rejected { verb, by, reply } => {
            let guest = guest!(target.on_rejected);
            let reply = convert::reply(reply);
            lift::notice(guest.call_handle(target.store, verb, by.word(), &reply).await?)
        }
        Notice::TransactionEnd { outcome } => {
            let guest = guest!(target.on_transaction_end);
            guest.call_handle(target.store, &outcome.word().to_owned()).await?;
            Ok(Said::Continue)
        }
        Notice::Disconnect { cause, totals } => {
            let guest = guest!(target.on_disconnect);
            let totals = Totals {
                messages: totals.messages,
                refused: totals.refused,
                received: totals.received as f64,
                sent: totals.sent as f64,
                lasted: u32::try_from(totals.lasted.as_millis()).unwrap_or(u32::MAX),
            };
            guest.call_handle(target.store, &cause.word().to_owned(), totals).await?;
            Ok(Said::Continue)
        }
    })
}
