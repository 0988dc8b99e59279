//! Untrusted bytes into a surveyed component: parsed and validated under our feature set, its limits held, what it names
//! and what it takes from the pool counted. Nothing is compiled here, and nothing is trusted that validation did not see.
//!
//! Each refusal is a sentence that says what is wrong and what was expected. A file that ends too early is told apart: it
//! may still be on its way.

use wasmparser::{
    ComponentAlias, ComponentExternalKind, ComponentInstance, ComponentOuterAliasKind, ComponentTypeRef,
    Encoding, Instance, Parser, Payload, Validator, WasmFeatures,
};

use crate::engine::Needs;
use crate::load_error::LoadError;
use crate::manifest::MANIFEST_SECTION;

mod needs;

use needs::Frame;

/// Bytes of a component. Ours: the largest language runtime (Python, 18 MB) with room.
pub const COMPONENT_BYTES_MAX: usize = 64 * 1024 * 1024;
/// Imports of a component, and exports. Ours: the contract has 65 interfaces.
pub const NAMES_MAX: usize = 256;
/// Functions of all core modules together. Ours: Python with its library has 40,000.
pub const FUNCTIONS_MAX: u32 = 250_000;
/// Components and modules within each other. Ours: componentize-qjs goes 3 deep.
pub const NESTING_MAX: usize = 8;

/// What a component says of itself.
#[derive(Debug, Default)]
pub(crate) struct Survey<'a> {
    pub(crate) imports: Vec<Name<'a>>,
    pub(crate) exports: Vec<Name<'a>>,
    pub(crate) needs: Needs,
    pub(crate) modules: u32,
    pub(crate) functions: u32,
    pub(crate) manifest: Option<&'a [u8]>,
}

/// An import or export.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Name<'a> {
    pub(crate) name: &'a str,
    pub(crate) is_interface: bool,
}

impl<'a> Survey<'a> {
    /// Parses, validates and counts.
    pub(crate) fn of(bytes: &'a [u8]) -> Result<Self, LoadError> {
        check_start(bytes)?;
        check_end(bytes)?;
        let mut surveyor = Surveyor::default();
        let mut validator = Validator::new_with_features(features());
        for payload in Parser::new(0).parse_all(bytes) {
            let payload = payload.map_err(|error| invalid(&error))?;
            surveyor.payload(&payload).map_err(LoadError::Refused)?;
            if let wasmparser::ValidPayload::Func(to_validate, body) =
                validator.payload(&payload).map_err(|error| invalid(&error))?
            {
                let mut function = to_validate.into_validator(std::mem::take(&mut surveyor.allocations));
                function.validate(&body).map_err(|error| invalid(&error))?;
                surveyor.allocations = function.into_allocations();
            }
        }
        Ok(surveyor.survey)
    }
}

/// The features of `engine::config`: what is off there is refused here, before anything is compiled; and several memories
/// in one module, which only the engine's own code may have.
fn features() -> WasmFeatures {
    let off = WasmFeatures::GC
        | WasmFeatures::GC_TYPES
        | WasmFeatures::EXCEPTIONS
        | WasmFeatures::FUNCTION_REFERENCES
        | WasmFeatures::TAIL_CALL
        | WasmFeatures::THREADS
        | WasmFeatures::MEMORY64
        | WasmFeatures::MULTI_MEMORY
        | WasmFeatures::RELAXED_SIMD;
    (WasmFeatures::WASM3 | WasmFeatures::COMPONENT_MODEL).difference(off)
}

/// The eight bytes that every component starts with, and what people upload instead.
fn check_start(bytes: &[u8]) -> Result<(), LoadError> {
    let refused = |sentence: &str| Err(LoadError::Refused(sentence.to_owned()));
    if bytes.len() > COMPONENT_BYTES_MAX {
        return refused(&format!("it has {} bytes, {COMPONENT_BYTES_MAX} are allowed", bytes.len()));
    }
    if bytes.is_empty() {
        return Err(LoadError::Incomplete("it is empty".to_owned()));
    }
    if bytes.starts_with(b"\x7fELF") {
        return refused("it is precompiled code (.cwasm); the host compiles by itself: give it the .wasm");
    }
    if bytes.trim_ascii_start().starts_with(b"(component") || bytes.trim_ascii_start().starts_with(b"(module")
    {
        return refused("it is WebAssembly as text; a binary component was expected");
    }
    let Some((magic, version)) = bytes.get(..8).and_then(|start| start.split_at_checked(4)) else {
        return match b"\0asm".starts_with(bytes.get(..4).unwrap_or(bytes)) {
            true => {
                Err(LoadError::Incomplete(format!("it ends after {} bytes, in its first line", bytes.len())))
            }
            false => refused("it is not WebAssembly: a component starts with \\0asm"),
        };
    };
    match (magic, version) {
        (b"\0asm", [0x0d, 0, 1, 0]) => Ok(()),
        (b"\0asm", [1, 0, 0, 0]) => refused(
            "it is a core module; a component was expected: build for wasm32-wasip2, or wrap it with `wasm-tools component new`",
        ),
        (b"\0asm", _) => {
            refused("it is a component of a version that this host does not know; version 0xd was expected")
        }
        _ => refused("it is not WebAssembly: a component starts with \\0asm"),
    }
}

fn invalid(error: &wasmparser::Error) -> LoadError {
    LoadError::Refused(format!(
        "it is not a valid component: {} (at byte {})",
        error.message(),
        error.offset()
    ))
}

/// Walks over the outermost sections: one that is announced to be longer than what is there means a cut file, whatever
/// validation would make of the rest.
fn check_end(bytes: &[u8]) -> Result<(), LoadError> {
    let cut =
        || LoadError::Incomplete(format!("it is cut: it ends after {} bytes, inside a section", bytes.len()));
    let mut rest = bytes.get(8..).unwrap_or_default();
    while let Some((_section, after)) = rest.split_first() {
        if after.len() < LEB128_BYTES_MAX && after.iter().all(|byte| byte & 0x80 != 0) {
            return Err(cut());
        }
        let Some((size, content)) = leb128(after) else {
            break;
        };
        let next = usize::try_from(size).ok().and_then(|size| content.get(size..));
        rest = next.ok_or_else(cut)?;
    }
    Ok(())
}

/// Bytes of a number of 32 bits with 7 in each.
const LEB128_BYTES_MAX: usize = 5;

/// An unsigned number of at most 32 bits and what follows it; none if it is malformed, which validation tells better.
fn leb128(bytes: &[u8]) -> Option<(u32, &[u8])> {
    let length = bytes.iter().take(LEB128_BYTES_MAX).position(|byte| byte & 0x80 == 0)? + 1;
    let (number, rest) = bytes.split_at_checked(length)?;
    let value =
        number.iter().rev().try_fold(0_u64, |value, byte| Some((value << 7) | u64::from(byte & 0x7f)))?;
    Some((u32::try_from(value).ok()?, rest))
}

#[derive(Default)]
struct Surveyor<'a> {
    survey: Survey<'a>,
    frames: Vec<Frame>,
    allocations: wasmparser::FuncValidatorAllocations,
}

impl<'a> Surveyor<'a> {
    fn payload(&mut self, payload: &Payload<'a>) -> Result<(), String> {
        match payload {
            Payload::Version { encoding, .. } => self.open(*encoding)?,
            Payload::End(_) => self.close(),
            Payload::FunctionSection(section) => {
                self.survey.functions = self.survey.functions.saturating_add(section.count());
                if self.survey.functions > FUNCTIONS_MAX {
                    return Err(format!("it has more than {FUNCTIONS_MAX} functions"));
                }
            }
            Payload::MemorySection(section) => self.frame(|frame| frame.add_memories(section.count())),
            Payload::TableSection(section) => self.frame(|frame| frame.add_tables(section.count())),
            Payload::CustomSection(section)
                if section.name() == MANIFEST_SECTION && self.frames.len() == 1 =>
            {
                self.survey.manifest = Some(section.data());
            }
            Payload::ComponentImportSection(section) => {
                for import in section.clone().into_iter().flatten() {
                    self.import(import.name.name, &import.ty)?;
                }
            }
            Payload::ComponentExportSection(section) => {
                for export in section.clone().into_iter().flatten() {
                    self.export(export.name.name, export.kind, export.index)?;
                }
            }
            Payload::InstanceSection(section) => {
                for instance in section.clone().into_iter().flatten() {
                    if let Instance::Instantiate { module_index, .. } = instance {
                        self.frame(|frame| frame.instantiate_module(module_index));
                    }
                }
            }
            Payload::ComponentInstanceSection(section) => {
                for instance in section.clone().into_iter().flatten() {
                    if let ComponentInstance::Instantiate { component_index, .. } = instance {
                        self.frame(|frame| frame.instantiate_component(component_index));
                    }
                }
            }
            Payload::ComponentAliasSection(section) => {
                for alias in section.clone().into_iter().flatten() {
                    self.alias(&alias);
                }
            }
            _ => {}
        }
        Ok(())
    }

    fn open(&mut self, encoding: Encoding) -> Result<(), String> {
        if self.frames.len() == NESTING_MAX {
            return Err(format!("its components and modules are nested deeper than {NESTING_MAX}"));
        }
        self.frames.push(Frame::new(encoding));
        Ok(())
    }

    fn close(&mut self) {
        let Some(done) = self.frames.pop() else { return };
        let is_module = done.is_module();
        let needs = done.needs();
        self.survey.modules = self.survey.modules.saturating_add(u32::from(is_module));
        match self.frames.last_mut() {
            Some(parent) if is_module => parent.define_module(needs),
            Some(parent) => parent.define_component(needs),
            None => self.survey.needs = needs,
        }
    }

    fn frame(&mut self, change: impl FnOnce(&mut Frame)) {
        if let Some(frame) = self.frames.last_mut() {
            change(frame);
        }
    }

    fn import(&mut self, name: &'a str, kind: &ComponentTypeRef) -> Result<(), String> {
        match kind {
            ComponentTypeRef::Module(_) => self.frame(Frame::define_unknown_module),
            ComponentTypeRef::Component(_) => self.frame(Frame::define_unknown_component),
            _ => {}
        }
        if self.frames.len() != 1 {
            return Ok(());
        }
        self.survey.imports.push(Name { name, is_interface: matches!(kind, ComponentTypeRef::Instance(_)) });
        within_names("imports", self.survey.imports.len())
    }

    fn export(&mut self, name: &'a str, kind: ComponentExternalKind, index: u32) -> Result<(), String> {
        match kind {
            ComponentExternalKind::Module => self.frame(|frame| frame.repeat_module(index)),
            ComponentExternalKind::Component => self.frame(|frame| frame.repeat_component(index)),
            _ => {}
        }
        if self.frames.len() != 1 {
            return Ok(());
        }
        self.survey.exports.push(Name { name, is_interface: kind == ComponentExternalKind::Instance });
        within_names("exports", self.survey.exports.len())
    }

    fn alias(&mut self, alias: &ComponentAlias<'a>) {
        match alias {
            ComponentAlias::InstanceExport { kind: ComponentExternalKind::Module, .. } => {
                self.frame(Frame::define_unknown_module);
            }
            ComponentAlias::InstanceExport { kind: ComponentExternalKind::Component, .. } => {
                self.frame(Frame::define_unknown_component);
            }
            ComponentAlias::Outer { kind, count, index } => {
                let outer =
                    usize::try_from(*count).ok().and_then(|count| self.frames.iter().rev().nth(count));
                match kind {
                    ComponentOuterAliasKind::CoreModule => {
                        let needs = outer.map_or_else(needs::too_many, |outer| outer.module(*index));
                        self.frame(|frame| frame.define_module(needs));
                    }
                    ComponentOuterAliasKind::Component => {
                        let needs = outer.map_or_else(needs::too_many, |outer| outer.component(*index));
                        self.frame(|frame| frame.define_component(needs));
                    }
                    _ => {}
                }
            }
            _ => {}
        }
    }
}

fn within_names(what: &str, count: usize) -> Result<(), String> {
    if count > NAMES_MAX { Err(format!("it has more than {NAMES_MAX} {what}")) } else { Ok(()) }
}

#[cfg(test)]
mod tests;
