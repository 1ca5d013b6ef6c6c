//! One host call as data: its name, the names and kinds of its parameters, and a way to make it with any numbers at all.

/// Answer of [`HostCall::make`] when a step gave the wrong number of arguments: a defect of the table, never of the host.
pub const WRONG_ARITY: i32 = -99;

/// A host call.
pub struct HostCall {
    /// Import name, `proxy_` included.
    pub name: &'static str,
    /// Parameters in order, separated by spaces. A suffix says the kind: none a number, `$` bytes (pointer, length),
    /// `%` a map (pointer, length), `>` returned bytes (two pointers), `*` a returned map (two pointers),
    /// `#` a returned u32 (pointer), `@` a returned u64 (pointer).
    pub shape: &'static str,
    /// Calls the import with these arguments, each cut to its parameter's width.
    pub make: fn(&[i64]) -> i32,
}

/// Declares imports of module `env` and the table of them.
#[macro_export]
macro_rules! host_calls {
    ($(#[$doc:meta])* $table:ident { $($name:ident ( $($arg:ident : $kind:ty),* ) $shape:literal;)* }) => {
        $(#[$doc])*
        pub static $table: &[$crate::host::HostCall] = {
            mod imports {
                #[link(wasm_import_module = "env")]
                unsafe extern "C" {
                    $(pub(super) fn $name($($arg: $kind),*) -> i32;)*
                }
            }
            &[$($crate::host::HostCall {
                name: stringify!($name),
                shape: $shape,
                make: |arguments| {
                    let &[$($arg),*] = arguments else { return $crate::host::WRONG_ARITY };
                    // SAFETY: the host must bear any number here; what it writes into, the step chose and owns.
                    unsafe { imports::$name($($arg as $kind),*) }
                },
            }),*]
        };
    };
}

#[link(wasm_import_module = "env")]
unsafe extern "C" {
    fn proxy_log(level: i32, text: *const u8, length: usize) -> i32;
}

/// Writes a line to the host's log at level info.
pub fn say(line: &str) {
    // SAFETY: pointer and length are those of a live string.
    let _ = unsafe { proxy_log(2, line.as_ptr(), line.len()) };
}

/// The allocator that the host calls to hand bytes over. The guest owns what it returns; 0 bytes give a null pointer.
#[unsafe(no_mangle)]
pub extern "C" fn proxy_on_memory_allocate(size: usize) -> *mut u8 {
    let mut bytes: Vec<u8> = Vec::new();
    if size == 0 || bytes.try_reserve_exact(size).is_err() {
        return std::ptr::null_mut();
    }
    std::mem::ManuallyDrop::new(bytes).as_mut_ptr()
}

/// Takes over bytes that the host placed in memory from [`proxy_on_memory_allocate`].
pub fn take(pointer: u32, length: u32) -> Vec<u8> {
    if pointer == 0 {
        return Vec::new();
    }
    // SAFETY: the host got this block from the allocator above with exactly this capacity and wrote all of it. A host
    // that writes other numbers corrupts this guest and nothing else.
    unsafe { Vec::from_raw_parts(pointer as *mut u8, length as usize, length as usize) }
}
