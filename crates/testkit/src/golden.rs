//! Texts that a person reads, held against files in a suite's folder `golden`.

use std::env;
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Result, ensure};

/// A suite's golden files.
pub struct Golden {
    folder: PathBuf,
}

impl Golden {
    /// Those of the suite in this folder, which `env!("CARGO_MANIFEST_DIR")` names.
    #[must_use]
    pub fn of(suite: &str) -> Self {
        Self {
            folder: Path::new(suite).join("golden"),
        }
    }

    /// Holds a text against its file, or writes the file when `UPDATE` is set.
    ///
    /// # Errors
    /// When the text is another.
    pub fn expect(&self, name: &str, found: &str) -> Result<()> {
        let path = self.folder.join(name);
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
}
