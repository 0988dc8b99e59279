//! The bare call where a server makes it: behind a read from a socket, on threads that have other work between two calls.
//!
//! In a loop of its own a call finds its code, its pages and the kernel's in the caches, and nobody else runs in the process.
//! A server's call never does. What the socket costs is taken off: the same exchanges are measured without the call.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::thread;

use anyhow::{Context, Result};
use sinks::Limits;
use tests::measure::{Measured, Rate};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;

use crate::bare::Bare;

/// Set in a process that answers, to what it does before it does.
const BEFORE: &str = "SLUICE_BENCH_ECHO";

/// What a process does before it answers.
#[derive(Clone, Copy)]
pub(crate) enum Before {
    Nothing,
    Call,
}

impl Before {
    const fn word(self) -> &'static str {
        match self {
            Self::Nothing => "nothing",
            Self::Call => "call",
        }
    }
}

/// Answers until its standard input ends, if this process is one that answers.
pub(crate) fn answer(limits: &Limits, guest: &Path) -> Result<bool> {
    let Some(before) = std::env::var_os(BEFORE) else { return Ok(false) };
    let bare = if before == Before::Call.word() { Some(Arc::new(Bare::new(limits, guest)?)) } else { None };
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    let listener = runtime.block_on(TcpListener::bind("127.0.0.1:0"))?;
    writeln!(std::io::stdout(), "{}", listener.local_addr()?)?;
    runtime.spawn(async move {
        while let Ok((mut client, _)) = listener.accept().await {
            let bare = bare.clone();
            tokio::spawn(async move {
                let mut byte = [0];
                while client.read_exact(&mut byte).await.is_ok() {
                    if let Some(bare) = &bare {
                        bare.call().await?;
                    }
                    client.write_all(&byte).await?;
                }
                Ok::<_, anyhow::Error>(())
            });
        }
    });
    std::io::stdin().read_to_end(&mut Vec::new())?;
    Ok(true)
}

/// A process that answers; it ends when this value is dropped.
pub(crate) struct Echo {
    process: Child,
    address: SocketAddr,
}

impl Echo {
    pub(crate) fn start(before: Before) -> Result<Self> {
        let mut process = Command::new(std::env::current_exe()?)
            .env(BEFORE, before.word())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()?;
        let mut line = String::new();
        BufReader::new(process.stdout.take().context("a pipe")?).read_line(&mut line)?;
        Ok(Self { process, address: line.trim().parse()? })
    }

    /// What an exchange costs that process.
    pub(crate) fn exchange(&self, sessions: u64, exchanges: u64) -> Result<Rate> {
        let measured = Measured::of(self.process.id());
        let session = || -> Result<()> {
            let mut stream = TcpStream::connect(self.address)?;
            stream.set_nodelay(true)?;
            let mut byte = [7];
            for _ in 0..exchanges {
                stream.write_all(&byte)?;
                stream.read_exact(&mut byte)?;
            }
            Ok(())
        };
        thread::scope(|scope| {
            let sessions: Vec<_> = (0..sessions).map(|_| scope.spawn(session)).collect();
            sessions
                .into_iter()
                .try_for_each(|session| session.join().map_err(|_| anyhow::anyhow!("a session died"))?)
        })?;
        Ok(measured.rate(sessions * exchanges))
    }
}

impl Drop for Echo {
    fn drop(&mut self) {
        drop(self.process.stdin.take());
        let _ = self.process.wait();
    }
}
