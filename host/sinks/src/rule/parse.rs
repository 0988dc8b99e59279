//! Text of a rule into conditions; every error has its column.

use super::RuleError;
use super::address::AddressPattern;
use super::condition::{Comparison, Condition, Test};
use crate::glob::Glob;
use crate::known::{Answer, Direction, Field};
use crate::network::Network;

/// Reads one condition, which stands at `offset` of the whole rule.
pub(super) fn condition(text: &str, piece: &str, offset: usize) -> Result<Condition, RuleError> {
    let start = offset + leading_spaces(piece);
    let fail = |at: usize, problem: String| RuleError { column: column(text, at), problem };
    if piece.trim().is_empty() {
        return Err(fail(offset, "a condition is missing between semicolons".into()));
    }
    let Some((name, operator, value)) = split(piece) else {
        let problem = format!("`{}` is no condition: write field=pattern", piece.trim());
        return Err(fail(start, problem));
    };
    let value_offset = offset + piece.len() - value.len() + leading_spaces(value);
    let value = value.trim();
    let test = test(&words(name), operator, value).map_err(|slip| match slip {
        Slip::Field(problem) => fail(start, problem),
        Slip::Operator(problem) => fail(offset + name.len(), problem),
        Slip::Value(problem) => fail(value_offset, problem),
    })?;
    Ok(Condition { column: column(text, start), test })
}

/// Characters before the byte offset, counted from 1.
pub(super) fn column(text: &str, offset: usize) -> usize {
    text.char_indices().take_while(|(at, _)| *at < offset).count() + 1
}

/// Which part of the condition is wrong.
enum Slip {
    Field(String),
    Operator(String),
    Value(String),
}

fn test(name: &str, operator: &str, value: &str) -> Result<Test, Slip> {
    let (word, header) = match name.split_once(' ') {
        Some(("header", header)) => ("header", Some(header)),
        _ => (name, None),
    };
    let Some(field) = Field::ALL.into_iter().find(|field| field.word() == word) else {
        let known: Vec<_> = Field::ALL.into_iter().map(Field::word).collect();
        return Err(Slip::Field(format!(
            "`{name}` is no field of a rule; the fields are: {}",
            known.join(", ")
        )));
    };
    if operator != "=" && field != Field::Size {
        return Err(Slip::Operator(format!("`{field}` takes `=`, not `{operator}`")));
    }
    if value.is_empty() {
        let hint = if field == Field::MailFrom { "; the null reverse-path is written <>" } else { "" };
        return Err(Slip::Value(format!("a pattern is missing after `{name}{operator}`{hint}")));
    }
    let test = match field {
        Field::Ehlo => Test::Ehlo(domain_pattern(value)?),
        Field::MailFrom => Test::MailFrom(address(value)?),
        Field::RcptTo if value == "<>" => {
            return Err(Slip::Value("a forward-path is never null".into()));
        }
        Field::RcptTo => Test::RcptTo(address(value)?),
        Field::Listener => Test::Listener(globs(value)?),
        Field::Tenant => Test::Tenant(globs(value)?),
        Field::Cidr => Test::Cidr(alternatives(value, |item| Network::parse(item).map_err(Slip::Value))?),
        Field::Authenticated => Test::Authenticated(answer(value)?),
        Field::Tls => Test::Tls(answer(value)?),
        Field::Size => size(operator, value)?,
        Field::Header => return header_test(header, value),
        Field::Verb => Test::Verb(globs(value)?),
        Field::Direction => Test::Direction(direction(value)?),
        Field::Ingress => Test::Ingress(alternatives(value, ingress)?),
    };
    Ok(test)
}

/// Field, operator and value; the operator is the first of `=`, `<`, `>` and what belongs to it.
fn split(piece: &str) -> Option<(&str, &str, &str)> {
    let at = piece.find(['=', '<', '>'])?;
    let (name, rest) = piece.split_at(at);
    let length = if rest.starts_with("<=") || rest.starts_with(">=") { 2 } else { 1 };
    let (operator, value) = rest.split_at(length);
    Some((name, operator, value))
}

/// Lower case, one space between words: `MAIL  FROM` is `mail from`.
fn words(name: &str) -> String {
    name.split_ascii_whitespace().collect::<Vec<_>>().join(" ").to_ascii_lowercase()
}

fn leading_spaces(text: &str) -> usize {
    text.len() - text.trim_start().len()
}

fn alternatives<T>(value: &str, read: impl Fn(&str) -> Result<T, Slip>) -> Result<Box<[T]>, Slip> {
    value
        .split(',')
        .map(|item| match item.trim() {
            "" => Err(Slip::Value("a pattern is missing between commas".into())),
            item => read(item),
        })
        .collect()
}

fn globs(value: &str) -> Result<Box<[Glob]>, Slip> {
    alternatives(value, |item| Ok(Glob::new(item)))
}

/// The host compares lower-case A-labels, so a pattern in another script could never match.
fn domain_pattern(value: &str) -> Result<Glob, Slip> {
    if value.is_ascii() {
        return Ok(Glob::new(value));
    }
    Err(Slip::Value(format!("`{value}` is compared with A-labels: write the domain as xn--…")))
}

fn address(value: &str) -> Result<AddressPattern, Slip> {
    if let Some((local, domain)) = value.rsplit_once('@') {
        domain_pattern(domain)?;
        if local.is_empty() || domain.is_empty() {
            return Err(Slip::Value(format!("`{value}` lacks a pattern beside the @: write * for any")));
        }
    }
    if value != "<>" && value.starts_with('<') {
        return Err(Slip::Value(format!("`{value}`: write the address without angle brackets")));
    }
    Ok(AddressPattern::new(value))
}

fn answer(value: &str) -> Result<Answer, Slip> {
    match value.to_ascii_lowercase().as_str() {
        "yes" => Ok(Answer::Yes),
        "no" => Ok(Answer::No),
        _ => Err(Slip::Value(format!("`{value}` is neither yes nor no"))),
    }
}

fn direction(value: &str) -> Result<Direction, Slip> {
    match value.to_ascii_lowercase().as_str() {
        "inbound" => Ok(Direction::Inbound),
        "outbound" => Ok(Direction::Outbound),
        _ => Err(Slip::Value(format!("`{value}` is neither inbound nor outbound"))),
    }
}

/// The words of `message.ingress`.
const INGRESSES: [&str; 8] = ["smtp", "submission", "lmtp", "pickup", "api", "dsn", "sink", "resubmit"];

fn ingress(value: &str) -> Result<Glob, Slip> {
    let pattern = Glob::new(value);
    if INGRESSES.iter().any(|word| pattern.matches(word)) {
        return Ok(pattern);
    }
    Err(Slip::Value(format!("`{value}` matches no ingress; they are: {}", INGRESSES.join(", "))))
}

fn size(operator: &str, value: &str) -> Result<Test, Slip> {
    let comparison = match operator {
        "<" => Comparison::Less,
        "<=" => Comparison::AtMost,
        ">=" => Comparison::AtLeast,
        ">" => Comparison::More,
        _ => return Err(Slip::Operator("`size` takes <, <=, >= or >".into())),
    };
    let (digits, factor) = match value.to_ascii_uppercase().chars().last() {
        Some('K') => (value.get(..value.len() - 1), 1 << 10),
        Some('M') => (value.get(..value.len() - 1), 1 << 20),
        Some('G') => (value.get(..value.len() - 1), 1 << 30),
        _ => (Some(value), 1),
    };
    digits
        .and_then(|digits| digits.trim().parse::<u64>().ok())
        .and_then(|number| number.checked_mul(factor))
        .map(|bytes| Test::Size(comparison, bytes))
        .ok_or_else(|| Slip::Value(format!("`{value}` is no size: write bytes as 1048576, 1024K, 10M or 1G")))
}

fn header_test(name: Option<&str>, value: &str) -> Result<Test, Slip> {
    // RFC 5322 §3.6.8: printable ASCII but the colon.
    let is_name =
        |name: &&str| !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_graphic() && byte != b':');
    match name.filter(is_name) {
        Some(name) => Ok(Test::Header { name: name.into(), pattern: Glob::new(value) }),
        None => {
            Err(Slip::Field("`header` takes the name of a header field: header subject=*invoice*".into()))
        }
    }
}
