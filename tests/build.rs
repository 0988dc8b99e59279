//! Makes a test of every dialogue file, so that each is named, run and reported on its own.

use std::fmt::Write as _;
use std::io::Write as _;
use std::path::{Path, PathBuf};

fn main() -> std::io::Result<()> {
    std::io::stdout().write_all(b"cargo::rerun-if-changed=dialogues\n")?;
    let mut tests = String::new();
    for area in sorted(Path::new("dialogues"))? {
        let mut of_area = String::new();
        for file in sorted(&area)? {
            let function = name(&file);
            let path = file.display();
            let _ = writeln!(
                of_area,
                "    #[test] fn r#{function}() -> anyhow::Result<()> {{ tests::dialogue::check(\"{path}\") }}"
            );
        }
        let _ = writeln!(tests, "mod {} {{\n{of_area}}}", name(&area));
    }
    let out = std::env::var_os("OUT_DIR").map(PathBuf::from).unwrap_or_default();
    std::fs::write(out.join("dialogues.rs"), tests)
}

fn sorted(folder: &Path) -> std::io::Result<Vec<PathBuf>> {
    let entries: Result<Vec<_>, _> =
        std::fs::read_dir(folder)?.map(|entry| entry.map(|found| found.path())).collect();
    let mut paths = entries?;
    paths.sort();
    Ok(paths)
}

/// `unknown-verb.smtp` is `unknown_verb`.
fn name(path: &Path) -> String {
    path.file_stem().unwrap_or_default().to_string_lossy().replace('-', "_")
}
