//! Values as the flat parameters of a core function: lowered for what a sink calls, lifted for what it is asked.

use anyhow::{Context, Result, ensure};
use wit_parser::abi::{FlatTypes, WasmType};
use wit_parser::{Record, Type, TypeDefKind, TypeId};

use super::names::exported;
use super::types::{Payload, Scope};
use crate::contract::Shape;

/// Statements under way, and names that are not yet taken.
#[derive(Default)]
pub(super) struct Body {
    pub(super) lines: Vec<String>,
    names: usize,
}

impl Body {
    fn fresh(&mut self, stem: &str) -> String {
        self.names += 1;
        format!("{stem}{}", self.names)
    }

    pub(super) fn line(&mut self, line: impl Into<String>) {
        self.lines.push(line.into());
    }
}

/// What core types the flat form has, in Go's words.
pub(super) fn core(types: &[WasmType]) -> Vec<&'static str> {
    types
        .iter()
        .map(|ty| match ty {
            WasmType::F64 => "float64",
            WasmType::F32 => "float32",
            WasmType::I64 | WasmType::PointerOrI64 => "uint64",
            WasmType::I32 | WasmType::Pointer | WasmType::Length => "uint32",
        })
        .collect()
}

impl Scope<'_> {
    fn core_of(&self, ty: &Type) -> Vec<&'static str> {
        let mut storage = [WasmType::I32; 32];
        let mut flat = FlatTypes::new(&mut storage);
        self.contract.resolve.push_flat(ty, &mut flat);
        core(&flat.to_vec())
    }

    pub(super) fn record(&self, id: TypeId) -> Result<&Record> {
        match &self.contract.definition(id).kind {
            TypeDefKind::Record(record) => Ok(record),
            other => anyhow::bail!("a record was expected, not a {}", other.as_str()),
        }
    }

    /// The flat expressions of a value; `a` is the arena of the call.
    pub(super) fn lower(&self, ty: &Type, value: &str, body: &mut Body) -> Result<Vec<String>> {
        Ok(match self.contract.shape(ty)? {
            Shape::Plain(Type::Bool) => vec![format!("abi.Bool({value})")],
            Shape::Plain(Type::F64) => vec![value.to_owned()],
            Shape::Plain(Type::S8) => vec![format!("uint32(int32({value}))")],
            Shape::Named("timestamp", _) => vec![format!("abi.FromTime({value})")],
            Shape::Named("duration", _) => vec![format!("abi.FromMilliseconds({value})")],
            Shape::Named("seconds", _) => vec![format!("abi.FromSeconds({value})")],
            Shape::Plain(Type::String) | Shape::Named(_, Type::String) => {
                pair(body, &format!("a.String(string({value}))"))
            }
            Shape::Plain(_) | Shape::Named(..) | Shape::Enum(_) | Shape::Flags(_) => {
                vec![format!("uint32({value})")]
            }
            Shape::List(Type::U8) => pair(body, &format!("a.Bytes({value})")),
            Shape::List(element) => {
                let (size, store) = (self.contract.size(element), self.store(element)?);
                pair(body, &format!("abi.List(a, {value}, {size}, {store})"))
            }
            Shape::Record(id) => {
                let mut flat = Vec::new();
                for field in &self.record(id)?.fields {
                    flat.extend(self.lower(
                        &field.ty,
                        &format!("{value}.{}", exported(&field.name)),
                        body,
                    )?);
                }
                flat
            }
            Shape::Option(some) => self.lower_option(some, value, body)?,
            Shape::Variant(id) => self.lower_variant(ty, id, value, body)?,
            Shape::Result(_) => anyhow::bail!("a result as a parameter"),
        })
    }

    fn lower_option(&self, some: &Type, value: &str, body: &mut Body) -> Result<Vec<String>> {
        let (tag, slots) = self.slots(&self.core_of(some), body);
        let mut inner = Body { names: body.names, ..Body::default() };
        let is_list = matches!(self.contract.shape(some)?, Shape::List(_));
        let held = if is_list { value.to_owned() } else { format!("(*{value})") };
        let flat = self.lower(some, &held, &mut inner)?;
        body.names = inner.names;
        body.line(format!("if {value} != nil {{"));
        body.line(format!("{tag} = 1"));
        body.lines.extend(inner.lines);
        body.line(format!("{} = {}", slots.join(", "), flat.join(", ")));
        body.line("}");
        Ok([vec![tag], slots].concat())
    }

    fn lower_variant(&self, ty: &Type, id: TypeId, value: &str, body: &mut Body) -> Result<Vec<String>> {
        let core = self.core_of(ty);
        let (tag, slots) = self.slots(core.get(1..).context("a variant has a tag")?, body);
        body.line(format!("switch v := {value}.(type) {{"));
        for (number, case) in self.cases(id)?.iter().enumerate() {
            body.line(case.label(number));
            body.line(format!("{tag} = {number}"));
            if let Payload::Value(payload) = case.payload {
                let flat = self.lower(payload, &format!("{}(v)", self.go(payload)?), body)?;
                let filled = slots.get(..flat.len()).context("slots for each payload")?;
                body.line(format!("{} = {}", filled.join(", "), flat.join(", ")));
            } else {
                ensure!(
                    matches!(case.payload, Payload::Nothing),
                    "a parameter whose case may hold something"
                );
            }
        }
        body.line("}");
        Ok([vec![tag], slots].concat())
    }

    /// Variables for a tag and for what may follow it.
    fn slots(&self, core: &[&str], body: &mut Body) -> (String, Vec<String>) {
        let tag = body.fresh("tag");
        body.line(format!("var {tag} uint32"));
        let mut slots = Vec::new();
        for ty in core {
            let slot = body.fresh("slot");
            body.line(format!("var {slot} {ty}"));
            slots.push(slot);
        }
        (tag, slots)
    }

    /// The Go value of flat expressions, which are taken off the front of `flat`.
    pub(super) fn lift(&self, ty: &Type, flat: &mut Vec<String>, body: &mut Body) -> Result<String> {
        let mut next =
            || if flat.is_empty() { None } else { Some(flat.remove(0)) }.context("a flat parameter");
        let go = || self.go(ty);
        Ok(match self.contract.shape(ty)? {
            Shape::Plain(Type::Bool) => format!("{} != 0", next()?),
            Shape::Plain(Type::F64) => next()?,
            Shape::Named("timestamp", _) => format!("abi.ToTime({})", next()?),
            Shape::Named("duration", _) => format!("abi.ToMilliseconds({})", next()?),
            Shape::Named("seconds", _) => format!("abi.ToSeconds({})", next()?),
            Shape::Plain(Type::String) => format!("abi.TakeString({}, {})", next()?, next()?),
            Shape::Named(_, Type::String) => format!("{}(abi.TakeString({}, {}))", go()?, next()?, next()?),
            Shape::Plain(Type::U32) => next()?,
            Shape::Plain(_) | Shape::Named(..) | Shape::Enum(_) | Shape::Flags(_) => {
                format!("{}({})", go()?, next()?)
            }
            Shape::List(Type::U8) => format!("abi.TakeBytes({}, {})", next()?, next()?),
            Shape::List(element) => {
                let (size, load) = (self.contract.size(element), self.load(element)?);
                format!("abi.TakeList({}, {}, {size}, {load})", next()?, next()?)
            }
            Shape::Record(id) => self.lift_record(id, flat, body)?,
            Shape::Option(some) => self.lift_option(some, flat, body)?,
            Shape::Variant(id) => self.lift_variant(ty, id, flat, body)?,
            Shape::Result(_) => anyhow::bail!("a result as a parameter"),
        })
    }

    fn lift_record(&self, id: TypeId, flat: &mut Vec<String>, body: &mut Body) -> Result<String> {
        let mut fields = Vec::new();
        for field in &self.record(id)?.fields {
            fields.push(format!("{}: {}", exported(&field.name), self.lift(&field.ty, flat, body)?));
        }
        Ok(format!("{}{{{}}}", self.name(id)?, fields.join(", ")))
    }

    fn lift_option(&self, some: &Type, flat: &mut Vec<String>, body: &mut Body) -> Result<String> {
        ensure!(!flat.is_empty(), "a tag");
        let (tag, value) = (flat.remove(0), body.fresh("option"));
        body.line(format!("var {value} *{}", self.go(some)?));
        body.line(format!("if {tag} != 0 {{"));
        let held = self.lift(some, flat, body)?;
        body.line(format!("held := {held}"));
        body.line(format!("{value} = &held"));
        body.line("}");
        Ok(value)
    }

    fn lift_variant(&self, ty: &Type, id: TypeId, flat: &mut Vec<String>, body: &mut Body) -> Result<String> {
        let width = self.core_of(ty).len();
        ensure!(flat.len() >= width, "the slots of a variant");
        let slots: Vec<String> = flat.drain(..width).collect();
        let value = body.fresh("variant");
        body.line(format!("var {value} {}", self.name(id)?));
        body.line(format!("switch {} {{", slots.first().context("a tag")?));
        for (number, case) in self.cases(id)?.iter().enumerate() {
            body.line(format!("case {number}:"));
            let held = match case.payload {
                Payload::Nothing => format!("{}{{}}", case.name),
                Payload::Value(payload) => {
                    let mut rest = slots.get(1..).context("slots")?.to_vec();
                    format!("{}({})", case.name, self.lift(payload, &mut rest, body)?)
                }
                Payload::Maybe(_) => anyhow::bail!("a parameter whose case may hold something"),
            };
            body.line(format!("{value} = {held}"));
        }
        body.line("}");
        Ok(value)
    }
}

/// Two variables, pointer and length.
fn pair(body: &mut Body, call: &str) -> Vec<String> {
    let (pointer, length) = (body.fresh("pointer"), body.fresh("length"));
    body.line(format!("{pointer}, {length} := {call}"));
    vec![pointer, length]
}
