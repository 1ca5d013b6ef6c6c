//! Suites in the format of Google's service-extensions: a protobuf text of `TestSuite`, with an expectation for each phase.
//!
//! The format is that of `plugins/test/runner.proto` in github.com/GoogleCloudPlatform/service-extensions. What it says runs in the same
//! lanes as a suite of ours; what cannot be carried over is noted, and what nobody knows is refused.

mod text;
mod message;
mod expectation;
mod suite;
pub use suite::GoogleSuite;
mod http1;
mod phase;
mod judge;
mod play;
pub use play::run;

use crate::piece::ReadFile;

/// Reads a suite. `origin` is what messages call it; files that it names are read by `read_file`.
///
/// # Errors
/// Everything that is wrong with it, each with its place.
pub fn read(text: &str, origin: &str, read_file: &ReadFile<'_>) -> Result<GoogleSuite, String> {
    let fields = text::read(text).map_err(|wrong| text::shown(&wrong, (text, origin)))?;
    let mut said = message::Said::default();
    let mut suite = suite::suite(fields, &mut said, read_file);
    said.wrong.sort_by_key(|wrong| (wrong.place.line, wrong.place.column));
    if said.wrong.is_empty() {
        let note = |note: &text::Wrong| format!("{origin}:{}: {}", note.place.line, note.message);
        suite.notes = said.notes.iter().map(note).collect();
        return Ok(suite);
    }
    let shown: Vec<String> = said
        .wrong
        .iter()
        .map(|wrong| text::shown(wrong, (text, origin)))
        .collect();
    Err(shown.join("\n"))
}
