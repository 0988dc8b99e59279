//! One list of keys makes the types, their defaults, their documentation and the sample file.
//!
//! `settings!` declares a section: its doc comments are what `sluice config sample` prints, its values are the
//! defaults. Nothing about a key is written twice, so nothing can drift.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::net::SocketAddr;
use std::path::PathBuf;

use serde::Serialize;
use toml::Value;

/// One key of a section, as the sample file shows it.
#[derive(Debug)]
pub struct Key {
    /// The name in the file.
    pub name: &'static str,
    /// The lines of its doc comment.
    pub docs: &'static [&'static str],
    /// What stands under it.
    pub shape: fn() -> Shape,
}

/// What stands under a key.
#[derive(Debug)]
pub enum Shape {
    /// A value with a default.
    Value,
    /// A value that may be absent; the text shows how it would be written.
    Optional(&'static str),
    /// A table of keys.
    Section(&'static [Key]),
    /// Tables by name; where the default has none, one called `example` is shown as a comment.
    Named {
        /// The keys of each table.
        keys: &'static [Key],
        /// The table at its defaults.
        example: Value,
    },
}

/// A type that can stand under a key.
pub trait Shaped {
    /// What the sample shows for it.
    fn shape() -> Shape;
}

/// A table of documented keys; implemented by `settings!` alone.
pub trait Section: Serialize + Default {
    /// Its keys in the order of their declaration.
    const KEYS: &'static [Key];
}

macro_rules! shaped_values {
    ($($type:ty),*) => { $(impl Shaped for $type { fn shape() -> Shape { Shape::Value } })* };
}
shaped_values!(
    u8,
    u16,
    u32,
    u64,
    usize,
    bool,
    String,
    PathBuf,
    SocketAddr,
    Vec<u32>,
    Vec<String>,
    BTreeSet<String>
);

impl Shaped for Option<String> {
    fn shape() -> Shape {
        Shape::Optional("\"example\"")
    }
}

impl Shaped for Option<PathBuf> {
    fn shape() -> Shape {
        Shape::Optional("\"/path/to/folder\"")
    }
}

impl Shaped for Option<u64> {
    fn shape() -> Shape {
        Shape::Optional("1000000")
    }
}

impl<T: Section> Shaped for BTreeMap<String, T> {
    fn shape() -> Shape {
        let example = Value::try_from(T::default()).unwrap_or_else(|_| Value::Table(toml::Table::new()));
        Shape::Named { keys: T::KEYS, example }
    }
}

/// Declares a section of the configuration: documented fields with their defaults.
macro_rules! settings {
    (
        $(#[doc = $about:literal])*
        pub struct $name:ident {
            $($(#[doc = $doc:literal])* pub $field:ident: $type:ty = $default:expr,)*
        }
    ) => {
        $(#[doc = $about])*
        #[derive(Clone, Debug, PartialEq, serde::Deserialize, serde::Serialize)]
        #[serde(default, deny_unknown_fields)]
        pub struct $name {
            $($(#[doc = $doc])* pub $field: $type,)*
        }

        impl Default for $name {
            fn default() -> Self {
                Self { $($field: $default,)* }
            }
        }

        impl $crate::config::sample::Section for $name {
            const KEYS: &'static [$crate::config::sample::Key] = &[
                $($crate::config::sample::Key {
                    name: stringify!($field),
                    docs: &[$($doc),*],
                    shape: <$type as $crate::config::sample::Shaped>::shape,
                },)*
            ];
        }

        impl $crate::config::sample::Shaped for $name {
            fn shape() -> $crate::config::sample::Shape {
                $crate::config::sample::Shape::Section(<Self as $crate::config::sample::Section>::KEYS)
            }
        }
    };
}
pub(crate) use settings;

/// The sample file of a section: every key with its documentation and its default.
#[must_use]
pub fn sample<T: Section>() -> String {
    let defaults = Value::try_from(T::default()).unwrap_or_else(|_| Value::Table(toml::Table::new()));
    let mut page = Page { text: String::new(), commented: "" };
    page.section("", T::KEYS, &defaults);
    page.text
}

struct Page {
    text: String,
    /// What opens each line that is not documentation: nothing, or `# ` inside an example.
    commented: &'static str,
}

impl Page {
    /// Values first and tables after them, as TOML wants it.
    fn section(&mut self, path: &str, keys: &[Key], values: &Value) {
        for key in keys {
            match (key.shape)() {
                Shape::Value => {
                    self.docs(key);
                    let value = values.get(key.name).map(ToString::to_string).unwrap_or_default();
                    self.line(&format!("{} = {value}", key.name));
                }
                Shape::Optional(example) => {
                    self.docs(key);
                    match values.get(key.name) {
                        Some(value) => self.line(&format!("{} = {value}", key.name)),
                        None => self.line(&format!("# {} = {example}", key.name)),
                    }
                }
                Shape::Section(_) | Shape::Named { .. } => {}
            }
        }
        for key in keys {
            let under = if path.is_empty() { key.name.to_owned() } else { format!("{path}.{}", key.name) };
            match (key.shape)() {
                Shape::Value | Shape::Optional(_) => {}
                Shape::Section(inner) => {
                    self.text.push('\n');
                    self.docs(key);
                    self.line(&format!("[{under}]"));
                    if let Some(value) = values.get(key.name) {
                        self.section(&under, inner, value);
                    }
                }
                Shape::Named { keys: inner, example } => {
                    self.named(&under, (key, inner), (values.get(key.name), &example));
                }
            }
        }
    }

    /// Tables by name: those of the default, or an example as a comment.
    fn named(
        &mut self,
        under: &str,
        (key, inner): (&Key, &[Key]),
        (value, example): (Option<&Value>, &Value),
    ) {
        self.text.push('\n');
        self.docs(key);
        let tables = value.and_then(Value::as_table).filter(|table| !table.is_empty());
        match tables {
            Some(tables) => {
                for (name, table) in tables {
                    self.line(&format!("[{under}.{name}]"));
                    self.section(&format!("{under}.{name}"), inner, table);
                }
            }
            None => {
                self.commented = "# ";
                self.line(&format!("[{under}.example]"));
                self.section(&format!("{under}.example"), inner, example);
                self.commented = "";
            }
        }
    }

    fn docs(&mut self, key: &Key) {
        for line in key.docs {
            let _ = writeln!(self.text, "#{line}");
        }
    }

    fn line(&mut self, line: &str) {
        let _ = writeln!(self.text, "{}{line}", self.commented);
    }
}
