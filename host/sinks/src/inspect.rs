//! What a component exports, imports and costs, read from its bytes alone; and the refusal of all that this host does not
//! have. Exports are the subscription: nothing here pretends that an event fires or a capability works.

use std::fmt;

use serde::Serialize;
use sha2::{Digest, Sha256};

use crate::capability::Capability;
use crate::component::{Name, Survey};
use crate::engine::{CORE_INSTANCES_MAX, MEMORIES_MAX, Needs, TABLES_MAX};
use crate::event::{Class, EventKind, Served};
use crate::load_error::LoadError;
use crate::manifest::{EventName, Manifest};

/// The contract's package and the version that this host binds.
const PACKAGE: &str = "sluice:sink/";
/// See [`PACKAGE`].
const VERSION: &str = "0.1.0";

/// Interfaces that every sink may import: the world `base`, and those that hold only types of events.
const CONTEXT: [&str; 20] = [
    "types",
    "gate",
    "notice",
    "stage",
    "event",
    "log",
    "metrics",
    "settings",
    "clock",
    "random",
    "blob",
    "session",
    "ehlo",
    "envelope",
    "envelope-draft",
    "message",
    "message-draft",
    "remote",
    "command-draft",
    "original",
];

/// What language runtimes import to start (RUNTIME, "Linked for guests"), over an empty context: no file is there to open.
const WASI: [&str; 20] = [
    "wasi:io/error",
    "wasi:io/poll",
    "wasi:io/streams",
    "wasi:clocks/wall-clock",
    "wasi:clocks/monotonic-clock",
    "wasi:random/random",
    "wasi:random/insecure",
    "wasi:random/insecure-seed",
    "wasi:cli/environment",
    "wasi:cli/exit",
    "wasi:cli/stdin",
    "wasi:cli/stdout",
    "wasi:cli/stderr",
    "wasi:cli/terminal-input",
    "wasi:cli/terminal-output",
    "wasi:cli/terminal-stdin",
    "wasi:cli/terminal-stdout",
    "wasi:cli/terminal-stderr",
    "wasi:filesystem/types",
    "wasi:filesystem/preopens",
];

/// What can be said of a component without running it.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct Inspection {
    /// SHA-256 of the file, in hexadecimal: its name.
    pub digest: String,
    /// Bytes.
    pub size: usize,
    /// Events that it wants to be asked about.
    pub events: Vec<EventName>,
    /// Whether it exports `on-prepare`, `on-self-test`.
    pub life: Vec<&'static str>,
    /// Interfaces of the contract that are linked for everybody.
    pub context: Vec<String>,
    /// Interfaces that need a grant.
    pub capabilities: Vec<Capability>,
    /// Of WASI, what its language runtime wants to start with.
    pub wasi: Vec<String>,
    /// Exports that are nobody's business here.
    pub other_exports: Vec<String>,
    /// Core modules.
    pub modules: u32,
    /// Functions of them.
    pub functions: u32,
    /// What each call takes from the pool.
    pub needs: Needs,
    /// The manifest that it carries.
    pub manifest: Option<Manifest>,
}

/// Judges a component's bytes; nothing is compiled.
///
/// # Errors
/// Names all that is wrong: what the file is, what it exports or imports that this host does not have.
pub fn inspect(bytes: &[u8]) -> Result<Inspection, LoadError> {
    let survey = Survey::of(bytes)?;
    let mut inspection = Inspection {
        digest: digest(bytes),
        size: bytes.len(),
        events: Vec::new(),
        life: Vec::new(),
        context: Vec::new(),
        capabilities: Vec::new(),
        wasi: Vec::new(),
        other_exports: Vec::new(),
        modules: survey.modules,
        functions: survey.functions,
        needs: survey.needs,
        manifest: None,
    };
    let mut problems = Vec::new();
    for export in &survey.exports {
        problems.extend(inspection.export(*export).err());
    }
    for import in &survey.imports {
        problems.extend(inspection.import(*import).err());
    }
    if inspection.events.is_empty() && problems.is_empty() {
        problems.push(format!("it exports no event of {PACKAGE}…@{VERSION}, so it would never be asked"));
    }
    problems.extend(check_needs(survey.needs).err());
    match survey.manifest.map(manifest).transpose() {
        Ok(manifest) => inspection.manifest = manifest,
        Err(problem) => problems.push(problem),
    }
    if problems.is_empty() { Ok(inspection) } else { Err(LoadError::Refused(problems.join("; "))) }
}

/// The name of an artifact.
pub(crate) fn digest(bytes: &[u8]) -> String {
    Sha256::digest(bytes).iter().map(|byte| format!("{byte:02x}")).collect()
}

impl Inspection {
    fn export(&mut self, Name { name, is_interface }: Name<'_>) -> Result<(), String> {
        let Some(name) = name.strip_prefix(PACKAGE) else {
            self.other_exports.push(name.to_owned());
            return Ok(());
        };
        let interface = known_version("exports", name)?;
        let event = EventKind::from_name(interface).filter(|_| is_interface);
        let Some(event) = event else {
            return Err(format!("it exports {PACKAGE}{name}, which is no event of the contract"));
        };
        if event.served() == Served::NotYet {
            return Err(format!("it exports {event}, which this version of the host does not serve yet"));
        }
        match event.class() {
            Class::Life => self.life.push(event.name()),
            _ => self.events.push(EventName(event)),
        }
        Ok(())
    }

    fn import(&mut self, Name { name, is_interface }: Name<'_>) -> Result<(), String> {
        if !is_interface {
            return Err(format!("it imports `{}`, which is not an interface", name.escape_debug()));
        }
        if let Some(name) = name.strip_prefix(PACKAGE) {
            let interface = known_version("imports", name)?;
            if CONTEXT.contains(&interface) {
                self.context.push(interface.to_owned());
                return Ok(());
            }
            return match Capability::from_word(interface) {
                Some(capability) if capability.served() == Served::Yes => {
                    self.capabilities.push(capability);
                    Ok(())
                }
                Some(capability) => Err(format!(
                    "it imports the capability {capability}, which this version of the host does not serve yet"
                )),
                None => Err(format!("it imports {PACKAGE}{name}, which is no interface of the contract")),
            };
        }
        let (interface, version) = name.split_once('@').unwrap_or((name, ""));
        if WASI.contains(&interface) && version.starts_with("0.2.") {
            self.wasi.push(name.to_owned());
            return Ok(());
        }
        Err(match interface.split_once('/') {
            Some(("wasi:sockets" | "wasi:http" | "wasi:filesystem", _)) => {
                format!(
                    "it imports {name}: sinks have no sockets, HTTP or files of their own, they ask for capabilities"
                )
            }
            _ => format!("it imports `{}`, which this host does not have", name.escape_debug()),
        })
    }
}

fn known_version<'a>(does: &str, name: &'a str) -> Result<&'a str, String> {
    match name.split_once('@') {
        Some((interface, VERSION)) => Ok(interface),
        Some((_, version)) => Err(format!(
            "it {does} {PACKAGE}{name}: this host knows version {VERSION} of the contract, not {version}"
        )),
        None => Err(format!("it {does} {PACKAGE}{name} without a version; {VERSION} was expected")),
    }
}

fn check_needs(needs: Needs) -> Result<(), String> {
    let checks = [
        ("core instances", needs.core_instances, CORE_INSTANCES_MAX),
        ("memories", needs.memories, MEMORIES_MAX),
        ("tables", needs.tables, TABLES_MAX),
    ];
    match checks.into_iter().find(|(_, count, max)| count > max) {
        Some((what, u32::MAX, max)) => {
            Err(format!("a call of it needs more {what} than can be counted, {max} are allowed"))
        }
        Some((what, count, max)) => Err(format!("a call of it needs {count} {what}, {max} are allowed")),
        None => Ok(()),
    }
}

fn manifest(bytes: &[u8]) -> Result<Manifest, String> {
    let text = std::str::from_utf8(bytes).map_err(|_| "its embedded manifest is not UTF-8".to_owned())?;
    Manifest::parse(text).map_err(|error| format!("its embedded manifest: {error}"))
}

impl fmt::Display for Inspection {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(manifest) = &self.manifest {
            writeln!(formatter, "{} {}  {}", manifest.name, manifest.version, manifest.description)?;
        }
        let words = |words: Vec<&str>| if words.is_empty() { "none".to_owned() } else { words.join(" ") };
        let strings = |all: &[String]| words(all.iter().map(String::as_str).collect());
        writeln!(formatter, "digest        {}", self.digest)?;
        writeln!(formatter, "size          {} bytes", self.size)?;
        writeln!(
            formatter,
            "events        {}",
            words(self.events.iter().map(|event| event.0.name()).collect())
        )?;
        writeln!(formatter, "at load       {}", words(self.life.clone()))?;
        writeln!(formatter, "context       {}", strings(&self.context))?;
        writeln!(
            formatter,
            "capabilities  {}",
            words(self.capabilities.iter().map(|one| one.word()).collect())
        )?;
        writeln!(formatter, "wasi          {}", strings(&self.wasi))?;
        if !self.other_exports.is_empty() {
            writeln!(formatter, "not used      {}", strings(&self.other_exports))?;
        }
        let Needs { core_instances, memories, tables } = self.needs;
        writeln!(formatter, "code          {} functions in {} core modules", self.functions, self.modules)?;
        write!(
            formatter,
            "each call     {core_instances} core instances, {memories} memories, {tables} tables"
        )
    }
}

#[cfg(test)]
mod tests;
