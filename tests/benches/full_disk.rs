//! A disk that fills and empties under the real server: what clients hear, and that every message arrives once and whole.
//!
//! Spool and mailboxes are two small tmpfs, so this needs the right to mount; without it, it says so and ends. It takes less
//! than two minutes: a delivery that found its disk full waits for the first step of the retry schedule, a minute.

use std::fs::{self, File};
use std::io::{ErrorKind, Write};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use tests::client::Client;
use tests::clock::Stopwatch;
use tests::process::Process;
use tests::scene::Scene;
use tests::site::Site;

/// Of the spool's disk, and of its watermark.
const SPOOL_MIB: u64 = 64;
const WATERMARK_MIB: i64 = 16;
const MAIL_MIB: u64 = 32;
/// Messages for each part of the show.
const MESSAGES: usize = 20;
/// Lines of a small message; and of a large one: 20 of them are more than what the log has allocated ahead.
const LINES: usize = 1;
const LINES_LARGE: usize = 600;
const LINE_LENGTH: usize = 900;
/// Within this time after there is room, mail is taken again.
const HEALED_WITHIN: Duration = Duration::from_secs(10);
/// The first wait of the retry schedule with its jitter, and some more.
const DELIVERED_WITHIN: Duration = Duration::from_secs(100);
const GLANCE: Duration = Duration::from_millis(100);
const RECIPIENT: &str = "bob@b.example";

fn main() -> Result<()> {
    let scene = Scene {
        config: vec![
            ("low_resources.disk_free_bytes_min".to_owned(), (WATERMARK_MIB << 20).into()),
            ("low_resources.inodes_free_min".to_owned(), 0.into()),
            ("retry.waits_minutes".to_owned(), vec![1].into()),
        ],
        ..Scene::default()
    };
    let site = Site::lay(&scene)?;
    let Some(spool_disk) = Mounted::mount(site.path("data"), SPOOL_MIB)? else { return Ok(()) };
    let Some(mail_disk) = Mounted::mount(site.path("mail"), MAIL_MIB)? else { return Ok(()) };
    let binary = Path::new(env!("CARGO_BIN_EXE_sluice-served"));
    let process = Process::start(binary, &site)?;
    let mut sent = Sent::default();

    say("room", "a message is taken", &accept(&process, &mut sent, 1)?)?;
    arrived(&site, sent.taken.len(), HEALED_WITHIN)?;

    let ballast = spool_disk.fill_up_to(1 << 20)?;
    let heard = until(&process, 452, HEALED_WITHIN)?;
    say("spool's disk below its watermark", "452 4.3.1 at MAIL after", &heard)?;
    fs::remove_file(&ballast)?;
    say("room again", "250 at MAIL after", &until(&process, 250, HEALED_WITHIN)?)?;

    let mail_ballast = mail_disk.fill_up_to(0)?;
    say("mailboxes' disk full", "taken all the same", &accept(&process, &mut sent, MESSAGES)?)?;
    let half = settled_files(&site)?;
    let whole = sent.taken.len() - MESSAGES;
    ensure!(half == whole, "{half} files are there, of {whole} that were whole");
    say("", "nothing half there, files", &half)?;

    let ballast = fill_under_dots(&process, &spool_disk, &mut sent)?;
    until(&process, 452, HEALED_WITHIN)?;
    fs::remove_file(&mail_ballast)?;
    let waited = arrived(&site, sent.taken.len(), DELIVERED_WITHIN)?;
    say("", "deliveries go on after", &waited)?;
    until(&process, 452, HEALED_WITHIN)?;
    say("", "and are recorded; entries that a crash would leave", &entries_left(&site)?)?;

    fs::remove_file(&ballast)?;
    say("room again", "250 at MAIL after", &until(&process, 250, HEALED_WITHIN)?)?;
    accept(&process, &mut sent, 1)?;
    arrived(&site, sent.taken.len(), HEALED_WITHIN)?;
    process.kill();
    let process = Process::start(binary, &site)?;
    accept(&process, &mut sent, 1)?;
    arrived(&site, sent.taken.len(), HEALED_WITHIN)?;
    process.terminate()?;
    say("killed and started again", "each message once, messages", &whole_messages(&site, &sent)?)?;
    drop((mail_disk, spool_disk));
    Ok(())
}

/// Fills the spool's disk while clients are about to send their dots, and judges what each hears.
fn fill_under_dots(process: &Process, disk: &Mounted, sent: &mut Sent) -> Result<PathBuf> {
    let mut open = (0..MESSAGES).map(|_| at_dot(process, sent)).collect::<Result<Vec<_>>>()?;
    let ballast = disk.fill_up_to(0)?;
    let mut refused = 0;
    for (number, client) in &mut open {
        // What fits into the blocks that the log has already is taken, and must arrive; the rest must not.
        let reply = client.command(".")?;
        match reply.first().and_then(|line| line.get(..3)) {
            Some("250") => sent.taken.push((*number, LINES_LARGE)),
            Some("452") => refused += 1,
            _ => bail!("at the dot: {reply:?}"),
        }
    }
    ensure!(refused > 0, "nothing was refused on a full disk");
    say("spool's disk full to the last byte", "452 at the dot", &refused)?;
    say("", "250, into what was allocated ahead", &(MESSAGES - refused))?;
    Ok(ballast)
}

/// What clients sent.
#[derive(Default)]
struct Sent {
    /// The next message's number.
    next: usize,
    /// Number and lines of each message that was answered 250.
    taken: Vec<(usize, usize)>,
}

impl Sent {
    /// The number of a new message, and its text; no two are alike.
    fn compose(&mut self, lines: usize) -> (usize, String) {
        let number = self.next;
        self.next += 1;
        let line = format!("{}\r\n", "x".repeat(LINE_LENGTH));
        (number, format!("Subject: message {number}\r\n\r\n{}", line.repeat(lines)))
    }
}

/// A small disk; gone when dropped.
struct Mounted {
    folder: PathBuf,
}

impl Mounted {
    /// None, after saying so, where nobody may mount.
    fn mount(folder: PathBuf, mebibytes: u64) -> Result<Option<Self>> {
        let options = format!("size={mebibytes}m,mode=0700");
        let mut mount = Command::new("mount");
        mount.args(["-t", "tmpfs", "-o", &options, "tmpfs"]).arg(&folder);
        let done = mount.output().context("mount")?;
        if !done.status.success() {
            let said = String::from_utf8_lossy(&done.stderr);
            writeln!(std::io::stdout(), "skipped: a tmpfs can't be mounted here: {}", said.trim())?;
            return Ok(None);
        }
        Ok(Some(Self { folder }))
    }

    /// Writes a file until so many bytes or fewer are free.
    fn fill_up_to(&self, free: u64) -> Result<PathBuf> {
        let path = self.folder.join("ballast");
        let mut file = File::create(&path)?;
        let block = vec![0; 4096];
        loop {
            match file.write(&block) {
                Ok(_) => {}
                Err(error) if error.kind() == ErrorKind::StorageFull => break,
                Err(error) => bail!(error),
            }
        }
        let written = file.metadata()?.len();
        file.set_len(written.saturating_sub(free))?;
        Ok(path)
    }
}

impl Drop for Mounted {
    fn drop(&mut self) {
        // What can't be unmounted stays until the operator looks; there is nobody to tell.
        let _ = Command::new("umount").arg(&self.folder).status();
    }
}

fn say(when: &str, what: &str, figure: &impl std::fmt::Debug) -> Result<()> {
    writeln!(std::io::stdout(), "{when:38} {what}: {figure:?}").context("printing")
}

fn greeted(process: &Process) -> Result<Client> {
    let mut client = Client::greeted(process.address())?;
    client.ask("EHLO a.example", 250)?;
    Ok(client)
}

/// So many small messages are answered 250.
fn accept(process: &Process, sent: &mut Sent, count: usize) -> Result<usize> {
    let mut client = greeted(process)?;
    for _ in 0..count {
        let (number, message) = sent.compose(LINES);
        let reply = client.deliver("ann@a.example", RECIPIENT, message.as_bytes())?;
        ensure!(reply.iter().all(|line| line.starts_with("250 ")), "{reply:?}");
        sent.taken.push((number, LINES));
    }
    Ok(count)
}

/// A session that sent a large message but for the dot, and the message's number.
fn at_dot(process: &Process, sent: &mut Sent) -> Result<(usize, Client)> {
    let mut client = greeted(process)?;
    client.ask("MAIL FROM:<ann@a.example>", 250)?;
    client.ask(&format!("RCPT TO:<{RECIPIENT}>"), 250)?;
    client.ask("DATA", 354)?;
    let (number, message) = sent.compose(LINES_LARGE);
    client.send(message.as_bytes())?;
    Ok((number, client))
}

/// How long it takes until MAIL is answered so.
fn until(process: &Process, code: u16, within: Duration) -> Result<Duration> {
    let watch = Stopwatch::start();
    loop {
        let mut client = greeted(process)?;
        let reply = client.command("MAIL FROM:<ann@a.example>")?;
        if reply.iter().any(|line| line.starts_with(&code.to_string())) {
            return Ok(watch.elapsed());
        }
        ensure!(watch.elapsed() < within, "still {reply:?} after {within:?}");
        std::thread::sleep(GLANCE);
    }
}

/// How long it takes until so many messages are in the mailbox.
fn arrived(site: &Site, count: usize, within: Duration) -> Result<Duration> {
    let watch = Stopwatch::start();
    while site.mailbox(RECIPIENT)?.len() < count {
        ensure!(
            watch.elapsed() < within,
            "{} of {count} arrived in {within:?}",
            site.mailbox(RECIPIENT)?.len()
        );
        std::thread::sleep(GLANCE);
    }
    Ok(watch.elapsed())
}

/// Files in all folders of the mailbox, once no delivery is being tried any more.
fn settled_files(site: &Site) -> Result<usize> {
    // The last delivery was tried soon after its 250.
    std::thread::sleep(Duration::from_secs(3));
    let folders = ["tmp", "new", "cur"].map(|name| site.path(&format!("mail/b.example/bob/{name}")));
    folders.iter().map(|folder| Ok(fs::read_dir(folder)?.count())).sum()
}

/// Entries that a start would find if the server was cut off now.
fn entries_left(site: &Site) -> Result<usize> {
    // What was delivered last is recorded a sync later.
    std::thread::sleep(Duration::from_secs(1));
    let copy = site.path("crashed");
    for folder in ["segments", "bodies"] {
        fs::create_dir_all(copy.join(folder))?;
        for file in fs::read_dir(site.path("data/spool").join(folder))? {
            let file = file?;
            fs::copy(file.path(), copy.join(folder).join(file.file_name()))?;
        }
    }
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    let (spool, _) = runtime.block_on(spool::Spool::open(spool::Settings::new(copy)))?;
    let entries = spool.counts().entries;
    runtime.block_on(spool.close());
    ensure!(entries == 0, "{entries} deliveries would be made again");
    Ok(entries)
}

/// The mailbox holds each message that was taken, once and whole, and nothing else.
fn whole_messages(site: &Site, sent: &Sent) -> Result<usize> {
    let messages = site.mailbox(RECIPIENT)?;
    let line = format!("{}\r\n", "x".repeat(LINE_LENGTH));
    for (number, lines) in &sent.taken {
        let end = format!("\r\nSubject: message {number}\r\n\r\n{}", line.repeat(*lines));
        let found = messages.iter().filter(|message| message.ends_with(end.as_bytes())).count();
        ensure!(found == 1, "message {number} is there whole {found} times");
    }
    ensure!(
        messages.len() == sent.taken.len(),
        "{} messages, {} were taken",
        messages.len(),
        sent.taken.len()
    );
    Ok(messages.len())
}
