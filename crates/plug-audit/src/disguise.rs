//! What a file is that is no WebAssembly module, guessed from its first bytes.

use std::fmt;

/// What a file looks like.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Disguise {
    /// Nothing in it.
    Empty,
    /// Compressed with gzip: often a layer of an OCI image.
    Gzip,
    /// Compressed with zstd.
    Zstd,
    /// A zip archive: a Python wheel, a Java archive.
    Zip,
    /// A tar archive: often a layer of an OCI image.
    Tar,
    /// Native code, or a module compiled beforehand.
    Elf,
    /// A program for macOS.
    MachO,
    /// A program for Windows.
    Windows,
    /// A static library.
    Archive,
    /// LLVM's intermediate code.
    Bitcode,
    /// WebAssembly as text.
    Text,
    /// An OCI manifest or index.
    OciManifest,
    /// Other JSON.
    Json,
    /// A web page.
    Html,
    /// What Git leaves in place of a file that was not fetched.
    GitLfsPointer,
    /// None of these; the first bytes.
    Other(Vec<u8>),
}

/// Beginnings that say at once what a file is.
const BEGINNINGS: &[(&[u8], Disguise)] = &[
    (b"\x1f\x8b", Disguise::Gzip),
    (b"\x28\xb5\x2f\xfd", Disguise::Zstd),
    (b"PK\x03\x04", Disguise::Zip),
    (b"\x7fELF", Disguise::Elf),
    (b"\xcf\xfa\xed\xfe", Disguise::MachO),
    (b"\xca\xfe\xba\xbe", Disguise::MachO),
    (b"MZ", Disguise::Windows),
    (b"!<arch>\n", Disguise::Archive),
    (b"BC\xc0\xde", Disguise::Bitcode),
    (b"version https://git-lfs", Disguise::GitLfsPointer),
];

/// Where a tar archive says that it is one.
const TAR_MARK: std::ops::Range<usize> = 257..262;

/// LIMIT: bytes that are looked at to tell one text from another.
const TEXT_BYTES_MAX: usize = 4096;

/// LIMIT: bytes that are shown of a file that looks like nothing known.
const SHOWN_BYTES_MAX: usize = 8;

impl Disguise {
    /// Guesses what these bytes are, which are no WebAssembly.
    pub(crate) fn of(bytes: &[u8]) -> Self {
        if bytes.is_empty() {
            return Self::Empty;
        }
        if let Some((_, disguise)) = BEGINNINGS.iter().find(|(beginning, _)| bytes.starts_with(beginning)) {
            return disguise.clone();
        }
        if bytes.get(TAR_MARK) == Some(b"ustar") {
            return Self::Tar;
        }
        let head = bytes.get(..TEXT_BYTES_MAX).unwrap_or(bytes);
        Self::of_text(head).unwrap_or_else(|| Self::Other(head.iter().copied().take(SHOWN_BYTES_MAX).collect()))
    }

    fn of_text(head: &[u8]) -> Option<Self> {
        let text = String::from_utf8_lossy(head).to_ascii_lowercase();
        let text = text.trim_start_matches('\u{feff}').trim_start();
        if text.starts_with("(module")
            || text.starts_with("(component")
            || text.starts_with(";;")
            || text.starts_with("(;")
        {
            Some(Self::Text)
        } else if text.starts_with("<!doctype") || text.starts_with("<html") {
            Some(Self::Html)
        } else if text.starts_with('{') && (text.contains("mediatype") || text.contains("schemaversion")) {
            Some(Self::OciManifest)
        } else if text.starts_with('{') || text.starts_with('[') {
            Some(Self::Json)
        } else {
            None
        }
    }

    /// What to do about it.
    pub(crate) fn hint(&self) -> &'static str {
        match self {
            Self::Empty => "the build or the download that should have written it failed",
            Self::Gzip | Self::Tar => {
                "a layer of an OCI image is packed like this: give the image as `oci` source, or unpack the file"
            }
            Self::Zstd | Self::Zip => "unpack it and name the `.wasm` within",
            Self::Elf => {
                "build for `wasm32-wasip1` instead of this machine; a module that was compiled beforehand (`.cwasm`) is never loaded"
            }
            Self::MachO | Self::Windows => "build for `wasm32-wasip1` instead of this machine",
            Self::Archive => "link it: in Rust, `crate-type = [\"cdylib\"]`",
            Self::Bitcode => "link it: with Clang, leave out `-c` or `-emit-llvm`",
            Self::Text => "translate it with `wat2wasm` or `wasm-tools parse`",
            Self::OciManifest => "the module is a layer that this manifest names: give the image as `oci` source",
            Self::Json | Self::Html => "a server may have answered with an error or a login page: look into the file",
            Self::GitLfsPointer => "run `git lfs pull`",
            Self::Other(_) => "a module begins with the bytes 00 61 73 6d",
        }
    }
}

impl fmt::Display for Disguise {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::Empty => "is empty",
            Self::Gzip => "is a gzip archive",
            Self::Zstd => "is a zstd archive",
            Self::Zip => "is a zip archive",
            Self::Tar => "is a tar archive",
            Self::Elf => "is native code (ELF)",
            Self::MachO => "is native code (Mach-O)",
            Self::Windows => "is native code (Windows)",
            Self::Archive => "is a static library",
            Self::Bitcode => "is LLVM bitcode",
            Self::Text => "is WebAssembly text",
            Self::OciManifest => "is an OCI manifest",
            Self::Json => "is JSON",
            Self::Html => "is a web page",
            Self::GitLfsPointer => "is a Git LFS pointer",
            Self::Other(bytes) => {
                formatter.write_str("begins with the bytes")?;
                return bytes.iter().try_for_each(|byte| write!(formatter, " {byte:02x}"));
            }
        })
    }
}
