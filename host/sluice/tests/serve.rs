//! The whole server in this process, on loopback: a client speaks SMTP, the message is found in the Maildir.

#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test fails by panicking")]

use std::collections::{BTreeMap, BTreeSet};
use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::time::Duration;

use sluice::config::{Config, Listener, Mailboxes, Tenant};
use sluice::{Observation, Running, Server};
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use tokio::net::TcpStream;
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::sync::mpsc::{self, Receiver};

/// Longest wait for anything; reached only by a failure.
const PATIENCE: Duration = Duration::from_secs(30);

struct Scene {
    folder: PathBuf,
    config: Config,
}

impl Scene {
    fn new(name: &str) -> Self {
        let folder = std::env::temp_dir().join(format!("sluice-serve-{name}-{}", std::process::id()));
        let _ = std::fs::remove_dir_all(&folder);
        std::fs::create_dir_all(&folder).unwrap();
        let listener =
            Listener { address: SocketAddr::from((Ipv4Addr::LOCALHOST, 0)), ..Listener::default() };
        let tenant = |domain: &str, mailboxes| Tenant {
            domains: BTreeSet::from([domain.to_owned()]),
            mailboxes,
            ..Tenant::default()
        };
        let config = Config {
            host_name: "mx.example".to_owned(),
            data_directory: folder.clone(),
            listeners: BTreeMap::from([("smtp".to_owned(), listener)]),
            tenants: BTreeMap::from([
                ("a".to_owned(), tenant("a.example", Mailboxes::Any)),
                ("b".to_owned(), tenant("b.example", Mailboxes::Listed(BTreeSet::from(["bob".to_owned()])))),
            ]),
            ..Config::default()
        };
        Self { folder, config }
    }

    async fn start(&self) -> (Running, Receiver<Observation>) {
        let (watcher, observations) = mpsc::channel(1024);
        let running = Server::start_observed(self.config.clone(), Some(watcher)).await.unwrap();
        (running, observations)
    }
}

impl Drop for Scene {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.folder);
    }
}

struct Client {
    read: BufReader<OwnedReadHalf>,
    write: OwnedWriteHalf,
}

impl Client {
    async fn connect(running: &Running) -> Self {
        let stream = TcpStream::connect(running.addresses["smtp"]).await.unwrap();
        let (read, write) = stream.into_split();
        let mut client = Self { read: BufReader::new(read), write };
        client.expect("220 ").await;
        client
    }

    /// Reads one reply and returns its last line.
    async fn reply(&mut self) -> String {
        loop {
            let mut line = String::new();
            tokio::time::timeout(PATIENCE, self.read.read_line(&mut line)).await.unwrap().unwrap();
            if line.as_bytes().get(3) != Some(&b'-') {
                return line;
            }
        }
    }

    #[track_caller]
    fn expect(&mut self, start: &'static str) -> impl Future<Output = ()> {
        let place = std::panic::Location::caller();
        async move {
            let line = self.reply().await;
            assert!(line.starts_with(start), "expected {start}, got {line:?} at {place}");
        }
    }

    async fn say(&mut self, line: &str, reply: &'static str) {
        self.write.write_all(format!("{line}\r\n").as_bytes()).await.unwrap();
        let line = format!("{line} -> {}", self.reply().await);
        assert!(line.contains(&format!("-> {reply}")), "expected {reply}: {line}");
    }

    async fn send(&mut self, recipient: &str, content: &str) {
        self.say("MAIL FROM:<s@c.example>", "250 2.1.0").await;
        self.say(&format!("RCPT TO:<{recipient}>"), "250 2.1.5").await;
        self.say("DATA", "354 ").await;
        self.write.write_all(content.as_bytes()).await.unwrap();
        self.say(".", "250 2.0.0").await;
    }
}

async fn delivered(observations: &mut Receiver<Observation>) -> Vec<u8> {
    loop {
        let next = tokio::time::timeout(PATIENCE, observations.recv()).await.unwrap().unwrap();
        if let Observation::Delivered { path, .. } = next {
            return std::fs::read(path).unwrap();
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_message_arrives_byte_for_byte_under_our_trace_fields() {
    let scene = Scene::new("arrives");
    let (running, mut observations) = scene.start().await;
    let mut client = Client::connect(&running).await;
    client.say("EHLO c.example", "250 ").await;
    let content = "Subject: =?x\r\nX-Odd:   two  spaces\t\r\n\r\nbody\r\n\r\n";
    client.send("ann@a.example", content).await;
    let arrived = String::from_utf8(delivered(&mut observations).await).unwrap();
    assert!(arrived.starts_with("Return-Path: <s@c.example>\r\nReceived: from c.example "), "{arrived}");
    assert!(arrived.contains(" with ESMTP\r\n\tid "), "{arrived}");
    assert!(arrived.ends_with(content), "{arrived}");
    client.say("QUIT", "221 ").await;
    running.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn mail_for_others_is_refused_at_rcpt() {
    let scene = Scene::new("refused");
    let (running, _observations) = scene.start().await;
    let mut client = Client::connect(&running).await;
    client.say("EHLO c.example", "250 ").await;
    client.say("MAIL FROM:<s@c.example>", "250 ").await;
    client.say("RCPT TO:<x@elsewhere.example>", "550 5.7.1").await;
    client.say("RCPT TO:<nobody@b.example>", "550 5.1.1").await;
    client.say("RCPT TO:<bob@b.example>", "250 ").await;
    client.say("RCPT TO:<postmaster>", "250 ").await;
    client.say("QUIT", "221 ").await;
    running.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_tenants_of_one_transaction_each_get_their_share() {
    let scene = Scene::new("shares");
    let (running, mut observations) = scene.start().await;
    let mut client = Client::connect(&running).await;
    client.say("EHLO c.example", "250 ").await;
    client.say("MAIL FROM:<>", "250 ").await;
    client.say("RCPT TO:<ann@a.example>", "250 ").await;
    client.say("RCPT TO:<bob@b.example>", "250 ").await;
    client.say("DATA", "354 ").await;
    client.say("Subject: both\r\n\r\nx\r\n.", "250 ").await;
    for _ in 0..2 {
        let arrived = delivered(&mut observations).await;
        assert!(arrived.starts_with(b"Return-Path: <>\r\n"));
    }
    running.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_message_that_goes_in_circles_is_refused() {
    let scene = Scene::new("circles");
    let (running, _observations) = scene.start().await;
    let mut client = Client::connect(&running).await;
    client.say("EHLO c.example", "250 ").await;
    client.say("MAIL FROM:<s@c.example>", "250 ").await;
    client.say("RCPT TO:<ann@a.example>", "250 ").await;
    client.say("DATA", "354 ").await;
    let fields = "Received: from a by b; Mon, 1 Jan 2024 00:00:00 +0000\r\n".repeat(101);
    client.say(&format!("{fields}\r\nx\r\n."), "554 5.4.6").await;
    running.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_that_stops_tells_its_waiting_clients() {
    let scene = Scene::new("stops");
    let (running, _observations) = scene.start().await;
    let mut client = Client::connect(&running).await;
    let stopping = tokio::spawn(running.stop());
    client.expect("421 4.3.2").await;
    tokio::time::timeout(PATIENCE, stopping).await.unwrap().unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn mail_is_deferred_while_the_disk_is_low() {
    let mut scene = Scene::new("low");
    scene.config.low_resources.disk_free_bytes_min = u64::MAX;
    let (running, _observations) = scene.start().await;
    let mut client = Client::connect(&running).await;
    client.say("EHLO c.example", "250 ").await;
    client.say("MAIL FROM:<s@c.example>", "452 4.3.1").await;
    running.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_client_past_the_connection_limit_is_told_so() {
    let mut scene = Scene::new("limit");
    scene.config.limits.connections_max = 1;
    let (running, _observations) = scene.start().await;
    let _first = Client::connect(&running).await;
    let stream = TcpStream::connect(running.addresses["smtp"]).await.unwrap();
    let mut line = String::new();
    BufReader::new(stream).read_line(&mut line).await.unwrap();
    assert!(line.starts_with("421 4.3.2"), "{line}");
    running.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_accepted_before_a_stop_is_delivered_after_a_start_exactly_once() {
    let scene = Scene::new("again");
    let (running, mut observations) = scene.start().await;
    let mut client = Client::connect(&running).await;
    client.say("EHLO c.example", "250 ").await;
    for number in 0..20 {
        client.send("ann@a.example", &format!("Subject: {number}\r\n\r\nx\r\n")).await;
    }
    drop(client);
    running.stop().await;
    let mut arrived = 0;
    while let Ok(observation) = observations.try_recv() {
        arrived += usize::from(matches!(observation, Observation::Delivered { .. }));
    }
    let (running, mut observations) = scene.start().await;
    while arrived < 20 {
        delivered(&mut observations).await;
        arrived += 1;
    }
    running.stop().await;
    let files = std::fs::read_dir(scene.folder.join("mail/a.example/ann/new")).unwrap().count();
    assert_eq!(files, 20);
}
