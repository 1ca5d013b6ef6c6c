//! The module out of a layer, or out of what an HTTP server gave, within limits, whoever wrote it.

use std::io::{self, Read};

use flate2::read::MultiGzDecoder;
use tar::{Archive, Entry, EntryType};

use super::layout::Form;
use crate::fault::{PackageFault, Result};

/// LIMIT: bytes of a module; nothing larger is ever loaded.
pub const MODULE_BYTES_MAX: u64 = plug_audit::MODULE_BYTES_MAX as u64;
/// LIMIT: bytes that a layer may grow to when it is unpacked: Istio's bound for a whole image.
pub(crate) const UNPACKED_BYTES_MAX: u64 = 256 * 1024 * 1024;
/// LIMIT: files of an archive.
pub(crate) const FILES_MAX: usize = 1_000;
/// LIMIT: bytes of a file's name, and of what stands in front of a file about it.
const NAME_BYTES_MAX: u64 = 64 * 1024;

/// What the file is called in layers.
pub(crate) const MODULE_NAME: &str = "plugin.wasm";
/// What every WebAssembly file begins with.
const MAGIC: &[u8] = b"\0asm";
/// What every file that is compressed with gzip begins with.
const GZIP: &[u8] = b"\x1f\x8b";

/// The module in a layer.
pub(crate) fn layer(bytes: &[u8], form: Form) -> Result<Vec<u8>> {
    match form {
        Form::Module => whole(bytes.to_vec()),
        Form::TarGzip => {
            let mut bounded = Bounded::new(MultiGzDecoder::new(bytes), UNPACKED_BYTES_MAX);
            let found = archived(&mut bounded, Names::Plugin);
            found.map_err(|fault| bounded.says(fault)).and_then(whole)
        }
    }
}

/// The module in what an HTTP server gave: as it is, compressed, or in an archive; Istio unpacks all of these silently.
pub(crate) fn download(bytes: Vec<u8>) -> Result<Vec<u8>> {
    if !bytes.starts_with(GZIP) {
        return unboxed(bytes);
    }
    let mut bounded = Bounded::new(MultiGzDecoder::new(bytes.as_slice()), UNPACKED_BYTES_MAX);
    let mut inner = Vec::new();
    let read = bounded.read_to_end(&mut inner);
    read.map_err(|why| bounded.says(PackageFault::Layer(why.to_string())))?;
    unboxed(inner)
}

fn unboxed(bytes: Vec<u8>) -> Result<Vec<u8>> {
    if bytes.starts_with(MAGIC) || bytes.get(257..262) != Some(b"ustar") {
        return whole(bytes);
    }
    let mut bounded = Bounded::new(bytes.as_slice(), UNPACKED_BYTES_MAX);
    let found = archived(&mut bounded, Names::Any);
    found.map_err(|fault| bounded.says(fault)).and_then(whole)
}

/// Says at once what is no module; what is wrong with one, the audit says.
fn whole(bytes: Vec<u8>) -> Result<Vec<u8>> {
    if u64::try_from(bytes.len()).unwrap_or(u64::MAX) > MODULE_BYTES_MAX {
        return Err(too_large());
    }
    match bytes.starts_with(MAGIC) {
        true => Ok(bytes),
        false => Err(PackageFault::Layer(String::from("what is in it is no WebAssembly"))),
    }
}

fn too_large() -> PackageFault {
    PackageFault::TooLarge {
        what: String::from("the module"),
        bytes_max: MODULE_BYTES_MAX,
    }
}

/// Which file of an archive is the module.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Names {
    /// The one that is called `plugin.wasm`, in whatever folder.
    Plugin,
    /// The same, or the only one that ends in `.wasm`.
    Any,
}

/// Reads an archive to its end. Nothing is ever written by its names: they only say which file is meant.
fn archived(archive: &mut impl Read, names: Names) -> Result<Vec<u8>> {
    let broken = |why: io::Error| PackageFault::Layer(format!("its archive is broken: {why}"));
    let mut archive = Archive::new(archive);
    let mut found: Option<(bool, Vec<u8>)> = None;
    let mut long_name: Option<Vec<u8>> = None;
    // Raw, as the reader would else keep names of any length in memory.
    for (count, entry) in archive.entries().map_err(broken)?.raw(true).enumerate() {
        let mut entry = entry.map_err(broken)?;
        if count >= FILES_MAX {
            return Err(PackageFault::Layer(format!(
                "its archive has more than {FILES_MAX} files"
            )));
        }
        match entry.header().entry_type() {
            EntryType::GNULongName => {
                let mut name = about(&mut entry)?;
                name.truncate(name.iter().position(|byte| *byte == 0).unwrap_or(name.len()));
                long_name = Some(name);
                continue;
            }
            EntryType::XHeader => {
                long_name = pax_path(&about(&mut entry)?)?.or(long_name);
                continue;
            }
            EntryType::GNULongLink | EntryType::XGlobalHeader => continue,
            _ => {}
        }
        let name = long_name.take().unwrap_or_else(|| entry.path_bytes().into_owned());
        let Some(is_plugin) = wanted(&name, names)? else {
            continue;
        };
        if found.as_ref().is_some_and(|(plugin, _)| *plugin || !is_plugin) {
            return Err(PackageFault::Layer(String::from(
                "its archive has more than one module",
            )));
        }
        found = Some((is_plugin, file(&mut entry, &name)?));
    }
    let (_, bytes) = found.ok_or_else(|| PackageFault::Layer(format!("its archive has no `{MODULE_NAME}`")))?;
    Ok(bytes)
}

/// Whether a file is the module, and then whether by its name alone.
fn wanted(name: &[u8], names: Names) -> Result<Option<bool>> {
    let mut parts = name.split(|byte| *byte == b'/');
    if parts.any(|part| part == b"..") {
        return Err(PackageFault::Layer(format!(
            "its archive has a file `{}`, which leads out of it",
            shown(name)
        )));
    }
    let base = name.rsplit(|byte| *byte == b'/').next().unwrap_or(name);
    Ok(match base {
        base if base == MODULE_NAME.as_bytes() => Some(true),
        base if names == Names::Any && base.ends_with(b".wasm") => Some(false),
        _ => None,
    })
}

fn file(entry: &mut Entry<'_, impl Read>, name: &[u8]) -> Result<Vec<u8>> {
    if !matches!(entry.header().entry_type(), EntryType::Regular | EntryType::Continuous) {
        return Err(PackageFault::Layer(format!(
            "in its archive, `{}` is a link or something else that is no file",
            shown(name)
        )));
    }
    let size = entry.size();
    if size > MODULE_BYTES_MAX {
        return Err(too_large());
    }
    read_exactly(entry, size)
}

/// What stands in front of a file about it.
fn about(entry: &mut Entry<'_, impl Read>) -> Result<Vec<u8>> {
    let size = entry.size();
    if size > NAME_BYTES_MAX {
        return Err(PackageFault::Layer(format!(
            "its archive has a name of more than {NAME_BYTES_MAX} bytes"
        )));
    }
    read_exactly(entry, size)
}

fn read_exactly(from: &mut impl Read, size: u64) -> Result<Vec<u8>> {
    let mut bytes = Vec::new();
    let read = from.take(size).read_to_end(&mut bytes);
    match read.map(|read| u64::try_from(read).unwrap_or(u64::MAX) == size) {
        Ok(true) => Ok(bytes),
        Ok(false) => Err(PackageFault::Layer(String::from("its archive ends within a file"))),
        Err(why) => Err(PackageFault::Layer(format!("its archive is broken: {why}"))),
    }
}

/// The path in a header of POSIX's pax format: records of `LENGTH KEY=VALUE` and a line break.
fn pax_path(mut records: &[u8]) -> Result<Option<Vec<u8>>> {
    let broken = || PackageFault::Layer(String::from("its archive has a broken header"));
    let mut path = None;
    while !records.is_empty() {
        let space = records.iter().position(|byte| *byte == b' ').ok_or_else(broken)?;
        let digits = records.get(..space).and_then(|digits| str::from_utf8(digits).ok());
        let length: usize = digits.and_then(|digits| digits.parse().ok()).ok_or_else(broken)?;
        let record = records.get(space.saturating_add(1)..length).ok_or_else(broken)?;
        records = records.get(length..).ok_or_else(broken)?;
        let record = record.strip_suffix(b"\n").ok_or_else(broken)?;
        let equals = record.iter().position(|byte| *byte == b'=').ok_or_else(broken)?;
        let (key, value) = record.split_at(equals);
        match key {
            b"path" => path = value.get(1..).map(<[u8]>::to_vec),
            // Only files of 8 GiB and more need it; here it would let two readers see two archives.
            b"size" => return Err(broken()),
            _ => {}
        }
    }
    Ok(path)
}

fn shown(name: &[u8]) -> String {
    String::from_utf8_lossy(name).chars().take(100).collect()
}

/// A reader that gives so many bytes at most, and says when there were more.
struct Bounded<R> {
    inner: R,
    left: u64,
    bytes_max: u64,
    is_over: bool,
}

impl<R> Bounded<R> {
    fn new(inner: R, bytes_max: u64) -> Self {
        Self {
            inner,
            left: bytes_max,
            bytes_max,
            is_over: false,
        }
    }

    /// What a fault really was.
    fn says(&self, fault: PackageFault) -> PackageFault {
        match self.is_over {
            true => PackageFault::TooLarge {
                what: String::from("what the layer unpacks to"),
                bytes_max: self.bytes_max,
            },
            false => fault,
        }
    }
}

impl<R: Read> Read for Bounded<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let room = usize::try_from(self.left).unwrap_or(usize::MAX).min(buffer.len());
        if room == 0 && !buffer.is_empty() {
            let more = self.inner.read(&mut [0])?;
            self.is_over = more > 0;
            return match self.is_over {
                true => Err(io::Error::other("it is too large")),
                false => Ok(0),
            };
        }
        let read = self.inner.read(buffer.get_mut(..room).unwrap_or_default())?;
        self.left = self.left.saturating_sub(u64::try_from(read).unwrap_or(u64::MAX));
        Ok(read)
    }
}
