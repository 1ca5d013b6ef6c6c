//! The program in `fuzz/smith`, which makes random modules for as long as somebody reads them.

use std::io::Read;
use std::path::PathBuf;
use std::process::{Child, ChildStdout, Command, Stdio};

/// The running program. Dropped, it is killed.
pub(crate) struct Smith {
    child: Child,
    modules: ChildStdout,
}

impl Smith {
    /// Builds it where it was never built, and begins with the module of this number.
    pub(crate) fn start(first: u64) -> Self {
        let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/../../fuzz/smith");
        let mut child = Command::new(env!("CARGO"))
            .args(["run", "--quiet", "--release", "--target-dir"])
            .arg(target())
            .args(["--", &first.to_string()])
            .current_dir(folder)
            .stdout(Stdio::piped())
            .spawn()
            .expect("cargo can be run");
        let modules = child.stdout.take().expect("it was asked for");
        Self { child, modules }
    }

    /// A module with its number.
    pub(crate) fn next(&mut self) -> (u64, Vec<u8>) {
        let (number, length) = (self.number(), self.number());
        let mut bytes = vec![0; usize::try_from(length).expect("a module has a length")];
        self.modules.read_exact(&mut bytes).expect("a module comes whole");
        (number, bytes)
    }

    fn number(&mut self) -> u64 {
        let mut bytes = [0; 8];
        self.modules.read_exact(&mut bytes).expect("modules go on for ever");
        u64::from_le_bytes(bytes)
    }
}

impl Drop for Smith {
    fn drop(&mut self) {
        // Gone already is as good.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Beside what the tests themselves are built into: `TARGET/PROFILE/deps/TEST` is what runs.
fn target() -> PathBuf {
    let test = std::env::current_exe().expect("a test has a file");
    let target = test.ancestors().nth(3).expect("a test lies in a target folder");
    target.join("tmp/smith")
}
