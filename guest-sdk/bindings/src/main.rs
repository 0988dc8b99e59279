//! `cargo run --package sdk-bindings`: writes the generated files of the SDKs anew.

use std::fs;
use std::path::Path;

use anyhow::{Context, Result};

fn main() -> Result<()> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    for file in sdk_bindings::generate(&root)? {
        let path = root.join(&file.path);
        let folder = path.parent().unwrap_or(&root);
        fs::create_dir_all(folder)
            .and_then(|()| fs::write(&path, file.text))
            .with_context(|| format!("writing {}", path.display()))?;
    }
    Ok(())
}
