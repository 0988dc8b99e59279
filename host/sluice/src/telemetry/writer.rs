//! Log lines gathered in memory and written by a thread of their own.
//!
//! A session must never wait for the log: a line is a copy into a buffer, many lines are one write. Nothing ticks while
//! nothing is logged. A log that can't keep up loses lines, and says how many.

use std::io::{self, Write};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

use tracing_subscriber::fmt::MakeWriter;

/// Bytes that wait to be written; a few seconds of a busy server's log.
pub const PENDING_BYTES_MAX: usize = 4 * 1024 * 1024;
/// How long the first line of a batch waits for company: long enough to save system calls, too short to be noticed.
pub const GATHER: Duration = Duration::from_millis(20);

#[derive(Debug, Default)]
struct Pending {
    lines: Vec<u8>,
    lost: u64,
    closing: bool,
}

#[derive(Debug, Default)]
struct Shared {
    pending: Mutex<Pending>,
    changed: Condvar,
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, Pending> {
        self.pending.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Takes log lines without blocking.
#[derive(Clone, Debug)]
pub struct LogWriter {
    shared: Arc<Shared>,
}

/// Owns the writing thread; dropping it writes what is left.
#[derive(Debug)]
pub struct LogGuard {
    shared: Arc<Shared>,
    thread: Option<JoinHandle<()>>,
}

impl LogWriter {
    /// Starts the thread that writes to `out`.
    ///
    /// # Errors
    /// When the system gives no thread.
    pub fn start<W: Write + Send + 'static>(out: W) -> io::Result<(Self, LogGuard)> {
        let shared = Arc::new(Shared::default());
        let for_thread = Arc::clone(&shared);
        let thread = std::thread::Builder::new()
            .name("log".to_owned())
            .spawn(move || write_batches(&for_thread, out))?;
        let guard = LogGuard { shared: Arc::clone(&shared), thread: Some(thread) };
        Ok((Self { shared }, guard))
    }
}

impl Write for LogWriter {
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        let mut pending = self.shared.lock();
        if pending.lines.len().saturating_add(line.len()) > PENDING_BYTES_MAX {
            pending.lost = pending.lost.saturating_add(1);
            return Ok(line.len());
        }
        let first = pending.lines.is_empty();
        pending.lines.extend_from_slice(line);
        drop(pending);
        if first {
            self.shared.changed.notify_one();
        }
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl MakeWriter<'_> for LogWriter {
    type Writer = Self;

    fn make_writer(&self) -> Self {
        self.clone()
    }
}

impl Drop for LogGuard {
    fn drop(&mut self) {
        self.shared.lock().closing = true;
        self.shared.changed.notify_one();
        if let Some(thread) = self.thread.take() {
            // A panic in the writing thread can't be told anywhere: the log is what failed.
            let _ = thread.join();
        }
    }
}

fn write_batches<W: Write>(shared: &Shared, mut out: W) {
    let mut batch = Vec::new();
    loop {
        let mut pending = shared.lock();
        while pending.lines.is_empty() && pending.lost == 0 && !pending.closing {
            pending = shared.changed.wait(pending).unwrap_or_else(PoisonError::into_inner);
        }
        if !pending.closing {
            pending = shared
                .changed
                .wait_timeout_while(pending, GATHER, |now| !now.closing)
                .unwrap_or_else(PoisonError::into_inner)
                .0;
        }
        std::mem::swap(&mut batch, &mut pending.lines);
        let lost = std::mem::take(&mut pending.lost);
        let closing = pending.closing;
        drop(pending);
        // Where the log can't be written there is no better place to say so.
        let _ = out.write_all(&batch);
        if lost > 0 {
            let _ = writeln!(out, "WARN {lost} log lines were lost: the log is written too slowly");
        }
        let _ = out.flush();
        batch.clear();
        if closing {
            return;
        }
    }
}

#[cfg(test)]
mod tests {
    use std::io::{self, Write};
    use std::sync::{Arc, Mutex};

    use super::{LogWriter, PENDING_BYTES_MAX};

    #[derive(Clone, Default)]
    struct Paper(Arc<Mutex<Vec<u8>>>);

    impl Write for Paper {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.lock().unwrap().extend_from_slice(bytes);
            Ok(bytes.len())
        }
        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn what_was_logged_is_written_when_the_guard_goes() {
        let paper = Paper::default();
        let (mut writer, guard) = LogWriter::start(paper.clone()).unwrap();
        for number in 0..1_000 {
            writeln!(writer, "line {number}").unwrap();
        }
        drop(guard);
        let text = String::from_utf8(paper.0.lock().unwrap().clone()).unwrap();
        assert_eq!(text.lines().count(), 1_000);
        assert!(text.ends_with("line 999\n"));
    }

    #[test]
    fn lines_past_the_bound_are_lost_and_counted() {
        let paper = Paper::default();
        let gate = paper.0.lock().unwrap();
        let (mut writer, guard) = LogWriter::start(paper.clone()).unwrap();
        let line = vec![b'x'; PENDING_BYTES_MAX / 2 + 1];
        // The thread takes at most one of them before it waits for the paper; the third can't find room.
        for _ in 0..4 {
            writer.write_all(&line).unwrap();
        }
        drop(gate);
        drop(guard);
        let text = paper.0.lock().unwrap().clone();
        assert!(String::from_utf8_lossy(&text).contains("log lines were lost"));
    }
}
