//! Mail taken out of a spool as files and into another one, by the commands that an operator types.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use anyhow::{Context, Result, ensure};
use spool::{
    Binary, ContentPiece, EntryState, Ingress, NewEntry, Position, QueueId, Resume, Scores, Settings, Spool,
    StageName, StagePointer, Tier, Variables,
};
use tempfile::TempDir;
use tests::process::Process;
use tests::scene::Scene;
use tests::site::Site;

use crate::binary;

const NOW: smtp::Timestamp = smtp::Timestamp(1_700_000_000_000);
const LARGE_BYTES: usize = 3 << 20;

fn sluice(words: &[&str], place: &Path, folder: Option<&Path>) -> Result<Output> {
    let mut command = Command::new(binary());
    command.arg("spool").args(words).arg("--directory").arg(place).args(folder);
    command.output().context("running sluice")
}

fn said(output: &Output) -> String {
    format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr))
}

fn expect(output: &Output, code: i32, words: &[&str]) -> Result<()> {
    let said = said(output);
    ensure!(output.status.code() == Some(code), "{:?}: {said}", output.status);
    for word in words {
        ensure!(said.contains(word), "no `{word}`: {said}");
    }
    Ok(())
}

fn entry(number: u128, content: Vec<u8>) -> Result<NewEntry> {
    let address = smtp::Mailbox::parse("jo@tenant.example")?;
    let envelope = smtp::Envelope {
        recipients: vec![smtp::Recipient::new(smtp::RecipientId(0), address)],
        ..smtp::Envelope::default()
    };
    Ok(NewEntry {
        id: QueueId::from_number(number),
        parent: None,
        maker: None,
        ingress: Ingress::Smtp,
        arrived: NOW,
        facts: None,
        tenant: if number == 1 { "first" } else { "second" }.to_owned(),
        envelope,
        content: vec![ContentPiece::Inline(content.into())],
        variables: Variables::default(),
        scores: Scores([("operator.spam".to_owned(), f64::NAN)].into()),
        stage: StagePointer::at(StageName::Submission),
        due: NOW,
        state: EntryState::Active,
    })
}

/// Entries in every state, one with a large body, one that a sink deferred.
fn fill(directory: &Path) -> Result<()> {
    tokio::runtime::Runtime::new()?.block_on(async {
        let (spool, _) = Spool::open(Settings::new(directory)).await?;
        let mut body = spool.body();
        body.append(vec![b'x'; LARGE_BYTES].into()).await?;
        let body = body.finish().await?;
        let mut entries = Vec::new();
        for number in 1..=4 {
            entries.push(entry(number, format!("Subject: {number}\r\n\r\nbody").into_bytes())?);
        }
        entries[1].state =
            EntryState::Quarantined { reason: "spam".into(), binding: "b1".into(), until: NOW };
        entries[2].state =
            EntryState::Held { reason: "odd".into(), binding: Some("b".into()), until: Some(NOW) };
        entries[3].content = vec![body.piece(0..body.size())];
        let position = Position { tier: Tier::Tenant, priority: 7, id: "b2".into() };
        let state = Binary(b"{\"known\":1}".to_vec().into());
        entries[0].stage.resume = Some(Resume { position, state, attempt: 3, due: NOW });
        for entry in entries {
            spool.accept(vec![entry]).await?;
        }
        spool.close().await;
        Ok(())
    })
}

/// The files of an export, by their names.
fn files(folder: &Path) -> Result<BTreeMap<PathBuf, Vec<u8>>> {
    let mut files = BTreeMap::new();
    for found in fs::read_dir(folder)? {
        let path = found?.path();
        files.insert(path.file_name().context("no name")?.into(), fs::read(&path)?);
    }
    Ok(files)
}

fn id(number: u128) -> String {
    QueueId::from_number(number).to_string()
}

#[test]
fn entries_that_were_exported_are_the_same_in_another_spool() -> Result<()> {
    let temporary = TempDir::new()?;
    let [from, to, out, again] = ["from", "to", "out", "again"].map(|name| temporary.path().join(name));
    fill(&from)?;
    // What is derived need not be there.
    fs::remove_dir_all(from.join("index"))?;
    expect(&sluice(&["verify"], &from, None)?, 0, &["4 entries, 1 segments", "1 bodies"])?;
    expect(&sluice(&["export"], &from, Some(&out))?, 0, &["4 exported, 0 were there already, 0 failed"])?;
    expect(&sluice(&["export"], &from, Some(&out))?, 0, &["0 exported, 4 were there already"])?;
    expect(&sluice(&["import"], &to, Some(&out))?, 0, &["4 imported, 0 were there already, 0 failed"])?;
    expect(&sluice(&["import"], &to, Some(&out))?, 0, &["0 imported, 4 were there already"])?;
    expect(&sluice(&["export"], &to, Some(&again))?, 0, &["4 exported"])?;
    let exported = files(&out)?;
    ensure!(exported == files(&again)?, "not the same");
    ensure!(exported.len() == 8 && exported.values().any(|bytes| bytes.len() == LARGE_BYTES));
    let some = temporary.path().join("some");
    expect(&sluice(&["export", "--state", "held"], &from, Some(&some))?, 0, &["1 exported"])?;
    expect(&sluice(&["export", "--tenant", "first"], &from, Some(&some))?, 0, &["1 exported"])?;
    expect(&sluice(&["export", "--queue-id", &id(9)], &from, Some(&some))?, 1, &["there is no such entry"])?;
    ensure!(files(&some)?.len() == 4, "{:?}", files(&some)?);
    Ok(())
}

#[test]
fn a_file_that_is_no_good_is_named_and_keeps_no_other_one_out() -> Result<()> {
    let temporary = TempDir::new()?;
    let [from, to, out] = ["from", "to", "out"].map(|name| temporary.path().join(name));
    fill(&from)?;
    expect(&sluice(&["export"], &from, Some(&out))?, 0, &[])?;
    fs::write(out.join(format!("{}.json", id(1))), "{")?;
    fs::write(out.join(format!("{}.eml", id(2))), "Subject: changed\r\n\r\n")?;
    fs::remove_file(out.join(format!("{}.json", id(3))))?;
    let words = ["it is no JSON", "is not the message that was exported", "no envelope", "1 imported"];
    expect(&sluice(&["import"], &to, Some(&out))?, 1, &words)?;
    let words =
        ["is there and is not the same; it is left as it is", "1 exported, 1 were there already, 2 failed"];
    expect(&sluice(&["export"], &from, Some(&out))?, 1, &words)?;
    Ok(())
}

#[test]
fn what_is_readable_of_a_damaged_spool_is_saved() -> Result<()> {
    let site = Site::lay(&Scene::default())?;
    let (spool, out) = (site.path("data/spool"), site.path("out"));
    fill(&spool)?;
    let segment = spool.join("segments/0000000000000001.log");
    let mut bytes = fs::read(&segment)?;
    let place = bytes.windows(10).position(|window| window == b"Subject: 2").context("no entry 2")?;
    // The header of the second record: its kind.
    let header = bytes[..place].windows(4).rposition(|window| window == b"\xf5rec").context("no record")?;
    bytes[header + 4] ^= 1;
    fs::write(&segment, bytes)?;
    let name = segment.display().to_string();
    expect(&sluice(&["verify"], &spool, None)?, 1, &[&name, &format!("at offset {header}")])?;
    expect(&sluice(&["verify", "--json"], &spool, None)?, 1, &[&format!("\"offset\":{header}")])?;
    expect(&sluice(&["export"], &spool, Some(&out))?, 1, &["--salvage"])?;
    expect(
        &sluice(&["export", "--salvage"], &spool, Some(&out))?,
        0,
        &["3 exported", "bytes are no records"],
    )?;
    let Err(error) = Process::start(binary(), &site) else { anyhow::bail!("it started") };
    ensure!(format!("{error:#}").contains("sluice spool export"), "{error:#}");
    Ok(())
}

#[test]
fn a_spool_that_a_server_runs_on_is_left_to_it() -> Result<()> {
    let site = Site::lay(&Scene::default())?;
    let spool = site.path("data/spool");
    let process = Process::start(binary(), &site)?;
    for words in [&["verify"][..], &["export"], &["import"]] {
        let folder = (words != ["verify"]).then(|| site.path("data"));
        expect(&sluice(words, &spool, folder.as_deref())?, 1, &["another server is running on this spool"])?;
    }
    process.terminate()?;
    Ok(())
}
