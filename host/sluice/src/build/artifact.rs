//! Which file cargo made: read from its messages, so that no folder layout is guessed.

use std::path::{Path, PathBuf};

use serde::Deserialize;

/// A line of `cargo build --message-format json`; other fields and other messages do not matter here.
#[derive(Deserialize)]
struct Message {
    reason: String,
    #[serde(default)]
    manifest_path: PathBuf,
    #[serde(default)]
    filenames: Vec<PathBuf>,
}

/// The component that the crate with this manifest made, if it made one.
pub(super) fn component(messages: &[u8], manifest: &Path) -> Option<PathBuf> {
    let messages =
        messages.split(|byte| *byte == b'\n').filter_map(|line| serde_json::from_slice::<Message>(line).ok());
    let of_crate =
        messages.filter(|message| message.reason == "compiler-artifact" && message.manifest_path == manifest);
    of_crate
        .flat_map(|message| message.filenames)
        .find(|file| file.extension().is_some_and(|extension| extension == "wasm"))
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::component;

    const MESSAGES: &[u8] = br#"{"reason":"compiler-artifact","manifest_path":"/dep/Cargo.toml","filenames":["/t/dep.wasm"]}
not json
{"reason":"build-script-executed","package_id":"x"}
{"reason":"compiler-artifact","manifest_path":"/sink/Cargo.toml","filenames":["/t/libsink.rlib","/t/sink.wasm"]}
{"reason":"build-finished","success":true}
"#;

    fn check(manifest: &str, expected: Option<&str>) {
        assert_eq!(component(MESSAGES, Path::new(manifest)).as_deref(), expected.map(Path::new));
    }

    #[test]
    fn the_component_of_the_crate_is_found_and_no_other() {
        check("/sink/Cargo.toml", Some("/t/sink.wasm"));
        check("/other/Cargo.toml", None);
    }
}
