//! Every fixture is used, and every fuzz target is one line over a plain function whose corpus is kept.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use anyhow::{Result, ensure};
use tests::tree;

use super::none;

/// All that names fixtures: the tests, the benches, the peers and the dialogues.
fn users() -> Result<Vec<(PathBuf, String)>> {
    let mut users = Vec::new();
    for path in tree::files()? {
        let of_tests = [
            "tests/it",
            "tests/src",
            "tests/benches",
            "tests/peers",
            "tests/dialogues",
            ".ci",
            "host/message/src",
        ];
        if of_tests.iter().any(|folder| path.starts_with(folder))
            && let Ok(text) = tree::text(&path)
        {
            users.push((path, text));
        }
    }
    Ok(users)
}

/// Whether some file says `name` as a whole word.
fn is_used(users: &[(PathBuf, String)], name: &str) -> bool {
    let is_word = |letter: char| letter.is_alphanumeric() || "-_.".contains(letter);
    users.iter().any(|(_, text)| {
        text.match_indices(name)
            .any(|(at, _)| !text[..at].ends_with(is_word) && !text[at + name.len()..].starts_with(is_word))
    })
}

/// The names of the folders right below `folder` that hold a file of the project.
fn folders_in(folder: &str) -> Result<BTreeSet<String>> {
    let below = |path: &PathBuf| -> Option<String> {
        let rest: Vec<_> = path.strip_prefix(folder).ok()?.components().collect();
        (rest.len() > 1).then(|| rest[0].as_os_str().to_string_lossy().into_owned())
    };
    Ok(tree::files()?.iter().filter_map(below).collect())
}

#[test]
fn every_guest_is_used() -> Result<()> {
    let users = users()?;
    let unused: Vec<_> =
        folders_in("tests/guests")?.into_iter().filter(|guest| !is_used(&users, guest)).collect();
    none(&unused, "guests without a test")
}

#[test]
fn every_message_is_used() -> Result<()> {
    let users = users()?;
    let name = |path: &PathBuf| path.file_name().unwrap_or_default().to_string_lossy().into_owned();
    let unused: Vec<_> = tree::files_in("tests/messages", "")?
        .iter()
        .map(name)
        .filter(|name| !is_used(&users, name))
        .collect();
    none(&unused, "messages without a test")
}

#[test]
fn every_dialogue_lies_in_an_area_and_is_run() -> Result<()> {
    let strangers: Vec<_> = tree::files_in("tests/dialogues", "")?
        .iter()
        .filter(|path| {
            path.components().count() != 4 || path.extension().is_none_or(|ending| ending != "smtp")
        })
        .map(|path| path.display().to_string())
        .collect();
    none(&strangers, "not dialogues/<area>/<name>.smtp")
}

#[test]
fn every_fuzz_target_is_one_line_over_a_plain_function() -> Result<()> {
    let mut corpora = folders_in("fuzz/corpus")?;
    let targets = tree::files_in("fuzz/targets", ".rs")?;
    ensure!(!targets.is_empty(), "no fuzz targets");
    for path in targets {
        let text = tree::text(&path)?;
        let code: Vec<&str> =
            text.lines().filter(|line| !line.is_empty() && !line.starts_with("//")).collect();
        let shape = code.len() == 2
            && code[0] == "#![no_main]"
            && code[1].starts_with("libfuzzer_sys::fuzz_target!(");
        ensure!(shape, "{}: more than one line", path.display());
        let name = path.file_stem().unwrap_or_default().to_string_lossy().into_owned();
        ensure!(corpora.remove(&name), "{name} has no corpus");
    }
    none(&corpora.into_iter().collect::<Vec<_>>(), "corpora without a target")
}

#[test]
fn the_sdk_has_the_contract_as_it_is() -> Result<()> {
    let ours = contract(Path::new("wit"))?;
    let sdk = contract(Path::new("guest-sdk/rust/wit"))?;
    ensure!(!ours.is_empty(), "wit/ is empty");
    ensure!(ours == sdk, "guest-sdk/rust/wit differs from wit/: copy it again");
    Ok(())
}

fn contract(folder: &Path) -> Result<Vec<(String, String)>> {
    let mut files = Vec::new();
    for path in tree::files_in(&folder.to_string_lossy(), ".wit")? {
        files.push((path.strip_prefix(folder)?.display().to_string(), tree::text(&path)?));
    }
    Ok(files)
}
