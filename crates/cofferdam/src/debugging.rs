//! Plugins under LLDB: a module made for it, with its debug information, and the place where LLDB attaches.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use std::sync::{Arc, Weak};

use plug_debug::{Debugger, Image, Reach};
use plug_host::Plugin;
use plug_report::{DebugFiles, Symbols};

/// Where LLDB attaches, and from where it may.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct Place {
    pub(crate) listen: SocketAddr,
    pub(crate) reach: Reach,
}

impl Place {
    /// An address, and whether it may be one that other machines reach.
    pub(crate) fn new(listen: SocketAddr, expose: bool) -> Self {
        let reach = if expose { Reach::Anywhere } else { Reach::Loopback };
        Self { listen, reach }
    }

    /// Listens for LLDB, which will see `image`.
    pub(crate) fn open(self, image: Image) -> Result<Arc<Debugger>, String> {
        let debugger = Debugger::listen(self.listen, self.reach, image);
        debugger.map(Arc::new).map_err(|why| why.to_string())
    }
}

/// The places that are open; each closes with the last plugin that has it. One that stays where it is is not opened anew.
#[derive(Default)]
pub(crate) struct Places {
    open: HashMap<(String, Place), Weak<Debugger>>,
}

impl Places {
    /// The place of a plugin, and whether it has just been opened.
    pub(crate) fn open(&mut self, plugin: &str, place: Place, image: &Image) -> Result<(Arc<Debugger>, bool), String> {
        self.open.retain(|_, debugger| debugger.strong_count() > 0);
        if let Some(debugger) = self.find(plugin, place) {
            return Ok((debugger, false));
        }
        let debugger = place.open(image.clone())?;
        self.open.insert((plugin.to_owned(), place), Arc::downgrade(&debugger));
        Ok((debugger, true))
    }

    fn find(&self, plugin: &str, place: Place) -> Option<Arc<Debugger>> {
        self.open.get(&(plugin.to_owned(), place))?.upgrade()
    }

    /// Whether a plugin has the place that is wanted for it.
    pub(crate) fn suits(&self, plugin: &Plugin, wanted: Option<Place>) -> bool {
        match (plugin.debugging(), wanted) {
            (None, None) => true,
            (Some(debugging), Some(place)) => self
                .find(&plugin.spec.name, place)
                .is_some_and(|known| std::ptr::eq(&*known, debugging.debugger())),
            _ => false,
        }
    }
}

/// The file with a module's lines of source, when the module has none itself: one beside it, or one of the folder of such files.
pub(crate) fn twin(file: &Path, bytes: &[u8], debug_files: &DebugFiles) -> Option<Vec<u8>> {
    // Debug information is what its author says it is: what its reader makes of it ends nothing.
    let has_lines = |bytes: &[u8]| catch_unwind(AssertUnwindSafe(|| Symbols::read(bytes).has_lines())).unwrap_or(false);
    let code = plug_report::code_sha256(bytes)?;
    debug_files.find(Some(file), &code, has_lines)
}

/// Whether a file beside a module has the names of its functions, or its lines, which the module itself may lack.
pub(crate) fn has_names_beside(file: &Path, bytes: &[u8]) -> bool {
    let is_named = |bytes: &[u8]| {
        plug_audit::functions(bytes)
            .iter()
            .any(|function| function.name.is_some())
    };
    let Some(code) = plug_report::code_sha256(bytes) else {
        return false;
    };
    let found = DebugFiles::default().find(Some(file), &code, |found| found != bytes && is_named(found));
    found.is_some_and(|found| found != bytes)
}
