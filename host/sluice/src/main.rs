//! The binary: arguments in, an exit code out.

use std::process::ExitCode;

use mimalloc::MiMalloc;

/// Sessions and sinks allocate in small pieces on every thread; mimalloc gives these back to each other cheaply.
#[global_allocator]
static ALLOCATOR: MiMalloc = MiMalloc;

fn main() -> ExitCode {
    sluice::cli::main()
}
