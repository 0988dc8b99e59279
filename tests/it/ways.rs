//! Other names of mailboxes, and the next hops of recipients: what becomes of an entry before its delivery.

use std::time::Duration;

use anyhow::{Context, Result, ensure};
use smtp::NextHop;
use spool::{Entry, Spool};
use tests::client::Client;
use tests::clock::Stopwatch;
use tests::scene::{Installed, Scene};
use tests::server::Server;
use tests::site::Site;
use toml::Value;

/// Far above the second between two looks at a file of aliases, and above the stages of a message in a debug build.
const WAIT_MAX: Duration = Duration::from_secs(60);

/// A server with these keys, and these aliases of the tenants `b` and `d`.
fn server(config: &[(&str, &str)], aliases: &str) -> Result<Server> {
    let mut scene = Scene::default();
    for (key, value) in config {
        scene.config.push(((*key).to_owned(), value.parse()?));
    }
    for tenant in ["b", "d"] {
        scene.config.push((format!("tenants.{tenant}.aliases"), Value::from("aliases")));
    }
    let site = Site::lay(&scene)?;
    site.put("aliases", aliases.as_bytes())?;
    Server::start_at(site)
}

fn send(server: &Server, recipients: &[&str]) -> Result<()> {
    let mut client = Client::greeted(server.address())?;
    client.ask("EHLO a.example", 250)?;
    client.ask("MAIL FROM:<ann@b.example>", 250)?;
    for recipient in recipients {
        client.ask(&format!("RCPT TO:<{recipient}>"), 250)?;
    }
    client.ask("DATA", 354)?;
    client.send(b"Subject: hi\r\n\r\nHello.\r\n")?;
    client.ask(".", 250).map(drop)
}

/// The entries that a stopped server left.
fn left(server: Server) -> Result<Vec<Entry>> {
    let site = server.stopped()?;
    let folder = site.path("data/spool");
    tokio::runtime::Runtime::new()?.block_on(async {
        let (spool, _) = Spool::open(spool::Settings::new(folder)).await?;
        let entries = spool.list(None, 100).into_iter().map(|summary| Ok(spool.entry(summary.id)?));
        let entries = entries.collect::<Result<Vec<_>>>()?;
        spool.close().await;
        Ok(entries)
    })
}

#[test]
fn an_alias_means_its_members_and_each_of_them_once() -> Result<()> {
    let mut server = server(&[], "sales: bob, more, dora@d.example\nmore: BOB, bea, more\n")?;
    send(&server, &["sales@b.example", "bea@b.example"])?;
    for address in ["bob@b.example", "bea@b.example", "more@b.example", "dora@d.example"] {
        let message = String::from_utf8(server.delivered(address)?)?;
        ensure!(message.contains("Hello."), "{message}");
    }
    server.settled()?;
    ensure!(left(server)?.is_empty());
    Ok(())
}

#[test]
fn aliases_that_go_in_circles_fail_the_recipient_and_nobody_else() -> Result<()> {
    let mut server = server(&[], "round: about\nabout: round\n")?;
    send(&server, &["round@b.example", "bob@b.example"])?;
    server.delivered("bob@b.example")?;
    let report = String::from_utf8(server.delivered("ann@b.example")?)?;
    ensure!(report.contains("rfc822; round@b.example\r\nAction: failed\r\nStatus: 5.4.6\r\n"), "{report}");
    server.settled()?;
    ensure!(left(server)?.is_empty());
    Ok(())
}

#[test]
fn the_members_of_a_list_are_told_of_in_an_entry_with_the_list() -> Result<()> {
    let config = [("routes.out.domains", "['*.example']"), ("routes.out.hosts", "['127.0.0.1:1']")];
    let server = server(&config, "all list: bob@c.example, bea@c.example\n")?;
    send(&server, &["all@d.example"])?;
    let entry = routed(server, 1)?.pop().context("an entry")?;
    let words: Vec<&str> = entry.envelope.recipients.iter().map(|recipient| recipient.state.word()).collect();
    ensure!(words[0] == "expanded" && words.len() == 3, "{words:?}");
    let original = entry.envelope.recipients[1].original.to_string();
    ensure!(original == "all@d.example", "{original}");
    Ok(())
}

/// The entries that a server left which wait for another try at another server, when there are so many.
fn routed(server: Server, count: usize) -> Result<Vec<Entry>> {
    let watch = Stopwatch::start();
    // An id begins with the time at which it was given; what was not tried yet is due then.
    let was_tried = |entry: &spool::Summary| u128::from(entry.due.0) > (entry.id.number() >> 80) + 60_000;
    loop {
        let entries = server.running()?.entries(None, 100);
        if entries.len() == count && entries.iter().all(was_tried) {
            break;
        }
        ensure!(watch.elapsed() < WAIT_MAX, "not {count} entries that were tried: {entries:?}");
        std::thread::yield_now();
    }
    left(server)
}

#[test]
fn an_entry_is_divided_by_the_next_hops_of_its_recipients() -> Result<()> {
    let config = [
        ("relay.networks", "['127.0.0.1']"),
        ("dns.servers", "['127.0.0.1:1']"),
        ("routes.hub.domains", "['*.c.example', 'b.example']"),
        ("routes.hub.hosts", "['127.0.0.1:1']"),
    ];
    let mut server = server(&config, "dora: dora, dan@x.c.example\n")?;
    // A route for our own domain, another name with a copy, and two domains of strangers.
    send(&server, &["bob@b.example", "dora@d.example", "eve@e.example", "fay@y.c.example"])?;
    server.delivered("dora@d.example")?;
    let mut found: Vec<String> = routed(server, 4)?
        .iter()
        .map(|entry| {
            ensure!(entry.stage.stage == spool::StageName::Deliver, "{entry:?}");
            let route = entry.stage.route.as_ref().context("a route")?;
            let to = match &route.to {
                NextHop::Configured => "by configuration",
                NextHop::Exchangers(_) => "by exchangers",
                other => anyhow::bail!("{other:?}"),
            };
            let recipients: Vec<String> =
                entry.envelope.recipients.iter().map(|recipient| recipient.address.to_string()).collect();
            Ok(format!("{}: {} {to} to {}", entry.tenant, recipients.join(" "), route.queue))
        })
        .collect::<Result<_>>()?;
    found.sort();
    let expected = [
        "b: bob@b.example by configuration to hub",
        "d: dan@x.c.example by configuration to hub",
        "operator: eve@e.example by exchangers to e.example",
        "operator: fay@y.c.example by configuration to hub",
    ];
    ensure!(found == expected, "{found:#?}");
    Ok(())
}

/// A server with sinks of the tenant `b`, that takes mail for elsewhere.
fn scripted(sinks: &[&str], config: &[(&str, &str)]) -> Result<Server> {
    let sinks = sinks.iter().map(|text| Installed::parse(text)).collect::<Result<_>>()?;
    let mut scene = Scene { sinks, ..Scene::default() };
    for (key, value) in
        [&[("relay.networks", "['127.0.0.1']"), ("dns.servers", "['127.0.0.1:1']")], config].concat()
    {
        scene.config.push((key.to_owned(), value.parse()?));
    }
    Server::start(&scene)
}

#[test]
fn what_a_sink_adds_for_elsewhere_is_of_the_tenant_that_it_was_asked_for() -> Result<()> {
    let routes = [("routes.out.domains", "['*']"), ("routes.out.hosts", "['127.0.0.1:1']")];
    let add = |events: &str| format!("script tenant=b grants=forward {events}");
    for sink in [
        add("on-end-of-data=\"add-recipient eve@x.example\""),
        add("on-end-of-data=\"redirect 0 eve@x.example\""),
        add("on-transport-submission=\"add-recipient eve@x.example\""),
        add("on-post-categorize=\"add-recipient eve@x.example\""),
        add("on-categorize:bob=\"forward eve@x.example\""),
        // The operator's sink is asked about the share of a tenant.
        "script grants=forward on-end-of-data=\"add-recipient eve@x.example\"".to_owned(),
    ] {
        let server = scripted(&[&sink], &routes)?;
        send(&server, &["bob@b.example"])?;
        let entries = routed(server, 1)?;
        ensure!(entries[0].tenant == "b", "{sink}: {entries:#?}");
    }
    Ok(())
}

#[test]
fn a_sink_names_the_mailbox_and_asks_to_be_asked_again() -> Result<()> {
    let mut server = scripted(
        &["script tenant=b on-categorize:bob=\"mailbox bea\" on-categorize:cid=\"retry-in 3600\""],
        &[],
    )?;
    send(&server, &["bob@b.example", "cid@b.example"])?;
    server.delivered("bob@b.example")?;
    ensure!(server.site().mailbox("bea@b.example")?.len() == 1, "in another mailbox");
    let entries = routed(server, 1)?;
    ensure!(entries[0].stage.stage == spool::StageName::Categorize, "{entries:#?}");
    let waits = entries[0].due.0.saturating_sub(entries[0].arrived.0);
    ensure!((3_600_000..3_700_000).contains(&waits), "{waits} ms");
    Ok(())
}

#[test]
fn aliases_are_read_again_when_their_file_changes() -> Result<()> {
    let mut server = server(&[], "# nobody yet\n")?;
    let mut client = Client::greeted(server.address())?;
    client.ask("EHLO a.example", 250)?;
    client.ask("MAIL FROM:<ann@a.example>", 250)?;
    client.ask("RCPT TO:<sales@d.example>", 550)?;
    server.site().put("aliases", b"sales: dora\n")?;
    let watch = Stopwatch::start();
    loop {
        let mut client = Client::greeted(server.address())?;
        client.ask("EHLO a.example", 250)?;
        client.ask("MAIL FROM:<ann@a.example>", 250)?;
        client.send(b"RCPT TO:<sales@d.example>\r\n")?;
        if client.next_line()?.starts_with("250") {
            break;
        }
        ensure!(watch.elapsed() < WAIT_MAX, "the file was not read again");
        std::thread::yield_now();
    }
    send(&server, &["sales@d.example"])?;
    server.delivered("dora@d.example")?;
    server.stop()
}
