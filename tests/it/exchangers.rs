//! Delivery to the hosts that DNS names.

use std::net::Ipv4Addr;

use anyhow::{Result, ensure};
use smtp::{Domain, RecipientState, Route};
use tests::names::Zone;
use tests::peer::{Peer, Script};
use tests::scene::Scene;
use toml::Value;

use crate::remote::{CONTENT, entry, left, outcomes, serve};

/// All exchangers of a test listen on the port of one peer, each at an address of its own.
const HERE: Ipv4Addr = Ipv4Addr::LOCALHOST;
/// Nobody listens there.
const NOBODY: Ipv4Addr = Ipv4Addr::new(127, 0, 0, 9);

fn scene(zone: Zone, peer: &Peer, targets: &str) -> Result<Scene> {
    let servers = vec![Value::from(zone.serve()?.to_string())];
    let config = vec![
        ("dns.servers".to_owned(), Value::from(servers)),
        ("dns.answer_seconds".to_owned(), Value::from(2)),
        ("outbound.port".to_owned(), Value::from(i64::from(peer.address().port()))),
        ("outbound.targets".to_owned(), Value::from(targets)),
    ];
    Ok(Scene { config, ..Scene::default() })
}

fn to(number: u128, domain: &str) -> spool::NewEntry {
    let route = Route::exchangers(Domain::parse(domain).expect("a domain"));
    let recipient = format!("ann@{domain}");
    entry(number, route, &[&recipient], CONTENT)
}

#[test]
fn mail_goes_to_the_exchangers_in_their_order_and_to_the_domain_itself_without_any() -> Result<()> {
    let peer = Peer::start(Script::default())?;
    let mut zone = Zone::default()
        .mx("backed.example", 10, "down.example")
        .mx("backed.example", 20, "up.example")
        .address("down.example", NOBODY)
        .address("up.example", HERE)
        .address("plain.example", HERE)
        // This server is the backup: only the better one is asked.
        .mx("ours.example", 5, "up.example")
        .mx("ours.example", 10, "mx.b.example")
        .mx("ours.example", 20, "never.example");
    // As many records as fit into an answer of UDP: those with the same preference are all candidates.
    for number in 0..20 {
        zone = zone.mx("many.example", 1, "up.example").mx("many.example", 2, &format!("n{number}.example"));
    }
    let entries =
        vec![to(1, "backed.example"), to(2, "plain.example"), to(3, "ours.example"), to(4, "many.example")];
    let mut server = serve(&scene(zone, &peer, "any")?, entries)?;
    server.settled()?;
    ensure!(peer.messages().len() == 4, "{:?}", peer.messages());
    ensure!(left(server)?.is_empty());
    Ok(())
}

#[test]
fn a_domain_that_takes_no_mail_fails_with_the_reason_and_dns_that_is_silent_defers() -> Result<()> {
    let peer = Peer::start(Script::default())?;
    let zone = Zone::default()
        .mx("null.example", 0, ".")
        .mx("loop.example", 10, "mx.b.example")
        .mx("lost.example", 10, "nowhere.example")
        .failing("broken.example");
    let cases = [
        ("null.example", RecipientState::Failed, "5.1.10"),
        ("absent.example", RecipientState::Failed, "5.1.2"),
        ("loop.example", RecipientState::Failed, "5.4.6"),
        ("lost.example", RecipientState::Failed, "5.4.4"),
        ("broken.example", RecipientState::Deferred, "4.4.3"),
    ];
    let entries = (1..).zip(&cases).map(|(number, (domain, ..))| to(number, domain)).collect();
    let mut server = serve(&scene(zone, &peer, "any")?, entries)?;
    server.counted(|counters| counters.failed.value() == 4 && counters.delivery_deferred.value() == 1)?;
    // One of them that it is late: the entries are old.
    let reports = (0..5).map(|_| server.delivered("bob@b.example")).collect::<Result<Vec<_>>>()?;
    let reports = String::from_utf8(reports.concat())?;
    let outcomes = outcomes(&left(server)?);
    for (domain, expected, status) in cases {
        match expected {
            RecipientState::Failed => {
                let told = format!("rfc822; ann@{domain}\r\nAction: failed\r\nStatus: {status}\r\n");
                ensure!(reports.contains(&told), "{domain}: {reports}");
            }
            _ => ensure!(outcomes[0].1 == expected && outcomes[0].2.contains(status), "{outcomes:?}"),
        }
    }
    ensure!(peer.connections() == 0 && outcomes.len() == 1);
    Ok(())
}

#[test]
fn a_stranger_cannot_send_us_into_our_own_network() -> Result<()> {
    let peer = Peer::start(Script::default())?;
    let zone = Zone::default().mx("trap.example", 10, "inside.example").address("inside.example", HERE);
    let entries = vec![to(1, "trap.example"), to(2, "[127.0.0.1]")];
    let mut server = serve(&scene(zone, &peer, "public")?, entries)?;
    for _ in 0..2 {
        let report = String::from_utf8(server.delivered("bob@b.example")?)?;
        let words = report.split_whitespace().collect::<Vec<_>>().join(" ");
        ensure!(words.contains("127.0.0.1, which is none of the Internet"), "{report}");
        ensure!(!report.contains("outbound.targets"), "a stranger reads it: {report}");
    }
    ensure!(peer.connections() == 0 && left(server)?.is_empty());
    Ok(())
}
