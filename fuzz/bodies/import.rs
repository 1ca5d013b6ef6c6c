//! Any text as somebody's configuration.

use gate_import::{Fault, File, import};

/// LIMIT of `gate-plan`: bytes of a configuration.
const CONFIGURATION_BYTES_MAX: usize = 8 * 1024 * 1024;

/// Imports the text; what comes of it is a configuration that is accepted and reads as it was meant, or a fault that can be said.
pub(crate) fn run(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    match import(&[File {
        origin: "fuzz.yaml",
        text,
    }]) {
        Ok(imported) => {
            if let Err(findings) = gate_plan::check(&imported.text, "imported.yaml") {
                panic!("{findings}\n{}", imported.text);
            }
            let read = gate_plan::documents::read(&imported.text, "imported.yaml").unwrap();
            assert_eq!(read.roots().next().unwrap().to_json(), imported.configuration);
            let lines: Vec<String> = imported.notes.iter().map(ToString::to_string).collect();
            assert!(lines.iter().all(|line| !line.contains('\n')), "{lines:?}");
        }
        Err(Fault::Unfit(findings)) => assert!(text.len() > CONFIGURATION_BYTES_MAX / 100, "{findings}"),
        Err(fault) => assert!(!fault.to_string().is_empty()),
    }
}
