//! Writing sinks: in each language `sluice sink new` makes one, `sluice sink build` builds it, a server loads it, and a message
//! shows what it does. And what is said of a sink that can't be.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use anyhow::{Context, Result, ensure};
use tempfile::TempDir;
use tests::client::Client;
use tests::scene::Scene;
use tests::server::Server;
use tests::site::Site;
use tests::{skip, tree};

use crate::binary;

/// A sink that was made by `sluice sink new`, in a folder of its own.
struct Workbench {
    folder: TempDir,
}

/// What the sinks are called here: no name that stands in the templates.
const NAME: &str = "greeter";

impl Workbench {
    fn new(language: &str) -> Result<Self> {
        let bench = Self { folder: tempfile::Builder::new().prefix("sluice-sdk-").tempdir()? };
        let made = bench.sluice(bench.folder.path(), &["sink", "new", NAME, "--lang", language])?;
        ensure!(made.status.success(), "{}", said(&made));
        Ok(bench)
    }

    fn sink(&self) -> PathBuf {
        self.folder.path().join(NAME)
    }

    fn write(&self, file: &str, text: &str) -> Result<()> {
        let path = self.sink().join(file);
        fs::write(&path, text).with_context(|| path.display().to_string())
    }

    fn sluice(&self, folder: &Path, words: &[&str]) -> Result<Output> {
        // Rust's dependencies are compiled once, and not in each run of the tests.
        let target = Path::new(env!("CARGO_TARGET_TMPDIR")).join("sinks");
        let mut command = Command::new(binary());
        command.args(words).current_dir(folder).env("CARGO_TARGET_DIR", target).env_remove("RUST_BACKTRACE");
        command.output().context("running sluice")
    }

    fn build(&self) -> Result<Output> {
        self.sluice(&self.sink(), &["sink", "build"])
    }

    /// Builds what must build.
    fn component(&self) -> Result<(String, PathBuf)> {
        let built = self.build()?;
        ensure!(built.status.success(), "{}", said(&built));
        Ok((String::from_utf8(built.stdout)?, self.sink().join(format!("target/{NAME}.wasm"))))
    }

    /// Runs a tool of the language that must succeed.
    fn run(&self, tool: &Path, words: &[&str]) -> Result<()> {
        let output = Command::new(tool).args(words).current_dir(self.sink()).output()?;
        ensure!(output.status.success(), "{} {words:?}: {}", tool.display(), said(&output));
        Ok(())
    }
}

fn said(output: &Output) -> String {
    format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr))
}

/// The component alone is what a server needs: it refuses one mailbox and marks what it has seen.
fn serves(component: &Path) -> Result<()> {
    let site = Site::lay(&Scene::default())?;
    site.put("sinks/operator/greeter.wasm", &fs::read(component)?)?;
    let mut server = Server::start_at(site)?;
    let mut client = Client::greeted(server.address())?;
    client.ask("EHLO a.example", 250)?;
    client.ask("MAIL FROM:<ann@a.example>", 250)?;
    let refused = client.ask("RCPT TO:<noreply@b.example>", 550)?;
    ensure!(refused == ["550 5.1.1 Nobody reads this mailbox"], "{refused:?}");
    client.ask("RSET", 250)?;
    client.deliver("ann@a.example", "bob@b.example", b"Subject: hi\r\n\r\nHello.\r\n")?;
    let message = String::from_utf8(server.delivered("bob@b.example")?)?;
    ensure!(message.contains("\r\nX-Checked-By: greeter\r\n"), "{message}");
    server.stop()
}

/// Besides the contract nothing is imported.
fn is_pure(page: &str) -> Result<()> {
    let row = |name: &str, value: &str| page.lines().any(|line| line.split_whitespace().eq([name, value]));
    ensure!(row("wasi", "none") && row("capabilities", "none"), "{page}");
    names_its_events(page)
}

/// What the manifest inside says, and what is exported.
fn names_its_events(page: &str) -> Result<()> {
    for said in ["on-end-of-data", "on-rcpt-to", "greeter 0.1.0"] {
        ensure!(page.contains(said), "no {said}: {page}");
    }
    Ok(())
}

#[test]
fn a_sink_in_rust_is_made_built_and_served() -> Result<()> {
    let bench = Workbench::new("rust")?;
    let (page, component) = bench.component()?;
    names_its_events(&page)?;
    serves(&component)
}

#[test]
fn a_sink_in_go_is_made_tested_built_and_served() -> Result<()> {
    let Some(go) = skip::tool("go")? else { return Ok(()) };
    let bench = Workbench::new("go")?;
    bench.run(&go, &["test", "./..."])?;
    let (page, component) = bench.component()?;
    is_pure(&page)?;
    serves(&component)
}

#[test]
fn a_sink_in_javascript_is_made_tested_built_and_served() -> Result<()> {
    let Some(npm) = skip::tool("npm")? else { return Ok(()) };
    let bench = Workbench::new("js")?;
    let told = said(&bench.build()?);
    ensure!(told.contains("`npm install` in that folder"), "{told}");
    bench.run(&npm, &["install", "--no-audit", "--no-fund", "--prefer-offline"])?;
    bench.run(&npm, &["test"])?;
    let (page, component) = bench.component()?;
    is_pure(&page)?;
    serves(&component)
}

#[test]
fn a_sink_in_python_is_made_built_tested_and_served() -> Result<()> {
    let Some(python) = skip::tool("python3")? else { return Ok(()) };
    let bench = Workbench::new("python")?;
    bench.run(&python, &["-m", "venv", ".venv"])?;
    bench.run(&bench.sink().join(".venv/bin/pip"), &["install", "--quiet", "-r", "requirements.txt"])?;
    let (page, component) = bench.component()?;
    is_pure(&page)?;
    let modules = "import sys; sys.path[:0] = ['target/bindings', '.sluice/python']; import unittest; unittest.main('test_main')";
    bench.run(&python, &["-c", modules])?;
    serves(&component)
}

/// A sink in Go with this text as `main.go` is not built, and the last line says why.
fn check_refused(main: &str, expected: &str) -> Result<()> {
    if skip::tool("go")?.is_none() {
        return Ok(());
    }
    let bench = Workbench::new("go")?;
    fs::remove_file(bench.sink().join("main_test.go"))?;
    bench.write("main.go", main)?;
    let built = bench.build()?;
    let said = said(&built);
    ensure!(
        !built.status.success() && said.lines().last().is_some_and(|line| line.contains(expected)),
        "{said}"
    );
    Ok(())
}

#[test]
fn a_sink_that_does_not_compile_is_said_so_after_what_the_compiler_says() -> Result<()> {
    check_refused("package main\n\nfunc main() { check() }\n", ". does not build")
}

#[test]
fn a_sink_that_answers_no_event_is_said_so() -> Result<()> {
    check_refused(
        "package main\n\nfunc main() {}\n",
        "it answers no event: import one of the SDK's packages `on/…`",
    )
}

#[test]
fn a_sink_whose_manifest_names_no_events_in_javascript_is_said_so() -> Result<()> {
    let bench = Workbench::new("js")?;
    bench.write("sink.toml", "name = 'greeter'\nversion = '1'\n")?;
    let told = said(&bench.build()?);
    ensure!(told.contains("sink.toml: name the events that the sink answers"), "{told}");
    Ok(())
}

#[test]
fn a_sink_that_traps_in_its_first_line_is_said_so() -> Result<()> {
    if skip::tool("go")?.is_none() {
        return Ok(());
    }
    let bench = Workbench::new("go")?;
    let main = fs::read_to_string(bench.sink().join("main.go"))?;
    bench.write("main.go", &main.replace("func init() {", "func init() {\n\tpanic(\"not today\")\n"))?;
    let shown = bench.sluice(&bench.sink(), &["dev", ".", "--once"])?;
    let told = said(&shown);
    let line = told.lines().find(|line| line.starts_with("operator/greeter failed")).unwrap_or_default();
    ensure!(!shown.status.success() && line.contains("instantiation: ") && line.contains("trap"), "{told}");
    ensure!(told.contains("not today"), "the log does not say why: {told}");
    Ok(())
}

#[test]
fn a_sink_has_a_name_that_every_language_takes_and_a_folder_of_its_own() -> Result<()> {
    let bench = Workbench::new("go")?;
    for (name, expected) in [("Greeter", "no name that every language takes"), (NAME, "File exists")] {
        let told = bench.sluice(bench.folder.path(), &["sink", "new", name, "--lang", "go"])?;
        ensure!(!told.status.success() && said(&told).contains(expected), "{}", said(&told));
    }
    Ok(())
}

#[test]
fn what_the_sdks_hold_of_the_contract_is_as_it_would_be_written_today() -> Result<()> {
    for file in sdk_bindings::generate(&tree::root())? {
        let there = tree::text(&file.path)?;
        ensure!(there == file.text, "{} is old: run `cargo run --package sdk-bindings`", file.path.display());
    }
    Ok(())
}

#[test]
fn the_sdks_of_javascript_and_python_pass_their_own_tests() -> Result<()> {
    let folder = tree::root().join("guest-sdk");
    for (tool, words, sdk) in [("npm", ["test", "--silent"], "js"), ("python3", ["-m", "unittest"], "python")]
    {
        let Some(tool) = skip::tool(tool)? else { continue };
        let mut tests = Command::new(tool);
        let tested =
            tests.args(words).env("PYTHONDONTWRITEBYTECODE", "1").current_dir(folder.join(sdk)).output()?;
        ensure!(tested.status.success(), "{}", said(&tested));
    }
    Ok(())
}

#[test]
fn the_sinks_in_go_and_javascript_pass_their_own_tests() -> Result<()> {
    let folder = tree::root().join("plugins");
    for (tool, words, sink) in
        [("go", ["test", "."], "anti-spoof"), ("node", ["--test", "kinds.test.js"], "data-leak")]
    {
        let Some(tool) = skip::tool(tool)? else { continue };
        let tested = Command::new(tool).args(words).current_dir(folder.join(sink)).output()?;
        ensure!(tested.status.success(), "{}", said(&tested));
    }
    Ok(())
}

#[test]
fn the_go_sdk_is_as_gofmt_writes_it_and_vet_finds_nothing() -> Result<()> {
    let Some(go) = skip::tool("go")? else { return Ok(()) };
    let sdk = tree::root().join("guest-sdk/go");
    let formatted = Command::new(go.with_file_name("gofmt")).args(["-l", "."]).current_dir(&sdk).output()?;
    ensure!(formatted.status.success() && formatted.stdout.is_empty(), "{}", said(&formatted));
    for system in [&[][..], &[("GOOS", "wasip1"), ("GOARCH", "wasm")]] {
        let judged = Command::new(&go)
            .args(["vet", "./..."])
            .envs(system.iter().copied())
            .current_dir(&sdk)
            .output()?;
        ensure!(judged.status.success(), "{}", said(&judged));
    }
    let tested = Command::new(&go).args(["test", "."]).current_dir(&sdk).output()?;
    ensure!(tested.status.success(), "{}", said(&tested));
    Ok(())
}
