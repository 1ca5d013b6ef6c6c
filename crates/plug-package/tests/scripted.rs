//! The client against a registry that does as it is told: broken, hostile, slow to let us in, and gone.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    missing_docs
)]

use std::time::Duration;

use bytes::Bytes;
use plug_package::{
    Annotations, Attached, Client, Credentials, Digest, Fetched, Layout, Origin, Package, PackageFault, Pull,
    Reference, Store, Url, Wanted, Way, attach, fetch, pack,
};
use serde_json::{Value, json};
use tempfile::TempDir;
use testkit::backend::{Backend, Record, Reply, Speaks, Step};
use testkit::fields::Fields;

const MODULE: &[u8] = b"\0asm\x01\0\0\0 and more";

/// A registry, a store, and the image that is pulled.
struct Scene {
    backend: Backend,
    folder: TempDir,
    store: Store,
    manifest: Value,
    blob: Bytes,
}

fn reply(status: u16, fields: &[(&str, &str)], body: &[u8]) -> Reply {
    let mut fields: Fields = fields
        .iter()
        .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
        .collect();
    fields.push((String::from("content-length"), body.len().to_string()));
    let head = Step::Head(status, fields);
    Reply::of(vec![head, Step::Data(Bytes::copy_from_slice(body))])
}

/// An answer that promises more than comes.
fn cut_off(body: &[u8], promised: usize) -> Reply {
    let fields = vec![(String::from("content-length"), promised.to_string())];
    Reply::of(vec![
        Step::Head(200, fields),
        Step::Data(Bytes::copy_from_slice(body)),
        Step::Close,
    ])
}

impl Scene {
    /// One in which all is well: the CNCF's layout, whose one layer is the module.
    fn new() -> Self {
        let backend = Backend::start("registry", Speaks::Http1).unwrap();
        let folder = tempfile::tempdir().unwrap();
        let store = Store::open(&folder.path().join("store")).unwrap();
        let layer =
            json!({ "mediaType": "application/wasm", "digest": Digest::of(MODULE).to_string(), "size": MODULE.len() });
        let manifest = json!({
            "schemaVersion": 2,
            "mediaType": "application/vnd.oci.image.manifest.v1+json",
            "config": { "mediaType": "application/vnd.wasm.config.v0+json", "digest": Digest::of(b"{}").to_string(), "size": 2 },
            "layers": [layer],
        });
        let scene = Self {
            backend,
            folder,
            store,
            manifest,
            blob: Bytes::from_static(MODULE),
        };
        scene.backend.reply(
            "/v2/a/b/manifests/1",
            reply(200, &[], scene.manifest.to_string().as_bytes()),
        );
        scene.backend.reply(&scene.blob_path(), reply(200, &[], &scene.blob));
        scene
    }

    fn blob_path(&self) -> String {
        format!("/v2/a/b/blobs/{}", Digest::of(MODULE))
    }

    fn serve_manifest(&self, manifest: &Value) {
        self.backend
            .reply("/v2/a/b/manifests/1", reply(200, &[], manifest.to_string().as_bytes()));
    }

    fn reference(&self) -> Reference {
        Reference::parse(&format!("{}/a/b:1", self.backend.address)).unwrap()
    }

    async fn pull(&self) -> Result<Fetched, PackageFault> {
        self.pull_as(Credentials::default()).await
    }

    async fn pull_as(&self, credentials: Credentials) -> Result<Fetched, PackageFault> {
        let client = Client::new(credentials, false).unwrap();
        fetch(&client, &wanted(Origin::Oci(self.reference())), &self.store).await
    }

    /// What was asked of a path.
    fn asked(&self, path: &str) -> Vec<Record> {
        let all = self.backend.records().into_iter();
        all.filter(|record| record.target.split('?').next() == Some(path))
            .collect()
    }
}

fn wanted(origin: Origin) -> Wanted {
    Wanted {
        origin,
        sha256: None,
        pull: Pull::Always,
        time_max: Duration::from_secs(30),
    }
}

fn status_of(fault: &PackageFault) -> u16 {
    match fault {
        PackageFault::Status { status, .. } => *status,
        other => panic!("{other}"),
    }
}

#[tokio::test]
async fn what_is_there_is_pulled_and_the_file_has_it() {
    let scene = Scene::new();
    let fetched = scene.pull().await.unwrap();
    assert_eq!((&fetched.module[..], fetched.layout), (MODULE, Some(Layout::Cncf)));
    assert_eq!(std::fs::read(&fetched.file).unwrap(), MODULE);
    assert!(matches!(fetched.way, Way::Network));
    // What is there already is not asked for again.
    scene.pull().await.unwrap();
    assert_eq!(scene.asked(&scene.blob_path()).len(), 1);
}

#[tokio::test]
async fn corrupt_bytes_are_refused_and_not_kept() {
    let scene = Scene::new();
    let mut corrupt = MODULE.to_vec();
    corrupt[9] ^= 1;
    scene.backend.reply(&scene.blob_path(), reply(200, &[], &corrupt));
    let fault = scene.pull().await.unwrap_err();
    assert!(matches!(fault, PackageFault::Digest { .. }), "{fault}");
    assert_eq!(scene.asked(&scene.blob_path()).len(), 1, "wrong bytes stay wrong");
    scene.backend.reply(&scene.blob_path(), reply(200, &[], MODULE));
    assert_eq!(scene.pull().await.unwrap().module, MODULE);
}

#[tokio::test]
async fn a_download_that_breaks_off_goes_on_where_it_was() {
    let scene = Scene::new();
    let rest = format!("bytes 5-{}/{}", MODULE.len() - 1, MODULE.len());
    scene
        .backend
        .queue(reply(200, &[], scene.manifest.to_string().as_bytes()));
    scene.backend.queue(cut_off(&MODULE[..5], MODULE.len()));
    scene
        .backend
        .queue(reply(206, &[("content-range", &rest)], &MODULE[5..]));
    assert_eq!(scene.pull().await.unwrap().module, MODULE);
    let asked = scene.asked(&scene.blob_path());
    let ranges: Vec<Option<&str>> = asked.iter().map(|record| record.field("range")).collect();
    assert_eq!(ranges, [None, Some("bytes=5-")]);
}

#[tokio::test]
async fn a_server_that_does_not_go_on_begins_again() {
    let scene = Scene::new();
    for wrong in [
        reply(200, &[], MODULE),
        reply(206, &[("content-range", "bytes 7-20/21")], &MODULE[7..]),
        reply(416, &[], b""),
    ] {
        scene
            .backend
            .queue(reply(200, &[], scene.manifest.to_string().as_bytes()));
        scene.backend.queue(cut_off(&MODULE[..5], MODULE.len()));
        scene.backend.queue(wrong);
        let store = tempfile::tempdir().unwrap();
        let store = Store::open(&store.path().join("s")).unwrap();
        let client = Client::new(Credentials::default(), false).unwrap();
        let fetched = fetch(&client, &wanted(Origin::Oci(scene.reference())), &store)
            .await
            .unwrap();
        assert_eq!(fetched.module, MODULE);
    }
}

#[tokio::test]
async fn what_is_too_large_is_refused_before_and_while_it_comes() {
    let scene = Scene::new();
    let mut larger = MODULE.to_vec();
    larger.push(0);
    scene.backend.reply(&scene.blob_path(), reply(200, &[], &larger));
    let fault = scene.pull().await.unwrap_err();
    assert!(matches!(fault, PackageFault::TooLarge { .. }), "{fault}");
    scene.backend.clear();
    let mut manifest = scene.manifest.clone();
    manifest["layers"][0]["size"] = json!(u64::MAX);
    scene.serve_manifest(&manifest);
    let fault = scene.pull().await.unwrap_err();
    assert!(matches!(fault, PackageFault::TooLarge { .. }), "{fault}");
    assert_eq!(scene.asked(&scene.blob_path()).len(), 0);
    let huge = vec![b' '; 5 * 1024 * 1024];
    scene.backend.reply("/v2/a/b/manifests/1", reply(200, &[], &huge));
    let fault = scene.pull().await.unwrap_err();
    assert!(matches!(fault, PackageFault::TooLarge { .. }), "{fault}");
}

#[tokio::test]
async fn a_manifest_other_than_its_digest_is_refused() {
    let scene = Scene::new();
    let other = Digest::of(b"other").to_string();
    let text = scene.manifest.to_string();
    scene.backend.reply(
        "/v2/a/b/manifests/1",
        reply(200, &[("docker-content-digest", &other)], text.as_bytes()),
    );
    assert!(matches!(scene.pull().await.unwrap_err(), PackageFault::Digest { .. }));
    let pinned = scene.reference().at(Digest::of(b"other"));
    scene
        .backend
        .reply(&format!("/v2/a/b/manifests/{other}"), reply(200, &[], text.as_bytes()));
    let client = Client::new(Credentials::default(), false).unwrap();
    let fault = fetch(&client, &wanted(Origin::Oci(pinned)), &scene.store)
        .await
        .unwrap_err();
    assert!(matches!(fault, PackageFault::Digest { .. }), "{fault}");
}

#[tokio::test]
async fn hostile_layers_are_refused() {
    let scene = Scene::new();
    let good = pack(MODULE, Layout::Compat, Annotations::new()).unwrap();
    for bytes in [
        &b"\x1f\x8b\x08\0\0\0\0\0"[..],
        b"PK\x03\x04",
        b"",
        &good.digest().hex().into_bytes(),
    ] {
        let mut manifest = scene.manifest.clone();
        let digest = Digest::of(bytes).to_string();
        manifest["layers"][0] = json!({
            "mediaType": "application/vnd.oci.image.layer.v1.tar+gzip", "digest": digest, "size": bytes.len(),
        });
        scene.serve_manifest(&manifest);
        scene
            .backend
            .reply(&format!("/v2/a/b/blobs/{digest}"), reply(200, &[], bytes));
        let fault = scene.pull().await.unwrap_err();
        assert!(matches!(fault, PackageFault::Layer(_)), "{fault}");
    }
    for digest in ["sha256:../../../etc/passwd", "sha512:00", ""] {
        let mut manifest = scene.manifest.clone();
        manifest["layers"][0]["digest"] = json!(digest);
        scene.serve_manifest(&manifest);
        assert!(matches!(scene.pull().await.unwrap_err(), PackageFault::NoDigest(_)));
    }
}

#[tokio::test]
async fn what_may_pass_is_asked_again_and_what_stays_is_not() {
    let scene = Scene::new();
    scene.backend.queue(reply(503, &[("retry-after", "0")], b""));
    scene.backend.queue(reply(429, &[("retry-after", "0")], b""));
    scene.backend.queue(Reply::of(vec![Step::Close]));
    assert_eq!(scene.pull().await.unwrap().module, MODULE);
    assert_eq!(scene.asked("/v2/a/b/manifests/1").len(), 4);
    for status in [404, 403, 501] {
        let scene = Scene::new();
        let body = br#"{"errors":[{"code":"DENIED","message":"no \u001b[31m way"}]}"#;
        scene.backend.reply("/v2/a/b/manifests/1", reply(status, &[], body));
        let fault = scene.pull().await.unwrap_err();
        assert_eq!(status_of(&fault), status);
        assert!(fault.to_string().contains("DENIED no"), "{fault}");
        assert_eq!(scene.asked("/v2/a/b/manifests/1").len(), 1, "{status}");
    }
}

fn user(folder: &TempDir, scene: &Scene) -> Credentials {
    let file = folder.path().join("config.json");
    let host = scene.backend.address.to_string();
    std::fs::write(
        &file,
        json!({ "auths": { host: { "username": "me", "password": "secret" } } }).to_string(),
    )
    .unwrap();
    Credentials::of_file(file)
}

#[tokio::test]
async fn a_token_is_had_where_the_registry_says_and_shown_to_it_alone() {
    let scene = Scene::new();
    let (tokens, elsewhere) = (
        Backend::start("tokens", Speaks::Http1).unwrap(),
        Backend::start("cdn", Speaks::Http1).unwrap(),
    );
    let wish = format!(r#"Bearer realm="http://{}/token",service="here""#, tokens.address);
    tokens.reply("/token", reply(200, &[], br#"{"token":"t0ken"}"#));
    let there = format!("http://{}/blob", elsewhere.address);
    elsewhere.reply("/blob", reply(200, &[], MODULE));
    scene.backend.queue(reply(401, &[("www-authenticate", &wish)], b""));
    scene
        .backend
        .reply(&scene.blob_path(), reply(307, &[("location", &there)], b""));
    let fetched = scene.pull_as(user(&scene.folder, &scene)).await.unwrap();
    assert_eq!(fetched.module, MODULE);
    let asked = &tokens.records()[0];
    assert_eq!(asked.target, "/token?service=here&scope=repository%3Aa%2Fb%3Apull");
    assert_eq!(asked.field("authorization"), Some("Basic bWU6c2VjcmV0"));
    let shown: Vec<Option<String>> = scene
        .backend
        .records()
        .iter()
        .map(|record| record.field("authorization").map(str::to_owned))
        .collect();
    let token = Some(String::from("Bearer t0ken"));
    assert_eq!(shown, [None, token.clone(), token]);
    assert_eq!(elsewhere.records()[0].field("authorization"), None);
}

#[tokio::test]
async fn a_name_and_a_password_are_said_when_they_are_asked_for() {
    let scene = Scene::new();
    scene
        .backend
        .queue(reply(401, &[("www-authenticate", "Basic realm=\"r\"")], b""));
    scene.pull_as(user(&scene.folder, &scene)).await.unwrap();
    assert_eq!(
        scene.backend.records()[1].field("authorization"),
        Some("Basic bWU6c2VjcmV0")
    );
    let scene = Scene::new();
    scene
        .backend
        .queue(reply(401, &[("www-authenticate", "Basic realm=\"r\"")], b""));
    let fault = scene.pull().await.unwrap_err();
    assert!(fault.to_string().contains("docker login"), "{fault}");
}

#[tokio::test]
async fn who_we_are_is_not_said_to_a_realm_that_may_not_know() {
    let elsewhere = Backend::start("elsewhere", Speaks::Http1).unwrap();
    for realm in [
        format!("http://localhost:{}/token", elsewhere.address.port()),
        String::from("http://registry.example/token"),
        String::from("http://169.254.169.254/token"),
        String::from("https://169.254.169.254/token"),
        String::from("https://[fd00:ec2::254]/token"),
        String::from("https://user:secret@registry.example/token"),
        String::from("file:///etc/passwd"),
        String::from("nonsense"),
    ] {
        let scene = Scene::new();
        let wish = format!(r#"Bearer realm="{realm}",service="here""#);
        scene.backend.queue(reply(401, &[("www-authenticate", &wish)], b""));
        let fault = scene.pull_as(user(&scene.folder, &scene)).await.unwrap_err();
        assert!(
            matches!(fault, PackageFault::Refused { .. } | PackageFault::Address { .. }),
            "{realm}: {fault}"
        );
    }
    assert!(elsewhere.records().is_empty());
}

#[tokio::test]
async fn a_server_may_send_us_on_five_times_and_not_to_where_it_should_not() {
    let scene = Scene::new();
    for step in 0..5 {
        let from = if step == 0 {
            String::from("/v2/a/b/manifests/1")
        } else {
            format!("/{step}")
        };
        scene
            .backend
            .reply(&from, reply(302, &[("location", &format!("/{}", step + 1))], b""));
    }
    scene
        .backend
        .reply("/5", reply(200, &[], scene.manifest.to_string().as_bytes()));
    scene.pull().await.unwrap();
    let scene = Scene::new();
    scene.backend.reply(
        "/v2/a/b/manifests/1",
        reply(302, &[("location", "/v2/a/b/manifests/1")], b""),
    );
    assert!(matches!(scene.pull().await.unwrap_err(), PackageFault::Refused { .. }));
    assert_eq!(scene.backend.records().len(), 6);
    for location in [
        "http://registry.example/x",
        "ftp://127.0.0.1/x",
        "http://[",
        "https://169.254.169.254/latest/meta-data",
    ] {
        let scene = Scene::new();
        scene
            .backend
            .reply("/v2/a/b/manifests/1", reply(302, &[("location", location)], b""));
        let fault = scene.pull().await.unwrap_err();
        let is_right = match location.contains("169.254") {
            true => matches!(fault, PackageFault::Address { .. }),
            false => matches!(fault, PackageFault::Refused { .. }),
        };
        assert!(is_right, "{location}: {fault}");
    }
}

#[tokio::test]
async fn what_was_had_last_is_used_while_the_registry_is_gone() {
    let scene = Scene::new();
    let reference = scene.reference();
    let image = scene.pull().await.unwrap().image.unwrap();
    let Scene {
        backend, folder, store, ..
    } = scene;
    drop(backend);
    let client = Client::new(Credentials::default(), false).unwrap().with_tries(1);
    let again = fetch(&client, &wanted(Origin::Oci(reference.clone())), &store)
        .await
        .unwrap();
    assert_eq!(again.module, MODULE);
    assert!(
        matches!(&again.way, Way::Older { why, .. } if why.contains("cannot be reached")),
        "{:?}",
        again.way
    );
    let seldom = Wanted {
        pull: Pull::IfNotPresent,
        ..wanted(Origin::Oci(reference.clone()))
    };
    assert!(matches!(fetch(&client, &seldom, &store).await.unwrap().way, Way::Store));
    let pinned = wanted(Origin::Oci(reference.at(image)));
    assert!(matches!(fetch(&client, &pinned, &store).await.unwrap().way, Way::Store));
    let other = Wanted {
        sha256: Some(Digest::of(b"other")),
        ..seldom.clone()
    };
    assert!(fetch(&client, &other, &store).await.is_err());
    // A byte on the disk is changed.
    let file = store.path(&Digest::of(MODULE));
    std::fs::write(&file, b"\0asm\x01\0\0\0 and evil").unwrap();
    let fault = fetch(&client, &pinned, &store).await.unwrap_err();
    assert!(fault.to_string().contains("was changed and is not used"), "{fault}");
    drop(folder);
}

#[tokio::test]
async fn changed_bytes_in_the_store_are_had_anew() {
    let scene = Scene::new();
    let seldom = Wanted {
        pull: Pull::IfNotPresent,
        ..wanted(Origin::Oci(scene.reference()))
    };
    let client = Client::new(Credentials::default(), false).unwrap();
    fetch(&client, &seldom, &scene.store).await.unwrap();
    std::fs::write(scene.store.path(&Digest::of(MODULE)), b"\0asm\x01\0\0\0 and evil").unwrap();
    let fetched = fetch(&client, &seldom, &scene.store).await.unwrap();
    assert!(matches!(fetched.way, Way::Network));
    assert_eq!(
        (fetched.module, std::fs::read(&fetched.file).unwrap()),
        (Bytes::from_static(MODULE), MODULE.to_vec())
    );
}

#[tokio::test]
async fn a_url_is_had_and_had_again() {
    let scene = Scene::new();
    let url = Url::parse(&format!("http://{}/hello.wasm", scene.backend.address)).unwrap();
    scene.backend.queue(cut_off(&MODULE[..7], MODULE.len()));
    scene.backend.queue(reply(200, &[], MODULE));
    let client = Client::new(Credentials::default(), false).unwrap();
    let always = wanted(Origin::Http(url));
    let fetched = fetch(&client, &always, &scene.store).await.unwrap();
    assert_eq!((&fetched.module[..], fetched.image), (MODULE, None));
    let exact = Wanted {
        sha256: Some(Digest::of(MODULE)),
        ..always.clone()
    };
    assert!(matches!(
        fetch(&client, &exact, &scene.store).await.unwrap().way,
        Way::Store
    ));
    scene.backend.reply("/hello.wasm", reply(200, &[], b"<html>"));
    let older = fetch(&client, &always, &scene.store).await.unwrap();
    assert!(
        matches!(&older.way, Way::Older { why, .. } if why.contains("no WebAssembly")),
        "{:?}",
        older.way
    );
    let other = Wanted {
        sha256: Some(Digest::of(b"other")),
        ..always
    };
    assert!(fetch(&client, &other, &scene.store).await.is_err());
}

#[tokio::test]
async fn a_server_that_never_answers_is_given_up_in_time() {
    let scene = Scene::new();
    scene.backend.reply("/v2/a/b/manifests/1", Reply::silence());
    let client = Client::new(Credentials::default(), false).unwrap();
    let hurried = Wanted {
        time_max: Duration::from_millis(200),
        ..wanted(Origin::Oci(scene.reference()))
    };
    let fault = fetch(&client, &hurried, &scene.store).await.unwrap_err();
    assert!(matches!(fault, PackageFault::Late(_)), "{fault}");
}

#[tokio::test]
async fn other_machines_are_not_asked_without_tls() {
    let store = tempfile::tempdir().unwrap();
    let store = Store::open(&store.path().join("s")).unwrap();
    let url = Url::parse("http://registry.example/hello.wasm").unwrap();
    let client = Client::new(Credentials::default(), false).unwrap();
    let fault = fetch(&client, &wanted(Origin::Http(url)), &store).await.unwrap_err();
    assert!(fault.to_string().contains("without TLS"), "{fault}");
    let client = Client::new(Credentials::default(), true).unwrap();
    for url in [
        "http://169.254.169.254/latest/meta-data",
        "http://[::ffff:169.254.169.254]/",
        "http://2852039166/",
        "http://0/",
    ] {
        let url = Url::parse(url).unwrap();
        let fault = fetch(&client, &wanted(Origin::Http(url.clone())), &store)
            .await
            .unwrap_err();
        assert!(matches!(fault, PackageFault::Address { .. }), "{url}: {fault}");
    }
}

#[tokio::test]
async fn what_an_earlier_process_left_is_gone_on_with_and_thrown_away_when_it_is_wrong() {
    for (left, asked) in [(&MODULE[..5], 1), (b"wrong", 2)] {
        let scene = Scene::new();
        let name = Digest::of(Digest::of(MODULE).to_string().as_bytes()).hex();
        std::fs::write(scene.folder.path().join(format!("store/blobs/{name}.part")), left).unwrap();
        let rest = format!("bytes 5-{}/{}", MODULE.len() - 1, MODULE.len());
        scene
            .backend
            .queue(reply(200, &[], scene.manifest.to_string().as_bytes()));
        scene
            .backend
            .queue(reply(206, &[("content-range", &rest)], &MODULE[5..]));
        assert_eq!(scene.pull().await.unwrap().module, MODULE);
        let records = scene.asked(&scene.blob_path());
        assert_eq!((records.len(), records[0].field("range")), (asked, Some("bytes=5-")));
    }
}

fn package(attached: bool) -> Package {
    let image = pack(MODULE, Layout::Cncf, Annotations::new()).unwrap();
    let sbom = Bytes::from_static(br#"{"spdxVersion":"SPDX-2.3"}"#);
    let sbom = attach(&image, Attached::Sbom, sbom, "sbom.json").unwrap();
    Package {
        image,
        layout: Layout::Cncf,
        module: Digest::of(MODULE),
        attached: if attached { vec![sbom] } else { Vec::new() },
    }
}

/// A registry that has nothing and takes everything.
fn taking(scene: &Scene, package: &Package, subject: bool) {
    for blob in package.parts() {
        scene
            .backend
            .reply(&format!("/v2/a/b/blobs/{blob}"), reply(404, &[], b""));
    }
    let upload = [("location", "/upload/1?state=x")];
    scene.backend.reply("/v2/a/b/blobs/uploads/", reply(202, &upload, b""));
    scene.backend.reply("/upload/1", reply(201, &[], b""));
    scene.backend.reply("/v2/a/b/manifests/1", reply(201, &[], b""));
    let image = package.image.digest().to_string();
    let told = [("oci-subject", image.as_str())];
    for attached in &package.attached {
        let path = format!("/v2/a/b/manifests/{}", attached.digest());
        let fields = if subject { &told[..] } else { &[] };
        scene.backend.reply(&path, reply(201, fields, b""));
    }
}

#[tokio::test]
async fn a_registry_that_lists_what_is_attached_itself_needs_no_tag_for_it() {
    for (subject, asked) in [(true, 0), (false, 2)] {
        let (scene, package) = (Scene::new(), package(true));
        taking(&scene, &package, subject);
        let tag = package.image.digest().to_string().replace(':', "-");
        let path = format!("/v2/a/b/manifests/{tag}");
        scene.backend.reply(&path, reply(404, &[], b""));
        let client = Client::new(Credentials::default(), false).unwrap();
        let pushed = client.push(&package, &scene.reference()).await;
        // The tag is asked for, and then refused.
        assert_eq!(pushed.is_ok(), subject);
        assert_eq!(scene.asked(&path).len(), asked);
    }
}

#[tokio::test]
async fn bytes_are_uploaded_elsewhere_without_saying_who_we_are() {
    let (scene, package) = (Scene::new(), package(false));
    taking(&scene, &package, false);
    let elsewhere = Backend::start("elsewhere", Speaks::Http1).unwrap();
    let there = format!("http://{}/put?signed=1", elsewhere.address);
    scene
        .backend
        .reply("/v2/a/b/blobs/uploads/", reply(202, &[("location", &there)], b""));
    elsewhere.reply("/put", reply(201, &[], b""));
    scene
        .backend
        .queue(reply(401, &[("www-authenticate", "Basic realm=\"r\"")], b""));
    let client = Client::new(user(&scene.folder, &scene), false).unwrap();
    client.push(&package, &scene.reference()).await.unwrap();
    let records = elsewhere.records();
    assert_eq!(records.len(), 2);
    assert!(records.iter().all(|record| record.field("authorization").is_none()));
    let target = format!("/put?signed=1&digest=sha256%3A{}", Digest::of(MODULE).hex());
    assert!(
        records
            .iter()
            .any(|record| record.target == target && record.pieces.concat() == MODULE)
    );
    let ours = scene.backend.records();
    assert!(ours[1..].iter().all(|record| record.field("authorization").is_some()));
}
