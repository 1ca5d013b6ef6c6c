//! Reads BTF, the kernel's description of its types: where a member of a structure stands, and what a tracepoint hands over.
//!
//! The format is that of `Documentation/bpf/btf.rst`. Whatever the bytes are, reading ends, and nothing outside them is touched.

use crate::fault::TypesFault;

/// LIMIT: bytes of a description. A distribution's kernel has 5 to 10 MiB.
pub(crate) const BYTES_MAX: usize = 64 << 20;
/// LIMIT: `BTF_MAX_TYPE` of the kernel.
const TYPES_MAX: usize = 0x000f_ffff;
/// LIMIT: types without a name of their own that lead to one another.
const HOPS_MAX: usize = 32;
/// LIMIT: members that are looked at to find one, through unnamed structures. `struct tcp_sock` has fewer than 300.
const MEMBERS_MAX: usize = 100_000;

const MAGIC: u16 = 0xeb9f;
const HEADER_BYTES: usize = 24;
const TYPE_BYTES: usize = 12;

const INTEGER: u32 = 1;
const POINTER: u32 = 2;
const ARRAY: u32 = 3;
const STRUCTURE: u32 = 4;
const UNION: u32 = 5;
const TYPEDEF: u32 = 8;
const VOLATILE: u32 = 9;
const CONSTANT: u32 = 10;
const RESTRICT: u32 = 11;
const PROTOTYPE: u32 = 13;
const TAG: u32 = 18;

/// A description of types.
pub(crate) struct Btf<'a> {
    types: &'a [u8],
    strings: &'a [u8],
    /// Where each type begins; the first is the void, which has no bytes.
    starts: Vec<u32>,
}

/// Where a member stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Place {
    /// From the beginning of the outermost structure.
    pub(crate) offset: u32,
    /// Of what it is. None for what has no size of its own here, such as an array.
    pub(crate) bytes: Option<u32>,
}

/// The fixed part of a type.
#[derive(Clone, Copy)]
struct Type {
    name: u32,
    kind: u32,
    count: usize,
    wide: bool,
    /// Its size in bytes, or the type that it leads to.
    rest: u32,
    /// Where what follows the fixed part begins.
    tail: usize,
}

impl Type {
    /// Bytes that follow the fixed part.
    fn tail_bytes(&self) -> Result<usize, TypesFault> {
        Ok(match self.kind {
            // Pointer, forward, typedef, volatile, const, restrict, function, float, type tag.
            POINTER | 7..=12 | 16 | TAG => 0,
            // Integer, variable, declaration tag.
            INTEGER | 14 | 17 => 4,
            ARRAY => 12,
            // Enumeration, prototype.
            6 | PROTOTYPE => self.count.saturating_mul(8),
            // Structure, union, data section, enumeration of 64 bits.
            STRUCTURE | UNION | 15 | 19 => self.count.saturating_mul(12),
            kind => return Err(TypesFault::Kind(kind)),
        })
    }
}

impl<'a> Btf<'a> {
    /// Finds where each type begins.
    pub(crate) fn parse(bytes: &'a [u8]) -> Result<Self, TypesFault> {
        if bytes.len() > BYTES_MAX {
            return Err(TypesFault::TooLarge(BYTES_MAX));
        }
        let magic = bytes.first_chunk().map(|magic| u16::from_ne_bytes(*magic));
        if magic != Some(MAGIC) || bytes.get(2) != Some(&1) {
            return Err(TypesFault::Header);
        }
        let header_bytes = offset(bytes, 4)?;
        let body = bytes.get(header_bytes..).filter(|_| header_bytes >= HEADER_BYTES);
        let body = body.ok_or(TypesFault::Header)?;
        let section = |at: usize| -> Result<&'a [u8], TypesFault> {
            let (begin, length) = (offset(bytes, at)?, offset(bytes, at.saturating_add(4))?);
            let rest = body.get(begin..).and_then(|rest| rest.get(..length));
            rest.ok_or(TypesFault::BrokenOff(bytes.len()))
        };
        let mut types = Self {
            types: section(8)?,
            strings: section(16)?,
            starts: vec![0],
        };
        types.find_starts()?;
        Ok(types)
    }

    fn find_starts(&mut self) -> Result<(), TypesFault> {
        let mut at = 0;
        while at < self.types.len() {
            if self.starts.len() > TYPES_MAX {
                return Err(TypesFault::TooManyTypes(TYPES_MAX));
            }
            let found = self.read(at)?;
            self.starts
                .push(u32::try_from(at).map_err(|_| TypesFault::BrokenOff(at))?);
            at = found.tail.saturating_add(found.tail_bytes()?);
        }
        // The last one's tail must be there as well.
        if at > self.types.len() {
            return Err(TypesFault::BrokenOff(self.types.len()));
        }
        Ok(())
    }

    /// Where a member of a structure stands, led to by names; structures without a name are looked through.
    pub(crate) fn place(&self, outer: &'static str, path: &[&'static str]) -> Result<Place, TypesFault> {
        let mut at = self.structure(outer)?;
        let mut place = Place { offset: 0, bytes: None };
        for member in path {
            let (offset, kind) = self.member(outer, &at, member)?;
            let sum = place.offset.checked_add(offset);
            place.offset = sum.ok_or(TypesFault::Unexpected { outer, member })?;
            at = self.settled(outer, kind)?;
            place.bytes = match at.kind {
                INTEGER | STRUCTURE | UNION | 6 | 19 => Some(at.rest),
                POINTER => u32::try_from(size_of::<usize>()).ok(),
                _ => None,
            };
        }
        Ok(place)
    }

    /// How many arguments a raw tracepoint hands to a program; none when it is not described.
    pub(crate) fn tracepoint_arguments(&self, name: &str) -> Option<usize> {
        let traced = self.all().find(|found| {
            found.kind == TYPEDEF
                && self
                    .name_of(found)
                    .is_some_and(|own| own.strip_prefix(b"btf_trace_") == Some(name.as_bytes()))
        })?;
        let pointer = self.of(traced.rest)?;
        let prototype = self.of(pointer.rest)?;
        // Before the tracepoint's own arguments comes one of whoever registered.
        (pointer.kind == POINTER && prototype.kind == PROTOTYPE).then(|| prototype.count.saturating_sub(1))
    }

    fn structure(&self, name: &'static str) -> Result<Type, TypesFault> {
        self.all()
            .find(|found| found.kind == STRUCTURE && self.name_of(found) == Some(name.as_bytes()))
            .ok_or(TypesFault::NoStructure(name))
    }

    /// Offset in bytes and type of a member, also of one inside of structures and unions without a name.
    fn member(&self, outer: &'static str, within: &Type, member: &'static str) -> Result<(u32, u32), TypesFault> {
        let unexpected = TypesFault::Unexpected { outer, member };
        let mut waiting = vec![(*within, 0_u32)];
        let mut looked_at = 0_usize;
        while let Some((at, base_bits)) = waiting.pop() {
            for index in 0..at.count {
                looked_at += 1;
                if looked_at > MEMBERS_MAX {
                    return Err(TypesFault::Circle(outer));
                }
                let entry = at.tail.saturating_add(index.saturating_mul(12));
                let (name, kind) = (self.word(entry)?, self.word(entry.saturating_add(4))?);
                let packed = self.word(entry.saturating_add(8))?;
                let (bits, field_bits) = if at.wide {
                    (packed & 0xff_ffff, packed >> 24)
                } else {
                    (packed, 0)
                };
                let bits = base_bits.checked_add(bits).ok_or_else(|| unexpected.clone())?;
                if name == 0 {
                    let inner = self.settled(outer, kind)?;
                    if matches!(inner.kind, STRUCTURE | UNION) {
                        waiting.push((inner, bits));
                    }
                } else if self.string(name) == Some(member.as_bytes()) {
                    return if field_bits == 0 && bits % 8 == 0 {
                        Ok((bits / 8, kind))
                    } else {
                        Err(unexpected)
                    };
                }
            }
        }
        Err(TypesFault::NoMember { outer, member })
    }

    /// The type behind other names and qualities.
    fn settled(&self, outer: &'static str, number: u32) -> Result<Type, TypesFault> {
        let mut number = number;
        for _ in 0..HOPS_MAX {
            let found = self.of(number).ok_or(TypesFault::BrokenOff(self.types.len()))?;
            match found.kind {
                TYPEDEF | VOLATILE | CONSTANT | RESTRICT | TAG => number = found.rest,
                _ => return Ok(found),
            }
        }
        Err(TypesFault::Circle(outer))
    }

    fn all(&self) -> impl Iterator<Item = Type> {
        self.starts.iter().skip(1).filter_map(|start| self.at(*start))
    }

    fn of(&self, number: u32) -> Option<Type> {
        let number = usize::try_from(number).ok().filter(|number| *number > 0)?;
        self.at(*self.starts.get(number)?)
    }

    fn at(&self, start: u32) -> Option<Type> {
        self.read(usize::try_from(start).ok()?).ok()
    }

    fn read(&self, at: usize) -> Result<Type, TypesFault> {
        let (name, info) = (self.word(at)?, self.word(at.saturating_add(4))?);
        Ok(Type {
            name,
            kind: (info >> 24) & 0x1f,
            count: usize::try_from(info & 0xffff).unwrap_or(usize::MAX),
            wide: info >> 31 == 1,
            rest: self.word(at.saturating_add(8))?,
            tail: at.saturating_add(TYPE_BYTES),
        })
    }

    fn word(&self, at: usize) -> Result<u32, TypesFault> {
        word(self.types, at)
    }

    fn name_of(&self, found: &Type) -> Option<&'a [u8]> {
        self.string(found.name)
    }

    fn string(&self, at: u32) -> Option<&'a [u8]> {
        let rest = self.strings.get(usize::try_from(at).ok()?..)?;
        // LIMIT: names of the kernel have at most 512 bytes; one that is longer is not compared.
        rest.iter()
            .take(512)
            .position(|byte| *byte == 0)
            .and_then(|end| rest.get(..end))
    }
}

fn word(bytes: &[u8], at: usize) -> Result<u32, TypesFault> {
    bytes
        .get(at..)
        .and_then(<[u8]>::first_chunk)
        .map(|bytes| u32::from_ne_bytes(*bytes))
        .ok_or(TypesFault::BrokenOff(at))
}

fn offset(bytes: &[u8], at: usize) -> Result<usize, TypesFault> {
    usize::try_from(word(bytes, at)?).map_err(|_| TypesFault::Header)
}

#[cfg(test)]
mod tests;
