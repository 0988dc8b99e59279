//! What the sender is told (RFC 3461, RFC 3464): of each end of a recipient, once, at its time.

use anyhow::{Context, Result, ensure};
use smtp::{Notify, Parameter, Timestamp};
use spool::{ContentPiece, NewEntry, QueueId, Spool};
use tests::client::Client;
use tests::peer::{Peer, Script};
use tests::process::Process;
use tests::scene::Scene;
use tests::server::Server;
use tests::site::Site;
use toml::Value;

use crate::binary;
use crate::remote::{CONTENT, configured, entry, scene, serve, with_spool};

const SENDER: &str = "bob@b.example";
const HOUR: u64 = 3_600_000;
const MINUTE: u64 = 60_000;

/// An entry whose sender asked for every report.
fn asking(number: u128, route: &str) -> Result<NewEntry> {
    let mut entry = entry(number, configured(route), &["ann@x.example"], CONTENT);
    entry.envelope.parameters =
        ["RET=FULL", "ENVID=QQ+2B1"].into_iter().filter_map(Parameter::parse).collect();
    let recipient = &mut entry.envelope.recipients[0];
    recipient.parameters.extend(Parameter::parse("ORCPT=rfc822;Ann@x.example"));
    recipient.notify = Notify::parse("SUCCESS,FAILURE,DELAY").context("no NOTIFY")?;
    Ok(entry)
}

fn report(server: &mut Server) -> Result<String> {
    Ok(String::from_utf8(server.delivered(SENDER)?)?)
}

#[test]
fn who_takes_on_the_reports_gets_all_that_it_needs_for_them_and_makes_them() -> Result<()> {
    let peer = Peer::start(Script::default().saying("EHLO", "250-peer.example\r\n250 DSN"))?;
    let mut server = serve(&scene(&[("out", &peer)]), vec![asking(1, "out")?])?;
    server.settled()?;
    let messages = peer.messages();
    assert_eq!(messages[0].mail, "<bob@b.example> RET=FULL ENVID=QQ+2B1");
    assert_eq!(
        messages[0].recipients,
        ["<ann@x.example> ORCPT=rfc822;Ann@x.example NOTIFY=SUCCESS,FAILURE,DELAY"]
    );
    server.stop()
}

#[test]
fn of_a_server_that_makes_no_reports_the_sender_is_told_that_it_has_the_message() -> Result<()> {
    let peer = Peer::start(Script::default())?;
    let mut server = serve(&scene(&[("out", &peer)]), vec![asking(1, "out")?])?;
    let report = report(&mut server)?;
    for part in [
        "Original-Envelope-Id: QQ+1\r\n",
        "Original-Recipient: rfc822; Ann@x.example\r\n",
        "Action: relayed\r\nStatus: 2.0.0\r\nRemote-MTA: dns; [127.0.0.1]\r\n",
    ] {
        ensure!(report.contains(part), "no {part:?} in {report}");
    }
    ensure!(!report.contains("The end."), "RET is about failures alone: {report}");
    assert_eq!(peer.messages()[0].mail, "<bob@b.example>");
    server.stop()
}

#[test]
fn a_failure_is_told_with_the_words_of_the_other_server_and_the_message() -> Result<()> {
    let peer = Peer::start(Script::default().saying("RCPT", "550-5.1.1 Nobody of\r\n550 5.1.1 that name"))?;
    let mut server = serve(&scene(&[("out", &peer)]), vec![asking(1, "out")?])?;
    let report = report(&mut server)?;
    for part in [
        "Action: failed\r\nStatus: 5.1.1\r\n",
        "Diagnostic-Code: smtp; 550 5.1.1 Nobody of that name\r\n",
        "Content-Type: message/rfc822\r\n",
        "The end.\r\n",
    ] {
        ensure!(report.contains(part), "no {part:?} in {report}");
    }
    server.settled()?;
    server.stop()
}

#[test]
fn who_wants_no_report_gets_none() -> Result<()> {
    let peer = Peer::start(Script::default().saying("RCPT", "550 5.1.1 Nobody"))?;
    let mut silent = asking(1, "out")?;
    silent.envelope.recipients[0].notify = Notify::NEVER;
    let mut null = asking(2, "out")?;
    null.envelope.reverse_path = smtp::ReversePath::Null;
    let mut server = serve(&scene(&[("out", &peer)]), vec![silent, null])?;
    server.counted(|counters| counters.failed.value() == 2)?;
    server.settled()?;
    ensure!(server.running()?.entries(None, 1).is_empty(), "something is left");
    server.stop()
}

#[test]
fn a_list_is_told_of_once_and_its_members_by_their_failures() -> Result<()> {
    let mut scene = Scene::default();
    scene.config.push(("tenants.b.aliases".to_owned(), Value::from("aliases")));
    let site = Site::lay(&scene)?;
    site.put("aliases", b"all list: ann, bea\n")?;
    let mut server = Server::start_at(site)?;
    let mut client = Client::greeted(server.address())?;
    client.ask("EHLO a.example", 250)?;
    client.ask("MAIL FROM:<bob@b.example>", 250)?;
    client.ask("RCPT TO:<all@b.example> NOTIFY=SUCCESS", 250)?;
    client.ask("DATA", 354)?;
    client.send(CONTENT_ON_THE_WIRE)?;
    client.ask(".", 250)?;
    let report = report(&mut server)?;
    ensure!(report.contains("rfc822; all@b.example\r\nAction: expanded\r\n"), "{report}");
    server.delivered("ann@b.example")?;
    server.delivered("bea@b.example")?;
    // Nothing of them: who asked knows the list alone (RFC 3461 §5.2.7.3).
    server.settled()?;
    server.stop()
}

const CONTENT_ON_THE_WIRE: &[u8] = b"Subject: hi\r\n\r\nHello.\r\n";

/// What an entry was before it was made older.
struct Aged {
    attempts: u32,
    /// Until its next attempt, in milliseconds.
    wait: u64,
}

/// Makes an entry older by the wait for its next attempt: time that passed while no server ran.
async fn age_entry(spool: &Spool, id: QueueId) -> Result<Aged> {
    let mut entry = spool.entry(id)?;
    let wait = entry.due.0.saturating_sub(sluice::clock::now().0);
    entry.due = Timestamp(entry.due.0 - wait);
    entry.arrived = Timestamp(entry.arrived.0 - wait);
    let whole = spool.read(&entry.content, 0..entry.content.size()).await?;
    let attempts = entry.envelope.recipients[0].attempts;
    spool.delete(id).await?;
    spool.restore(entry, vec![ContentPiece::Inline(whole)]).await?;
    Ok(Aged { attempts, wait })
}

/// Five days at the schedule's defaults, without waiting for them: between two lives of the server the entry is made older by
/// the wait that the server chose.
#[test]
fn five_days_without_an_answer_are_told_after_four_hours_and_at_their_end() -> Result<()> {
    let peer = Peer::start(Script::default().saying("RCPT", "451 4.3.0 Later"))?;
    let born = sluice::clock::now();
    let mut first = asking(1, "out")?;
    (first.arrived, first.due, first.envelope.expires) = (born, born, None);
    let id = first.id;
    let mut server = serve(&scene(&[("out", &peer)]), vec![first])?;
    let (mut age, mut ages, mut told) = (0, vec![0], Vec::new());
    let site = loop {
        server.counted(|counters| counters.delivery_deferred.value() + counters.failed.value() == 1)?;
        let site = server.stopped()?;
        let (left, pending) = with_spool(&site, async |spool| {
            let left = match spool.summary(id) {
                Some(_) => Some(age_entry(spool, id).await?),
                None => None,
            };
            let pending = spool.counts().entries - usize::from(left.is_some());
            anyhow::Ok((left, pending))
        })??;
        if site.mailbox(SENDER)?.len() + pending > told.len() {
            told.push(age);
        }
        let Some(Aged { attempts, wait }) = left else { break site };
        ensure!(usize::try_from(attempts)? == ages.len(), "{attempts} attempts, {ages:?}");
        age += wait;
        ages.push(age);
        server = Server::start_at(site)?;
    };
    let mut server = Server::start_at(site)?;
    server.drained()?;
    let reports = server.site().mailbox(SENDER)?;
    let [delay, failure] = &reports[..] else { anyhow::bail!("{} reports", reports.len()) };
    let (delay, failure) = (String::from_utf8_lossy(delay), String::from_utf8_lossy(failure));
    ensure!(delay.contains("Action: delayed\r\nStatus: 4.3.0\r\n"), "{delay}");
    ensure!(delay.contains("Will-Retry-Until: "), "{delay}");
    ensure!(failure.contains("Action: failed\r\nStatus: 5.4.7\r\n"), "{failure}");
    let near = |age: u64, hours: u64| age.abs_diff(hours * HOUR) < MINUTE;
    ensure!(told.len() == 2 && near(told[0], 4) && near(told[1], 120), "{told:?}");
    // RFC 5321 §4.5.4.1; the seventh is for the delay. Each wait may be a tenth off.
    let early = [0, 5, 20, 50, 110, 230, 240].map(|minutes| minutes * MINUTE);
    for (age, expected) in ages.iter().zip(early) {
        ensure!(age.abs_diff(expected) <= expected / 10 + MINUTE / 2, "{age} is not {expected}: {ages:?}");
    }
    let apart = ages.windows(2).skip(6).map(|pair| pair[1] - pair[0]);
    ensure!(apart.max().is_some_and(|most| most <= 4 * HOUR * 11 / 10 + MINUTE), "{ages:?}");
    ensure!((30..=45).contains(&ages.len()), "{} attempts", ages.len());
    Ok(())
}

/// Each message fails at the peer; whenever the server dies, each is reported once.
#[test]
fn a_server_that_is_killed_tells_each_failure_exactly_once() -> Result<()> {
    const MESSAGES: u128 = 200;
    const KILLS: usize = 6;
    let peer = Peer::start(Script::default().saying("RCPT", "550 5.1.1 Nobody"))?;
    let mut scene = scene(&[("out", &peer)]);
    // One after the other, so that a life has something left to do when it ends.
    scene.config.push(("routes.out.connections_max".to_owned(), Value::from(1)));
    let site = Site::lay(&scene)?;
    let entries = (1..=MESSAGES).map(|number| asking(number, "out")).collect::<Result<Vec<_>>>()?;
    with_spool(&site, async |spool| spool.accept(entries).await)??;
    for _ in 0..KILLS {
        let mut process = Process::start(binary(), &site)?;
        // Made and perhaps recorded, perhaps delivered.
        for _ in 0..fastrand::usize(1..10) {
            process.wait_for(|line| line["message"] == "DSN made")?;
        }
        process.kill();
    }
    let mut server = Server::start_at(site)?;
    server.drained()?;
    let reports = server.site().mailbox(SENDER)?;
    let mut told = reports.iter().map(|report| original(report)).collect::<Result<Vec<_>>>()?;
    told.sort();
    let all: Vec<String> = (1..=MESSAGES).map(|number| QueueId::from_number(number).to_string()).collect();
    ensure!(told == all, "{told:?}");
    server.stop()
}

/// The queue id that a report is about, from its words for the postmaster.
fn original(report: &[u8]) -> Result<String> {
    let text = String::from_utf8_lossy(report).replace("\r\n", " ");
    let (_, behind) = text.split_once("the message had the queue id ").context("no queue id")?;
    Ok(behind.split(' ').next().unwrap_or_default().to_owned())
}
