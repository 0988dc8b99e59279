//! WIT's words as Go's names.

/// Words that Go writes in capitals.
const INITIALISMS: [&str; 8] = ["id", "tls", "ip", "http", "dns", "json", "url", "dsn"];

/// Go's own words, which a parameter can't have.
const KEYWORDS: [&str; 5] = ["range", "type", "func", "map", "default"];

/// `message-id` as `MessageID`.
pub(super) fn exported(word: &str) -> String {
    word.split('-')
        .map(|part| if INITIALISMS.contains(&part) { part.to_uppercase() } else { capital(part) })
        .collect()
}

/// `message-id` as `messageID`.
pub(super) fn unexported(word: &str) -> String {
    let (first, rest) = word.split_once('-').unwrap_or((word, ""));
    let rest = if rest.is_empty() { String::new() } else { exported(rest) };
    let name = format!("{first}{rest}");
    if KEYWORDS.contains(&name.as_str()) { format!("{name}_") } else { name }
}

/// The folder of an interface's package, below the module; the root is `types`.
pub(super) fn folder(interface: &str) -> String {
    match interface.strip_prefix("on-") {
        _ if interface == "types" => String::new(),
        Some(event) => format!("on/{}", event.replace('-', "")),
        None => interface.replace('-', ""),
    }
}

/// The name of an interface's package.
pub(super) fn package(interface: &str) -> String {
    match folder(interface).rsplit('/').next() {
        None | Some("") => "sluice".to_owned(),
        Some(last) => last.to_owned(),
    }
}

fn capital(part: &str) -> String {
    let mut letters = part.chars();
    letters.next().map(|first| first.to_uppercase().chain(letters).collect()).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::{exported, folder, package, unexported};

    #[test]
    fn words_become_names_as_go_writes_them() {
        assert_eq!(exported("message-id"), "MessageID");
        assert_eq!(exported("tls-version"), "TLSVersion");
        assert_eq!(unexported("mail-from"), "mailFrom");
        assert_eq!(unexported("range"), "range_");
    }

    #[test]
    fn an_interface_is_a_package() {
        assert_eq!((folder("types"), package("types")), (String::new(), "sluice".to_owned()));
        assert_eq!(
            (folder("on-rcpt-to"), package("on-rcpt-to")),
            ("on/rcptto".to_owned(), "rcptto".to_owned())
        );
        assert_eq!(package("message-draft"), "messagedraft");
    }
}
