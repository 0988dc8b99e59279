//! Declarations of an interface's types, and the functions that carry records and variants over the border.

use std::collections::BTreeSet;

use anyhow::{Result, bail};
use wit_parser::{Interface, Type, TypeDefKind, TypeId};

use super::names::{exported, unexported};
use super::types::{GoCase, Payload, SHARED, Scope, WIRE, carried_name};
use super::{Text, docs};
use crate::contract::Shape;

/// Every type that the interface names.
pub(super) fn declare(scope: &Scope<'_>, interface: &Interface, text: &mut Text) -> Result<()> {
    for (name, id) in &interface.types {
        let definition = scope.contract.definition(*id);
        text.blank();
        match &definition.kind {
            TypeDefKind::Type(Type::Id(_)) => alias(scope, *id, text)?,
            TypeDefKind::Type(plain) => plain_alias(scope, *id, *plain, text)?,
            TypeDefKind::Record(record) => {
                docs(text, &definition.docs, &exported(name));
                text.line(&format!("type {} struct {{", exported(name)));
                let names: Vec<String> = record.fields.iter().map(|field| exported(&field.name)).collect();
                let width = names.iter().map(String::len).max().unwrap_or(0);
                for (field, name) in record.fields.iter().zip(&names) {
                    text.line(&format!("{name:width$} {}", scope.go(&field.ty)?));
                }
                text.line("}");
            }
            TypeDefKind::Variant(_) => variant(scope, *id, text)?,
            TypeDefKind::Enum(cases) => {
                docs(text, &definition.docs, &exported(name));
                let cases: Vec<&str> = cases.cases.iter().map(|case| case.name.as_str()).collect();
                numbers(name, &cases, "iota", text);
            }
            TypeDefKind::Flags(flags) => {
                docs(text, &definition.docs, &exported(name));
                let flags: Vec<&str> = flags.flags.iter().map(|flag| flag.name.as_str()).collect();
                numbers(name, &flags, "1 << iota", text);
            }
            other => bail!("no declaration for a {}", other.as_str()),
        }
    }
    Ok(())
}

/// An enum or flags as constants of a type.
fn numbers(name: &str, cases: &[&str], first: &str, text: &mut Text) {
    let name = exported(name);
    text.line(&format!("type {name} uint8"));
    text.blank();
    text.line("const (");
    for (number, case) in cases.iter().enumerate() {
        let value = if number == 0 { format!(" {name} = {first}") } else { String::new() };
        text.line(&format!("{name}{}{value}", exported(case)));
    }
    text.line(")");
}

/// Ids have a type of their own; other words are what they stand for.
fn plain_alias(scope: &Scope<'_>, id: TypeId, plain: Type, text: &mut Text) -> Result<()> {
    let (_, name) = scope.contract.home(id)?;
    if name.ends_with("-id") {
        docs(text, &scope.contract.definition(id).docs, &exported(name));
        let kind = if plain == Type::String { "string" } else { "uint32" };
        text.line(&format!("type {} {kind}", exported(name)));
    }
    Ok(())
}

/// What another interface defines, under this package's name as well; the root's types keep their own.
fn alias(scope: &Scope<'_>, id: TypeId, text: &mut Text) -> Result<()> {
    let origin = match scope.contract.shape(&Type::Id(id))? {
        Shape::Record(id) | Shape::Variant(id) | Shape::Enum(id) | Shape::Flags(id) => id,
        _ => return Ok(()),
    };
    let (home, name) = scope.contract.home(origin)?;
    if home == "types" {
        return Ok(());
    }
    let mut rows = vec![(exported(name), scope.name(origin)?)];
    if let TypeDefKind::Variant(_) = scope.contract.definition(origin).kind {
        for case in scope.cases(origin)? {
            rows.push((case.name.rsplit('.').next().unwrap_or_default().to_owned(), case.name.clone()));
        }
    }
    text.line(&format!("// As in package {}.", super::names::package(home)));
    text.line("type (");
    aligned(&rows, text);
    text.line(")");
    if let TypeDefKind::Enum(cases) = &scope.contract.definition(origin).kind {
        let go = scope.name(origin)?;
        let constant = |ty: &str, case: &str| format!("{ty}{}", exported(case));
        let rows =
            cases.cases.iter().map(|case| (constant(&exported(name), &case.name), constant(&go, &case.name)));
        let rows: Vec<(String, String)> = rows.collect();
        text.blank();
        text.line(&format!("// As in package {}.", super::names::package(home)));
        text.line("const (");
        aligned(&rows, text);
        text.line(")");
    }
    Ok(())
}

fn aligned(rows: &[(String, String)], text: &mut Text) {
    let width = rows.iter().map(|(name, _)| name.len()).max().unwrap_or(0);
    for (name, value) in rows {
        text.line(&format!("{name:width$} = {value}"));
    }
}

fn variant(scope: &Scope<'_>, id: TypeId, text: &mut Text) -> Result<()> {
    let (home, name) = scope.contract.home(id)?;
    let (cases, go) = (scope.cases(id)?, exported(name));
    docs(text, &scope.contract.definition(id).docs, &go);
    let names: Vec<&str> = cases.iter().map(|case| case.name.as_str()).collect();
    if !scope.contract.definition(id).docs.is_empty() {
        text.line("//");
    }
    let nil = match cases.first() {
        Some(GoCase { payload: Payload::Nothing, name, .. }) => format!("; nil is {name}"),
        _ => String::new(),
    };
    text.line(&format!("// It is one of {}{nil}.", names.join(", ")));
    let is_error = (home, name) == ("types", "error");
    text.line(&format!("type {go} interface {{"));
    if is_error {
        text.line("error");
    }
    text.line(&format!("is{go}()"));
    text.line("}");
    text.blank();
    text.line(&format!("// The cases of {go}."));
    text.line("type (");
    let many = cases.len();
    for (number, case) in cases.iter().enumerate() {
        docs(text, &case.case.docs, &case.name);
        let form = match case.payload {
            Payload::Nothing => "struct{}".to_owned(),
            Payload::Value(ty) => scope.go(ty)?,
            Payload::Maybe(some) => format!("struct{{ {} *{} }}", scope.maybe_field(some)?, scope.go(some)?),
        };
        text.line(&format!("{} {form}", case.name));
        if number + 1 < many {
            text.blank();
        }
    }
    text.line(")");
    text.blank();
    let width = cases.iter().map(|case| case.name.len()).max().unwrap_or(0);
    for case in &cases {
        text.line(&format!("func ({}) is{go}(){:pad$} {{}}", case.name, "", pad = width - case.name.len()));
    }
    Ok(())
}

/// The records and variants that values of these types hold, themselves included.
pub(super) fn reached(scope: &Scope<'_>, ty: &Type, found: &mut BTreeSet<(String, TypeId)>) -> Result<()> {
    match scope.contract.shape(ty)? {
        Shape::List(inner) | Shape::Option(inner) => reached(scope, inner, found)?,
        Shape::Result(result) => {
            for inner in [result.ok.as_ref(), result.err.as_ref()].into_iter().flatten() {
                reached(scope, inner, found)?;
            }
        }
        Shape::Record(id) if found.insert((scope.name(id)?, id)) => {
            for field in &scope.record(id)?.fields {
                reached(scope, &field.ty, found)?;
            }
        }
        Shape::Variant(id) if found.insert((scope.name(id)?, id)) => {
            for payload in scope.variant(id)?.cases.iter().filter_map(|case| case.ty.as_ref()) {
                reached(scope, payload, found)?;
            }
        }
        _ => {}
    }
    Ok(())
}

/// Which way values go.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Way {
    Out,
    In,
}

/// The function that carries a record or a variant.
pub(super) fn carrier(scope: &Scope<'_>, id: TypeId, way: Way, text: &mut Text) -> Result<()> {
    let (home, name) = scope.contract.home(id)?;
    if SHARED.contains(&home) != (scope.home == WIRE) {
        return Ok(());
    }
    let verb = match way {
        Way::Out => "Store",
        Way::In => "Load",
    };
    let function = format!("{verb}{}", carried_name(home, name));
    let function =
        if scope.home == WIRE { function } else { format!("{}{}", verb.to_lowercase(), exported(name)) };
    let go = scope.name(id)?;
    text.blank();
    if scope.home == WIRE {
        text.line(&format!("// {function} carries such a value over the border."));
    }
    let is_record = matches!(scope.contract.definition(id).kind, TypeDefKind::Record(_));
    match (way, is_record) {
        (Way::Out, _) => text.line(&format!("func {function}(a *abi.Arena, at unsafe.Pointer, v {go}) {{")),
        (Way::In, true) => text.line(&format!("func {function}(at unsafe.Pointer) (v {go}) {{")),
        (Way::In, false) => text.line(&format!("func {function}(at unsafe.Pointer) {go} {{")),
    }
    match (way, is_record) {
        (way, true) => record_body(scope, id, way, text)?,
        (Way::Out, false) => variant_out(scope, id, text)?,
        (Way::In, false) => variant_in(scope, id, text)?,
    }
    text.line("}");
    Ok(())
}

fn at(offset: usize) -> String {
    if offset == 0 { "at".to_owned() } else { format!("unsafe.Add(at, {offset})") }
}

fn record_body(scope: &Scope<'_>, id: TypeId, way: Way, text: &mut Text) -> Result<()> {
    let fields = &scope.record(id)?.fields;
    let offsets = scope.contract.offsets(fields.iter().map(|field| &field.ty));
    for (field, offset) in fields.iter().zip(offsets) {
        let (name, at) = (exported(&field.name), at(offset));
        match way {
            Way::Out => text.line(&format!("{}(a, {at}, v.{name})", scope.store(&field.ty)?)),
            Way::In => text.line(&format!("v.{name} = {}({at})", scope.load(&field.ty)?)),
        }
    }
    if way == Way::In {
        text.line("return v");
    }
    Ok(())
}

fn payload_offset(scope: &Scope<'_>, id: TypeId) -> Result<usize> {
    let variant = scope.variant(id)?;
    let cases = variant.cases.iter().map(|case| case.ty.as_ref());
    Ok(scope.contract.sizes.payload_offset(variant.tag(), cases).size_wasm32())
}

fn variant_out(scope: &Scope<'_>, id: TypeId, text: &mut Text) -> Result<()> {
    let (cases, at) = (scope.cases(id)?, at(payload_offset(scope, id)?));
    let holds = cases.iter().any(|case| !matches!(case.payload, Payload::Nothing));
    text.line(if holds { "switch v := v.(type) {" } else { "switch v.(type) {" });
    for (number, case) in cases.iter().enumerate() {
        text.line(&case.label(number));
        text.line(&format!("abi.StoreU8[uint8](a, at, {number})"));
        match case.payload {
            Payload::Nothing => {}
            Payload::Value(ty) => text.line(&format!("{}(a, {at}, {}(v))", scope.store(ty)?, scope.go(ty)?)),
            Payload::Maybe(some) => {
                let ty = case.case.ty.as_ref().expect("a case that may hold something has a type");
                text.line(&format!("{}(a, {at}, v.{})", scope.store(ty)?, scope.maybe_field(some)?));
            }
        }
    }
    text.line("}");
    Ok(())
}

fn variant_in(scope: &Scope<'_>, id: TypeId, text: &mut Text) -> Result<()> {
    let (cases, at) = (scope.cases(id)?, at(payload_offset(scope, id)?));
    text.line("switch abi.LoadU8[uint8](at) {");
    for (number, case) in cases.iter().enumerate() {
        let last = number + 1 == cases.len();
        text.line(&if last { "default:".to_owned() } else { format!("case {number}:") });
        text.line(&match case.payload {
            Payload::Nothing => format!("return {}{{}}", case.name),
            Payload::Value(ty) => format!("return {}({}({at}))", case.name, scope.load(ty)?),
            Payload::Maybe(some) => {
                let ty = case.case.ty.as_ref().expect("a case that may hold something has a type");
                format!("return {}{{{}: {}({at})}}", case.name, scope.maybe_field(some)?, scope.load(ty)?)
            }
        });
    }
    text.line("}");
    Ok(())
}

/// Names of the parameters of a function, as Go has them.
pub(super) fn parameter_names(function: &wit_parser::Function) -> Vec<String> {
    function.params.iter().map(|parameter| unexported(&parameter.name)).collect()
}
