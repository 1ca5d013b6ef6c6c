//! A crash report: a scene with its source lines, its signature, and how often it was seen.

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::debug_file::hex;
use crate::go::{self, Trace};
use crate::scene::Scene;
use crate::symbols::{Symbols, readable};

/// Version of the form in which reports are written.
pub(crate) const FORMAT: u32 = 1;
/// Digits of a signature.
const SIGNATURE_DIGITS: usize = 12;

/// A crash report.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Crash {
    /// Version of this form.
    pub format: u32,
    /// The same for all deaths of the same plugin and code at the same place.
    pub signature: String,
    /// How often it was seen.
    pub count: u64,
    /// When first, in milliseconds since 1970.
    pub first_seen_ms: u64,
    /// When last.
    pub last_seen_ms: u64,
    /// The panic's message, when the guest said one.
    pub panic: Option<String>,
    /// What to do next.
    pub advice: Vec<String>,
    /// Whether a recording is kept beside it.
    #[serde(default)]
    pub is_recorded: bool,
    /// The last death of this signature.
    pub scene: Scene,
}

impl Crash {
    /// A report of a scene, seen once. `symbols` are those of the module or of its twin with debug information, if there is one.
    #[must_use]
    pub fn of(mut scene: Scene, symbols: Option<&Symbols<'_>>) -> Self {
        for frame in &mut scene.frames {
            frame.function = frame.function.as_deref().map(readable);
            if let Some(symbols) = symbols {
                symbols.complete(frame);
            }
        }
        if let Some(trace) = Trace::of(&scene.last_words) {
            trace.complete(&mut scene.frames);
        }
        let panic = go::panic(&scene.last_words).or_else(|| panic(&scene.last_words));
        Self {
            format: FORMAT,
            signature: scene.signature(),
            count: 1,
            first_seen_ms: scene.at_ms,
            last_seen_ms: scene.at_ms,
            advice: crate::advice::of(&scene, panic.as_deref()),
            panic,
            is_recorded: false,
            scene,
        }
    }

    /// The same crash, dying once more in `scene`: its places in the source are known already.
    pub fn again(&mut self, scene: &Scene) {
        let frames = std::mem::take(&mut self.scene.frames);
        self.scene = Scene {
            frames,
            ..scene.clone()
        };
        self.last_seen_ms = scene.at_ms;
    }

    /// The same crash seen again: what was known before is kept.
    #[must_use]
    pub(crate) fn after(mut self, before: &Self) -> Self {
        self.count = self.count.saturating_add(before.count);
        self.first_seen_ms = before.first_seen_ms;
        self.is_recorded |= before.is_recorded;
        self
    }
}

impl Scene {
    /// What deaths have in common that are one crash: where it died decides, not what it worked on.
    #[must_use]
    pub fn signature(&self) -> String {
        let mut hash = Sha256::new();
        for word in [&self.plugin, &self.module.code_sha256, &self.code, &self.callback.name] {
            hash.update(word.as_bytes());
            hash.update([0]);
        }
        if self.frames.is_empty() {
            hash.update(self.summary.as_bytes());
        }
        // Where a guest is when its slice is over is chance: the function says enough.
        let by_offset = self.code != "plugin.slice_exceeded";
        for frame in &self.frames {
            hash.update(frame.index.to_le_bytes());
            hash.update(frame.offset.filter(|_| by_offset).unwrap_or_default().to_le_bytes());
        }
        let mut digits = hex(&hash.finalize());
        digits.truncate(SIGNATURE_DIGITS);
        digits
    }
}

/// The message of a panic among what the guest said: Rust's, AssemblyScript's.
fn panic(words: &[String]) -> Option<String> {
    let begins = ["panicked at", "abort:", "Panic"];
    let at = words
        .iter()
        .position(|line| begins.iter().any(|begin| line.contains(begin)))?;
    let line = words.get(at)?.trim();
    // Rust writes the place on one line and the message on the next, in one write or in two.
    match words.get(at.saturating_add(1)) {
        Some(next) if line.ends_with(':') && !next.starts_with("note:") => Some(format!("{line} {}", next.trim())),
        _ => Some(line.replace(":\n", ": ")),
    }
}

#[cfg(test)]
mod tests;
