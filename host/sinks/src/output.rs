//! What a plain wasip2 component finds of WASI: an empty context, whose standard output goes to the sink's log by lines.
//!
//! No files, no sockets, no environment, no arguments; random numbers in small pieces; clocks. Language runtimes want
//! these to start, and few guests ever ask, so the context is made at the first question.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bytes::Bytes;
use tokio::io::AsyncWrite;
use wasmtime::StoreContextMut;
use wasmtime::component::{HasData, Linker, Resource, ResourceTable};
use wasmtime_wasi::cli::{IsTerminal, StdoutStream, WasiCli, WasiCliView};
use wasmtime_wasi::clocks::{WasiClocks, WasiClocksView};
use wasmtime_wasi::filesystem::{WasiFilesystem, WasiFilesystemView};
use wasmtime_wasi::p2::bindings::{cli, clocks, filesystem, io, random};
use wasmtime_wasi::p2::{DynPollable, OutputStream, Pollable, StreamError, StreamResult};
use wasmtime_wasi::random::WasiRandom;
use wasmtime_wasi::{WasiCtx, WasiCtxView, WasiView};

use crate::convert::for_log;
use crate::event::EventKind;
use crate::limits::{
    LOG_BYTES_MAX, LOG_LINE_BYTES_MIN, WASI_RANDOM_BYTES_MAX, WASI_RESOURCES_MAX, WASI_WRITE_BYTES_MAX,
};
use crate::state::State;

/// The WASI of one call.
pub(crate) struct Wasi {
    context: WasiCtx,
    table: ResourceTable,
    output: Output,
}

impl Wasi {
    fn new(installation: Arc<str>, event: EventKind) -> Self {
        let lines = Lines { installation, event, line: Vec::new(), bytes_left: LOG_BYTES_MAX };
        let output = Output(Arc::new(Mutex::new(lines)));
        let context = WasiCtx::builder()
            .stdout(output.clone())
            .stderr(output.clone())
            .max_random_size(WASI_RANDOM_BYTES_MAX)
            .allow_tcp(false)
            .allow_udp(false)
            .build();
        let mut table = ResourceTable::new();
        table.set_max_capacity(WASI_RESOURCES_MAX);
        Self { context, table, output }
    }

    /// Says what stands behind the last line end.
    pub(crate) fn finish(&self) {
        self.output.lines().end_line();
    }
}

impl WasiView for State {
    fn ctx(&mut self) -> WasiCtxView<'_> {
        let call = &self.call;
        let wasi = self
            .wasi
            .get_or_insert_with(|| Box::new(Wasi::new(Arc::clone(&call.installation.id), call.event)));
        WasiCtxView { ctx: &mut wasi.context, table: &mut wasi.table }
    }
}

struct Resources;

impl HasData for Resources {
    type Data<'a> = &'a mut ResourceTable;
}

/// Links what language runtimes import at their start; never sockets. There is no file to open: nothing is preopened.
pub(crate) fn add_to_linker(linker: &mut Linker<State>) -> wasmtime::Result<()> {
    io::error::add_to_linker::<State, Resources>(linker, |state| state.ctx().table)?;
    io::poll::add_to_linker::<State, Resources>(linker, |state| state.ctx().table)?;
    io::streams::add_to_linker::<State, Resources>(linker, |state| state.ctx().table)?;
    clocks::wall_clock::add_to_linker::<State, WasiClocks>(linker, WasiClocksView::clocks)?;
    clocks::monotonic_clock::add_to_linker::<State, WasiClocks>(linker, WasiClocksView::clocks)?;
    filesystem::types::add_to_linker::<State, WasiFilesystem>(linker, WasiFilesystemView::filesystem)?;
    filesystem::preopens::add_to_linker::<State, WasiFilesystem>(linker, WasiFilesystemView::filesystem)?;
    random::random::add_to_linker::<State, WasiRandom>(linker, |state| state.ctx().ctx.random())?;
    random::insecure::add_to_linker::<State, WasiRandom>(linker, |state| state.ctx().ctx.random())?;
    random::insecure_seed::add_to_linker::<State, WasiRandom>(linker, |state| state.ctx().ctx.random())?;
    cli::exit::add_to_linker::<State, WasiCli>(linker, WasiCliView::cli)?;
    cli::environment::add_to_linker::<State, WasiCli>(linker, WasiCliView::cli)?;
    cli::stdin::add_to_linker::<State, WasiCli>(linker, WasiCliView::cli)?;
    cli::stdout::add_to_linker::<State, WasiCli>(linker, WasiCliView::cli)?;
    cli::stderr::add_to_linker::<State, WasiCli>(linker, WasiCliView::cli)?;
    cli::terminal_input::add_to_linker::<State, WasiCli>(linker, WasiCliView::cli)?;
    cli::terminal_output::add_to_linker::<State, WasiCli>(linker, WasiCliView::cli)?;
    cli::terminal_stdin::add_to_linker::<State, WasiCli>(linker, WasiCliView::cli)?;
    cli::terminal_stdout::add_to_linker::<State, WasiCli>(linker, WasiCliView::cli)?;
    cli::terminal_stderr::add_to_linker::<State, WasiCli>(linker, WasiCliView::cli)?;
    charge_for_work(linker)
}

/// Fuel of a random byte: a generator takes longer for one than a copy.
const RANDOM_FUEL_PER_BYTE: u64 = 4;
/// Fuel of a pollable in a list: each is looked up in two maps.
const POLL_FUEL: u64 = 64;

/// What of WASI works by the byte, or by the item of a list, costs fuel and gives the thread away, as our own imports do.
fn charge_for_work(linker: &mut Linker<State>) -> wasmtime::Result<()> {
    linker.allow_shadowing(true);
    linker.instance("wasi:random/random@0.2.12")?.func_wrap_async(
        "get-random-bytes",
        |mut store: StoreContextMut<'_, State>, (length,): (u64,)| {
            Box::new(async move {
                let state = store.data_mut();
                state.charge(length.saturating_mul(RANDOM_FUEL_PER_BYTE)).await?;
                Ok((random::random::Host::get_random_bytes(state.ctx().ctx.random(), length)?,))
            })
        },
    )?;
    linker.instance("wasi:random/insecure@0.2.12")?.func_wrap_async(
        "get-insecure-random-bytes",
        |mut store: StoreContextMut<'_, State>, (length,): (u64,)| {
            Box::new(async move {
                let state = store.data_mut();
                state.charge(length.saturating_mul(RANDOM_FUEL_PER_BYTE)).await?;
                Ok((random::insecure::Host::get_insecure_random_bytes(state.ctx().ctx.random(), length)?,))
            })
        },
    )?;
    linker.instance("wasi:io/poll@0.2.12")?.func_wrap_async(
        "poll",
        |mut store: StoreContextMut<'_, State>, (all,): (Vec<Resource<DynPollable>>,)| {
            Box::new(async move {
                let state = store.data_mut();
                let items = u64::try_from(all.len()).unwrap_or(u64::MAX);
                state.charge(items.saturating_mul(POLL_FUEL)).await?;
                Ok((io::poll::Host::poll(state.ctx().table, all).await?,))
            })
        },
    )?;
    linker.allow_shadowing(false);
    Ok(())
}

/// Standard output and error together.
#[derive(Clone)]
struct Output(Arc<Mutex<Lines>>);

struct Lines {
    installation: Arc<str>,
    event: EventKind,
    line: Vec<u8>,
    bytes_left: usize,
}

impl Output {
    fn lines(&self) -> MutexGuard<'_, Lines> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Lines {
    /// Takes what is within the limit; the rest is dropped, and that is said once.
    fn write(&mut self, bytes: &[u8]) {
        for byte in bytes {
            if self.bytes_left == 0 {
                return;
            }
            self.bytes_left -= 1;
            match byte {
                b'\n' => self.end_line(),
                other => self.line.push(*other),
            }
            if self.bytes_left > 0 {
                continue;
            }
            self.end_line();
            tracing::warn!(sink = %self.installation, event = self.event.name(), limit = LOG_BYTES_MAX, "output of the sink cut");
        }
    }

    /// A short line counts for more than its bytes.
    fn end_line(&mut self) {
        if !self.line.is_empty() {
            let short_of = LOG_LINE_BYTES_MIN.saturating_sub(self.line.len());
            self.bytes_left = self.bytes_left.saturating_sub(short_of);
            let text = for_log(&String::from_utf8_lossy(&self.line), LOG_BYTES_MAX);
            tracing::info!(target: "sinks::output", sink = %self.installation, event = self.event.name(), "{text}");
            self.line.clear();
        }
    }
}

impl IsTerminal for Output {
    fn is_terminal(&self) -> bool {
        false
    }
}

impl StdoutStream for Output {
    fn async_stream(&self) -> Box<dyn AsyncWrite + Send + Sync> {
        // Only WASI 0.3 asks for this form, and that is not linked.
        Box::new(tokio::io::sink())
    }

    fn p2_stream(&self) -> Box<dyn OutputStream> {
        Box::new(self.clone())
    }
}

impl OutputStream for Output {
    fn write(&mut self, bytes: Bytes) -> StreamResult<()> {
        if bytes.len() > WASI_WRITE_BYTES_MAX {
            return Err(StreamError::trap("more was written than `check-write` allows"));
        }
        self.lines().write(&bytes);
        Ok(())
    }

    fn flush(&mut self) -> StreamResult<()> {
        Ok(())
    }

    fn check_write(&mut self) -> StreamResult<usize> {
        Ok(WASI_WRITE_BYTES_MAX)
    }
}

#[wasmtime_wasi::async_trait]
impl Pollable for Output {
    async fn ready(&mut self) {}
}

#[cfg(test)]
mod tests {
    use std::sync::{Arc, Mutex};

    use bytes::Bytes;
    use smtp::Gate;
    use wasmtime_wasi::p2::OutputStream;

    use super::{Lines, Output};
    use crate::event::{Event, EventKind};
    use crate::guests::{Stand, component, faults, handle, subject};
    use crate::limits::{
        LOG_BYTES_MAX, LOG_LINE_BYTES_MIN, WASI_RANDOM_BYTES_MAX, WASI_RESOURCES_MAX, WASI_WRITE_BYTES_MAX,
    };
    use crate::verdict::FaultKind;

    fn lines() -> Lines {
        Lines {
            installation: "acme/loud".into(),
            event: EventKind::Data,
            line: Vec::new(),
            bytes_left: LOG_BYTES_MAX,
        }
    }

    #[test]
    fn output_ends_at_its_limit() {
        let mut lines = lines();
        lines.write(&[b'x'; LOG_BYTES_MAX - 1]);
        assert_eq!(lines.line.len(), LOG_BYTES_MAX - 1);
        lines.write(b"yz\nmore");
        assert_eq!((lines.bytes_left, lines.line.len()), (0, 0));
        lines.write(b"never");
        assert!(lines.line.is_empty());
    }

    #[test]
    fn short_lines_end_at_their_number() {
        let mut lines = lines();
        lines.write(&b"x\n".repeat(LOG_BYTES_MAX / LOG_LINE_BYTES_MIN - 10));
        assert!(lines.bytes_left > 0);
        lines.write(&b"x\n".repeat(10));
        assert_eq!(lines.bytes_left, 0);
    }

    #[test]
    fn a_write_ends_at_what_was_allowed() {
        let mut output = Output(Arc::new(Mutex::new(lines())));
        assert_eq!(output.check_write().unwrap(), WASI_WRITE_BYTES_MAX);
        output.write(Bytes::from(vec![b'x'; WASI_WRITE_BYTES_MAX])).unwrap();
        output.write(Bytes::from(vec![b'x'; WASI_WRITE_BYTES_MAX + 1])).unwrap_err();
        assert_eq!(output.lines().line.len(), WASI_WRITE_BYTES_MAX);
    }

    /// The faults of a guest with this import and this body.
    async fn faults_of(imports: &str, import: &str, body: &str) -> Vec<FaultKind> {
        let core = format!("{import} {}", handle(EventKind::Data, body));
        let mut stand = Stand::new();
        stand.bind("acme/wasi", EventKind::Data, &component(EventKind::Data, imports, &core));
        faults(&stand.fire(Event::Gate(Gate::Data), &mut subject()).await)
    }

    #[tokio::test]
    async fn random_bytes_of_wasi_end_at_their_number() {
        for (bytes, expected) in
            [(WASI_RANDOM_BYTES_MAX, &[][..]), (WASI_RANDOM_BYTES_MAX + 1, &[FaultKind::Trap])]
        {
            let import =
                r#"(import "wasi:random/random@0.2.6" "get-random-bytes" (func $random (param i64 i32)))"#;
            let body =
                format!("(call $random (i64.const {bytes}) (i32.const 512)) (call $verdict (i32.const 0))");
            assert_eq!(faults_of("import wasi:random/random@0.2.6;", import, &body).await, expected);
        }
    }

    #[tokio::test]
    async fn resources_of_wasi_end_at_their_number() {
        for (number, expected) in
            [(WASI_RESOURCES_MAX, &[][..]), (WASI_RESOURCES_MAX + 1, &[FaultKind::Trap])]
        {
            let import = r#"(import "wasi:cli/stdout@0.2.6" "get-stdout" (func $stdout (result i32)))"#;
            let body = format!(
                "(local $n i32)
                (loop
                    (drop (call $stdout))
                    (local.set $n (i32.add (local.get $n) (i32.const 1)))
                    (br_if 0 (i32.lt_u (local.get $n) (i32.const {number}))))
                (call $verdict (i32.const 0))"
            );
            assert_eq!(faults_of("import wasi:cli/stdout@0.2.6;", import, &body).await, expected);
        }
    }
}
