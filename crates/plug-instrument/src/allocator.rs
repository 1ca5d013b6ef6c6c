//! The functions of the allocators that people have: their names, their types, and what a call of one means.

use wasmparser::{FuncType, ValType};

/// A function of an allocator, with what it takes and gives.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Allocator {
    /// `(size) -> pointer`, also AssemblyScript's `__alloc`.
    Malloc,
    /// `(count, size) -> pointer`
    Calloc,
    /// `(pointer, size) -> pointer`, also AssemblyScript's `__realloc`.
    Realloc,
    /// `(pointer)`, also AssemblyScript's `__free`.
    Free,
    /// `(align, size) -> pointer`, also `memalign`.
    AlignedAlloc,
    /// `(place, align, size) -> error`, the pointer being written to `place`.
    PosixMemalign,
    /// Rust's `(size, align) -> pointer`.
    RustAlloc,
    /// Rust's `(pointer, old size, align, new size) -> pointer`.
    RustRealloc,
    /// Rust's `(pointer, size, align)`.
    RustDealloc,
}

/// What a call of an allocator's function did. It is what the guest says: a pointer may point anywhere.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Told {
    /// There is a new block.
    Taken {
        /// Its first byte.
        pointer: u32,
        /// Bytes that were asked for.
        size: u32,
    },
    /// A block has another size, perhaps in another place.
    Moved {
        /// Where it was.
        from: u32,
        /// Where it is.
        to: u32,
        /// Bytes that were asked for.
        size: u32,
    },
    /// A block is gone.
    GivenBack {
        /// Where it was.
        pointer: u32,
    },
    /// There is a new block, whose pointer is in the guest's memory.
    TakenAt {
        /// Where the pointer is.
        place: u32,
        /// Bytes that were asked for.
        size: u32,
    },
    /// It failed, or had nothing to do.
    Nothing,
}

/// Arguments that are told of a call.
pub(crate) const ARGUMENTS: usize = 3;

/// The type of a function, whose parameters and result are all `i32`, and what is told of it.
pub(crate) struct Shape {
    pub(crate) parameters: usize,
    /// The parameters that are told, in this order; no more than [`ARGUMENTS`].
    pub(crate) told: &'static [u32],
    pub(crate) has_result: bool,
}

impl Shape {
    /// Whether it is the one of a function.
    pub(crate) fn is_of(&self, function: &FuncType) -> bool {
        let all = [function.params(), function.results()].concat();
        function.params().len() == self.parameters
            && function.results().len() == usize::from(self.has_result)
            && all.iter().all(|kind| *kind == ValType::I32)
    }

    /// Locals in which is kept what is told.
    pub(crate) fn locals(&self) -> u32 {
        let told = u32::try_from(self.told.len()).unwrap_or(u32::MAX);
        told.saturating_add(self.has_result.into())
    }
}

impl Allocator {
    /// All of them. The number of each is its place here.
    pub const ALL: [Self; 9] = [
        Self::Malloc,
        Self::Calloc,
        Self::Realloc,
        Self::Free,
        Self::AlignedAlloc,
        Self::PosixMemalign,
        Self::RustAlloc,
        Self::RustRealloc,
        Self::RustDealloc,
    ];

    /// The function that bears a name, demangled or as C has it. Inner names of dlmalloc and of Rust's standard library are among them: where
    /// the outer function is inlined or ends in a tail call, the inner one is what is called; where it is not, the outer one alone tells.
    #[must_use]
    pub fn of(name: &str) -> Option<Self> {
        let name = name.strip_prefix("~lib/rt/tlsf/").unwrap_or(name);
        let name = without_rustc(name);
        Some(match name {
            "malloc" | "dlmalloc" | "__alloc" => Self::Malloc,
            "calloc" | "dlcalloc" => Self::Calloc,
            "realloc" | "dlrealloc" | "__realloc" => Self::Realloc,
            "free" | "dlfree" | "__free" => Self::Free,
            "aligned_alloc" | "memalign" | "dlmemalign" => Self::AlignedAlloc,
            "posix_memalign" | "dlposix_memalign" => Self::PosixMemalign,
            "__rust_alloc"
            | "__rust_alloc_zeroed"
            | "__rdl_alloc"
            | "__rdl_alloc_zeroed"
            | "__rg_alloc"
            | "__rg_alloc_zeroed" => Self::RustAlloc,
            "__rust_realloc" | "__rdl_realloc" | "__rg_realloc" => Self::RustRealloc,
            "__rust_dealloc" | "__rdl_dealloc" | "__rg_dealloc" => Self::RustDealloc,
            _ => return None,
        })
    }

    /// The number by which the host is told which function it was.
    #[must_use]
    pub fn number(self) -> u32 {
        let place = Self::ALL.iter().position(|one| *one == self);
        place.and_then(|place| u32::try_from(place).ok()).unwrap_or(u32::MAX)
    }

    /// The function that has a number.
    #[must_use]
    pub fn from_number(number: u32) -> Option<Self> {
        Self::ALL.get(usize::try_from(number).ok()?).copied()
    }

    /// What a call did that the host is told of, by C's rules: `realloc` of null is `malloc`, `realloc` to no bytes gives back, and one that
    /// fails leaves the block where it is.
    #[must_use]
    pub fn told(self, arguments: [u32; 3], result: u32) -> Told {
        let [first, second, third] = arguments;
        match self {
            Self::Malloc | Self::RustAlloc => taken(result, first),
            Self::Calloc => taken(result, first.saturating_mul(second)),
            Self::AlignedAlloc => taken(result, second),
            Self::Realloc | Self::RustRealloc => moved(first, result, second),
            Self::Free | Self::RustDealloc => given_back(first),
            Self::PosixMemalign if result == 0 => Told::TakenAt {
                place: first,
                size: third,
            },
            Self::PosixMemalign => Told::Nothing,
        }
    }

    /// Of [`Allocator::RustRealloc`] is told what [`Allocator::Realloc`] has.
    pub(crate) fn shape(self) -> Shape {
        let (parameters, told, has_result): (_, &[u32], _) = match self {
            Self::Malloc => (1, &[0], true),
            Self::Calloc | Self::Realloc | Self::AlignedAlloc | Self::RustAlloc => (2, &[0, 1], true),
            Self::Free => (1, &[0], false),
            Self::PosixMemalign => (3, &[0, 1, 2], true),
            Self::RustRealloc => (4, &[0, 3], true),
            Self::RustDealloc => (3, &[0, 1, 2], false),
        };
        Shape {
            parameters,
            told,
            has_result,
        }
    }
}

/// A name without the crate in which compilers of today put the allocator: `__rustc::` or, with its hash, `__rustc[f00]::`.
fn without_rustc(name: &str) -> &str {
    let inner = name.strip_prefix("__rustc").and_then(|rest| rest.split_once("::"));
    match inner {
        Some((hash, inner)) if hash.is_empty() || (hash.starts_with('[') && hash.ends_with(']')) => inner,
        _ => name,
    }
}

fn taken(pointer: u32, size: u32) -> Told {
    match pointer {
        0 => Told::Nothing,
        pointer => Told::Taken { pointer, size },
    }
}

fn moved(from: u32, to: u32, size: u32) -> Told {
    match (from, to, size) {
        (0, to, size) => taken(to, size),
        (from, 0, 0) => Told::GivenBack { pointer: from },
        (_, 0, _) => Told::Nothing,
        (from, to, size) => Told::Moved { from, to, size },
    }
}

fn given_back(pointer: u32) -> Told {
    match pointer {
        0 => Told::Nothing,
        pointer => Told::GivenBack { pointer },
    }
}
