//! The real binary as a process: for signals, system calls, memory, and tests that it dies in.

use std::ffi::OsStr;
use std::io::{BufRead, BufReader};
use std::net::SocketAddr;
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use serde_json::Value;

use crate::site::Site;

/// How long a line of the log may take to come: a debug build compiles its sinks first.
const LINE_WAIT_MAX: Duration = Duration::from_secs(120);

/// A server that runs as a process; killed when dropped.
#[derive(Debug)]
pub struct Process {
    child: Child,
    lines: Receiver<String>,
    address: SocketAddr,
}

impl Process {
    /// Starts `sluice run` at a site and waits until it listens.
    ///
    /// # Errors
    /// If it ends before, with what it said.
    pub fn start(binary: &Path, site: &Site) -> Result<Self> {
        Self::start_under(&[], binary, site)
    }

    /// As [`Process::start`], under another command (`strace` and its arguments).
    ///
    /// # Errors
    /// As [`Process::start`].
    pub fn start_under(wrapper: &[&OsStr], binary: &Path, site: &Site) -> Result<Self> {
        let config = site.config();
        let words = [binary.as_os_str(), "run".as_ref(), "--config".as_ref(), config.as_os_str()];
        let mut words = wrapper.iter().copied().chain(words);
        let program = words.next().context("no program")?;
        let mut child = Command::new(program)
            .args(words)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .with_context(|| format!("starting {}", program.display()))?;
        let (sender, lines) = channel();
        let stderr = child.stderr.take().context("no log")?;
        std::thread::spawn(move || {
            BufReader::new(stderr).lines().map_while(Result::ok).try_for_each(|line| sender.send(line))
        });
        let mut process = Self { child, lines, address: SocketAddr::from(([127, 0, 0, 1], 0)) };
        let line =
            process.wait_for(|line| line.get("message").is_some_and(|message| message == "listening"))?;
        process.address = line.get("address").and_then(Value::as_str).context("listening where?")?.parse()?;
        Ok(process)
    }

    /// Where it listens.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// The number of the process that was started: the server's, or that of what it runs under.
    #[must_use]
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// The next line of the log that is like this; those before are gone.
    ///
    /// # Errors
    /// If the server ends or says nothing like it.
    pub fn wait_for(&mut self, mut is_it: impl FnMut(&Value) -> bool) -> Result<Value> {
        let mut said = Vec::new();
        loop {
            match self.lines.recv_timeout(LINE_WAIT_MAX) {
                Ok(line) => {
                    let read: Value = serde_json::from_str(&line).unwrap_or(Value::Null);
                    if is_it(&read) {
                        return Ok(read);
                    }
                    said.push(line);
                }
                Err(RecvTimeoutError::Timeout) => bail!("the log never said it, but:\n{}", said.join("\n")),
                Err(RecvTimeoutError::Disconnected) => {
                    bail!("the server ended ({:?}) and said:\n{}", self.child.try_wait(), said.join("\n"))
                }
            }
        }
    }

    /// Sends a signal by its name, as `TERM`.
    ///
    /// # Errors
    /// If the process is gone.
    pub fn signal(&self, name: &str) -> Result<()> {
        send(name, &self.id().to_string())
    }

    /// Sends a signal to the process that runs under the one that was started.
    ///
    /// # Errors
    /// If there is none.
    pub fn signal_child(&self, name: &str) -> Result<()> {
        let id = self.id();
        let children = std::fs::read_to_string(format!("/proc/{id}/task/{id}/children"))?;
        let child = children.split_whitespace().next().context("nothing runs under it")?;
        send(name, child)
    }

    /// Asks it to end, and waits.
    ///
    /// # Errors
    /// If the process is gone.
    pub fn terminate(mut self) -> Result<ExitStatus> {
        self.signal("TERM")?;
        self.ended()
    }

    /// Kills it as SIGKILL does, without a word of warning, and waits until it is gone.
    pub fn kill(self) {
        drop(self);
    }

    /// Waits until it has ended.
    ///
    /// # Errors
    /// If the system does not tell.
    pub fn ended(&mut self) -> Result<ExitStatus> {
        self.child.wait().context("waiting for the server to end")
    }

    /// The most memory that it has held until now, in bytes.
    ///
    /// # Errors
    /// If the system does not tell.
    pub fn memory_bytes_peak(&self) -> Result<u64> {
        self.status_bytes("VmHWM:")
    }

    /// The memory that it holds now, in bytes.
    ///
    /// # Errors
    /// If the system does not tell.
    pub fn memory_bytes(&self) -> Result<u64> {
        self.status_bytes("VmRSS:")
    }

    fn status_bytes(&self, name: &str) -> Result<u64> {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.id()))?;
        let line = status.lines().find_map(|line| line.strip_prefix(name)).context("not in the status")?;
        let kibibytes: u64 = line.trim().trim_end_matches(" kB").parse()?;
        Ok(kibibytes * 1024)
    }
}

fn send(signal: &str, process: &str) -> Result<()> {
    let status = Command::new("kill").args([&format!("-{signal}"), process]).status()?;
    ensure!(status.success(), "kill: {status}");
    Ok(())
}

impl Drop for Process {
    fn drop(&mut self) {
        // Nothing is left to do about a process that cannot be killed, or has ended.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
