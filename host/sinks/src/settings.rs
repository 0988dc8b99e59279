//! The settings of a sink: the author's schema, the operator's values, and the JSON that the sink reads.
//!
//! Values are judged once, at load: a wrong type, an unknown key or a missing required one refuses the load with a
//! sentence that names the key and what was expected. A sink never sees a value that its schema doesn't allow.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

/// Bytes of all settings as JSON: they are copied into each instance that asks. Ours.
pub const SETTINGS_BYTES_MAX: usize = 256 * 1024;
/// How deep tables and lists may be nested in a setting. Ours: far above what people write, far below a stack.
pub const SETTING_DEPTH_MAX: usize = 16;

/// What the author says about one setting.
#[derive(Clone, Debug, PartialEq, Deserialize, Serialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct SettingSchema {
    /// What kind of value it takes.
    #[serde(rename = "type")]
    pub kind: SettingKind,
    /// The value when the operator gives none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub default: Option<toml::Value>,
    /// Whether the operator must give one.
    #[serde(default)]
    pub required: bool,
    /// Whether it is kept from logs, from the admin API and from `on-prepare`.
    #[serde(default)]
    pub secret: bool,
    /// One line for the operator.
    #[serde(default)]
    pub description: String,
}

/// The kinds of values that a setting can take.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum SettingKind {
    /// Text.
    String,
    /// A whole number of 64 bits.
    Integer,
    /// A number with or without a fraction.
    Number,
    /// `true` or `false`.
    Boolean,
    /// A list of strings.
    List,
    /// A table of whatever JSON can say.
    Table,
}

impl fmt::Display for SettingKind {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::String => "a string",
            Self::Integer => "an integer",
            Self::Number => "a number",
            Self::Boolean => "true or false",
            Self::List => "a list of strings",
            Self::Table => "a table",
        })
    }
}

/// Checked values, ready for the `settings` import.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct SettingValues {
    /// Every setting that has a value.
    pub values: Map<String, Value>,
    /// The keys that are secret.
    pub secret: BTreeSet<String>,
}

/// A setting that its schema doesn't allow.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("setting `{key}`: {problem}")]
pub struct SettingError {
    /// The key that is meant.
    pub key: String,
    /// What was expected.
    pub problem: String,
}

impl SettingValues {
    /// Judges the operator's values by the author's schema and fills in the defaults. Without a manifest there is no
    /// schema: then any value is taken as it is.
    ///
    /// # Errors
    /// Names the key and what was expected.
    pub fn new<'a>(
        schema: Option<&BTreeMap<String, SettingSchema>>,
        given: impl IntoIterator<Item = (&'a str, &'a toml::Value)>,
    ) -> Result<Self, SettingError> {
        let mut settings = Self::default();
        for (key, value) in given {
            let value = match schema.map(|schema| (schema, schema.get(key))) {
                None => json(value, 0),
                Some((_, Some(setting))) => checked(setting.kind, value),
                Some((schema, None)) => Err(unknown(schema)),
            };
            settings.values.insert(key.to_owned(), value.map_err(|problem| error(key, problem))?);
        }
        for (key, setting) in schema.into_iter().flatten() {
            if setting.secret {
                settings.secret.insert(key.clone());
            }
            if settings.values.contains_key(key) {
                continue;
            }
            match &setting.default {
                Some(default) => {
                    let value = checked(setting.kind, default).map_err(|problem| error(key, problem))?;
                    settings.values.insert(key.clone(), value);
                }
                None if setting.required => return Err(error(key, missing(setting))),
                None => {}
            }
        }
        settings.bounded()
    }

    fn bounded(self) -> Result<Self, SettingError> {
        let bytes = serde_json::to_vec(&self.values).map_or(usize::MAX, |json| json.len());
        if bytes <= SETTINGS_BYTES_MAX {
            return Ok(self);
        }
        let largest = self.values.iter().max_by_key(|(_, value)| value.to_string().len());
        let key = largest.map(|(key, _)| key.clone()).unwrap_or_default();
        let problem = format!(
            "all settings together have {bytes} bytes, {SETTINGS_BYTES_MAX} are allowed; this is the largest"
        );
        Err(SettingError { key, problem })
    }
}

impl SettingSchema {
    /// Judges what the author wrote.
    pub(crate) fn check(&self) -> Result<(), String> {
        match &self.default {
            Some(_) if self.required => Err("a required setting has no default".into()),
            Some(_) if self.secret => {
                Err("a secret has no default: it would be in the file that everybody has".into())
            }
            Some(default) => {
                checked(self.kind, default).map(|_| ()).map_err(|problem| format!("the default: {problem}"))
            }
            None => Ok(()),
        }
    }
}

fn error(key: &str, problem: String) -> SettingError {
    SettingError { key: key.to_owned(), problem }
}

fn missing(setting: &SettingSchema) -> String {
    let description =
        if setting.description.is_empty() { String::new() } else { format!(" ({})", setting.description) };
    format!("missing; the sink needs {}{description}", setting.kind)
}

fn unknown(schema: &BTreeMap<String, SettingSchema>) -> String {
    if schema.is_empty() {
        return "the sink's manifest has no settings".into();
    }
    let known: Vec<_> = schema.keys().map(String::as_str).collect();
    format!("the sink's manifest doesn't have it; its settings are: {}", known.join(", "))
}

/// The value as JSON if it is of that kind. An integer is a number too.
fn checked(kind: SettingKind, value: &toml::Value) -> Result<Value, String> {
    let fits = match (kind, value) {
        (SettingKind::String, toml::Value::String(_))
        | (SettingKind::Integer, toml::Value::Integer(_))
        | (SettingKind::Number, toml::Value::Integer(_) | toml::Value::Float(_))
        | (SettingKind::Boolean, toml::Value::Boolean(_))
        | (SettingKind::Table, toml::Value::Table(_)) => true,
        (SettingKind::List, toml::Value::Array(items)) => items.iter().all(toml::Value::is_str),
        _ => false,
    };
    if fits { json(value, 0) } else { Err(format!("expected {kind}, found {}", found(value))) }
}

/// Never the value itself: it may be a secret that was given as something else.
fn found(value: &toml::Value) -> String {
    match value {
        toml::Value::String(_) => "a string".into(),
        toml::Value::Integer(_) => "an integer".into(),
        toml::Value::Float(_) => "a number with a fraction".into(),
        toml::Value::Boolean(_) => "true or false".into(),
        toml::Value::Datetime(_) => "a date or time".into(),
        toml::Value::Array(items) => match items.iter().position(|item| !item.is_str()) {
            Some(position) => format!("a list whose item {} is not a string", position + 1),
            None => "a list of strings".into(),
        },
        toml::Value::Table(_) => "a table".into(),
    }
}

fn json(value: &toml::Value, depth: usize) -> Result<Value, String> {
    if depth > SETTING_DEPTH_MAX {
        return Err(format!("nested deeper than {SETTING_DEPTH_MAX}"));
    }
    Ok(match value {
        toml::Value::String(text) => Value::String(text.clone()),
        toml::Value::Integer(number) => Value::Number((*number).into()),
        toml::Value::Float(number) => serde_json::Number::from_f64(*number)
            .map(Value::Number)
            .ok_or_else(|| format!("expected a finite number, found {number}"))?,
        toml::Value::Boolean(answer) => Value::Bool(*answer),
        toml::Value::Datetime(_) => return Err("JSON has no date or time: write it as a string".into()),
        toml::Value::Array(items) => {
            Value::Array(items.iter().map(|item| json(item, depth + 1)).collect::<Result<_, _>>()?)
        }
        toml::Value::Table(table) => Value::Object(
            table
                .iter()
                .map(|(key, value)| Ok((key.clone(), json(value, depth + 1)?)))
                .collect::<Result<_, String>>()?,
        ),
    })
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::{SETTING_DEPTH_MAX, SETTINGS_BYTES_MAX, SettingSchema, SettingValues};

    const SCHEMA: &str = r#"
        tag = { type = "string", default = "[external]" }
        domains = { type = "list", required = true, description = "own domains" }
        count = { type = "integer" }
        ratio = { type = "number" }
        on = { type = "boolean" }
        token = { type = "string", secret = true }
        map = { type = "table" }
    "#;

    fn values(given: &str) -> Result<SettingValues, String> {
        let schema: BTreeMap<String, SettingSchema> = toml::from_str(SCHEMA).unwrap();
        let given: toml::Table = toml::from_str(given).unwrap();
        SettingValues::new(Some(&schema), given.iter().map(|(key, value)| (key.as_str(), value)))
            .map_err(|error| error.to_string())
    }

    fn check_refused(given: &str, expected: &str) {
        let error = values(given).unwrap_err();
        assert!(error.contains(expected), "{error}");
    }

    #[test]
    fn values_and_defaults_become_json() {
        let settings =
            values("domains = ['a.org']\nratio = 2\nmap = { a = [1, { b = true }] }\ntoken = 'x'").unwrap();
        assert_eq!(
            serde_json::to_string(&settings.values).unwrap(),
            r#"{"domains":["a.org"],"map":{"a":[1,{"b":true}]},"ratio":2,"tag":"[external]","token":"x"}"#
        );
        assert_eq!(settings.secret.iter().collect::<Vec<_>>(), ["token"]);
    }

    #[test]
    fn a_wrong_value_is_refused_with_its_key_and_what_was_expected() {
        check_refused("", "setting `domains`: missing; the sink needs a list of strings (own domains)");
        check_refused("domains = 'a.org'", "setting `domains`: expected a list of strings, found a string");
        check_refused("domains = ['a', 1]", "found a list whose item 2 is not a string");
        check_refused(
            "domains = []\ncount = 1.5",
            "setting `count`: expected an integer, found a number with a fraction",
        );
        check_refused("domains = []\nratio = nan", "expected a finite number");
        check_refused("domains = []\non = 'yes'", "expected true or false, found a string");
        check_refused("domains = []\nmap = 1", "expected a table, found an integer");
        check_refused("domains = []\nmap = { a = 2020-01-01 }", "write it as a string");
        check_refused(
            "domains = []\ntags = 'x'",
            "setting `tags`: the sink's manifest doesn't have it; its settings are: count,",
        );
    }

    #[test]
    fn a_refusal_never_tells_the_value() {
        let error = values("domains = []\ntoken = 4711").unwrap_err();
        assert!(error.contains("setting `token`: expected a string, found an integer"), "{error}");
        assert!(!error.contains("4711"), "{error}");
    }

    #[test]
    fn without_a_manifest_any_value_is_taken() {
        let given: toml::Table = toml::from_str("a = 1\nb = [1, 'x']").unwrap();
        let settings =
            SettingValues::new(None, given.iter().map(|(key, value)| (key.as_str(), value))).unwrap();
        assert_eq!(serde_json::to_string(&settings.values).unwrap(), r#"{"a":1,"b":[1,"x"]}"#);
    }

    #[test]
    fn settings_are_bounded_in_depth_and_bytes() {
        let nested =
            |depth| format!("domains = []\nmap = {{ a = {}{} }}", "[".repeat(depth), "]".repeat(depth));
        assert!(values(&nested(SETTING_DEPTH_MAX)).is_ok());
        check_refused(&nested(SETTING_DEPTH_MAX + 1), "setting `map`: nested deeper than 16");
        let tag = "t".repeat(SETTINGS_BYTES_MAX);
        check_refused(&format!("domains = []\ntag = '{tag}'"), "setting `tag`: all settings together");
    }

    #[test]
    fn a_schema_that_contradicts_itself_is_refused() {
        let refused = |text: &str| toml::from_str::<SettingSchema>(text).unwrap().check().unwrap_err();
        assert!(refused("type = 'string'\ndefault = 1").contains("expected a string"));
        assert!(refused("type = 'string'\ndefault = 'a'\nrequired = true").contains("has no default"));
        assert!(refused("type = 'string'\ndefault = 'a'\nsecret = true").contains("a secret has no default"));
    }
}
