//! What is read again of what was kept, and of what was damaged since.

use super::*;

const TEXT: &str = "listeners: [{name: l, listen: '127.0.0.1:0'}]\nplugins: [{name: p, source: {file: p.wasm}, config: c}]\nroutes: [{name: r, echo: true, plugins: [p]}]\n";

/// In which the route `r` is as it served.
const BEFORE: &str = "listeners: [{name: l, listen: '127.0.0.1:0'}]\nroutes: [{name: r, echo: true}]\n";

/// A folder in which the plugin `p` with the module `bytes` is kept.
fn kept(bytes: &[u8]) -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    let text = plug_host::digest(TEXT.as_bytes());
    let sha256 = plug_host::digest(bytes);
    let before = plug_host::digest(BEFORE.as_bytes());
    replace(&text_file(folder.path(), &before), BEFORE.as_bytes()).unwrap();
    replace(&text_file(folder.path(), &text), TEXT.as_bytes()).unwrap();
    replace(&module(folder.path(), &sha256), bytes).unwrap();
    let served = Served {
        version: VERSION,
        origin: "c.yaml".to_owned(),
        folder: PathBuf::from("/etc/c"),
        text: text.clone(),
        plugins: vec![Kept {
            name: "p".to_owned(),
            text,
            module: sha256,
            image: Some(("example.com/p:1".to_owned(), format!("sha256:{}", "a".repeat(64)))),
            made: Some(1_700_000_000),
            signatures: vec![KeptSignature::of(&Document::new(Form::Raw, vec![1, 2].into()))],
        }],
        held: vec![("r".to_owned(), plug_host::digest(BEFORE.as_bytes()))],
        missing: vec!["q".to_owned()],
    };
    replace(&folder.path().join(SERVED), &serde_json::to_vec(&served).unwrap()).unwrap();
    folder
}

#[test]
fn what_was_kept_is_had_again() {
    let folder = kept(b"module");
    let last = LastGood::read(folder.path()).unwrap().unwrap();
    let (spec, text, had) = last.had("p").unwrap();
    let made = UNIX_EPOCH + Duration::from_secs(1_700_000_000);
    assert_eq!(had.made, Some(made));
    assert_eq!(
        (&had.bytes[..], &spec.config[..], &*text.text),
        (&b"module"[..], &b"c"[..], TEXT)
    );
    assert_eq!(had.documents, [Document::new(Form::Raw, vec![1, 2].into())]);
    assert_eq!(had.image.unwrap().0.to_string(), "example.com/p:1");
    assert_eq!(last.missing, ["q"]);
    let chain = last.plan.routes.iter().map(|route| route.plugins.len());
    assert_eq!(chain.collect::<Vec<_>>(), [0]);
}

#[test]
fn nothing_kept_is_no_mistake() {
    let folder = tempfile::tempdir().unwrap();
    assert!(LastGood::read(folder.path()).unwrap().is_none());
}

#[test]
fn a_damaged_module_is_not_run() {
    let folder = kept(b"module");
    let last = LastGood::read(folder.path()).unwrap().unwrap();
    fs::write(module(folder.path(), &plug_host::digest(b"module")), b"modulf").unwrap();
    assert!(last.had("p").err().unwrap().ends_with("is damaged"));
}

#[test]
fn a_damaged_text_or_record_is_said() {
    let folder = kept(b"module");
    fs::write(
        text_file(folder.path(), &plug_host::digest(TEXT.as_bytes())),
        "listeners: []",
    )
    .unwrap();
    assert!(LastGood::read(folder.path()).err().unwrap().ends_with("is damaged"));
    for (record, why) in [("{", "is not understood"), ("{\"version\": 9}", "is not understood")] {
        fs::write(folder.path().join(SERVED), record).unwrap();
        let said = LastGood::read(folder.path()).err().unwrap();
        assert!(said.contains(why), "{said}");
    }
}

#[test]
fn only_the_user_of_the_gateway_reads_it() {
    use std::os::unix::fs::PermissionsExt;
    let folder = kept(b"module");
    let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!(mode(&folder.path().join(SERVED)), 0o600);
    assert_eq!(mode(&folder.path().join("texts")), 0o700);
}
