//! Puts the SDKs and their templates into the binary: `sluice sink new` needs nothing but itself and the language's tools.

use std::path::{Path, PathBuf};
use std::{env, fs, io};

/// What of an SDK's folder is no source of it.
const LEFT_OUT: [&str; 6] =
    ["target", "tests", "node_modules", ".sluice", "package-lock.json", "__pycache__"];

fn main() -> io::Result<()> {
    let sdks = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../guest-sdk").canonicalize()?;
    let mut files = Vec::new();
    for language in ["rust", "go", "js", "python"] {
        walk(&sdks.join(language), &mut files)?;
    }
    files.sort();
    let mut list = String::from("[\n");
    for file in &files {
        let name = file.strip_prefix(&sdks).map_err(io::Error::other)?;
        list.push_str(&format!(
            "    ({:?}, include_bytes!({:?})),\n",
            name.display().to_string(),
            file.display().to_string()
        ));
    }
    let folder = PathBuf::from(env::var_os("OUT_DIR").ok_or_else(|| io::Error::other("cargo sets OUT_DIR"))?);
    fs::write(folder.join("sdk_files.rs"), list + "]\n")
}

fn walk(folder: &Path, files: &mut Vec<PathBuf>) -> io::Result<()> {
    // A new file is a change of its folder.
    println!("cargo::rerun-if-changed={}", folder.display());
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        if LEFT_OUT.contains(&name.as_str()) {
            continue;
        }
        if path.is_dir() { walk(&path, files)? } else { files.push(path) }
    }
    Ok(())
}
