//! The functions of a module with their sizes and names: what its bytes are spent on, and traces of what built it.

use std::collections::HashMap;

use wasmparser::{KnownCustom, Name, Parser, Payload, TypeRef};

/// LIMIT: functions that are listed. The largest Go plugin we know of has 13,000.
const FUNCTIONS_MAX: usize = 1_000_000;

/// LIMIT: bytes that are kept of a name. Mangled names of C++ come to some hundred.
const NAME_BYTES_MAX: usize = 1024;

/// A function that a module brings.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Function {
    /// Its number; imported functions come first.
    pub index: u32,
    /// Its name as the name section has it, mangled and with whatever bytes its author liked; none when it has none.
    pub name: Option<String>,
    /// Bytes of its body.
    pub bytes: usize,
}

/// The functions of a module, in order. As many as can be read: whether the module is valid is not asked here.
#[must_use]
pub fn functions(bytes: &[u8]) -> Vec<Function> {
    let mut imported: u32 = 0;
    let mut sizes = Vec::new();
    let mut names = HashMap::new();
    for payload in Parser::new(0).parse_all(bytes) {
        match payload {
            Ok(Payload::ImportSection(imports)) => {
                let functions = imports.into_imports().flatten();
                let count = functions.filter(|import| matches!(import.ty, TypeRef::Func(_) | TypeRef::FuncExact(_)));
                imported = u32::try_from(count.count()).unwrap_or(u32::MAX);
            }
            Ok(Payload::CodeSectionEntry(body)) if sizes.len() < FUNCTIONS_MAX => sizes.push(body.range().len()),
            Ok(Payload::CustomSection(section)) => {
                if let KnownCustom::Name(sections) = section.as_known() {
                    names.extend(sections.into_iter().flatten().flat_map(function_names));
                }
            }
            Ok(_) => {}
            Err(_) => break,
        }
    }
    let numbered = (imported..u32::MAX).zip(sizes);
    let function = |(index, bytes)| Function {
        index,
        name: names.remove(&index),
        bytes,
    };
    numbered.map(function).collect()
}

fn function_names(section: Name<'_>) -> Vec<(u32, String)> {
    let Name::Function(names) = section else {
        return Vec::new();
    };
    let named = names.into_iter().flatten();
    let cut = |name: &str| name.get(..name.floor_char_boundary(NAME_BYTES_MAX)).map(str::to_owned);
    named
        .take(FUNCTIONS_MAX)
        .filter_map(|naming| Some((naming.index, cut(naming.name)?)))
        .collect()
}
