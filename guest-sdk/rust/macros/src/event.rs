//! The shape of each event's handler, as the contract has it: name, parameters, and what comes back.
//!
//! The bindings are the judge: a line here that disagrees with `wit/` does not compile in a sink.

use proc_macro2::TokenStream;
use quote::quote;

/// One event as the expansion needs it.
pub(crate) struct Event {
    pub(crate) name: &'static str,
    pub(crate) parameters: Vec<Parameter>,
    /// What the exported function returns.
    pub(crate) returns: TokenStream,
    /// The function of the SDK that makes it from what the handler returned.
    pub(crate) converts: TokenStream,
    pub(crate) verbs: Verbs,
}

/// A value that the host hands over.
pub(crate) struct Parameter {
    pub(crate) name: &'static str,
    /// As the bindings pass it.
    pub(crate) owned: TokenStream,
    /// As a handler writes it; for messages.
    pub(crate) borrowed: &'static str,
    pub(crate) lent: Lent,
}

/// How a handler gets a value.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Lent {
    /// `&value`.
    Whole,
    /// `Option<&T>` of an `Option<T>`.
    Inside,
    /// `value`, where a copy costs nothing.
    Copied,
}

/// Whether the attribute takes the verbs that the event is wanted for.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Verbs {
    None,
    Listed,
    /// The same, of SASL mechanisms; at least one.
    Mechanisms,
}

fn text(name: &'static str) -> Parameter {
    record(name, quote!(::std::string::String), "&str")
}

fn octets(name: &'static str) -> Parameter {
    record(name, quote!(::std::vec::Vec<u8>), "&[u8]")
}

fn record(name: &'static str, owned: TokenStream, borrowed: &'static str) -> Parameter {
    Parameter { name, owned, borrowed, lent: Lent::Whole }
}

fn optional(name: &'static str, owned: &TokenStream, borrowed: &'static str) -> Parameter {
    Parameter { lent: Lent::Inside, ..record(name, quote!(::std::option::Option<#owned>), borrowed) }
}

fn copied(name: &'static str, owned: TokenStream, borrowed: &'static str) -> Parameter {
    Parameter { lent: Lent::Copied, ..record(name, owned, borrowed) }
}

fn number(name: &'static str) -> Parameter {
    copied(name, quote!(u32), "u32")
}

fn recipients() -> Parameter {
    record("recipients", quote!(::std::vec::Vec<u32>), "&[u32]")
}

fn parameters() -> Parameter {
    record("parameters", quote!(::std::vec::Vec<::sluice_sdk::Parameter>), "&[Parameter]")
}

fn reply() -> Parameter {
    record("reply", quote!(::sluice_sdk::Reply), "&Reply")
}

fn event(name: &'static str, parameters: Vec<Parameter>, returns: TokenStream) -> Event {
    Event { name, parameters, returns, converts: quote!(Answer::answer), verbs: Verbs::None }
}

fn life(name: &'static str) -> Event {
    let returns = quote!(::std::result::Result<(), ::std::string::String>);
    Event { converts: quote!(Report::report), ..event(name, vec![], returns) }
}

pub(crate) fn on_prepare() -> Event {
    life("on_prepare")
}

pub(crate) fn on_self_test() -> Event {
    life("on_self_test")
}

pub(crate) fn on_connect() -> Event {
    event("on_connect", vec![], quote!(::sluice_sdk::on_connect::Verdict))
}

pub(crate) fn on_tls_established() -> Event {
    event("on_tls_established", vec![], quote!(::sluice_sdk::on_tls_established::Verdict))
}

pub(crate) fn on_helo() -> Event {
    event("on_helo", vec![text("greeting"), text("name")], quote!(::sluice_sdk::on_helo::Verdict))
}

pub(crate) fn on_authenticate() -> Event {
    let parameters = vec![text("mechanism"), text("user"), octets("secret")];
    event("on_authenticate", parameters, quote!(::sluice_sdk::on_authenticate::Answer))
}

pub(crate) fn on_auth_step() -> Event {
    let parameters = vec![text("mechanism"), octets("response"), octets("state")];
    Event {
        verbs: Verbs::Mechanisms,
        ..event("on_auth_step", parameters, quote!(::sluice_sdk::on_auth_step::Step))
    }
}

pub(crate) fn on_mail_from() -> Event {
    let path = record("reverse_path", quote!(::sluice_sdk::ReversePath), "&ReversePath");
    event("on_mail_from", vec![path, parameters()], quote!(::sluice_sdk::on_mail_from::Verdict))
}

pub(crate) fn on_rcpt_to() -> Event {
    let recipient = record("recipient", quote!(::sluice_sdk::Address), "&Address");
    event("on_rcpt_to", vec![recipient, parameters()], quote!(::sluice_sdk::on_rcpt_to::Verdict))
}

pub(crate) fn on_data() -> Event {
    event("on_data", vec![], quote!(::sluice_sdk::on_data::Verdict))
}

pub(crate) fn on_end_of_data() -> Event {
    event("on_end_of_data", vec![], quote!(::sluice_sdk::on_end_of_data::Verdict))
}

pub(crate) fn on_inbound_command() -> Event {
    let parameters = vec![text("verb"), text("argument"), octets("input"), octets("state")];
    Event {
        verbs: Verbs::Listed,
        ..event("on_inbound_command", parameters, quote!(::sluice_sdk::on_inbound_command::Answer))
    }
}

pub(crate) fn on_reply() -> Event {
    let returns = quote!(::std::option::Option<::sluice_sdk::Reply>);
    Event { verbs: Verbs::Listed, ..event("on_reply", vec![text("verb"), reply()], returns) }
}

pub(crate) fn on_violation() -> Event {
    event("on_violation", vec![text("kind"), text("detail")], quote!(::sluice_sdk::on_violation::Action))
}

pub(crate) fn on_rejected() -> Event {
    event("on_rejected", vec![text("verb"), text("by"), reply()], quote!(::sluice_sdk::on_rejected::Action))
}

pub(crate) fn on_transaction_end() -> Event {
    event("on_transaction_end", vec![text("outcome")], quote!(()))
}

pub(crate) fn on_disconnect() -> Event {
    let totals = record("totals", quote!(::sluice_sdk::on_disconnect::Totals), "&Totals");
    event("on_disconnect", vec![text("cause"), totals], quote!(()))
}

pub(crate) fn on_transport_submission() -> Event {
    event("on_transport_submission", vec![], quote!(::sluice_sdk::on_transport_submission::Verdict))
}

pub(crate) fn on_pre_categorize() -> Event {
    event("on_pre_categorize", vec![], quote!(::sluice_sdk::on_pre_categorize::Verdict))
}

pub(crate) fn on_categorize() -> Event {
    let subjects = quote!(::std::vec::Vec<::sluice_sdk::on_categorize::Subject>);
    let returns = quote!(::std::vec::Vec<::sluice_sdk::on_categorize::Target>);
    event("on_categorize", vec![record("recipients", subjects, "&[Subject]")], returns)
}

pub(crate) fn on_post_categorize() -> Event {
    event("on_post_categorize", vec![], quote!(::sluice_sdk::on_post_categorize::Verdict))
}

pub(crate) fn on_route() -> Event {
    let returns = quote!(::std::vec::Vec<::sluice_sdk::on_route::Choice>);
    event("on_route", vec![text("domain"), recipients()], returns)
}

pub(crate) fn on_routed() -> Event {
    let route = optional("route", &quote!(::sluice_sdk::Route), "Option<&Route>");
    event("on_routed", vec![route], quote!(::sluice_sdk::on_routed::Verdict))
}

pub(crate) fn on_resolve_next_hop() -> Event {
    let returns = quote!(::sluice_sdk::on_resolve_next_hop::Answer);
    event("on_resolve_next_hop", vec![text("queue"), text("domain")], returns)
}

pub(crate) fn on_remote_tls() -> Event {
    let policy = copied("policy", quote!(::sluice_sdk::on_remote_tls::Policy), "Policy");
    let chain = record("chain", quote!(::std::vec::Vec<::std::vec::Vec<u8>>), "&[Vec<u8>]");
    event("on_remote_tls", vec![policy, chain], quote!(::sluice_sdk::on_remote_tls::Verdict))
}

pub(crate) fn on_session_start() -> Event {
    event("on_session_start", vec![], quote!(::sluice_sdk::on_session_start::Verdict))
}

pub(crate) fn on_message_start() -> Event {
    event("on_message_start", vec![], quote!(::sluice_sdk::on_message_start::Verdict))
}

pub(crate) fn on_per_recipient() -> Event {
    event("on_per_recipient", vec![number("recipient")], quote!(::sluice_sdk::on_per_recipient::Verdict))
}

pub(crate) fn on_before_data() -> Event {
    let parameters = vec![number("accepted"), number("refused")];
    event("on_before_data", parameters, quote!(::sluice_sdk::on_before_data::Verdict))
}

pub(crate) fn on_server_response() -> Event {
    let returns = quote!(::sluice_sdk::on_server_response::Judgement);
    Event { verbs: Verbs::Listed, ..event("on_server_response", vec![text("verb"), reply()], returns) }
}

pub(crate) fn on_session_end() -> Event {
    let parameters = vec![number("delivered"), number("deferred"), number("failed")];
    event("on_session_end", parameters, quote!(()))
}

pub(crate) fn on_deliver() -> Event {
    let returns = quote!(::std::vec::Vec<::sluice_sdk::on_deliver::Outcome>);
    event("on_deliver", vec![text("queue"), recipients()], returns)
}
