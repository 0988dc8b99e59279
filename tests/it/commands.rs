//! The commands that an operator types.

use std::path::Path;
use std::process::{Command, Output};

use anyhow::{Context, Result, ensure};
use tests::scene::{Installed, Scene};
use tests::site::Site;
use tests::tree;

use crate::binary;

fn sluice(words: &[&str]) -> Result<Output> {
    Command::new(binary()).args(words).current_dir(tree::root()).output().context("running sluice")
}

/// All that it said.
fn said(output: &Output) -> String {
    format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr))
}

fn check(site: &Site) -> Result<Output> {
    sluice(&["check", "--config", &site.config().display().to_string()])
}

#[test]
fn the_sample_configuration_is_a_configuration() -> Result<()> {
    let sample = sluice(&["config", "sample"])?;
    ensure!(sample.status.success(), "{}", said(&sample));
    let site = Site::lay(&Scene::default())?;
    std::fs::write(site.config(), &sample.stdout)?;
    let text = String::from_utf8(sample.stdout)?;
    let parsed: toml::Table = text.parse()?;
    ensure!(parsed.contains_key("listeners") && parsed.contains_key("limits"), "{text}");
    // Every key that is only shown as a comment is one too.
    let judged = sluice::config::load::parse(&text);
    ensure!(judged.is_ok(), "{judged:?}");
    Ok(())
}

#[test]
fn check_is_content_with_a_good_site() -> Result<()> {
    let site = Site::lay(&Scene::with_sink("script on-rcpt-to=continue")?)?;
    let output = check(&site)?;
    ensure!(output.status.success(), "{}", said(&output));
    ensure!(said(&output).contains("on-rcpt-to"), "{}", said(&output));
    Ok(())
}

#[test]
fn check_names_each_file_that_does_not_load_and_why() -> Result<()> {
    let site = Site::lay(&Scene::default())?;
    site.put("sinks/operator/core.wasm", b"\0asm\x01\0\0\0")?;
    site.put("sinks/operator/cut.wasm", b"\0asm\x0d\0\x01\0\x01")?;
    site.put("sinks/operator/text.wasm", b"Hello.")?;
    site.put("sinks/operator/empty.wasm", b"")?;
    let output = check(&site)?;
    ensure!(!output.status.success(), "{}", said(&output));
    let said = said(&output);
    for name in ["core", "cut", "text", "empty"] {
        let lines: Vec<&str> = said.lines().filter(|line| line.contains(name)).collect();
        ensure!(lines.len() == 1 && lines[0].len() < 400, "{name}: {lines:?}\n{said}");
    }
    ensure!(said.to_lowercase().contains("core module"), "{said}");
    Ok(())
}

#[test]
fn check_names_the_place_of_what_is_wrong_in_a_configuration() -> Result<()> {
    let site = Site::lay(&Scene::default())?;
    std::fs::write(site.config(), "host_name = 'mx.b.example'\n[limits]\nmessage_bytes = 1\n")?;
    let output = check(&site)?;
    ensure!(!output.status.success() && said(&output).contains(":3:1: limits"), "{}", said(&output));
    Ok(())
}

#[test]
fn a_configuration_that_names_nobody_is_answered_with_what_to_write() -> Result<()> {
    let site = Site::lay(&Scene::default())?;
    let mut written = "host_name = 'mx.b.example'\n".to_owned();
    std::fs::write(site.config(), &written)?;
    let output = check(&site)?;
    let told = said(&output);
    ensure!(!output.status.success() && told.contains("names no listener and no tenant"), "{told}");
    // And what it says is to be written is enough.
    let lines = told.lines().filter(|line| line.starts_with('[') || line.contains(" = "));
    written.extend(lines.flat_map(|line| [line, "\n"]));
    let judged = sluice::config::load::parse(&written);
    ensure!(judged.is_ok_and(|config| config.tenants.contains_key("example")), "{told}");
    Ok(())
}

#[test]
fn check_refuses_a_sink_that_wants_passwords_without_the_grant() -> Result<()> {
    let site = Site::lay(&Scene::with_sink("script on-authenticate=continue")?)?;
    let output = check(&site)?;
    let told =
        "on-authenticate is shown passwords, which the operator has not granted: grants = [\"credentials\"]";
    ensure!(!output.status.success() && said(&output).contains(told), "{}", said(&output));
    site.install(&Installed::parse("script grants=credentials on-authenticate=continue")?)?;
    let output = check(&site)?;
    ensure!(output.status.success() && said(&output).contains("on-authenticate"), "{}", said(&output));
    Ok(())
}

#[test]
fn check_names_what_is_wrong_in_an_installation_file() -> Result<()> {
    let site = Site::lay(&Scene::default())?;
    site.install(&Installed::parse("script on-rcpt-to=continue")?)?;
    site.put("sinks/operator/script.install.toml", b"priority = 40000\n")?;
    let output = check(&site)?;
    ensure!(!output.status.success(), "{}", said(&output));
    ensure!(
        said(&output).contains("priority 40000") && said(&output).contains("line 1"),
        "{}",
        said(&output)
    );
    Ok(())
}

#[test]
fn inspect_says_what_a_component_exports() -> Result<()> {
    let component = tests::guests::component("gates")?;
    let output = sluice(&["sink", "inspect", &component.display().to_string()])?;
    ensure!(output.status.success(), "{}", said(&output));
    for event in [
        "on-connect",
        "on-helo",
        "on-mail-from",
        "on-rcpt-to",
        "on-data",
        "on-end-of-data",
        "on-inbound-command",
    ] {
        ensure!(said(&output).contains(event), "{event}:\n{}", said(&output));
    }
    Ok(())
}

#[test]
fn dev_shows_what_the_sink_did_to_a_message() -> Result<()> {
    let output = sluice(&["dev", "plugins/external-tag", "--once"])?;
    let said = said(&output);
    ensure!(output.status.success(), "{said}");
    ensure!(said.lines().any(|line| line.starts_with('+') && line.contains("X-External: yes")), "{said}");
    ensure!(said.lines().any(|line| line.starts_with('-') && line.contains("Subject:")), "{said}");
    ensure!(said.contains("on-end-of-data") && said.contains("external-tag"), "{said}");
    Ok(())
}

#[test]
fn every_sluice_command_in_the_readmes_exists() -> Result<()> {
    for path in tree::files_in("", "README.md")? {
        for command in commands(&tree::text(&path)?) {
            let words: Vec<&str> =
                command.split(' ').skip(1).take_while(|word| is_subcommand(word)).collect();
            let output = sluice(&[&words[..], &["--help"]].concat())?;
            ensure!(output.status.success(), "{}: {command}: {}", path.display(), said(&output));
        }
    }
    Ok(())
}

/// Lines that call the binary, directly or by cargo.
fn commands(text: &str) -> Vec<String> {
    let by_cargo = |line: &str| line.strip_prefix("cargo dev").map(|rest| format!("sluice dev{rest}"));
    let lines = text.lines().map(|line| line.trim().trim_start_matches("$ "));
    lines
        .filter_map(|line| if line.starts_with("sluice ") { Some(line.to_owned()) } else { by_cargo(line) })
        .collect()
}

/// The words before the first argument.
fn is_subcommand(word: &str) -> bool {
    matches!(
        word,
        "dev"
            | "run"
            | "check"
            | "config"
            | "sample"
            | "sink"
            | "inspect"
            | "spool"
            | "verify"
            | "export"
            | "import"
    ) && !Path::new(word).is_absolute()
}
