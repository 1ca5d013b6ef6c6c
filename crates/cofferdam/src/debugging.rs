//! Plugins under LLDB: a module made for it, with its debug information, and the place where LLDB attaches.

use std::net::SocketAddr;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use std::sync::Arc;

use plug_debug::{Debugger, Image, Reach};
use plug_host::{Debugging, Module};
use plug_report::{DebugFiles, Symbols};

/// Where LLDB attaches, and from where it may.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Place {
    pub(crate) listen: SocketAddr,
    pub(crate) reach: Reach,
}

/// Listens for LLDB in the name of a module, which it will see as `image`.
pub(crate) fn listen(place: Place, image: Image) -> Result<Arc<Debugging>, String> {
    let debugger = Debugger::listen(place.listen, place.reach, image).map_err(|why| why.to_string())?;
    Ok(Debugging::new(debugger))
}

/// The module as LLDB shall see it: its file, or the twin of it that has lines of source.
pub(crate) fn image(module: &Module, file: &Path, bytes: &[u8], debug_files: &DebugFiles) -> Image {
    // Debug information is what its author says it is: what its reader makes of it ends nothing.
    let has_lines = |bytes: &[u8]| catch_unwind(AssertUnwindSafe(|| Symbols::read(bytes).has_lines())).unwrap_or(false);
    let twin = plug_report::code_sha256(bytes).and_then(|code| debug_files.find(Some(file), &code, has_lines));
    module.image(file, bytes, twin.as_deref())
}
