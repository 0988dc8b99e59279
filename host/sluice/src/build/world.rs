//! The world of a sink, and the component around its core module.
//!
//! A sink's world is the context that everybody has, the capabilities that it asks for, and the events that it wants. A core
//! module says the last two itself: its imports and exports have the contract's names.

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::fs;
use std::io;
use std::path::Path;

use anyhow::{Context, bail, ensure};
use sinks::capability::CapabilityKind;
use sinks::{Capability, EventKind, Manifest};
use wasmparser::{DataKind, ExternalKind, Operator, Parser, Payload};
use wit_component::{ComponentEncoder, StringEncoding, embed_component_metadata};
use wit_parser::{Resolve, SourceMap, Type, TypeDefKind, TypeOwner};

use super::BuildError;

/// The contract, file by file.
const CONTRACT: [(&str, &str); 8] = [
    ("00-types.wit", include_str!("../../../../wit/00-types.wit")),
    ("10-context.wit", include_str!("../../../../wit/10-context.wit")),
    ("15-capabilities.wit", include_str!("../../../../wit/15-capabilities.wit")),
    ("20-inbound.wit", include_str!("../../../../wit/20-inbound.wit")),
    ("30-transport.wit", include_str!("../../../../wit/30-transport.wit")),
    ("40-outbound.wit", include_str!("../../../../wit/40-outbound.wit")),
    ("50-delivery.wit", include_str!("../../../../wit/50-delivery.wit")),
    ("60-worlds.wit", include_str!("../../../../wit/60-worlds.wit")),
];

/// Package and version of the contract.
const PACKAGE: (&str, &str) = ("sluice:sink/", "@0.1.0");

/// What Go's runtime asks of its system.
const PREVIEW1: &str = include_str!("preview1.wat");

/// Memory below this is [`PREVIEW1`]'s own.
const DATA_START_MIN: i32 = 4096;

/// What a sink answers, and what it needs for that.
#[derive(Debug, Default)]
pub(super) struct World {
    pub(super) events: BTreeSet<String>,
    pub(super) capabilities: BTreeSet<Capability>,
}

impl World {
    /// As the manifest beside the source says: the events that it names, the capabilities that it asks for.
    pub(super) fn of_manifest(source: &Path) -> Result<Self, BuildError> {
        let path = source.join("sink.toml");
        let text =
            fs::read_to_string(&path).map_err(|error| BuildError::Disk { path: path.clone(), error })?;
        let manifest = Manifest::parse(&text).map_err(|error| BuildError::Manifest { path, error })?;
        if manifest.events.is_empty() {
            return Err(BuildError::NoEvents(source.to_owned()));
        }
        let named = manifest.events.keys().map(|event| event.0);
        // It is asked at load and never bound, so no manifest names it.
        let events = named.chain([EventKind::SelfTest]).map(|event| event.name().to_owned()).collect();
        Ok(Self { events, capabilities: manifest.capabilities })
    }

    /// As the language tools read it.
    fn text(&self) -> String {
        let (package, version) = PACKAGE;
        let mut text = format!("package sluice:built;\nworld sink {{\n  include {package}base{version};\n");
        let of_interface = |capability: &&Capability| capability.kind() == CapabilityKind::Interface;
        for capability in self.capabilities.iter().filter(of_interface) {
            let _ = writeln!(text, "  import {package}{capability}{version};");
        }
        for event in &self.events {
            let _ = writeln!(text, "  export {package}{event}{version};");
        }
        text + "}\n"
    }

    /// Lays the world and the contract into a folder, as `--wit` options take them.
    pub(super) fn lay(&self, folder: &Path) -> io::Result<()> {
        let contract = folder.join("deps/sluice-sink");
        fs::create_dir_all(&contract)?;
        for (name, text) in CONTRACT {
            fs::write(contract.join(name), text)?;
        }
        fs::write(folder.join("world.wit"), self.text())
    }

    /// What a core module exports; it may import every capability.
    fn of_module(module: &[u8]) -> anyhow::Result<Self> {
        let mut world = Self { capabilities: Capability::ALL.into_iter().collect(), ..Self::default() };
        for payload in Parser::new(0).parse_all(module) {
            match payload? {
                Payload::ExportSection(exports) => {
                    for export in exports {
                        let export = export?;
                        let event =
                            export.name.strip_prefix(PACKAGE.0).filter(|_| export.kind == ExternalKind::Func);
                        world
                            .events
                            .extend(event.and_then(|event| event.split('@').next()).map(str::to_owned));
                    }
                }
                Payload::DataSection(segments) => {
                    for segment in segments {
                        ensure_above_our_memory(&segment?.kind)?;
                    }
                }
                _ => {}
            }
        }
        Ok(world)
    }
}

fn ensure_above_our_memory(kind: &DataKind<'_>) -> anyhow::Result<()> {
    let DataKind::Active { offset_expr, .. } = kind else { return Ok(()) };
    match offset_expr.get_operators_reader().read()? {
        Operator::I32Const { value } if value >= DATA_START_MIN => Ok(()),
        _ => bail!(
            "its data begins below {DATA_START_MIN}, where this version keeps its own: use another version of the compiler"
        ),
    }
}

/// A component around a core module that was compiled for WASI preview 1; it imports nothing but the contract.
///
/// # Errors
/// If it is no such module, or answers no event.
pub(super) fn component(module: &[u8]) -> anyhow::Result<Vec<u8>> {
    let world = World::of_module(module)?;
    ensure!(
        !world.events.is_empty(),
        "it answers no event: import one of the SDK's packages `on/…` and call its Handle"
    );
    let module = with_world(module.to_vec(), &world.text(), "sink")?;
    let (package, version) = PACKAGE;
    let ours: String = ["log", "clock", "random"]
        .iter()
        .map(|name| format!("  import {package}{name}{version};\n"))
        .collect();
    let adapter = wat::parse_str(PREVIEW1).context("the adapter")?;
    let adapter =
        with_world(adapter, &format!("package sluice:built;\nworld adapter {{\n{ours}}}\n"), "adapter")?;
    ComponentEncoder::default()
        .module(&module)?
        .adapter("wasi_snapshot_preview1", &adapter)?
        .validate(true)
        .encode()
}

fn contract() -> anyhow::Result<Resolve> {
    let mut contract = SourceMap::new();
    for (name, text) in CONTRACT {
        contract.push_str(name, text);
    }
    let contract = contract.parse().map_err(|(_, error)| anyhow::anyhow!("the contract: {error:?}"))?;
    let mut resolve = Resolve::default();
    resolve.push_group(contract)?;
    Ok(resolve)
}

/// The interface and the name of the type in which an event is answered; none where that is no type of its own.
pub(super) fn verdict(event: &str) -> Option<(String, String)> {
    let resolve = contract().ok()?;
    let (_, interface) =
        resolve.interfaces.iter().find(|(_, interface)| interface.name.as_deref() == Some(event))?;
    let mut answer = interface.functions.get("handle")?.result?;
    loop {
        let Type::Id(id) = answer else { return None };
        let definition = resolve.types.get(id)?;
        match (&definition.kind, definition.owner) {
            (TypeDefKind::Type(next), _) => answer = *next,
            (TypeDefKind::Variant(_) | TypeDefKind::Enum(_), TypeOwner::Interface(home)) => {
                return resolve.interfaces.get(home)?.name.clone().zip(definition.name.clone());
            }
            _ => return None,
        }
    }
}

/// The module with a description of its world inside.
fn with_world(mut module: Vec<u8>, world: &str, name: &str) -> anyhow::Result<Vec<u8>> {
    let mut resolve = contract()?;
    let package = resolve.push_source("world.wit", world)?;
    let world = resolve.select_world(&[package], Some(name))?;
    embed_component_metadata(&mut module, &resolve, world, StringEncoding::UTF8)?;
    Ok(module)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;
    use std::fs;
    use std::path::Path;

    use super::{CONTRACT, PREVIEW1, World, component};
    use sinks::Capability;

    #[test]
    fn the_contract_is_all_of_its_files() {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../wit");
        let files: BTreeSet<_> =
            fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().file_name()).collect();
        assert_eq!(files, CONTRACT.iter().map(|(name, _)| (*name).into()).collect());
    }

    #[test]
    fn a_world_names_events_and_the_capabilities_that_are_interfaces() {
        let world = World {
            events: ["on-data".to_owned()].into(),
            capabilities: [Capability::Kv, Capability::Forward].into(),
        };
        let expected = "  include sluice:sink/base@0.1.0;\n  import sluice:sink/kv@0.1.0;\n  export sluice:sink/on-data@0.1.0;\n}\n";
        assert!(world.text().ends_with(expected), "{}", world.text());
    }

    #[test]
    fn a_module_without_an_event_is_refused() {
        let error = component(&wat::parse_str("(module)").unwrap()).unwrap_err().to_string();
        assert!(error.starts_with("it answers no event"), "{error}");
    }

    #[test]
    fn a_module_whose_data_lies_where_the_adapter_works_is_refused() {
        let module = wat::parse_str(r#"(module (memory 1) (data (i32.const 64) "x"))"#).unwrap();
        let error = component(&module).unwrap_err().to_string();
        assert!(error.starts_with("its data begins below 4096"), "{error}");
    }

    #[test]
    fn the_adapter_is_a_module() {
        wat::parse_str(PREVIEW1).unwrap();
    }
}
