//! `sluice user`: who may log in. Works on the file of the tenant that owns the address; a running server reads it again.

use std::fs;
use std::io::{BufRead as _, IsTerminal as _, Write as _};
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::Context as _;
use clap::Subcommand;
use smtp::{Domain, Mailbox};

use crate::config::{Config, load};
use crate::users::{self, Edit};

/// What is done.
#[derive(Debug, Subcommand)]
pub(super) enum UserCommand {
    /// Let somebody log in. The password is the first line of standard input.
    Add(Whose),
    /// Let them log in no more.
    Remove(Whose),
    /// Give them another password: the first line of standard input.
    Passwd(Whose),
}

/// Whom it is about.
#[derive(Debug, clap::Args)]
pub(super) struct Whose {
    /// The configuration file.
    #[arg(long, value_name = "FILE")]
    config: PathBuf,
    /// The address that they log in with.
    #[arg(value_name = "ADDRESS")]
    address: String,
}

/// Changes one line of a users' file.
///
/// # Errors
/// When the address is nobody's here, or the file can't be changed.
pub(super) fn run(command: &UserCommand) -> anyhow::Result<()> {
    let (UserCommand::Add(whose) | UserCommand::Remove(whose) | UserCommand::Passwd(whose)) = command;
    let config = load::file(&whose.config)?;
    let address = Mailbox::parse(&whose.address).with_context(|| format!("{:?}", whose.address))?;
    let file = file(&config, &address)?;
    let kept = match command {
        UserCommand::Remove(_) => None,
        UserCommand::Add(_) | UserCommand::Passwd(_) => {
            Some(users::kept(&password()?).map_err(anyhow::Error::msg)?)
        }
    };
    let edit = match (command, &kept) {
        (UserCommand::Add(_), Some(kept)) => Edit::Add(kept),
        (UserCommand::Passwd(_), Some(kept)) => Edit::Change(kept),
        _ => Edit::Remove,
    };
    change(file, &address, &edit)
}

/// The file of the tenant that owns the domain.
fn file<'a>(config: &'a Config, address: &Mailbox) -> anyhow::Result<&'a Path> {
    let owns = |text: &String| Domain::parse(text).is_ok_and(|domain| domain == *address.domain());
    let owner = config.tenants.iter().find(|(_, tenant)| tenant.domains.iter().any(owns));
    let (name, tenant) = owner.with_context(|| format!("no tenant has the domain {}", address.domain()))?;
    let file = tenant.users.as_deref();
    file.with_context(|| format!("tenants.{name}.users names no file: name one, and it will be made"))
}

fn change(file: &Path, address: &Mailbox, edit: &Edit<'_>) -> anyhow::Result<()> {
    let in_file = || file.display().to_string();
    let text = match fs::read_to_string(file) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => String::new(),
        read => read.with_context(in_file)?,
    };
    let text = users::edited(&text, address, edit).map_err(anyhow::Error::msg).with_context(in_file)?;
    let folder = file.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    // A server that reads it meanwhile sees the old file or the new one.
    let mut beside = tempfile::NamedTempFile::new_in(folder).with_context(in_file)?;
    beside.write_all(text.as_bytes()).and_then(|()| beside.as_file().sync_all()).with_context(in_file)?;
    if let Ok(facts) = fs::metadata(file) {
        let mode = facts.permissions().mode();
        beside.as_file().set_permissions(fs::Permissions::from_mode(mode)).with_context(in_file)?;
        std::os::unix::fs::chown(beside.path(), Some(owner(&facts)), None).ok();
    }
    beside.persist(file).with_context(in_file)?;
    Ok(())
}

fn owner(facts: &fs::Metadata) -> u32 {
    std::os::unix::fs::MetadataExt::uid(facts)
}

/// The first line of standard input; a person at a terminal is asked and does not see it.
fn password() -> anyhow::Result<String> {
    let is_person = std::io::stdin().is_terminal();
    if is_person {
        let _ = write!(std::io::stderr(), "Password: ");
        echo("-echo");
    }
    let mut line = String::new();
    let read = std::io::stdin().lock().read_line(&mut line);
    if is_person {
        echo("echo");
        let _ = writeln!(std::io::stderr());
    }
    read.context("no password was read")?;
    Ok(line.trim_end_matches(['\r', '\n']).to_owned())
}

/// Where there is no `stty`, the person sees what they type.
fn echo(mode: &str) {
    let _ = Command::new("stty").arg(mode).status();
}
