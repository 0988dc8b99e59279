//! What the host answers: a documented function, what it does inside the server, and what a test puts in its place.

use std::collections::BTreeSet;

use anyhow::{Result, bail, ensure};
use wit_parser::abi::AbiVariant;
use wit_parser::{Function, Interface, Type};

use super::flat::{Body, core};
use super::names::exported;
use super::types::Scope;
use super::values::{self, Way, carrier, parameter_names, reached};
use super::{Text, docs, unit};
use crate::contract::Shape;

/// Go's form of what a function answers.
pub(super) struct Answer {
    pub(super) types: Vec<String>,
    /// As the code between host and sink calls them.
    names: Vec<&'static str>,
}

impl Answer {
    pub(super) fn of(scope: &Scope<'_>, result: Option<&Type>) -> Result<Self> {
        let Some(ty) = result else { return Ok(Self { types: Vec::new(), names: Vec::new() }) };
        Ok(match scope.contract.shape(ty)? {
            Shape::Option(some) => {
                Self { types: vec![scope.go(some)?, "bool".to_owned()], names: vec!["result", "ok"] }
            }
            Shape::Result(result) => {
                let mut answer = Self::of(scope, result.ok.as_ref())?;
                answer.types.push("error".to_owned());
                answer.names.push("err");
                answer
            }
            _ => Self { types: vec![scope.go(ty)?], names: vec!["result"] },
        })
    }

    pub(super) fn unnamed(&self) -> String {
        match self.types.as_slice() {
            [] => String::new(),
            [one] => format!(" {one}"),
            many => format!(" ({})", many.join(", ")),
        }
    }

    fn named(&self) -> String {
        let named = self.names.iter().zip(&self.types).map(|(name, ty)| format!("{name} {ty}"));
        let named: Vec<String> = named.collect();
        if named.is_empty() { String::new() } else { format!(" ({})", named.join(", ")) }
    }
}

/// `id sluice.PartID, name string`.
pub(super) fn parameters(scope: &Scope<'_>, function: &Function) -> Result<String> {
    let typed = parameter_names(function).into_iter().zip(&function.params);
    let typed: Result<Vec<String>> =
        typed.map(|(name, parameter)| Ok(format!("{name} {}", scope.go(&parameter.ty)?))).collect();
    Ok(typed?.join(", "))
}

/// The documented functions.
pub(super) fn documented(scope: &Scope<'_>, interface: &Interface, text: &mut Text) -> Result<()> {
    for (name, function) in &interface.functions {
        let (go, answer) = (exported(name), Answer::of(scope, function.result.as_ref())?);
        text.blank();
        docs(text, &function.docs, &go);
        text.line(&format!("func {go}({}){} {{", parameters(scope, function)?, answer.unnamed()));
        let back = if answer.types.is_empty() { "" } else { "return " };
        text.line(&format!("{back}host{go}({})", parameter_names(function).join(", ")));
        text.line("}");
    }
    Ok(())
}

/// What a test puts in the host's place.
pub(super) fn fakes(scope: &Scope<'_>, interface: &Interface, text: &mut Text) -> Result<()> {
    text.blank();
    text.line("// Fake stands in for the host where there is none: in `go test`. A function that a test does not set panics with");
    text.line("// its name.");
    text.line("var Fake struct {");
    let width = interface.functions.keys().map(|name| exported(name).len()).max().unwrap_or(0);
    for (name, function) in &interface.functions {
        let answer = Answer::of(scope, function.result.as_ref())?.unnamed();
        text.line(&format!("{:width$} func({}){answer}", exported(name), parameters(scope, function)?));
    }
    text.line("}");
    let package = super::names::package(scope.home);
    for (name, function) in &interface.functions {
        let (go, answer) = (exported(name), Answer::of(scope, function.result.as_ref())?);
        text.blank();
        text.line(&format!("func host{go}({}){} {{", parameters(scope, function)?, answer.unnamed()));
        text.line(&format!("if Fake.{go} == nil {{"));
        text.line(&format!(
            "panic(\"only the server answers {package}.{go}: set {package}.Fake.{go} in the test\")"
        ));
        text.line("}");
        let back = if answer.types.is_empty() { "" } else { "return " };
        text.line(&format!("{back}Fake.{go}({})", parameter_names(function).join(", ")));
        text.line("}");
    }
    Ok(())
}

/// The calls of the host.
pub(super) fn calls(scope: &Scope<'_>, interface: &Interface, text: &mut Text) -> Result<()> {
    let path = scope.contract.path(scope.home);
    let (mut out, mut back) = (BTreeSet::new(), BTreeSet::new());
    for (name, function) in &interface.functions {
        call(scope, &path, name, function, text)?;
        for parameter in &function.params {
            reached(scope, &parameter.ty, &mut out)?;
        }
        if let Some(result) = &function.result {
            reached(scope, result, &mut back)?;
        }
    }
    for (ways, way) in [(out, Way::Out), (back, Way::In)] {
        for (_, id) in ways {
            carrier(scope, id, way, text)?;
        }
    }
    Ok(())
}

fn call(scope: &Scope<'_>, path: &str, name: &str, function: &Function, text: &mut Text) -> Result<()> {
    let signature = scope.contract.resolve.wasm_signature(AbiVariant::GuestImport, function);
    ensure!(!signature.indirect_params, "{name} has more parameters than go into a call");
    let go = exported(name);
    let mut typed: Vec<String> =
        core(&signature.params).iter().enumerate().map(|(number, ty)| format!("p{number} {ty}")).collect();
    if signature.retptr {
        typed.pop();
        typed.push("back unsafe.Pointer".to_owned());
    }
    let direct = core(&signature.results);
    let result = direct.first().map(|ty| format!(" {ty}")).unwrap_or_default();
    text.blank();
    text.line(&format!("//go:wasmimport {path} {name}"));
    text.line(&format!("func import{go}({}){result}", typed.join(", ")));
    text.blank();
    let answer = Answer::of(scope, function.result.as_ref())?;
    text.line(&format!("func host{go}({}){} {{", parameters(scope, function)?, answer.named()));
    let mut body = Body::default();
    let mut flat = Vec::new();
    for (parameter, name) in function.params.iter().zip(parameter_names(function)) {
        flat.extend(scope.lower(&parameter.ty, &name, &mut body)?);
    }
    let arena = signature.retptr || body.lines.iter().any(|line| line.contains("a."));
    if arena {
        text.line("a := abi.NewArena()");
    }
    body.lines.iter().for_each(|line| text.line(line));
    match (&function.result, signature.retptr) {
        (Some(ty), true) => {
            text.line(&format!("area := a.Space({})", scope.contract.size(ty)));
            flat.push("area".to_owned());
            text.line(&format!("import{go}({})", flat.join(", ")));
            text.line("a.Keep()");
            read(scope, ty, text)?;
            text.line("return");
        }
        (Some(ty), false) => {
            text.line(&format!("got := import{go}({})", flat.join(", ")));
            if arena {
                text.line("a.Keep()");
            }
            let lifted = scope.lift(ty, &mut vec!["got".to_owned()], &mut Body::default())?;
            text.line(&format!("return {lifted}"));
        }
        (None, _) => {
            text.line(&format!("import{go}({})", flat.join(", ")));
            if arena {
                text.line("a.Keep()");
            }
        }
    }
    text.line("}");
    Ok(())
}

/// Reads what lies in the area into the named results.
fn read(scope: &Scope<'_>, ty: &Type, text: &mut Text) -> Result<()> {
    match scope.contract.shape(ty)? {
        Shape::Option(some) => {
            let offset = scope.contract.sizes.align(some).align_wasm32();
            text.line("if abi.LoadBool(area) {");
            text.line(&format!("result, ok = {}(unsafe.Add(area, {offset})), true", scope.load(some)?));
            text.line("}");
        }
        Shape::Result(result) => {
            let payloads = [result.ok.as_ref(), result.err.as_ref()];
            let offset = scope.contract.sizes.payload_offset(wit_parser::Int::U8, payloads).size_wasm32();
            let Some(Type::Id(wrong)) = result.err else {
                bail!("an import whose error is no type of the contract")
            };
            let load = scope.load(&Type::Id(wrong))?;
            text.line("if abi.LoadBool(area) {");
            text.line(&format!("err = {load}(unsafe.Add(area, {offset}))"));
            text.line("return");
            text.line("}");
            if let Some(ok) = &result.ok {
                text.line(&format!("area = unsafe.Add(area, {offset})"));
                read(scope, ok, text)?;
            }
        }
        _ => text.line(&format!("result = {}(area)", scope.load(ty)?)),
    }
    Ok(())
}

/// The three files of an interface that the host answers.
pub(super) fn files(scope: &Scope<'_>, interface: &Interface) -> Result<Vec<crate::Generated>> {
    let (mut api, mut wasm, mut fake) = (Text::default(), Text::default(), Text::default());
    values::declare(scope, interface, &mut api)?;
    documented(scope, interface, &mut api)?;
    calls(scope, interface, &mut wasm)?;
    fakes(scope, interface, &mut fake)?;
    Ok(vec![
        unit(scope.home, "api.go", Some(&interface.docs), &api),
        unit(scope.home, "api_wasm.go", None, &wasm),
        unit(scope.home, "api_fake.go", None, &fake),
    ])
}
