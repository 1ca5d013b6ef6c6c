//! Signatures within a module, as the WebAssembly tool conventions write them (Signatures.md): the section `signature` in front, and
//! `signature_delimiter` behind each part that is hashed.

use sha2::{Digest as _, Sha256};

use super::key::{Algorithm, PrivateKey, PublicKey};
use crate::fault::{PackageFault, Result};

const MAGIC: &[u8] = b"\0asm";
const SIGNATURE: &[u8] = b"signature";
const DELIMITER: &[u8] = b"signature_delimiter";
/// Version of the format, a module, SHA-256.
const HEAD: [u8; 3] = [1, 1, 1];
const DOMAIN: &[u8] = b"wasmsig";
const ED25519: u8 = 1;
const HASH_BYTES: usize = 32;
/// LIMIT: sets of hashes, hashes of a set, and signatures of a set.
const ENTRIES_MAX: usize = 64;

/// Hashes with those who signed them.
struct Set<'a> {
    hashes: &'a [u8],
    /// Whole entries, as they stand there, and of each its signature when it is one of Ed25519.
    entries: Vec<(&'a [u8], Option<&'a [u8]>)>,
}

/// A module, cut into its signature and the rest.
struct Cut<'a> {
    /// Magic number and version.
    head: &'a [u8],
    /// What the section `signature` holds.
    signature: Option<&'a [u8]>,
    /// All other sections.
    rest: &'a [u8],
}

type Read<T> = std::result::Result<T, String>;

/// Whether a module has a signature within it.
pub(super) fn is_signed(module: &[u8]) -> bool {
    cut(module).is_ok_and(|cut| cut.signature.is_some())
}

/// Whether this key signed all of this module. One that signed only a part of it has not seen the rest.
pub(super) fn verify(module: &[u8], key: &PublicKey) -> Read<()> {
    let cut = cut(module)?;
    let signature = cut.signature.ok_or("there is none")?;
    if key.algorithm() != Algorithm::Ed25519 {
        return Err(format!(
            "it is one of Ed25519, and the key is one of {}",
            key.algorithm().word()
        ));
    }
    let sets = sets(signature)?;
    let signed = |set: &&Set<'_>| {
        let message = message(set.hashes);
        let mut signatures = set.entries.iter().filter_map(|(_, signature)| *signature);
        signatures.any(|signature| key.verifies(&message, signature))
    };
    let set = sets
        .iter()
        .find(signed)
        .ok_or("it was made by another key, or over other bytes")?;
    let states = hashes(cut.rest)?;
    let signed: Vec<&[u8]> = set.hashes.chunks(HASH_BYTES).collect();
    // Each state of the hash covers all before it, so that the last one covers the whole module.
    let mut left = states.iter();
    let are_known = signed.iter().all(|signed| left.any(|state| state == signed));
    let last = states.last().map(<[u8; HASH_BYTES]>::as_slice);
    match (are_known && !signed.is_empty(), last == signed.last().copied()) {
        (true, true) => Ok(()),
        (true, false) => Err(String::from("it covers only a part of the module")),
        (false, _) => Err(String::from("the module was changed after it was signed")),
    }
}

/// The module with a signature in front, beside those that it has already.
pub(super) fn sign(module: &[u8], key: &PrivateKey) -> Result<Vec<u8>> {
    let refused = |why: String| PackageFault::Signature(why);
    if key.public().algorithm() != Algorithm::Ed25519 {
        return Err(refused(format!(
            "modules are signed within by Ed25519, and the key is one of {}; hint: `--detached` writes a file beside the module",
            key.public().algorithm().word()
        )));
    }
    let cut = cut(module).map_err(refused)?;
    let mut rest = cut.rest.to_vec();
    if !ends_with_delimiter(cut.rest).map_err(refused)? {
        let mut random = [0_u8; 16];
        aws_lc_rs::rand::fill(&mut random).map_err(|_| refused(String::from("the system gives no random bytes")))?;
        custom(&mut rest, DELIMITER, &random);
    }
    let hashes = hashes(&rest).map_err(refused)?.concat();
    let mut entry = vec![0, ED25519, 64];
    entry.extend(key.sign(&message(&hashes))?);
    let mut kept = match cut.signature {
        Some(signature) => sets(signature).map_err(refused)?,
        None => Vec::new(),
    };
    match kept.iter_mut().find(|set| set.hashes == hashes.as_slice()) {
        Some(set) => set.entries.push((&entry, None)),
        None => kept.push(Set {
            hashes: &hashes,
            entries: vec![(&entry, None)],
        }),
    }
    let mut signed = cut.head.to_vec();
    custom(&mut signed, SIGNATURE, &written(&kept));
    signed.extend(rest);
    Ok(signed)
}

fn message(hashes: &[u8]) -> Vec<u8> {
    [DOMAIN, &HEAD, hashes].concat()
}

fn cut(module: &[u8]) -> Read<Cut<'_>> {
    let (head, rest) = module.split_at_checked(8).ok_or("it is no module")?;
    if !head.starts_with(MAGIC) {
        return Err(String::from("it is no module"));
    }
    let mut reader = Reader(rest);
    let signature = match reader.0.is_empty() {
        true => None,
        false => reader.section()?.named(SIGNATURE),
    };
    let rest = if signature.is_some() { reader.0 } else { rest };
    Ok(Cut { head, signature, rest })
}

/// The state of one hash over everything, behind each delimiter and at the end.
fn hashes(sections: &[u8]) -> Read<Vec<[u8; HASH_BYTES]>> {
    let (mut reader, mut hasher, mut hashes) = (Reader(sections), Sha256::new(), Vec::new());
    let mut open = false;
    while !reader.0.is_empty() {
        let section = reader.section()?;
        hasher.update(section.whole);
        open = section.named(DELIMITER).is_none();
        if !open {
            hashes.push(hasher.clone().finalize().into());
        }
        if hashes.len() > ENTRIES_MAX {
            return Err(format!("the module has more than {ENTRIES_MAX} delimiters"));
        }
    }
    if open {
        hashes.push(hasher.finalize().into());
    }
    Ok(hashes)
}

fn ends_with_delimiter(sections: &[u8]) -> Read<bool> {
    let (mut reader, mut ends) = (Reader(sections), false);
    while !reader.0.is_empty() {
        ends = reader.section()?.named(DELIMITER).is_some();
    }
    Ok(ends)
}

/// How sets and signatures follow each other.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Framing {
    /// Each has its length in front, as wasmsign2 writes them.
    Lengths,
    /// One directly behind the other, as Signatures.md has them.
    Bare,
}

fn sets(signature: &[u8]) -> Read<Vec<Set<'_>>> {
    sets_as(signature, Framing::Lengths).or_else(|_| sets_as(signature, Framing::Bare))
}

fn sets_as(signature: &[u8], framing: Framing) -> Read<Vec<Set<'_>>> {
    let mut reader = Reader(signature);
    if reader.take(HEAD.len())? != HEAD {
        return Err(String::from(
            "it is of another version, for something else, or with another hash",
        ));
    }
    let mut sets = Vec::new();
    for _ in 0..reader.count()? {
        sets.push(reader.framed(framing, |reader| set(reader, framing))?);
    }
    reader.end(sets)
}

fn set<'a>(reader: &mut Reader<'a>, framing: Framing) -> Read<Set<'a>> {
    let hashes = reader.count()?.saturating_mul(HASH_BYTES);
    let hashes = reader.take(hashes)?;
    let mut entries = Vec::new();
    for _ in 0..reader.count()? {
        entries.push(reader.framed(framing, |reader| {
            let from = reader.0;
            let key_id = reader.number()?;
            reader.take(key_id)?;
            let kind = reader.take(1)?;
            let length = reader.number()?;
            let signature = reader.take(length)?;
            let whole = from.len().saturating_sub(reader.0.len());
            let whole = from.get(..whole).unwrap_or_default();
            Ok((whole, (kind == [ED25519]).then_some(signature)))
        })?);
    }
    Ok(Set { hashes, entries })
}

/// As wasmsign2 reads it, which is the tool that others have.
fn written(sets: &[Set<'_>]) -> Vec<u8> {
    let mut bytes = HEAD.to_vec();
    number(&mut bytes, sets.len());
    for set in sets {
        let mut part = Vec::new();
        number(&mut part, set.hashes.len() / HASH_BYTES);
        part.extend_from_slice(set.hashes);
        number(&mut part, set.entries.len());
        for (entry, _) in &set.entries {
            number(&mut part, entry.len());
            part.extend_from_slice(entry);
        }
        number(&mut bytes, part.len());
        bytes.extend(part);
    }
    bytes
}

fn custom(bytes: &mut Vec<u8>, name: &[u8], content: &[u8]) {
    let mut section = Vec::new();
    number(&mut section, name.len());
    section.extend_from_slice(name);
    section.extend_from_slice(content);
    bytes.push(0);
    number(bytes, section.len());
    bytes.extend(section);
}

/// LEB128, as few bytes as it takes.
fn number(bytes: &mut Vec<u8>, mut value: usize) {
    loop {
        let low = u8::try_from(value & 0x7f).unwrap_or_default();
        value >>= 7;
        if value == 0 {
            bytes.push(low);
            return;
        }
        bytes.push(low | 0x80);
    }
}

/// Bytes that are read from their beginning.
struct Reader<'a>(&'a [u8]);

struct Section<'a> {
    whole: &'a [u8],
    custom: Option<&'a [u8]>,
}

impl<'a> Section<'a> {
    /// What a custom section of this name holds.
    fn named(&self, name: &[u8]) -> Option<&'a [u8]> {
        let mut reader = Reader(self.custom?);
        let length = reader.number().ok()?;
        (reader.take(length).ok()? == name).then_some(reader.0)
    }
}

impl<'a> Reader<'a> {
    fn take(&mut self, bytes: usize) -> Read<&'a [u8]> {
        let (taken, rest) = self.0.split_at_checked(bytes).ok_or("it is cut off")?;
        self.0 = rest;
        Ok(taken)
    }

    /// LEB128 of 32 bits.
    fn number(&mut self) -> Read<usize> {
        let mut value = 0_u64;
        for shift in [0, 7, 14, 21, 28] {
            let byte = self.take(1)?.first().copied().unwrap_or_default();
            value |= u64::from(byte & 0x7f) << shift;
            if byte & 0x80 == 0 {
                let value = u32::try_from(value).map_err(|_| "a number in it is too large")?;
                return usize::try_from(value).map_err(|why| why.to_string());
            }
        }
        Err(String::from("a number in it is too large"))
    }

    fn count(&mut self) -> Read<usize> {
        match self.number()? {
            count if count <= ENTRIES_MAX => Ok(count),
            _ => Err(format!("it has more than {ENTRIES_MAX} entries of one kind")),
        }
    }

    /// What `read` finds, all of it within its length where it has one.
    fn framed<T>(&mut self, framing: Framing, read: impl FnOnce(&mut Self) -> Read<T>) -> Read<T> {
        if framing == Framing::Bare {
            return read(self);
        }
        let length = self.number()?;
        let mut inner = Self(self.take(length)?);
        let found = read(&mut inner)?;
        inner.end(found)
    }

    /// What was found, when nothing follows it.
    fn end<T>(&self, found: T) -> Read<T> {
        match self.0.is_empty() {
            true => Ok(found),
            false => Err(String::from("something follows its last signature")),
        }
    }

    fn section(&mut self) -> Read<Section<'a>> {
        let from = self.0;
        let kind = self.take(1)?;
        let length = self.number()?;
        let content = self.take(length)?;
        let whole = from.len().saturating_sub(self.0.len());
        Ok(Section {
            whole: from.get(..whole).unwrap_or_default(),
            custom: (kind == [0]).then_some(content),
        })
    }
}
