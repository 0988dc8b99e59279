//! Sessions with no tenant, one, and two.

use std::sync::Arc;

use bytes::Bytes;
use smtp::{Gate, Greeting};

use super::{Asked, RecipientAsked, Resolver, Split};
use crate::event::EventKind;
use crate::registry::Snapshot;
use crate::subject::Tiers;
use crate::testing::{binding, installation, sinks};

/// `acme` binds connect and helo, `other` the end of data, `third` MAIL; the operator connect.
fn snapshot() -> Snapshot {
    let sinks = sinks();
    let bindings = [
        ("operator/o", EventKind::Connect),
        ("acme/greeting", EventKind::Connect),
        ("acme/helo", EventKind::Helo),
        ("other/end", EventKind::EndOfData),
        ("third/mail", EventKind::MailFrom),
    ];
    Snapshot::new(bindings.map(|(id, event)| binding(&installation(&sinks, id, &[event]), event))).unwrap()
}

fn tenant(name: &str) -> Arc<str> {
    name.into()
}

fn asked(name: Option<&str>, tiers: Tiers) -> Asked {
    Asked { tenant: name.map(tenant), tiers }
}

fn helo(name: &str) -> Gate {
    Gate::Helo { greeting: Greeting::Ehlo, name: name.into() }
}

fn command(verb: &str) -> Gate {
    Gate::InboundCommand { verb: verb.into(), argument: "x".into(), input: Bytes::new(), state: Bytes::new() }
}

fn ask(name: &str, catch_up: &[Gate]) -> RecipientAsked {
    RecipientAsked::Ask { asked: asked(Some(name), Tiers::All), catch_up: catch_up.to_vec() }
}

#[test]
fn on_a_tenants_listener_its_sinks_are_asked_from_the_start() {
    let snapshot = snapshot();
    let mut resolver = Resolver::new(Some(tenant("acme")), Split::default());
    assert_eq!(resolver.gate(&Gate::Connect), asked(Some("acme"), Tiers::All));
    assert_eq!(resolver.gate(&helo("a")), asked(Some("acme"), Tiers::All));
    assert_eq!(resolver.gate(&Gate::MailFrom), asked(Some("acme"), Tiers::All));
    assert_eq!(resolver.recipient(Some(&tenant("acme")), &snapshot), ask("acme", &[]));
    assert_eq!(resolver.recipient(None, &snapshot), ask("acme", &[]));
}

#[test]
fn without_a_tenant_only_the_operator_is_asked_and_the_tenant_catches_up_at_its_first_recipient() {
    let snapshot = snapshot();
    let mut resolver = Resolver::new(None, Split::default());
    for gate in [Gate::Connect, helo("a"), Gate::MailFrom] {
        assert_eq!(resolver.gate(&gate), asked(None, Tiers::OperatorOnly));
    }
    let acme = tenant("acme");
    // MAIL isn't among them: acme doesn't bind it.
    assert_eq!(resolver.recipient(Some(&acme), &snapshot), ask("acme", &[Gate::Connect, helo("a")]));
    // What it refused it is asked again.
    assert_eq!(resolver.recipient(Some(&acme), &snapshot), ask("acme", &[Gate::Connect, helo("a")]));
    resolver.caught_up(&acme);
    assert_eq!(resolver.recipient(Some(&acme), &snapshot), ask("acme", &[]));
    // Another tenant has its own to hear.
    assert_eq!(resolver.recipient(Some(&tenant("third")), &snapshot), ask("third", &[Gate::MailFrom]));
}

#[test]
fn a_new_greeting_and_a_new_mail_are_caught_up_again_and_an_old_mail_never() {
    let snapshot = snapshot();
    let (acme, third) = (tenant("acme"), tenant("third"));
    let mut resolver = Resolver::new(None, Split::default());
    for gate in [Gate::Connect, helo("a"), Gate::MailFrom] {
        resolver.gate(&gate);
    }
    resolver.caught_up(&acme);
    resolver.caught_up(&third);
    resolver.accepted(Some(&third));
    resolver.transaction_over();
    resolver.gate(&helo("b"));
    assert_eq!(resolver.recipient(Some(&third), &snapshot), ask("third", &[]));
    resolver.gate(&Gate::MailFrom);
    assert_eq!(resolver.recipient(Some(&acme), &snapshot), ask("acme", &[helo("b")]));
    assert_eq!(resolver.recipient(Some(&third), &snapshot), ask("third", &[Gate::MailFrom]));
}

#[test]
fn a_client_that_greets_for_ever_is_remembered_once() {
    let mut resolver = Resolver::new(None, Split::default());
    for number in 0..1000 {
        resolver.gate(&command("EHLO"));
        resolver.gate(&helo(&number.to_string()));
        resolver.gate(&command("NOOP"));
        resolver.gate(&command("MAIL"));
        resolver.gate(&Gate::MailFrom);
    }
    assert_eq!(resolver.missed.len(), 4);
}

#[test]
fn an_identity_gives_the_session_its_tenant_and_the_listeners_stays() {
    let snapshot = snapshot();
    let mut resolver = Resolver::new(None, Split::default());
    resolver.gate(&Gate::Connect);
    resolver.authenticated(Some(tenant("acme")));
    assert_eq!(resolver.gate(&Gate::MailFrom), asked(Some("acme"), Tiers::All));
    assert_eq!(resolver.recipient(None, &snapshot), ask("acme", &[Gate::Connect]));
    let mut resolver = Resolver::new(Some(tenant("other")), Split::default());
    resolver.authenticated(Some(tenant("acme")));
    assert_eq!(resolver.session(), asked(Some("other"), Tiers::All));
}

#[test]
fn a_second_tenant_is_deferred_if_either_must_answer_for_the_whole() {
    let snapshot = snapshot();
    let (acme, other, third) = (tenant("acme"), tenant("other"), tenant("third"));
    let mut resolver = Resolver::new(None, Split::WhenNeeded);
    resolver.accepted(Some(&acme));
    assert_eq!(resolver.recipient(Some(&other), &snapshot), RecipientAsked::Later);
    assert_eq!(resolver.recipient(Some(&third), &snapshot), ask("third", &[]));
    assert_eq!(resolver.recipient(Some(&acme), &snapshot), ask("acme", &[]));
    resolver.transaction_over();
    resolver.accepted(Some(&other));
    assert_eq!(resolver.recipient(Some(&acme), &snapshot), RecipientAsked::Later);
    assert_eq!(resolver.recipient(None, &snapshot), RecipientAsked::Later);
    assert_eq!(resolver.recipient(Some(&other), &snapshot), ask("other", &[]));
    resolver.transaction_over();
    assert_eq!(resolver.recipient(Some(&acme), &snapshot), ask("acme", &[]));
}

#[test]
fn split_always_defers_every_second_tenant() {
    let snapshot = snapshot();
    let mut resolver = Resolver::new(None, Split::Always);
    resolver.accepted(Some(&tenant("acme")));
    assert_eq!(resolver.recipient(Some(&tenant("third")), &snapshot), RecipientAsked::Later);
}

#[test]
fn the_senders_tenant_answers_for_the_whole_and_others_with_a_say_come_again() {
    let snapshot = snapshot();
    let (acme, other) = (tenant("acme"), tenant("other"));
    let mut resolver = Resolver::new(Some(other.clone()), Split::WhenNeeded);
    resolver.accepted(Some(&other));
    assert_eq!(resolver.recipient(Some(&acme), &snapshot), ask("acme", &[]));
    resolver.accepted(Some(&acme));
    assert_eq!(resolver.transaction(EventKind::EndOfData, &snapshot), [asked(Some("other"), Tiers::All)]);
    // A share of its own would be edited behind the sender's back.
    let mut resolver = Resolver::new(Some(acme.clone()), Split::WhenNeeded);
    resolver.accepted(Some(&acme));
    assert_eq!(resolver.recipient(Some(&other), &snapshot), RecipientAsked::Later);
    resolver.transaction_over();
    resolver.accepted(Some(&other));
    assert_eq!(resolver.recipient(Some(&acme), &snapshot), RecipientAsked::Later);
    assert_eq!(
        resolver.transaction(EventKind::EndOfData, &snapshot),
        [asked(Some("acme"), Tiers::UpToTenant), asked(Some("other"), Tiers::FromTenant)]
    );
}

#[test]
fn operator_first_is_asked_once_on_the_whole_and_each_share_its_own_and_operator_last() {
    let snapshot = snapshot();
    let whole = |resolver: &Resolver| resolver.transaction(EventKind::EndOfData, &snapshot);
    let mut resolver = Resolver::new(None, Split::default());
    assert_eq!(whole(&resolver), [asked(None, Tiers::OperatorOnly)]);
    resolver.accepted(Some(&tenant("acme")));
    resolver.accepted(Some(&tenant("acme")));
    assert_eq!(whole(&resolver), [asked(Some("acme"), Tiers::All)]);
    resolver.accepted(Some(&tenant("third")));
    resolver.accepted(None);
    // None of them binds it: the operator's are asked once, in their order.
    assert_eq!(whole(&resolver), [asked(None, Tiers::OperatorOnly)]);
    resolver.accepted(Some(&tenant("other")));
    assert_eq!(
        whole(&resolver),
        [
            asked(None, Tiers::OperatorFirst),
            asked(Some("acme"), Tiers::FromTenant),
            asked(Some("third"), Tiers::FromTenant),
            asked(None, Tiers::OperatorLast),
            asked(Some("other"), Tiers::FromTenant)
        ]
    );
    assert_eq!(resolver.shares().len(), 4);
}

#[test]
fn a_share_and_the_whole_are_asked_each_tier_once() {
    use crate::binding::Tier::{OperatorFirst, OperatorLast, Tenant};
    let of = |tiers: Tiers| [OperatorFirst, Tenant, OperatorLast].map(|tier| tiers.asks(tier));
    assert_eq!(of(Tiers::All), [true, true, true]);
    for (whole, share) in [
        (Tiers::OperatorFirst, Tiers::FromTenant),
        (Tiers::UpToTenant, Tiers::OperatorLast),
        (Tiers::OperatorOnly, Tiers::TenantOnly),
    ] {
        let both = of(whole).into_iter().zip(of(share));
        assert!(both.clone().all(|(whole, share)| whole != share), "{whole:?} {share:?}");
    }
}

#[test]
fn the_end_of_a_session_is_told_in_the_order_of_the_tiers() {
    let met = [tenant("acme"), tenant("other")];
    let mut resolver = Resolver::new(None, Split::default());
    assert_eq!(resolver.session_over(&[]), [asked(None, Tiers::OperatorOnly)]);
    assert_eq!(
        resolver.session_over(&met),
        [
            asked(None, Tiers::OperatorFirst),
            asked(Some("acme"), Tiers::TenantOnly),
            asked(Some("other"), Tiers::TenantOnly),
            asked(None, Tiers::OperatorLast),
        ]
    );
    resolver.authenticated(Some(tenant("acme")));
    assert_eq!(resolver.session_over(&met[..1]), [asked(Some("acme"), Tiers::All)]);
    assert_eq!(
        resolver.session_over(&met),
        [
            asked(Some("acme"), Tiers::UpToTenant),
            asked(Some("other"), Tiers::TenantOnly),
            asked(Some("acme"), Tiers::OperatorLast),
        ]
    );
}

#[test]
fn a_rewrite_to_two_tenants_is_split_like_two_recipients() {
    let snapshot = snapshot();
    let resolver = Resolver::new(None, Split::default());
    let beside = |name: &str| [Some(tenant(name))];
    assert!(!resolver.is_apart(Some(&tenant("acme")), &beside("third"), &snapshot));
    assert!(!resolver.is_apart(Some(&tenant("other")), &beside("other"), &snapshot));
    assert!(resolver.is_apart(Some(&tenant("other")), &beside("acme"), &snapshot));
    assert!(resolver.is_apart(Some(&tenant("acme")), &beside("other"), &snapshot));
}
