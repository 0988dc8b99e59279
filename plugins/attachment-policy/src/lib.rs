//! Rejects mail by the type of its files: the last extension of the name, the declared type, the first bytes.
//!
//! Every part counts, those of forwarded messages too, for the host lists them all. What a message's author wrote never
//! reaches the reply: it names the entry of the operator's own lists.

mod format;

use serde::Deserialize;
use sluice_sdk::message::{self, Part};
use sluice_sdk::{Error, on_end_of_data::Verdict, settings};

/// What the operator chooses; `sink.toml` has the defaults and says what each means.
#[derive(Default, Deserialize)]
#[serde(default, rename_all = "kebab-case")]
struct Settings {
    extensions: Vec<String>,
    content_types: Vec<String>,
    formats: Vec<String>,
    text: String,
}

#[sluice_sdk::on_end_of_data]
fn check() -> Result<Verdict, Box<dyn std::error::Error>> {
    let settings: Settings = settings::load()?;
    // Part 0 is the raw message, whose first bytes are a field's name.
    for part in message::parts().iter().filter(|part| part.id != 0) {
        let refused = match by_label(part, &settings) {
            Some(kind) => Some(kind),
            None => by_content(part, &settings)?,
        };
        if let Some(kind) = refused {
            return Ok(Verdict::reject(&format!("5.7.1 {} ({kind})", settings.text)).because("attachment"));
        }
    }
    Ok(Verdict::Continue)
}

/// The entry of the lists that name or declared type are on.
fn by_label<'a>(part: &Part, settings: &'a Settings) -> Option<&'a str> {
    let extension = part.file_name.as_deref().and_then(extension);
    let listed = |list: &'a [String], word: &str| {
        list.iter().map(String::as_str).find(|entry| entry.eq_ignore_ascii_case(word))
    };
    extension
        .and_then(|extension| listed(&settings.extensions, extension))
        .or_else(|| listed(&settings.content_types, &part.content_type))
}

/// The listed format that the part's first bytes are of.
fn by_content<'a>(part: &Part, settings: &'a Settings) -> Result<Option<&'a str>, Error> {
    if part.size == 0 || settings.formats.is_empty() {
        return Ok(None);
    }
    let start = message::read_part(part.id, 0, format::START_BYTES_MAX.min(part.size))?;
    Ok(settings.formats.iter().map(String::as_str).find(|format| format::starts(&start, format)))
}

/// What decides in Windows which program opens the file: text after the last dot. Dots and spaces at the end are dropped
/// there when the file is stored, so they hide nothing here.
fn extension(file_name: &str) -> Option<&str> {
    let stem = file_name.trim_end_matches(|character: char| {
        character == '.' || character.is_whitespace() || character.is_control()
    });
    stem.rsplit_once('.').map(|(_, extension)| extension.trim())
}

#[cfg(test)]
mod tests;
