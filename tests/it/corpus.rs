//! What the fuzzer found interesting, replayed on the stable compiler.

use anyhow::{Context, Result, ensure};
use tests::tree;

/// Gives each file of a target's corpus to the function behind the target.
fn replay(target: &str, function: fn(&[u8])) -> Result<()> {
    let corpus = tree::files_in(&format!("fuzz/corpus/{target}"), "")?;
    ensure!(!corpus.is_empty(), "the corpus of {target} is empty");
    for path in corpus {
        let bytes = std::fs::read(tree::root().join(&path)).with_context(|| path.display().to_string())?;
        let replayed = std::panic::catch_unwind(|| function(&bytes));
        ensure!(replayed.is_ok(), "{} ends in a panic", path.display());
    }
    Ok(())
}

#[test]
fn the_corpus_of_commands_still_passes() -> Result<()> {
    replay("command", smtp::fuzz::command)
}

#[test]
fn the_corpus_of_content_still_passes() -> Result<()> {
    replay("data", smtp::fuzz::data)
}

#[test]
fn the_corpus_of_sessions_still_passes() -> Result<()> {
    replay("session", smtp::fuzz::session)
}

#[test]
fn the_corpus_of_logins_still_passes() -> Result<()> {
    replay("auth", smtp::fuzz::auth)
}

#[test]
fn the_corpus_of_proxies_still_passes() -> Result<()> {
    replay("proxy", smtp::fuzz::proxy)
}

#[test]
fn the_corpus_of_sessions_with_peers_still_passes() -> Result<()> {
    replay("client", smtp::fuzz::client)
}

#[test]
fn the_corpus_of_header_sections_still_passes() -> Result<()> {
    replay("headers", message::fuzz::headers)
}

#[test]
fn the_corpus_of_messages_still_passes() -> Result<()> {
    replay("mime", message::fuzz::mime)
}

#[test]
fn the_corpus_of_drafts_still_passes() -> Result<()> {
    replay("draft", message::fuzz::draft)
}
