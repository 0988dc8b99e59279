//! What a sink is asked: a package for each event, so that importing one is subscribing to it.

use std::collections::BTreeSet;

use anyhow::{Context, Result, ensure};
use wit_parser::abi::AbiVariant;
use wit_parser::{Function, Interface, Type};

use super::flat::{Body, core};
use super::functions::parameters;
use super::names::{package, unexported};
use super::types::Scope;
use super::values::{self, Way, carrier, parameter_names, reached};
use super::{Text, unit};
use crate::contract::Shape;

/// The two files of an event.
pub(super) fn files(scope: &Scope<'_>, interface: &Interface) -> Result<Vec<crate::Generated>> {
    let (mut api, mut wasm) = (Text::default(), Text::default());
    values::declare(scope, interface, &mut api)?;
    registration(scope, interface, &mut api)?;
    exports(scope, interface, &mut wasm)?;
    Ok(vec![
        unit(scope.home, "api.go", Some(&interface.docs), &api),
        unit(scope.home, "api_wasm.go", None, &wasm),
    ])
}

fn handle(interface: &Interface) -> Result<&Function> {
    interface.functions.get("handle").context("an event has `handle`")
}

/// Functions that the host asks once, at load: their answers are given with the handler.
fn lists(interface: &Interface) -> impl Iterator<Item = (&String, &Function)> {
    interface.functions.iter().filter(|(name, _)| *name != "handle")
}

/// What a handler returns: its answer and an error, which is a fault.
fn returned(scope: &Scope<'_>, result: Option<&Type>) -> Result<Vec<String>> {
    let mut types =
        match result.map(|ty| Ok::<_, anyhow::Error>((ty, scope.contract.shape(ty)?))).transpose()? {
            None | Some((_, Shape::Result(_))) => Vec::new(),
            Some((ty, _)) => vec![scope.go(ty)?],
        };
    types.push("error".to_owned());
    Ok(types)
}

fn registration(scope: &Scope<'_>, interface: &Interface, text: &mut Text) -> Result<()> {
    let function = handle(interface)?;
    let returned = returned(scope, function.result.as_ref())?;
    let returned = if returned.len() == 1 { returned.join("") } else { format!("({})", returned.join(", ")) };
    text.blank();
    text.line(&format!(
        "// Handler answers {}. An error is logged and is a fault: the binding's on-fault answers.",
        scope.home
    ));
    if is_self_judging(scope, function)? {
        text.comment("An error is the answer: the host is told its text.");
    }
    text.line(&format!("type Handler func({}) {returned}", parameters(scope, function)?));
    text.blank();
    text.line("var handler Handler");
    let mut typed = vec!["answer Handler".to_owned()];
    let mut kept = Vec::new();
    for (name, list) in lists(interface) {
        let Some(ty) = &list.result else { anyhow::bail!("{name} answers nothing") };
        let Shape::List(element) = scope.contract.shape(ty)? else { anyhow::bail!("{name} answers no list") };
        ensure!(list.params.is_empty() && kept.is_empty(), "one list for each event, and no parameters");
        text.blank();
        text.line(&format!("var {} {}", unexported(name), scope.go(ty)?));
        typed.push(format!("{}_ ...{}", unexported(name), scope.go(element)?));
        kept.push(unexported(name));
    }
    text.blank();
    text.line(&format!(
        "// Handle sets the function that answers {}; call it in an init function.",
        scope.home
    ));
    for (name, list) in lists(interface) {
        let said = list.docs.contents.as_deref().unwrap_or_default().replace('\n', " ");
        text.line(&format!("// What follows it are the {name}. {said}"));
    }
    text.line(&format!("func Handle({}) {{", typed.join(", ")));
    text.line("handler = answer");
    for name in kept {
        text.line(&format!("{name} = {name}_"));
    }
    text.line("}");
    Ok(())
}

/// Whether the event's own answer is a result.
fn is_self_judging(scope: &Scope<'_>, function: &Function) -> Result<bool> {
    let Some(ty) = &function.result else { return Ok(false) };
    Ok(matches!(scope.contract.shape(ty)?, Shape::Result(_)))
}

fn exports(scope: &Scope<'_>, interface: &Interface, text: &mut Text) -> Result<()> {
    let (mut out, mut into) = (BTreeSet::new(), BTreeSet::new());
    export(scope, handle(interface)?, text)?;
    for (name, list) in lists(interface) {
        let ty = list.result.as_ref().context("a list")?;
        reached(scope, ty, &mut out)?;
        text.blank();
        text.line(&format!("//go:wasmexport {}#{name}", scope.contract.path(scope.home)));
        text.line(&format!("func export{}() unsafe.Pointer {{", super::names::exported(name)));
        text.line("a := abi.Results()");
        text.line("at := a.Space(8)");
        text.line(&format!("{}(a, at, {})", scope.store(ty)?, unexported(name)));
        text.line("return at");
        text.line("}");
    }
    let function = handle(interface)?;
    for parameter in &function.params {
        reached(scope, &parameter.ty, &mut into)?;
    }
    if let Some(result) = &function.result {
        reached(scope, result, &mut out)?;
    }
    // Flat parameters of a record are lifted where they are used.
    let lists_of = |ty: &Type| matches!(scope.contract.shape(ty), Ok(Shape::List(_)));
    let signature = scope.contract.resolve.wasm_signature(AbiVariant::GuestExport, function);
    let mut needed = BTreeSet::new();
    for parameter in &function.params {
        if signature.indirect_params || lists_of(&parameter.ty) {
            reached(scope, &parameter.ty, &mut needed)?;
        } else {
            inner_lists(scope, &parameter.ty, &mut needed)?;
        }
    }
    into.retain(|found| needed.contains(found));
    for (ways, way) in [(out, Way::Out), (into, Way::In)] {
        for (_, id) in ways {
            carrier(scope, id, way, text)?;
        }
    }
    Ok(())
}

/// What the lists inside of a flat parameter hold.
fn inner_lists(
    scope: &Scope<'_>,
    ty: &Type,
    needed: &mut BTreeSet<(String, wit_parser::TypeId)>,
) -> Result<()> {
    match scope.contract.shape(ty)? {
        Shape::List(element) => reached(scope, element, needed),
        Shape::Option(some) => inner_lists(scope, some, needed),
        Shape::Record(id) => {
            scope.record(id)?.fields.iter().try_for_each(|field| inner_lists(scope, &field.ty, needed))
        }
        Shape::Variant(id) => {
            let payloads = scope.variant(id)?.cases.iter().filter_map(|case| case.ty.as_ref());
            payloads.into_iter().try_for_each(|payload| inner_lists(scope, payload, needed))
        }
        _ => Ok(()),
    }
}

fn export(scope: &Scope<'_>, function: &Function, text: &mut Text) -> Result<()> {
    let signature = scope.contract.resolve.wasm_signature(AbiVariant::GuestExport, function);
    let types = core(&signature.params);
    let typed: Vec<String> = match signature.indirect_params {
        true => vec!["in unsafe.Pointer".to_owned()],
        false => types.iter().enumerate().map(|(number, ty)| format!("p{number} {ty}")).collect(),
    };
    let direct = core(&signature.results);
    let result = match (signature.retptr, direct.first()) {
        (true, _) => " unsafe.Pointer".to_owned(),
        (false, Some(ty)) => format!(" {ty}"),
        (false, None) => String::new(),
    };
    text.blank();
    text.line(&format!("//go:wasmexport {}#handle", scope.contract.path(scope.home)));
    text.line(&format!("func exportHandle({}){result} {{", typed.join(", ")));
    text.line("if handler == nil {");
    text.line(&format!(
        "abi.Fault(\"package {} is imported, and its Handle was never called\")",
        package(scope.home)
    ));
    text.line("}");
    let names = parameter_names(function);
    if signature.indirect_params {
        let offsets = scope.contract.offsets(function.params.iter().map(|parameter| &parameter.ty));
        for ((name, parameter), offset) in names.iter().zip(&function.params).zip(offsets) {
            text.line(&format!("{name} := {}(unsafe.Add(in, {offset}))", scope.load(&parameter.ty)?));
        }
    } else {
        let (mut flat, mut body) =
            ((0..types.len()).map(|number| format!("p{number}")).collect(), Body::default());
        for (name, parameter) in names.iter().zip(&function.params) {
            let lifted = scope.lift(&parameter.ty, &mut flat, &mut body)?;
            body.line(format!("{name} := {lifted}"));
        }
        body.lines.iter().for_each(|line| text.line(line));
    }
    answer(scope, function, &names.join(", "), text)?;
    text.line("}");
    Ok(())
}

/// The end of an export: asks the handler, and gives its answer to the host.
fn answer(scope: &Scope<'_>, function: &Function, arguments: &str, text: &mut Text) -> Result<()> {
    let fault = |text: &mut Text| {
        text.line("if err != nil {");
        text.line("abi.Fault(err.Error())");
        text.line("}");
    };
    let Some(ty) = &function.result else {
        text.line(&format!("if err := handler({arguments}); err != nil {{"));
        text.line("abi.Fault(err.Error())");
        text.line("}");
        return Ok(());
    };
    if let Shape::Result(result) = scope.contract.shape(ty)? {
        ensure!(
            result.ok.is_none() && result.err == Some(Type::String),
            "an event's own result is an error's text"
        );
        text.line("a := abi.Results()");
        text.line(&format!("at := a.Space({})", scope.contract.size(ty)));
        text.line(&format!("if err := handler({arguments}); err != nil {{"));
        text.line("abi.StoreU8[uint8](a, at, 1)");
        text.line("abi.StoreString(a, unsafe.Add(at, 4), err.Error())");
        text.line("}");
        text.line("return at");
        return Ok(());
    }
    text.line(&format!("answer, err := handler({arguments})"));
    fault(text);
    if scope.contract.resolve.wasm_signature(AbiVariant::GuestExport, function).retptr {
        text.line("a := abi.Results()");
        text.line(&format!("at := a.Space({})", scope.contract.size(ty)));
        text.line(&format!("{}(a, at, answer)", scope.store(ty)?));
        text.line("return at");
    } else if let Shape::Variant(id) = scope.contract.shape(ty)? {
        // A variant without payloads is its number.
        text.line("switch answer.(type) {");
        for (number, case) in scope.cases(id)?.iter().enumerate().skip(1) {
            text.line(&format!("case {}:", case.name));
            text.line(&format!("return {number}"));
        }
        text.line("}");
        text.line("return 0");
    } else {
        text.line("return uint32(answer)");
    }
    Ok(())
}
