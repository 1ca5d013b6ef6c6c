//! A launch.json with which VS Code attaches, by the extension LLDB DAP.

use std::path::Path;

use serde_json::json;

/// The file's text: `command` attaches to what debugs `module`.
pub(super) fn json(module: &Path, command: &str) -> String {
    let name = module.file_name().unwrap_or_default().to_string_lossy();
    let configuration = json!({
        "name": format!("Attach to {name}"),
        "type": "lldb-dap",
        "request": "attach",
        "attachCommands": [command],
        "stopOnEntry": true,
    });
    format!(
        "{:#}\n",
        json!({ "version": "0.2.0", "configurations": [configuration] })
    )
}
