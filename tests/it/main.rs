//! The one test binary: tidiness of the tree, dialogues, scenarios, foreign clients, corpus.
#![expect(
    clippy::indexing_slicing,
    reason = "a test may panic; the lint spares only the `#[test]` functions themselves"
)]

mod archive;
mod commands;
mod corpus;
mod durability;
mod encryption;
mod exchangers;
mod faults;
mod foreign;
mod kill;
mod limits;
mod logins;
mod memory;
mod operator;
mod patience;
mod recipients;
mod reload;
mod remote;
mod reports;
mod sdks;
mod shutdown;
mod tidy;
mod tls;
mod ways;

mod dialogues {
    //! A test for each file of `tests/dialogues`, made by `build.rs`.
    include!(concat!(env!("OUT_DIR"), "/dialogues.rs"));
}

/// The binary that operators run, built from the same `main.rs`.
fn binary() -> &'static std::path::Path {
    std::path::Path::new(env!("CARGO_BIN_EXE_sluice-served"))
}
