//! What goes out of the house: a component with its manifest inside.

use std::fs;
use std::path::{Path, PathBuf};

use sinks::manifest::MANIFEST_SECTION;
use sinks::{Inspection, Manifest};

use super::{BuildError, build_sink, output};

/// Builds the sink in a folder, puts its `sink.toml` inside, and judges it as a server would, without running it.
///
/// # Errors
/// As [`build_sink`], and if the manifest or the component is none that this version loads.
pub fn package(source: &Path) -> Result<(PathBuf, Inspection), BuildError> {
    let (manifest, name) = manifest(source)?;
    let built = build_sink(source)?;
    let mut component = read(&built)?;
    if let Some(manifest) = manifest {
        append(&mut component, MANIFEST_SECTION, manifest.as_bytes());
    }
    let refused = |error| BuildError::Component { folder: source.to_owned(), error };
    let inspection = sinks::inspect(&component).map_err(|error| refused(error.into()))?;
    let place = output(source, &format!("{name}.wasm"))?;
    fs::write(&place, component).map_err(|error| BuildError::Disk { path: place.clone(), error })?;
    Ok((place, inspection))
}

/// The text of the manifest beside the source, if there is one, and the sink's name.
fn manifest(source: &Path) -> Result<(Option<String>, String), BuildError> {
    let path = source.join("sink.toml");
    if !path.is_file() {
        let whole = source.canonicalize().unwrap_or_else(|_| source.to_owned());
        return Ok((None, whole.file_name().unwrap_or_default().to_string_lossy().into_owned()));
    }
    let text = fs::read_to_string(&path).map_err(|error| BuildError::Disk { path: path.clone(), error })?;
    let manifest = Manifest::parse(&text).map_err(|error| BuildError::Manifest { path, error })?;
    Ok((Some(text), manifest.name))
}

fn read(path: &Path) -> Result<Vec<u8>, BuildError> {
    fs::read(path).map_err(|error| BuildError::Disk { path: path.to_owned(), error })
}

/// Adds a custom section: its number, its length, its name, its bytes.
fn append(component: &mut Vec<u8>, name: &str, bytes: &[u8]) {
    let mut content = leb128(name.len());
    content.extend(name.as_bytes());
    content.extend(bytes);
    component.push(0);
    component.extend(leb128(content.len()));
    component.extend(content);
}

fn leb128(mut number: usize) -> Vec<u8> {
    let mut bytes = Vec::new();
    loop {
        let low = u8::try_from(number & 0x7f).expect("seven bits are a byte");
        number >>= 7;
        if number == 0 {
            bytes.push(low);
            return bytes;
        }
        bytes.push(low | 0x80);
    }
}

#[cfg(test)]
mod tests {
    use super::{append, leb128};

    #[test]
    fn numbers_are_written_seven_bits_a_byte() {
        assert_eq!((leb128(0), leb128(127), leb128(624_485)), (vec![0], vec![0x7f], vec![0xe5, 0x8e, 0x26]));
    }

    #[test]
    fn a_section_is_read_as_it_was_written() {
        let mut component = wat::parse_str("(component)").unwrap();
        append(&mut component, "sluice:manifest", &[b'x'; 300]);
        let sections =
            wasmparser::Parser::new(0).parse_all(&component).filter_map(|payload| match payload.unwrap() {
                wasmparser::Payload::CustomSection(section) => {
                    Some((section.name().to_owned(), section.data().len()))
                }
                _ => None,
            });
        assert_eq!(sections.collect::<Vec<_>>(), [("sluice:manifest".to_owned(), 300)]);
    }
}
