//! The contract's types as Go has them, and the functions that carry them over the border.
//!
//! A variant is an interface with a type for each case, so that `rcptto.Reject(…)` reads as a verdict; `nil` is the first
//! case. An option is a pointer, or a slice that may be nil. Times are those of the package `time`.

use anyhow::{Context, Result, bail, ensure};
use wit_parser::{Case, Type, TypeDefKind, TypeId, Variant};

use super::names::{exported, package};
use crate::contract::{Contract, Shape};

/// The package in which the values that many interfaces speak of are carried over.
pub(super) const WIRE: &str = "wire";

/// The interfaces whose records and variants [`WIRE`] carries over.
pub(super) const SHARED: [&str; 4] = ["types", "gate", "notice", "stage"];

/// The contract as one Go package sees it.
pub(super) struct Scope<'a> {
    pub(super) contract: &'a Contract,
    /// The interface of the package, or [`WIRE`].
    pub(super) home: &'a str,
}

impl Scope<'_> {
    /// A named type, with its package where that is another one.
    pub(super) fn name(&self, id: TypeId) -> Result<String> {
        let (home, name) = self.contract.home(id)?;
        Ok(self.of(home, &exported(name)))
    }

    pub(super) fn of(&self, home: &str, name: &str) -> String {
        if home == self.home { name.to_owned() } else { format!("{}.{name}", package(home)) }
    }

    pub(super) fn go(&self, ty: &Type) -> Result<String> {
        Ok(match self.contract.shape(ty)? {
            Shape::Plain(plain) => go_plain(plain)?.to_owned(),
            Shape::Named("timestamp", _) => "time.Time".to_owned(),
            Shape::Named("duration" | "seconds", _) => "time.Duration".to_owned(),
            Shape::Named("word", _) => "string".to_owned(),
            Shape::Named(name, _) => self.of("types", &exported(name)),
            Shape::List(element) => format!("[]{}", self.go(element)?.replace("uint8", "byte")),
            Shape::Option(some) => match self.contract.shape(some)? {
                Shape::List(_) => self.go(some)?,
                _ => format!("*{}", self.go(some)?),
            },
            Shape::Result(_) => bail!("a result that is no function's"),
            Shape::Record(id) | Shape::Variant(id) | Shape::Enum(id) | Shape::Flags(id) => self.name(id)?,
        })
    }

    /// The function that writes such a value to memory.
    pub(super) fn store(&self, ty: &Type) -> Result<String> {
        self.carrier(ty, "Store")
    }

    /// The function that reads one from memory.
    pub(super) fn load(&self, ty: &Type) -> Result<String> {
        self.carrier(ty, "Load")
    }

    fn carrier(&self, ty: &Type, way: &str) -> Result<String> {
        Ok(match self.contract.shape(ty)? {
            Shape::Plain(plain) => format!("abi.{way}{}", plain_carrier(plain, go_plain(plain)?)?),
            Shape::Named("timestamp", _) => format!("abi.{way}Time"),
            Shape::Named("duration", _) => format!("abi.{way}Milliseconds"),
            Shape::Named("seconds", _) => format!("abi.{way}Seconds"),
            Shape::Named(_, plain) => format!("abi.{way}{}", plain_carrier(plain, &self.go(ty)?)?),
            Shape::Enum(_) | Shape::Flags(_) => {
                ensure!(self.contract.size(ty) == 1, "enums and flags of one byte alone");
                format!("abi.{way}U8[{}]", self.go(ty)?)
            }
            Shape::List(Type::U8) => format!("abi.{way}Bytes"),
            Shape::List(element) => {
                format!("abi.{way}List({}, {})", self.contract.size(element), self.carrier(element, way)?)
            }
            Shape::Option(some) => {
                let list = if matches!(self.contract.shape(some)?, Shape::List(_)) { "List" } else { "" };
                let offset = self.contract.sizes.align(some).align_wasm32();
                format!("abi.{way}Option{list}({offset}, {})", self.carrier(some, way)?)
            }
            Shape::Result(_) => bail!("a result that is no function's"),
            Shape::Record(id) | Shape::Variant(id) => self.named_carrier(id, way)?,
        })
    }

    fn named_carrier(&self, id: TypeId, way: &str) -> Result<String> {
        let (home, name) = self.contract.home(id)?;
        let name = carried_name(home, name);
        Ok(match (SHARED.contains(&home), self.home == WIRE) {
            (true, true) => format!("{way}{name}"),
            (true, false) => format!("{WIRE}.{way}{name}"),
            (false, _) => format!("{}{name}", way.to_lowercase()),
        })
    }
}

/// What the functions of a named type are called after their verb.
pub(super) fn carried_name(home: &str, name: &str) -> String {
    let home = if SHARED.contains(&home) && home != "types" { exported(home) } else { String::new() };
    format!("{home}{}", exported(name))
}

/// A case of a variant as a Go type.
pub(super) struct GoCase<'a> {
    /// Its name, with its package where that is another one.
    pub(super) name: String,
    pub(super) case: &'a Case,
    pub(super) payload: Payload<'a>,
}

impl GoCase<'_> {
    /// Its label in a switch over types; nil is a first case that holds nothing.
    pub(super) fn label(&self, number: usize) -> String {
        match (number, self.payload) {
            (0, Payload::Nothing) => format!("case nil, {}:", self.name),
            _ => format!("case {}:", self.name),
        }
    }
}

/// What a case holds.
#[derive(Clone, Copy)]
pub(super) enum Payload<'a> {
    Nothing,
    /// The case is such a value under its own name.
    Value(&'a Type),
    /// The case is a struct with this pointer.
    Maybe(&'a Type),
}

impl Scope<'_> {
    pub(super) fn cases<'a>(&'a self, id: TypeId) -> Result<Vec<GoCase<'a>>> {
        let (home, name) = self.contract.home(id)?;
        self.variant(id)?.cases.iter().map(|case| self.case(home, name, case)).collect()
    }

    pub(super) fn variant(&self, id: TypeId) -> Result<&Variant> {
        match &self.contract.definition(id).kind {
            TypeDefKind::Variant(variant) => Ok(variant),
            other => bail!("a variant was expected, not a {}", other.as_str()),
        }
    }

    fn case<'a>(&'a self, home: &str, variant: &str, case: &'a Case) -> Result<GoCase<'a>> {
        let (_, _, interface) = self
            .contract
            .interfaces()
            .find(|(_, name, _)| *name == home)
            .context("the variant's interface")?;
        // A case may be called as a type beside it is.
        let clash = interface.types.contains_key(&case.name);
        let name = if clash {
            format!("{}{}", exported(variant), exported(&case.name))
        } else {
            exported(&case.name)
        };
        let payload = match &case.ty {
            None => Payload::Nothing,
            Some(ty) => match self.contract.shape(ty)? {
                Shape::Option(some) => Payload::Maybe(some),
                Shape::Variant(_) => bail!("a case that holds a variant"),
                _ => Payload::Value(ty),
            },
        };
        Ok(GoCase { name: self.of(home, &name), case, payload })
    }

    /// The one field of a [`Payload::Maybe`].
    pub(super) fn maybe_field(&self, some: &Type) -> Result<String> {
        match self.contract.shape(some)? {
            Shape::Record(id) => Ok(exported(self.contract.home(id)?.1)),
            _ => bail!("a case that may hold something without a name"),
        }
    }
}

fn go_plain(plain: Type) -> Result<&'static str> {
    Ok(match plain {
        Type::Bool => "bool",
        Type::U8 => "uint8",
        Type::S8 => "int8",
        Type::U16 => "uint16",
        Type::U32 => "uint32",
        Type::F64 => "float64",
        Type::String => "string",
        other => bail!("no sink speaks of {other:?}"),
    })
}

fn plain_carrier(plain: Type, go: &str) -> Result<String> {
    Ok(match plain {
        Type::Bool => "Bool".to_owned(),
        Type::S8 => "S8".to_owned(),
        Type::F64 => "F64".to_owned(),
        Type::U8 => format!("U8[{go}]"),
        Type::U16 => "U16".to_owned(),
        Type::U32 => format!("U32[{go}]"),
        Type::String => format!("String[{go}]"),
        other => bail!("no sink speaks of {other:?}"),
    })
}
