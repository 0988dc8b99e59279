//! Delivery to other servers: what becomes of each recipient, whatever the next hop does.

use anyhow::{Context, Result, ensure};
use smtp::{Envelope, Mailbox, QueueName, Recipient, RecipientId, RecipientState, Route, Timestamp};
use spool::{ContentPiece, Entry, EntryState, Ingress, NewEntry, QueueId, Spool, StageName, StagePointer};
use tests::peer::{Answer, Peer, Script};
use tests::scene::{Installed, Scene};
use tests::server::Server;
use tests::site::Site;
use toml::Value;

/// Late enough that no entry of a test is expired: 2100.
const EXPIRES: Timestamp = Timestamp(4_102_444_800_000);

pub(crate) const CONTENT: &[u8] = b"Subject: hi\r\n\r\n.one dot\r\n..two\r\n.\r\nThe end.\r\n";

/// An entry that is to go along a route.
pub(crate) fn entry(number: u128, route: Route, recipients: &[&str], content: &'static [u8]) -> NewEntry {
    let recipient = |(id, address): (u32, &&str)| {
        Recipient::new(RecipientId(id), Mailbox::parse(address).expect("an address"))
    };
    NewEntry {
        id: QueueId::from_number(number),
        parent: None,
        maker: None,
        ingress: Ingress::Smtp,
        arrived: Timestamp(1_700_000_000_000),
        facts: None,
        tenant: "b".to_owned(),
        envelope: Envelope {
            reverse_path: smtp::ReversePath::Mailbox(Mailbox::parse("bob@b.example").expect("an address")),
            recipients: (0..).zip(recipients).map(recipient).collect(),
            expires: Some(EXPIRES),
            ..Envelope::default()
        },
        content: vec![ContentPiece::Inline(content.into())],
        variables: spool::Variables::default(),
        scores: spool::Scores::default(),
        stage: StagePointer::at(StageName::Deliver).along(Some(route)),
        due: Timestamp(1_700_000_000_000),
        state: EntryState::Active,
    }
}

pub(crate) fn configured(name: &str) -> Route {
    Route::configured(QueueName::parse(name).expect("a name"))
}

/// A scene with routes to peers, by name.
pub(crate) fn scene(routes: &[(&str, &Peer)]) -> Scene {
    let hosts = |peer: &Peer| Value::from(vec![Value::from(peer.address().to_string())]);
    let mut config: Vec<(String, Value)> =
        routes.iter().map(|(name, peer)| (format!("routes.{name}.hosts"), hosts(peer))).collect();
    config.push(("shutdown.drain_seconds".to_owned(), Value::from(5)));
    Scene { config, ..Scene::default() }
}

pub(crate) fn with_spool<T>(site: &Site, work: impl AsyncFnOnce(&Spool) -> T) -> Result<T> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        let (spool, _) = Spool::open(spool::Settings::new(site.path("data/spool"))).await?;
        let done = work(&spool).await;
        spool.close().await;
        Ok(done)
    })
}

/// A server that finds these entries in its spool.
pub(crate) fn serve(scene: &Scene, entries: Vec<NewEntry>) -> Result<Server> {
    let site = Site::lay(scene)?;
    with_spool(&site, async |spool| spool.accept(entries).await)??;
    Server::start_at(site)
}

/// What is left in the spool of a server.
pub(crate) fn left(server: Server) -> Result<Vec<Entry>> {
    let site = server.stopped()?;
    with_spool(&site, async |spool| {
        let ids = spool.list(None, 1000);
        ids.iter().map(|summary| spool.entry(summary.id)).collect::<Result<Vec<Entry>, _>>()
    })?
    .context("an entry can't be read")
}

/// What is recorded of the recipients of all entries but reports.
pub(crate) fn outcomes(entries: &[Entry]) -> Vec<(u128, RecipientState, String)> {
    let of = |entry: &Entry| {
        let number = entry.id.number();
        let one = move |recipient: &Recipient| {
            let reply = recipient.last_reply.as_ref().map(ToString::to_string).unwrap_or_default();
            (number, recipient.state, reply)
        };
        entry.envelope.recipients.iter().map(one).collect::<Vec<_>>()
    };
    entries.iter().filter(|entry| entry.ingress != Ingress::Dsn).flat_map(of).collect()
}

#[test]
fn a_message_goes_out_byte_for_byte_under_our_received_field() -> Result<()> {
    let peer = Peer::start(Script::default())?;
    let mut server =
        serve(&scene(&[("out", &peer)]), vec![entry(1, configured("out"), &["ann@x.example"], CONTENT)])?;
    server.settled()?;
    let messages = peer.messages();
    ensure!(messages.len() == 1, "{messages:?}");
    ensure!(messages[0].mail.starts_with("<bob@b.example>"), "{}", messages[0].mail);
    ensure!(messages[0].recipients == ["<ann@x.example>"]);
    let trace = messages[0].content.strip_suffix(CONTENT).context("the content is another")?;
    let trace = String::from_utf8(trace.to_vec())?;
    ensure!(trace.starts_with("Received: ") && trace.matches("Received: ").count() == 1, "{trace}");
    ensure!(!trace.contains("Return-Path"), "{trace}");
    ensure!(left(server)?.is_empty());
    Ok(())
}

#[test]
fn each_recipient_has_the_outcome_of_its_own_reply() -> Result<()> {
    let script = Script::default()
        .saying("RCPT gone@x.example", "550 5.1.1 Nobody")
        .saying("RCPT full@x.example", "452 4.2.2 Full");
    let peer = Peer::start(script)?;
    let recipients = ["ann@x.example", "gone@x.example", "full@x.example"];
    let server = serve(&scene(&[("out", &peer)]), vec![entry(1, configured("out"), &recipients, CONTENT)])?;
    server.counted(|counters| counters.delivery_deferred.value() == 1)?;
    let outcomes = outcomes(&left(server)?);
    let states: Vec<RecipientState> = outcomes.iter().map(|(_, state, _)| *state).collect();
    assert_eq!(states, [RecipientState::Relayed, RecipientState::Failed, RecipientState::Deferred]);
    ensure!(outcomes[1].2.contains("5.1.1"), "{outcomes:?}");
    ensure!(outcomes[2].2.contains("4.2.2"), "{outcomes:?}");
    ensure!(peer.messages()[0].recipients == ["<ann@x.example>"]);
    Ok(())
}

#[test]
fn whatever_a_peer_does_at_each_step_the_outcome_is_right() -> Result<()> {
    use RecipientState::{Deferred, Failed};
    let say = |code: &str| Answer::Say(format!("{code} No\r\n"));
    let mut cases = Vec::new();
    for step in ["CONNECT", "EHLO", "MAIL", "RCPT", "DATA", "."] {
        // Who does not greet us may be another host tomorrow; who refuses a message means this one.
        let refused = if matches!(step, "CONNECT" | "EHLO") { Deferred } else { Failed };
        cases.push((step, say("421 4.3.2"), Deferred));
        cases.push((step, say("451 4.3.0"), Deferred));
        cases.push((step, say("554 5.7.1"), refused));
        cases.push((step, Answer::Close, Deferred));
        cases.push((step, Answer::Endless, Deferred));
        cases.push((step, Answer::Say("nonsense\r\n".to_owned()), Deferred));
    }
    let mut peers = Vec::new();
    for (step, answer, _) in &cases {
        // The older greeting is refused like the newer one.
        let script = Script::default().at(step, answer.clone());
        peers.push(Peer::start(if *step == "EHLO" { script.at("HELO", answer.clone()) } else { script })?);
    }
    let names: Vec<String> = (0..cases.len()).map(|number| format!("r{number}")).collect();
    let routes: Vec<(&str, &Peer)> = names.iter().map(String::as_str).zip(&peers).collect();
    let entries =
        (1..).zip(&names).map(|(number, name)| entry(number, configured(name), &["ann@x.example"], CONTENT));
    let server = serve(&scene(&routes), entries.collect())?;
    let all = u64::try_from(cases.len())?;
    server.counted(|counters| counters.delivery_deferred.value() + counters.failed.value() == all)?;
    // Who failed is gone; of each the sender is told, or that it is late, since the entries are old.
    let failed = cases.iter().filter(|(.., expected)| *expected == Failed).count();
    server.counted(|counters| counters.delivered.value() == all)?;
    let outcomes = outcomes(&left(server)?);
    ensure!(outcomes.len() + failed == cases.len());
    for (number, (step, answer, expected)) in (1..).zip(&cases) {
        let state = outcomes.iter().find(|(id, ..)| *id == number).map_or(Failed, |(_, state, _)| *state);
        ensure!(state == *expected, "{number}: {step} {answer:?}: {state:?}");
    }
    Ok(())
}

#[test]
fn the_next_host_is_tried_before_anything_waits() -> Result<()> {
    let dead = std::net::TcpListener::bind("127.0.0.1:0")?.local_addr()?;
    let busy = Peer::start(Script::default().saying("CONNECT", "421 4.3.2 Busy"))?;
    let full = Peer::start(Script::default().saying("RCPT", "452 4.2.2 Full"))?;
    let good = Peer::start(Script::default())?;
    let mut scene = scene(&[]);
    let hosts = [dead, busy.address(), full.address(), good.address()];
    let hosts: Vec<Value> = hosts.iter().map(|address| Value::from(address.to_string())).collect();
    scene.config.push(("routes.out.hosts".to_owned(), Value::from(hosts)));
    let mut server = serve(&scene, vec![entry(1, configured("out"), &["ann@x.example"], CONTENT)])?;
    server.settled()?;
    ensure!(good.messages().len() == 1 && full.messages().is_empty());
    ensure!(left(server)?.is_empty());
    Ok(())
}

#[test]
fn a_message_that_a_host_may_have_is_offered_to_no_other() -> Result<()> {
    let silent = Peer::start(Script::default().at(".", Answer::Close))?;
    let other = Peer::start(Script::default())?;
    let mut scene = scene(&[]);
    let hosts: Vec<Value> =
        [&silent, &other].iter().map(|peer| Value::from(peer.address().to_string())).collect();
    scene.config.push(("routes.out.hosts".to_owned(), Value::from(hosts)));
    let server = serve(&scene, vec![entry(1, configured("out"), &["ann@x.example"], CONTENT)])?;
    server.counted(|counters| counters.delivery_deferred.value() == 1)?;
    ensure!(other.messages().is_empty() && silent.messages().len() == 1);
    ensure!(outcomes(&left(server)?)[0].1 == RecipientState::Deferred);
    Ok(())
}

#[test]
fn connections_are_used_again_and_worn_out_by_their_setting() -> Result<()> {
    const MESSAGES: u128 = 30;
    let peer = Peer::start(Script::default())?;
    let mut scene = scene(&[("out", &peer)]);
    scene.config.push(("routes.out.messages_per_connection_max".to_owned(), Value::from(10)));
    scene.config.push(("routes.out.connections_max".to_owned(), Value::from(1)));
    let entries = (1..=MESSAGES).map(|number| entry(number, configured("out"), &["ann@x.example"], CONTENT));
    let mut server = serve(&scene, entries.collect())?;
    server.settled()?;
    ensure!(peer.messages().len() == 30);
    ensure!(peer.connections() == 3, "{} connections", peer.connections());
    server.stop()
}

#[test]
fn eight_bit_content_is_encoded_for_a_peer_that_takes_none() -> Result<()> {
    let content =
        "Subject: hi\r\nContent-Type: text/plain; charset=utf-8\r\n\r\nGr\u{fc}\u{df}e\r\n".as_bytes();
    let plain = Peer::start(Script::default().saying("EHLO", "250 peer.example"))?;
    let wide = Peer::start(Script::default())?;
    let entries = vec![
        entry(1, configured("plain"), &["ann@x.example"], content),
        entry(2, configured("wide"), &["ann@x.example"], content),
    ];
    let mut server = serve(&scene(&[("plain", &plain), ("wide", &wide)]), entries)?;
    server.settled()?;
    ensure!(wide.messages()[0].content.ends_with(content));
    let encoded = plain.messages()[0].content.clone();
    ensure!(encoded.is_ascii() && encoded.starts_with(b"Received: "));
    ensure!(String::from_utf8(encoded)?.contains("Gr=C3=BC=C3=9Fe"));
    server.stop()
}

#[test]
fn lmtp_answers_for_each_recipient() -> Result<()> {
    let peer = Peer::start(Script::default().saying(".", "250 2.0.0 In\r\n452 4.2.2 Full\r\n550 5.2.1 Off"))?;
    let mut scene = scene(&[("out", &peer)]);
    scene.config.push(("routes.out.protocol".to_owned(), Value::from("lmtp")));
    let recipients = ["a@x.example", "b@x.example", "c@x.example"];
    let server = serve(&scene, vec![entry(1, configured("out"), &recipients, CONTENT)])?;
    server.counted(|counters| counters.delivery_deferred.value() == 1)?;
    let states: Vec<RecipientState> = outcomes(&left(server)?).iter().map(|(_, state, _)| *state).collect();
    assert_eq!(states, [RecipientState::Delivered, RecipientState::Deferred, RecipientState::Failed]);
    Ok(())
}

#[test]
fn next_hops_that_hang_hold_nobody_up() -> Result<()> {
    let dead = Peer::start(Script::default().at("CONNECT", Answer::Hang))?;
    let alive = Peer::start(Script::default())?;
    let names: Vec<String> = (0..8).map(|number| format!("dead{number}")).collect();
    let mut routes: Vec<(&str, &Peer)> = names.iter().map(|name| (name.as_str(), &dead)).collect();
    routes.push(("alive", &alive));
    let mut scene = scene(&routes);
    scene.config.push(("outbound.connections_max".to_owned(), Value::from(10)));
    let dead_entries = (1..=80).map(|number| {
        let name = &names[usize::try_from(number % 8).unwrap()];
        entry(number, configured(name), &["ann@x.example"], CONTENT)
    });
    let alive_entries =
        (81..=180).map(|number| entry(number, configured("alive"), &["ann@x.example"], CONTENT));
    let server = serve(&scene, dead_entries.chain(alive_entries).collect())?;
    server.counted(|counters| counters.relayed.value() == 100)?;
    ensure!(dead.connections() == 8, "each that hangs has one connection: {}", dead.connections());
    // What hangs was never sent anything: the stop cuts it, and no attempt is counted.
    let left = left(server)?;
    ensure!(left.len() == 80 && left.iter().all(|entry| entry.envelope.recipients[0].attempts == 0));
    Ok(())
}

#[test]
fn mail_of_two_tenants_shares_a_connection_unless_a_sink_is_asked_about_it() -> Result<()> {
    let of = |number, tenant: &str| NewEntry {
        tenant: tenant.to_owned(),
        ..entry(number, configured("out"), &["ann@x.example"], CONTENT)
    };
    for (sinks, connections) in [
        (vec![], 1),
        (vec!["script tenant=b on-session-end=continue"], 2),
        (vec!["script on-session-end=continue"], 2),
    ] {
        let peer = Peer::start(Script::default())?;
        let mut scene = scene(&[("out", &peer)]);
        // Of each line.
        scene.config.push(("routes.out.connections_max".to_owned(), Value::from(1)));
        scene.sinks = sinks.iter().map(|text| Installed::parse(text)).collect::<Result<_>>()?;
        let mut server = serve(&scene, vec![of(1, "b"), of(2, "d"), of(3, "b")])?;
        server.settled()?;
        ensure!(peer.messages().len() == 3 && peer.connections() == connections, "{sinks:?}: {peer:?}");
        ensure!(left(server)?.is_empty());
    }
    Ok(())
}
