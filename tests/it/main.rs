//! The one test binary: tidiness of the tree, dialogues, scenarios, foreign clients, corpus.
#![expect(
    clippy::indexing_slicing,
    reason = "a test may panic; the lint spares only the `#[test]` functions themselves"
)]

mod tidy;
