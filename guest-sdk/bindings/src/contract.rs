//! The contract as the generators look at it: interfaces in order, and types by their shape.

use std::path::Path;

use anyhow::{Context, Result, bail};
use wit_parser::{
    Interface, InterfaceId, Resolve, Result_, SizeAlign, Type, TypeDef, TypeDefKind, TypeId, TypeOwner,
};

/// The parsed contract.
pub(crate) struct Contract {
    pub(crate) resolve: Resolve,
    pub(crate) sizes: SizeAlign,
    /// `sluice:sink` and its version, for names of imports and exports.
    package: (String, String),
}

/// What an interface is to a sink.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Role {
    /// Values alone: `types`, `gate`.
    Values,
    /// The host answers.
    Import,
    /// The sink answers.
    Event,
}

/// A type with its aliases looked through.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Shape<'a> {
    /// A number, a truth value or a text, as the component model has it.
    Plain(Type),
    /// An alias that `types` gives a meaning: `timestamp`, `message-id`.
    Named(&'a str, Type),
    List(&'a Type),
    Option(&'a Type),
    Result(&'a Result_),
    /// A type with a name of its own.
    Record(TypeId),
    Variant(TypeId),
    Enum(TypeId),
    Flags(TypeId),
}

impl Contract {
    pub(crate) fn read(folder: &Path) -> Result<Self> {
        let mut resolve = Resolve::default();
        let (package, _) = resolve.push_dir(folder)?;
        let name = &resolve.packages.get(package).context("the package that was just read")?.name;
        let version = name.version.as_ref().context("the contract has no version")?;
        let package = (format!("{}:{}", name.namespace, name.name), version.to_string());
        let mut sizes = SizeAlign::default();
        sizes.fill(&resolve);
        Ok(Self { resolve, sizes, package })
    }

    /// Every interface with its name, in the order of the contract.
    pub(crate) fn interfaces(&self) -> impl Iterator<Item = (InterfaceId, &str, &Interface)> {
        self.resolve
            .interfaces
            .iter()
            .filter_map(|(id, interface)| Some((id, interface.name.as_deref()?, interface)))
    }

    /// `sluice:sink/log@0.1.0`.
    pub(crate) fn path(&self, interface: &str) -> String {
        format!("{}/{interface}@{}", self.package.0, self.package.1)
    }

    pub(crate) fn role(name: &str, interface: &Interface) -> Role {
        match interface.functions.is_empty() {
            true => Role::Values,
            false if name.starts_with("on-") => Role::Event,
            false => Role::Import,
        }
    }

    pub(crate) fn shape<'a>(&'a self, ty: &'a Type) -> Result<Shape<'a>> {
        let Type::Id(id) = ty else { return Ok(Shape::Plain(*ty)) };
        let definition = self.definition(*id);
        Ok(match &definition.kind {
            TypeDefKind::Type(Type::Id(next)) => return self.shape_of(*next),
            TypeDefKind::Type(plain) => match definition.name.as_deref() {
                Some(name) => Shape::Named(name, *plain),
                None => Shape::Plain(*plain),
            },
            TypeDefKind::List(element) => Shape::List(element),
            TypeDefKind::Option(some) => Shape::Option(some),
            TypeDefKind::Result(result) => Shape::Result(result),
            TypeDefKind::Record(_) => Shape::Record(*id),
            TypeDefKind::Variant(_) => Shape::Variant(*id),
            TypeDefKind::Enum(_) => Shape::Enum(*id),
            TypeDefKind::Flags(_) => Shape::Flags(*id),
            other => bail!("the generators have no form for a {}", other.as_str()),
        })
    }

    fn shape_of(&self, id: TypeId) -> Result<Shape<'_>> {
        match &self.definition(id).kind {
            TypeDefKind::Type(Type::Id(next)) => self.shape_of(*next),
            TypeDefKind::Type(plain) => Ok(self
                .definition(id)
                .name
                .as_deref()
                .map_or(Shape::Plain(*plain), |name| Shape::Named(name, *plain))),
            TypeDefKind::Record(_) => Ok(Shape::Record(id)),
            TypeDefKind::Variant(_) => Ok(Shape::Variant(id)),
            TypeDefKind::Enum(_) => Ok(Shape::Enum(id)),
            TypeDefKind::Flags(_) => Ok(Shape::Flags(id)),
            other => bail!("the generators have no form for an alias of a {}", other.as_str()),
        }
    }

    pub(crate) fn definition(&self, id: TypeId) -> &TypeDef {
        self.resolve.types.get(id).expect("an id of this contract")
    }

    /// The interface that defines a type, and the name it has there.
    pub(crate) fn home(&self, id: TypeId) -> Result<(&str, &str)> {
        let definition = self.definition(id);
        let TypeOwner::Interface(owner) = definition.owner else { bail!("a type outside of interfaces") };
        let owner = self.resolve.interfaces.get(owner).and_then(|interface| interface.name.as_deref());
        owner.zip(definition.name.as_deref()).context("a type without a name")
    }

    pub(crate) fn size(&self, ty: &Type) -> usize {
        self.sizes.size(ty).size_wasm32()
    }

    /// Where the fields of a record, or the parameters of a function, lie.
    pub(crate) fn offsets<'a>(&self, types: impl IntoIterator<Item = &'a Type>) -> Vec<usize> {
        self.sizes.field_offsets(types).into_iter().map(|(offset, _)| offset.size_wasm32()).collect()
    }
}
