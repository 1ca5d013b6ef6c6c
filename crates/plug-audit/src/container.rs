//! The outermost layer of the format: the eight bytes in front, and sections that must lie within the file.

use wasmparser::BinaryReader;

use crate::{Disguise, MODULE_BYTES_MAX, Problem};

/// What every WebAssembly file begins with.
const MAGIC: &[u8] = b"\0asm";

/// Version 1 of the module format.
const VERSION_MODULE: [u8; 4] = [1, 0, 0, 0];

/// The second half says that a component follows; its version in the first half changes.
const LAYER_COMPONENT: [u8; 2] = [1, 0];

/// Checks that the bytes are a whole WebAssembly module as far as its outermost layer shows.
pub(crate) fn check(bytes: &[u8]) -> Result<(), Problem> {
    if bytes.len() > MODULE_BYTES_MAX {
        return Err(Problem::TooLarge { bytes: bytes.len() });
    }
    let Some(rest) = bytes.strip_prefix(MAGIC) else {
        return Err(Disguise::of(bytes).into());
    };
    match rest.first_chunk::<4>() {
        None => Err(Problem::Truncated {
            section: "header",
            missing: 4_usize.saturating_sub(rest.len()),
        }),
        Some(&VERSION_MODULE) => check_sections(bytes),
        Some([_, _, layer @ ..]) if *layer == LAYER_COMPONENT => Err(Problem::Component),
        Some(found) => Err(Problem::Version {
            found: u32::from_le_bytes(*found),
        }),
    }
}

/// Walks from section to section. A parser would say "unexpected end"; people whose download broke need to hear how much is missing.
fn check_sections(bytes: &[u8]) -> Result<(), Problem> {
    let mut reader = BinaryReader::new(bytes, 0);
    let truncated = |section, missing| Problem::Truncated { section, missing };
    reader
        .read_bytes(MAGIC.len().saturating_add(VERSION_MODULE.len()))
        .map_err(|_| truncated("header", 1))?;
    while let Ok(id) = reader.read_u8() {
        let section = section_name(id);
        let Ok(size) = reader.read_var_u32() else {
            // An overlong size is no truncation: the parser will find it.
            return if reader.eof() {
                Err(truncated(section, 1))
            } else {
                Ok(())
            };
        };
        let size = usize::try_from(size).unwrap_or(usize::MAX);
        let missing = size.saturating_sub(reader.bytes_remaining());
        if missing > 0 {
            return Err(truncated(section, missing));
        }
        reader.read_bytes(size).map_err(|_| truncated(section, 1))?;
    }
    Ok(())
}

fn section_name(id: u8) -> &'static str {
    match id {
        0 => "custom section",
        1 => "type section",
        2 => "import section",
        3 => "function section",
        4 => "table section",
        5 => "memory section",
        6 => "global section",
        7 => "export section",
        8 => "start section",
        9 => "element section",
        10 => "code section",
        11 => "data section",
        12 => "data count section",
        13 => "tag section",
        _ => "unknown section",
    }
}
