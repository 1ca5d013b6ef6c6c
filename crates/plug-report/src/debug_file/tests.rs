//! Which file gives its debug information to which code.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic)]

use std::path::PathBuf;

use tempfile::TempDir;

use super::*;

const CODE: &str = "(func (export \"f\") (result i32) (i32.const 7))";

fn module(code: &str, extra: &str) -> Vec<u8> {
    wat::parse_str(format!("(module {code} {extra})")).unwrap()
}

fn marked(code: &str, mark: &str) -> Vec<u8> {
    module(code, &format!("(@custom \"{mark}\" \"\")"))
}

fn whole(bytes: &[u8]) -> bool {
    bytes.windows(5).any(|window| window == b"whole")
}

struct Place {
    folder: TempDir,
}

impl Place {
    fn new() -> Self {
        Self {
            folder: tempfile::tempdir().unwrap(),
        }
    }

    fn put(&self, name: &str, bytes: &[u8]) -> PathBuf {
        let path = self.folder.path().join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, bytes).unwrap();
        path
    }

    fn find(&self, module: &Path) -> Option<Vec<u8>> {
        let files = DebugFiles {
            folder: Some(self.folder.path().join("debug")),
        };
        files.find(Some(module), &code_sha256(&self::module(CODE, "")).unwrap(), whole)
    }
}

#[test]
fn custom_sections_do_not_change_the_hash_of_the_code_and_code_does() {
    assert_eq!(code_sha256(&module(CODE, "")), code_sha256(&marked(CODE, "name")));
    assert_ne!(code_sha256(&module(CODE, "")), code_sha256(&module("(func)", "")));
    assert_eq!(code_sha256(b"no module"), None);
}

#[test]
fn a_module_that_says_enough_is_enough() {
    let place = Place::new();
    let own = marked(CODE, "whole");
    let path = place.put("p.wasm", &own);
    place.put("p.debug.wasm", &marked(CODE, "whole too"));
    assert_eq!(place.find(&path), Some(own));
}

#[test]
fn a_stripped_module_is_told_by_the_file_beside_it_or_by_one_in_the_folder() {
    for name in [
        "p.debug.wasm",
        "p.wasm.debug",
        "debug/any name.wasm",
        "debug/build-7.debug",
    ] {
        let place = Place::new();
        let path = place.put("p.wasm", &module(CODE, ""));
        assert_eq!(
            place.find(&path),
            Some(module(CODE, "")),
            "the module itself, as nothing says more"
        );
        place.put(name, &marked("(func)", "whole"));
        assert_eq!(place.find(&path), Some(module(CODE, "")), "{name} is of other code");
        place.put(name, &marked(CODE, "whole"));
        assert_eq!(place.find(&path), Some(marked(CODE, "whole")), "{name}");
    }
}

#[test]
fn a_file_that_was_replaced_is_not_taken_for_the_module() {
    let place = Place::new();
    let path = place.put("p.wasm", &marked("(func)", "whole"));
    assert_eq!(place.find(&path), None);
    place.put("debug/kept.wasm", &marked(CODE, "whole"));
    assert_eq!(place.find(&path), Some(marked(CODE, "whole")));
}
