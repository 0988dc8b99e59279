//! The JavaScript SDK's declarations: what the host answers as modules, what a sink is asked as types of functions.
//!
//! Values are as `componentize-qjs` hands them over: an option is the value or null, a variant an object with `tag` and
//! `val`, a result the value or what is thrown, and bytes are a `Uint8Array`.

use std::collections::BTreeSet;
use std::path::PathBuf;

use anyhow::{Context, Result, ensure};
use wit_parser::{Docs, Function, Interface, Type, TypeDefKind};

use crate::Generated;
use crate::contract::{Contract, Role, Shape};
use crate::text::{said, wrapped};

/// Where the package lies in the project.
const ROOT: &str = "guest-sdk/js";
/// Columns of a comment.
const COLUMNS: usize = 117;
/// The interfaces whose types are the package's own.
const SHARED: &str = "types";

/// Every generated file of the package.
pub(crate) fn generate(contract: &Contract) -> Result<Vec<Generated>> {
    let mut files = Vec::new();
    let (mut types, mut events, mut neutral) = (String::new(), String::new(), String::new());
    for (_, name, interface) in contract.interfaces() {
        let module = Module { contract, home: name };
        match Contract::role(name, interface) {
            Role::Values if name == SHARED => module.declare(interface, "", &mut types)?,
            Role::Values => module.namespace(interface, &mut events)?,
            Role::Import => {
                files.push(file(&format!("host/{name}.js"), &module.forward()));
                files.push(file(&format!("host/{name}.d.ts"), &module.host(interface)?));
            }
            Role::Event => {
                module.event(interface, &mut events)?;
                neutral.push_str(&module.neutral(interface)?);
            }
        }
    }
    files.push(file("types.d.ts", &types));
    files.push(file("events.d.ts", &format!("{}{events}", imported(&events, ""))));
    let said = "// What a function that returns nothing says.\nexport const neutral = {\n";
    files.push(file("neutral.js", &format!("{said}{neutral}}};\n")));
    Ok(files)
}

fn file(name: &str, text: &str) -> Generated {
    let head = "// Written by sdk-bindings from wit/; not by hand.\n";
    Generated {
        path: PathBuf::from(ROOT).join(name),
        text: format!("{head}\n{}\n", text.trim().replace("\n\n\n", "\n\n")),
    }
}

/// The names of `types` that a text uses, imported.
fn imported(text: &str, up: &str) -> String {
    let used: BTreeSet<&str> = text
        .split(|letter: char| !letter.is_alphanumeric() && letter != '.')
        .filter_map(|word| word.strip_prefix("types."))
        .collect();
    if used.is_empty() {
        String::new()
    } else {
        format!("import type * as types from \"{up}./types.js\";\n\n")
    }
}

/// The contract as one module sees it.
struct Module<'a> {
    contract: &'a Contract,
    home: &'a str,
}

impl Module<'_> {
    fn forward(&self) -> String {
        format!("export {{ default }} from \"{}\";\n", self.contract.path(self.home))
    }

    /// An interface of the host: its types, and its functions as methods of the default export.
    fn host(&self, interface: &Interface) -> Result<String> {
        let mut text = String::new();
        self.declare(interface, "", &mut text)?;
        text.push_str(&comment(&interface.docs, ""));
        text.push_str("declare const host: {\n");
        for (name, function) in &interface.functions {
            text.push_str(&comment(&function.docs, "  "));
            text.push_str(&format!("  {}{};\n", camel(name), self.signature(function, ": ")?));
        }
        text.push_str("};\nexport default host;\n");
        Ok(format!("{}{text}", imported(&text, ".")))
    }

    /// Values of which several events speak.
    fn namespace(&self, interface: &Interface, text: &mut String) -> Result<()> {
        text.push_str(&comment(&interface.docs, ""));
        text.push_str(&format!("export namespace {} {{\n", pascal(self.home)));
        self.declare(interface, "  ", text)?;
        text.push_str("}\n\n");
        Ok(())
    }

    /// The type of the function that answers an event, and a namespace of what it speaks of.
    fn event(&self, interface: &Interface, text: &mut String) -> Result<()> {
        let name = pascal(self.home);
        let handle = interface.functions.get("handle").context("an event has `handle`")?;
        let own = interface
            .types
            .values()
            .any(|id| !matches!(self.contract.definition(*id).kind, TypeDefKind::Type(_)));
        if own {
            text.push_str(&format!("export namespace {name} {{\n"));
            self.declare(interface, "  ", text)?;
            text.push_str("}\n");
        }
        text.push_str(&comment(&interface.docs, ""));
        let function = self.signature(handle, " => ")?;
        let function = if function.ends_with("=> void") { function } else { format!("{function} | void") };
        let lists: Result<Vec<String>> = interface
            .functions
            .iter()
            .filter(|(name, _)| *name != "handle")
            .map(|(name, list)| {
                Ok(format!("{}: {}", camel(name), self.ts(list.result.as_ref().context("a list")?)?))
            })
            .collect();
        let lists = lists?;
        match lists.is_empty() {
            true => text.push_str(&format!("export type {name} = {function};\n\n")),
            false => text.push_str(&format!(
                "export type {name} = ({function}) | {{ {}; handle: {function} }};\n\n",
                lists.join("; ")
            )),
        }
        Ok(())
    }

    /// What an event hears from a function that returns nothing.
    fn neutral(&self, interface: &Interface) -> Result<String> {
        let handle = interface.functions.get("handle").context("an event has `handle`")?;
        let Some(ty) = &handle.result else { return Ok(String::new()) };
        let value = match self.contract.shape(ty)? {
            Shape::Variant(id) => match &self.contract.definition(id).kind {
                TypeDefKind::Variant(variant)
                    if variant.cases.first().is_some_and(|case| case.name == "continue") =>
                {
                    "{ tag: \"continue\" }"
                }
                _ => return Ok(String::new()),
            },
            Shape::Enum(_) => "\"continue\"",
            Shape::Option(_) => "null",
            _ => return Ok(String::new()),
        };
        Ok(format!("  {}: {value},\n", camel(self.home)))
    }

    fn declare(&self, interface: &Interface, margin: &str, text: &mut String) -> Result<()> {
        for (name, id) in &interface.types {
            let definition = self.contract.definition(*id);
            let said = comment(&definition.docs, margin);
            let ts = type_name(name);
            let body = match &definition.kind {
                TypeDefKind::Type(Type::Id(next)) => {
                    let (home, _) = self.contract.home(*next)?;
                    if home == SHARED {
                        continue;
                    }
                    format!("export type {ts} = {};", self.ts(&Type::Id(*next))?)
                }
                TypeDefKind::Type(plain) => format!("export type {ts} = {};", plain_ts(*plain)?),
                TypeDefKind::Record(record) => {
                    let fields: Result<Vec<String>> = record
                        .fields
                        .iter()
                        .map(|field| {
                            Ok(format!("{margin}  {}: {};", camel(&field.name), self.ts(&field.ty)?))
                        })
                        .collect();
                    format!("export interface {ts} {{\n{}\n{margin}}}", fields?.join("\n"))
                }
                TypeDefKind::Variant(variant) => {
                    let mut cases = String::new();
                    for case in &variant.cases {
                        let held = case
                            .ty
                            .as_ref()
                            .map(|ty| Ok::<_, anyhow::Error>(format!("; val: {}", self.ts(ty)?)));
                        cases.push_str(&format!("\n{}", comment(&case.docs, &format!("{margin}  "))));
                        let held = held.transpose()?.unwrap_or_default();
                        cases.push_str(&format!("{margin}  | {{ tag: \"{}\"{held} }}", case.name));
                    }
                    format!("export type {ts} ={cases};")
                }
                TypeDefKind::Enum(cases) => {
                    let cases: Vec<String> =
                        cases.cases.iter().map(|case| format!("\"{}\"", case.name)).collect();
                    format!("export type {ts} = {};", cases.join(" | "))
                }
                TypeDefKind::Flags(flags) => {
                    let flags: Vec<String> =
                        flags.flags.iter().map(|flag| format!("{}: boolean", camel(&flag.name))).collect();
                    format!("export interface {ts} {{ {} }}", flags.join("; "))
                }
                other => anyhow::bail!("no declaration for a {}", other.as_str()),
            };
            text.push_str(&format!("{said}{margin}{body}\n"));
        }
        if !interface.types.is_empty() && margin.is_empty() {
            text.push('\n');
        }
        Ok(())
    }

    fn signature(&self, function: &Function, arrow: &str) -> Result<String> {
        let parameters: Result<Vec<String>> = function
            .params
            .iter()
            .map(|parameter| Ok(format!("{}: {}", camel(&parameter.name), self.ts(&parameter.ty)?)))
            .collect();
        let result = match &function.result {
            None => "void".to_owned(),
            Some(ty) => match self.contract.shape(ty)? {
                Shape::Result(result) => {
                    result.ok.as_ref().map_or(Ok("void".to_owned()), |ok| self.ts(ok))?
                }
                _ => self.ts(ty)?,
            },
        };
        Ok(format!("({}){arrow}{result}", parameters?.join(", ")))
    }

    fn ts(&self, ty: &Type) -> Result<String> {
        Ok(match self.contract.shape(ty)? {
            Shape::Plain(plain) => plain_ts(plain)?.to_owned(),
            Shape::Named(name, _) => self.qualified(SHARED, name),
            Shape::List(Type::U8) => "Uint8Array".to_owned(),
            Shape::List(element) => match self.contract.shape(element)? {
                Shape::Option(_) => format!("({})[]", self.ts(element)?),
                _ => format!("{}[]", self.ts(element)?),
            },
            Shape::Option(some) => format!("{} | null", self.ts(some)?),
            Shape::Result(_) => anyhow::bail!("a result that is no function's"),
            Shape::Record(id) | Shape::Variant(id) | Shape::Enum(id) | Shape::Flags(id) => {
                let (home, name) = self.contract.home(id)?;
                self.qualified(home, name)
            }
        })
    }

    fn qualified(&self, home: &str, name: &str) -> String {
        let name = type_name(name);
        match home {
            SHARED if self.home == SHARED => name,
            SHARED => format!("types.{name}"),
            _ if home == self.home && !self.home.starts_with("on-") => name,
            "envelope" => format!("import(\"./envelope.js\").{name}"),
            _ => format!("{}.{name}", pascal(home)),
        }
    }
}

fn plain_ts(plain: Type) -> Result<&'static str> {
    ensure!(!matches!(plain, Type::U64 | Type::S64), "a 64-bit integer is no number of JavaScript");
    Ok(match plain {
        Type::Bool => "boolean",
        Type::String => "string",
        _ => "number",
    })
}

/// The error of the host is not that of the language.
fn type_name(name: &str) -> String {
    if name == "error" { "HostError".to_owned() } else { pascal(name) }
}

fn pascal(word: &str) -> String {
    word.split('-').map(capital).collect()
}

fn camel(word: &str) -> String {
    let (first, rest) = word.split_once('-').unwrap_or((word, ""));
    format!("{first}{}", pascal(rest))
}

fn capital(part: &str) -> String {
    let mut letters = part.chars();
    letters.next().map(|first| first.to_uppercase().chain(letters).collect()).unwrap_or_default()
}

fn comment(docs: &Docs, margin: &str) -> String {
    let Some(said) = said(docs) else { return String::new() };
    let lines = wrapped(&said, COLUMNS - margin.len());
    match lines.as_slice() {
        [one] => format!("{margin}/** {one} */\n"),
        many => {
            let rows: String = many.iter().map(|line| format!("{margin} * {line}\n")).collect();
            format!("{margin}/**\n{rows}{margin} */\n")
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{camel, pascal, type_name};

    #[test]
    fn words_become_names_as_javascript_writes_them() {
        assert_eq!(
            (camel("on-rcpt-to"), pascal("on-rcpt-to")),
            ("onRcptTo".to_owned(), "OnRcptTo".to_owned())
        );
        assert_eq!(type_name("error"), "HostError");
    }
}
