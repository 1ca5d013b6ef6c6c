//! Source lines and function names of a module: from its DWARF and its name section.

use std::collections::HashMap;
use std::fmt::{self, Write as _};

use addr2line::Context;
use cpp_demangle::DemangleOptions;
use gimli::{Dwarf, EndianSlice, LittleEndian};
use wasmparser::{KnownCustom, Name, Parser, Payload};

use crate::scene::{Frame, Place};

type Bytes<'a> = EndianSlice<'a, LittleEndian>;

/// LIMIT: places told of one frame; more inlined functions than that in one another are not read by anybody.
const PLACES_MAX: usize = 32;

/// What a module, or its twin with debug information, says about its code.
#[derive(Default)]
pub struct Symbols<'a> {
    lines: Option<Context<Bytes<'a>>>,
    names: HashMap<u32, &'a str>,
}

impl<'a> Symbols<'a> {
    /// Reads what there is; damaged sections count as absent.
    #[must_use]
    pub fn read(module: &'a [u8]) -> Self {
        let mut sections: HashMap<&str, &[u8]> = HashMap::new();
        let mut names = HashMap::new();
        for payload in Parser::new(0).parse_all(module) {
            match payload {
                Ok(Payload::CustomSection(section)) => {
                    if let KnownCustom::Name(subsections) = section.as_known() {
                        names = function_names(subsections);
                    }
                    sections.insert(section.name(), section.data());
                }
                Ok(_) => {}
                Err(_) => break,
            }
        }
        Self {
            lines: lines(&sections),
            names,
        }
    }

    /// Whether there are lines of source.
    #[must_use]
    pub fn has_lines(&self) -> bool {
        self.lines.is_some()
    }

    /// The functions that have names, by their numbers.
    pub fn functions(&self) -> impl Iterator<Item = (u32, String)> + '_ {
        self.names.iter().map(|(number, name)| (*number, readable(name)))
    }

    /// Completes a frame.
    pub fn complete(&self, frame: &mut Frame) {
        if let Some(name) = self.names.get(&frame.index) {
            frame.function = Some(readable(name));
        }
        if let (Some(lines), Some(offset)) = (&self.lines, frame.offset) {
            frame.places = places(lines, offset);
        }
        // The outermost place is the function itself. The name section has its whole path, DWARF often only the last word of it.
        if let Some(outermost) = frame.places.last_mut() {
            match &frame.function {
                Some(function) => outermost.function = Some(function.clone()),
                None => frame.function.clone_from(&outermost.function),
            }
        }
    }
}

fn lines<'a>(sections: &HashMap<&str, &'a [u8]>) -> Option<Context<Bytes<'a>>> {
    sections.get(".debug_info").filter(|info| !info.is_empty())?;
    let section = |id: gimli::SectionId| {
        let bytes = sections.get(id.name()).copied().unwrap_or_default();
        Ok::<_, gimli::Error>(EndianSlice::new(bytes, LittleEndian))
    };
    Context::from_dwarf(Dwarf::load(section).ok()?).ok()
}

fn places(lines: &Context<Bytes<'_>>, offset: u64) -> Vec<Place> {
    let mut places = Vec::new();
    let Ok(mut frames) = lines.find_frames(offset).skip_all_loads() else {
        return places;
    };
    while let Ok(Some(found)) = frames.next() {
        let function = found.function.as_ref().and_then(|function| function.raw_name().ok());
        let location = found.location;
        places.push(Place {
            function: function.map(|name| readable(&name)),
            file: location.as_ref().and_then(|place| place.file).map(str::to_owned),
            line: location.as_ref().and_then(|place| place.line),
            column: location.as_ref().and_then(|place| place.column),
        });
        if places.len() == PLACES_MAX {
            break;
        }
    }
    places
}

fn function_names<'a>(subsections: wasmparser::NameSectionReader<'a>) -> HashMap<u32, &'a str> {
    let mut names = HashMap::new();
    for subsection in subsections {
        if let Ok(Name::Function(functions)) = subsection {
            names.extend(
                functions
                    .into_iter()
                    .flatten()
                    .map(|naming| (naming.index, naming.name)),
            );
        }
    }
    names
}

/// LIMIT: bytes of a function's name as it is shown. A mangled name may repeat its own parts, and grow without end when they are written out.
const NAME_BYTES_MAX: usize = 4 * 1024;

/// A mangled name as its author wrote it; as it is when that would be too long.
#[must_use]
pub fn readable(name: &str) -> String {
    let mut shown = Bounded(String::new());
    if let Ok(rust) = rustc_demangle::try_demangle(name) {
        if write!(shown, "{rust:#}").is_ok() {
            return shown.0;
        }
    } else if let Ok(symbol) = cpp_demangle::Symbol::new(name)
        && symbol.structured_demangle(&mut shown, &DemangleOptions::new()).is_ok()
    {
        return shown.0;
    }
    let end = name.floor_char_boundary(NAME_BYTES_MAX);
    name.get(..end).unwrap_or_default().to_owned()
}

/// Text that refuses to grow beyond its bound.
struct Bounded(String);

impl fmt::Write for Bounded {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        if self.0.len().saturating_add(text.len()) > NAME_BYTES_MAX {
            return Err(fmt::Error);
        }
        self.0.push_str(text);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_written_as_their_authors_did() {
        assert_eq!(
            readable("_ZN3die9callbacks2at17h0123456789abcdefE"),
            "die::callbacks::at"
        );
        assert_eq!(readable("_ZN4Root9onRequestEi"), "Root::onRequest(int)");
        assert_eq!(readable("main.(*context).OnTick"), "main.(*context).OnTick");
    }

    #[test]
    fn a_name_that_grows_without_end_stays_as_it_is() {
        // Each pair repeats the one before twice.
        let pairs: String = (0..60).map(|_| "St4pairIS_S_E").collect();
        for hostile in [format!("_Z1f{pairs}"), bomb(), "x".repeat(1 << 20)] {
            assert!(readable(&hostile).len() <= NAME_BYTES_MAX);
        }
    }

    /// Each argument is a function of twice the one before it.
    fn bomb() -> String {
        let mut name = "_Z1fPFvvE".to_owned();
        let digits = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ";
        for digit in digits.chars() {
            name.push_str(&format!("PFvS{digit}_S{digit}_E"));
        }
        name
    }
}
