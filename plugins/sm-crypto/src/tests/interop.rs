//! Signatures and ciphertexts of other implementations: OpenSSL's command line, and gmssl and cryptography in Python.

use std::ffi::OsString;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use super::*;
use crate::cipher::{CbcDecryption, CbcEncryption, GcmEncryption, open_gcm};
use crate::configuration::{Encoding, Form, KeyEntry, KeyKind};
use crate::keyring::{Keyring, Material, to_hex};
use guest_kit::json::Json;

/// Folder for files of one test.
struct Folder(PathBuf);

impl Folder {
    fn new(name: &str) -> Self {
        let folder = std::env::temp_dir().join(format!("sm-crypto-{name}-{}", std::process::id()));
        std::fs::create_dir_all(&folder).unwrap();
        Self(folder)
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        std::fs::remove_dir_all(&self.0).ok();
    }
}

fn run(program: &str, arguments: &[&str], input: &[u8]) -> Vec<u8> {
    let mut command = Command::new(program);
    command
        .args(arguments)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    let mut child = command.spawn().unwrap();
    child.stdin.take().unwrap().write_all(input).unwrap();
    let output = child.wait_with_output().unwrap();
    assert!(
        output.status.success(),
        "{program} {arguments:?}: {}",
        String::from_utf8_lossy(&output.stderr)
    );
    output.stdout
}

/// Whether there is an OpenSSL that knows SM2; says so when there is none.
fn has_openssl() -> bool {
    let asked = Command::new("openssl").arg("version").output();
    let is_there = asked.is_ok_and(|output| String::from_utf8_lossy(&output.stdout).starts_with("OpenSSL 3"));
    if !is_there {
        println!("left out: there is no OpenSSL 3 here; on Debian: apt-get install openssl");
    }
    is_there
}

fn sm2_key(value: String, encoding: Encoding) -> Keyring {
    Keyring::read(&[KeyEntry {
        name: "k".into(),
        kind: KeyKind::Sm2Public,
        value,
        encoding,
    }])
    .unwrap()
}

fn verifies(keys: &Keyring, message: &[u8], signature: &[u8]) -> bool {
    let Some(Material::Sm2(key)) = keys.get("k") else {
        panic!()
    };
    crate::signing::raw(signature, Form::Any).is_some_and(|raw| key.verify_sm2("1234567812345678", message, &raw))
}

#[test]
fn signatures_of_openssl_are_good() {
    if !has_openssl() {
        return;
    }
    let folder = Folder::new("openssl");
    let file = |name: &str| folder.0.join(name).display().to_string();
    for round in 0..8 {
        let message = vec![b'm'; round * 31];
        std::fs::write(file("message"), &message).unwrap();
        run(
            "openssl",
            &[
                "genpkey",
                "-algorithm",
                "EC",
                "-pkeyopt",
                "ec_paramgen_curve:SM2",
                "-out",
                &file("key"),
            ],
            &[],
        );
        let public = run("openssl", &["pkey", "-in", &file("key"), "-pubout"], &[]);
        let sign = [
            "pkeyutl",
            "-sign",
            "-rawin",
            "-digest",
            "sm3",
            "-inkey",
            &file("key"),
            "-in",
            &file("message"),
            "-pkeyopt",
            "distid:1234567812345678",
        ];
        let signature = run("openssl", &sign, &[]);
        let keys = sm2_key(String::from_utf8(public).unwrap(), Encoding::Pem);
        assert!(verifies(&keys, &message, &signature), "round {round}");
        assert!(
            !verifies(&keys, &[&message[..], b"x"].concat(), &signature),
            "round {round}"
        );
    }
}

#[test]
fn cbc_goes_to_openssl_and_back() {
    if !has_openssl() {
        return;
    }
    let (key, iv) = ([0x5a; 16], [0xc3; 16]);
    for length in [0, 1, 15, 16, 17, 4096] {
        let plain: Vec<u8> = (0..length).map(|byte: usize| byte.to_le_bytes()[0]).collect();
        let mut ours = CbcEncryption::new(&key, iv);
        let mut message = ours.update(&plain);
        message.extend(ours.finish());
        let (key_digits, iv_digits) = (to_hex(&key), to_hex(&iv));
        let back = run(
            "openssl",
            &["enc", "-d", "-sm4-cbc", "-K", &key_digits, "-iv", &iv_digits],
            &message,
        );
        assert_eq!(back, plain);
        let theirs = run(
            "openssl",
            &["enc", "-sm4-cbc", "-K", &key_digits, "-iv", &iv_digits],
            &plain,
        );
        assert_eq!(theirs, message);
        let mut decryption = CbcDecryption::new(&key, iv);
        let mut back = decryption.update(&theirs);
        back.extend(decryption.finish().unwrap());
        assert_eq!(back, plain);
    }
}

fn python() -> Option<OsString> {
    let python = std::env::var_os("GUESTS_PYTHON");
    if python.is_none() {
        println!(
            "left out: GUESTS_PYTHON names no Python with gmssl and cryptography; `cargo xtask test --only plugins` sets it"
        );
    }
    python
}

#[test]
fn what_python_signs_and_encrypts_is_good() {
    let Some(python) = python() else { return };
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/messages.py");
    let output = Command::new(python).arg(script).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let told = Json::read(&output.stdout).unwrap();
    let Some(Json::List(signatures)) = told.get("sm2") else {
        panic!("no list")
    };
    for case in signatures {
        let bytes = |name: &str| hex(case.get(name).and_then(Json::text).unwrap());
        let keys = sm2_key(to_hex(&bytes("public")), Encoding::Hex);
        assert!(verifies(&keys, &bytes("message"), &bytes("signature")));
    }
    let Some(Json::List(messages)) = told.get("sm4") else {
        panic!("no list")
    };
    assert!(signatures.len() >= 10 && messages.len() >= 10);
    for case in messages {
        let text = |name: &str| case.get(name).and_then(Json::text).unwrap();
        let bytes = |name: &str| hex(text(name));
        let (key, plain, message) = (bytes("key").try_into().unwrap(), bytes("plain"), bytes("message"));
        if text("mode") == "gcm" {
            let nonce = bytes("iv").try_into().unwrap();
            assert_eq!(open_gcm(&key, nonce, &message).unwrap(), plain, "{}", text("by"));
            let mut gcm = GcmEncryption::new(&key, nonce);
            let mut ours = gcm.update(&plain).unwrap();
            ours.extend(gcm.finish());
            assert_eq!(ours, message, "{}", text("by"));
        } else {
            let mut cbc = CbcDecryption::new(&key, bytes("iv").try_into().unwrap());
            let mut ours = cbc.update(&message);
            ours.extend(cbc.finish().unwrap());
            assert_eq!(ours, plain, "{}", text("by"));
        }
    }
}
