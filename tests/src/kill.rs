//! Kills the real server at random moments under load, starts it again, and compares what was acknowledged with what arrived.
//!
//! A round is one site with several lives: each ends by a kill while the server starts, takes mail, or delivers what it
//! took; the last one may finish. What is chosen comes from the round's seed; the moment itself also depends on the machine.

pub mod disk;
pub mod judge;
pub mod mail;
pub mod rounds;

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use fastrand::Rng;

use crate::clock::Stopwatch;
use crate::process::Process;
use crate::scene::Scene;
use crate::server::Server;
use crate::site::Site;
use disk::Disk;
use judge::{Findings, judge, mailboxes};
use mail::{Known, Sent};

/// Kills of one round at most.
const KILLS_MAX: usize = 4;
/// Sessions that send at one time, at most.
const SESSIONS_MAX: usize = 6;
/// How long the last life may take to deliver what is left.
const DRAIN_WAIT_MAX: Duration = Duration::from_secs(60);
/// How long a server may take to acknowledge its first messages.
const LOAD_WAIT_MAX: Duration = Duration::from_secs(60);
/// How often a folder or counter is looked at.
const GLANCE: Duration = Duration::from_millis(2);
/// The field that the bound sink adds behind those of the message.
const SINK_FIELD: &str = "X-Stage: passed";
/// Bodies above this go to a file of their own, as the scene chooses.
const INLINE_BYTES: [i64; 3] = [1_000, 65_536, 1_048_576];
/// Small segments are rotated and compacted many times in a round.
const SEGMENT_BYTES: [i64; 3] = [100_000, 1_000_000, 67_108_864];

/// What ends a life.
#[derive(Clone, Copy, Debug)]
pub enum End<'a> {
    /// The process is killed; the system keeps what it wrote.
    Kill,
    /// The disk loses its power, then the process is killed: what it did not sync is gone.
    PowerLoss(&'a Disk),
}

/// When a life ends.
#[derive(Clone, Copy, Debug)]
enum Moment {
    /// While it starts and recovers.
    Start,
    /// While sessions send.
    Load,
    /// When all is sent and not all delivered.
    Delivery,
}

/// A round that is over.
#[derive(Debug)]
pub struct Round {
    site: Site,
    sent: Vec<Sent>,
    kills: usize,
}

impl Round {
    /// Plays a round: all its lives, until everything is delivered.
    ///
    /// # Errors
    /// If the server does not start again, or does not finish; with where the round's folder is kept.
    pub fn play(binary: &Path, seed: u64, end: End<'_>) -> Result<Self> {
        let mut rng = Rng::with_seed(seed);
        let scene = scene(&mut rng)?;
        let site = match end {
            End::Kill => Site::lay(&scene.scene)?,
            End::PowerLoss(disk) => Site::lay_in(&disk.root(), &scene.scene)?,
        };
        if let End::PowerLoss(disk) = end {
            // The configuration and the sinks are no mail: nobody promised to sync them.
            disk.sync()?;
        }
        let mut round = Self { site, sent: Vec::new(), kills: rng.usize(1..=KILLS_MAX) };
        let lived = round.live(binary, end, &mut rng);
        if let Err(error) = lived.and_then(|()| deliver_rest(binary, &round.site, &round.sent)) {
            bail!("{error:#}; kept in {}", round.kept().display());
        }
        // What the process did not deliver is for the judge to name; nothing that it left may come twice.
        let Self { site, mut sent, kills } = round;
        let mut server = Server::start_at(site)?;
        server.drained()?;
        if let Some(field) = scene.field {
            sent.iter_mut().for_each(|sent| sent.header.push(field.to_owned()));
        }
        Ok(Self { site: server.stopped()?, sent, kills })
    }

    /// What is wrong with what arrived.
    ///
    /// # Errors
    /// If a mailbox can't be read.
    pub fn findings(&self) -> Result<Findings> {
        Ok(judge(&self.sent, &mailboxes(&self.mail())?))
    }

    /// The folder of its mailboxes.
    #[must_use]
    pub fn mail(&self) -> PathBuf {
        self.site.path("mail")
    }

    /// All that clients sent in it.
    #[must_use]
    pub fn sent(&self) -> &[Sent] {
        &self.sent
    }

    /// Servers that were killed in it.
    #[must_use]
    pub fn kills(&self) -> usize {
        self.kills
    }

    /// Messages of which this is known.
    #[must_use]
    pub fn count(&self, known: Known) -> usize {
        self.sent.iter().filter(|sent| sent.known == known).count()
    }

    /// Leaves its folder where it is.
    #[must_use]
    pub fn kept(self) -> PathBuf {
        self.site.kept()
    }

    fn live(&mut self, binary: &Path, end: End<'_>, rng: &mut Rng) -> Result<()> {
        let mut start_wait = Duration::from_millis(100);
        for life in 0..self.kills {
            // The first life has nothing to recover, so it takes mail.
            let moment = match rng.u8(0..6) {
                0 | 1 if life > 0 => Moment::Start,
                2 => Moment::Delivery,
                _ => Moment::Load,
            };
            if let Moment::Start = moment {
                let wait = start_wait.mul_f64(rng.f64() * 1.2);
                end_while_starting(binary, &self.site, end, wait)?;
            } else {
                let watch = Stopwatch::start();
                let process = Process::start(binary, &self.site)?;
                start_wait = watch.elapsed();
                self.sent.extend(load_and_end(process, (life, moment, end), rng)?);
            }
            if rng.bool() {
                read_some(&self.site.path("mail"), rng)?;
            }
        }
        Ok(())
    }
}

/// A scene, and the field that its sink adds to each message.
struct Staged {
    scene: Scene,
    field: Option<&'static str>,
}

fn scene(rng: &mut Rng) -> Result<Staged> {
    let bound = rng.u8(0..4) == 0;
    let mut scene = if bound {
        Scene::with_sink("script on-transport-submission=\"header X-Stage passed\"")?
    } else {
        Scene::default()
    };
    let pick = |rng: &mut Rng, from: &[i64]| rng.choice(from).copied().context("nothing to choose");
    for (key, value) in [
        ("spool.body_inline_bytes_max", pick(rng, &INLINE_BYTES)?),
        ("spool.segment_bytes_max", pick(rng, &SEGMENT_BYTES)?),
        ("low_resources.disk_free_bytes_min", 0),
    ] {
        scene.config.push((key.to_owned(), value.into()));
    }
    Ok(Staged { scene, field: bound.then_some(SINK_FIELD) })
}

/// Starts a server and ends it before, while or just after it begins to listen.
fn end_while_starting(binary: &Path, site: &Site, end: End<'_>, wait: Duration) -> Result<()> {
    let mut child = Command::new(binary)
        .args(["run", "--config"])
        .arg(site.config())
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()?;
    thread::sleep(wait);
    let ended = child.try_wait()?;
    if let (None, End::PowerLoss(disk)) = (ended, end) {
        disk.cut_power()?;
    }
    child.kill()?;
    child.wait()?;
    ensure!(ended.is_none(), "the server did not start again: {ended:?}");
    restore(end)
}

/// Lets sessions send, and ends the server at the moment; what they sent and what they know of it.
fn load_and_end(
    process: Process,
    (life, moment, end): (usize, Moment, End<'_>),
    rng: &mut Rng,
) -> Result<Vec<Sent>> {
    let address = process.address();
    let acknowledged = AtomicUsize::new(0);
    let enough = rng.usize(1..60);
    let wait = Duration::from_micros(rng.u64(0..20_000));
    let sessions: Vec<Rng> = (0..rng.usize(1..=SESSIONS_MAX)).map(|_| rng.fork()).collect();
    let sent = thread::scope(|scope| -> Result<Vec<Sent>> {
        let clients: Vec<_> = sessions
            .into_iter()
            .enumerate()
            .map(|(number, rng)| {
                let acknowledged = &acknowledged;
                scope.spawn(move || mail::session(address, &format!("{life}-{number}"), rng, acknowledged))
            })
            .collect();
        let watch = Stopwatch::start();
        let is_over = || match moment {
            Moment::Delivery => clients.iter().all(thread::ScopedJoinHandle::is_finished),
            Moment::Start | Moment::Load => {
                acknowledged.load(Ordering::Relaxed) >= enough
                    || clients.iter().all(thread::ScopedJoinHandle::is_finished)
            }
        };
        while !is_over() && watch.elapsed() < LOAD_WAIT_MAX {
            thread::sleep(GLANCE);
        }
        thread::sleep(wait);
        if let End::PowerLoss(disk) = end {
            disk.cut_power()?;
        }
        process.kill();
        let join = |client: thread::ScopedJoinHandle<'_, Vec<Sent>>| {
            client.join().map_err(|_| anyhow::anyhow!("a client died"))
        };
        Ok(clients.into_iter().map(join).collect::<Result<Vec<_>>>()?.concat())
    })?;
    ensure!(acknowledged.load(Ordering::Relaxed) > 0, "nothing was acknowledged in {LOAD_WAIT_MAX:?}");
    restore(end)?;
    Ok(sent)
}

fn restore(end: End<'_>) -> Result<()> {
    match end {
        End::Kill => Ok(()),
        End::PowerLoss(disk) => disk.restore_power(),
    }
}

/// Moves some of the mail to `cur`, as a reader does who has seen it.
fn read_some(mail: &Path, rng: &mut Rng) -> Result<()> {
    for domain in judge::folders(mail)? {
        for mailbox in judge::folders(&domain)? {
            for path in judge::folders(&mailbox.join("new"))? {
                let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
                if rng.bool() {
                    std::fs::rename(&path, mailbox.join("cur").join(format!("{name}:2,S")))?;
                }
            }
        }
    }
    Ok(())
}

/// The last life: the server delivers what it has, and stops.
fn deliver_rest(binary: &Path, site: &Site, sent: &[Sent]) -> Result<()> {
    let process = Process::start(binary, site)?;
    let acknowledged = sent.iter().filter(|sent| sent.known == Known::Acknowledged);
    let expected: usize = acknowledged.map(|sent| sent.recipients.len()).sum();
    let watch = Stopwatch::start();
    // Fewer files than that at the deadline are for the judge to name.
    while messages(&site.path("mail"))? < expected && watch.elapsed() < DRAIN_WAIT_MAX {
        thread::sleep(10 * GLANCE);
    }
    let status = process.terminate()?;
    ensure!(status.success(), "the last server did not stop well: {status}");
    Ok(())
}

/// Messages in all mailboxes.
fn messages(mail: &Path) -> Result<usize> {
    let mut count = 0;
    for domain in judge::folders(mail)? {
        for mailbox in judge::folders(&domain)? {
            for place in ["new", "cur"] {
                count += judge::folders(&mailbox.join(place))?.len();
            }
        }
    }
    Ok(count)
}
