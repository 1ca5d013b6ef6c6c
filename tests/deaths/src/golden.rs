//! Texts that a person reads, held against files under `golden`.

use std::env;
use std::fs;
use std::path::Path;

use anyhow::{Result, ensure};

/// Holds a text against its file, or writes the file when `UPDATE` is set.
pub(crate) fn expect(name: &str, found: &str) -> Result<()> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("golden").join(name);
    if env::var_os("UPDATE").is_some() {
        fs::write(&path, found)?;
    }
    let expected = fs::read_to_string(&path).unwrap_or_default();
    ensure!(
        expected == found,
        "`{name}` differs (UPDATE=1 writes it):\n--- expected\n{expected}\n--- found\n{found}"
    );
    Ok(())
}
