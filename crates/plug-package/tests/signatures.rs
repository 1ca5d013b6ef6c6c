//! Signatures of an image out of a registry that does as it is told: too many, broken, of something else, and gone.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    missing_docs
)]

use std::time::Duration;

use aws_lc_rs::signature::Ed25519KeyPair;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use plug_package::{
    Client, Credentials, Digest, Document, Form, PackageFault, PrivateKey, Reference, SIGNATURES_MAX, Signatures,
    Store, Subject, Trust, examine, sign_image, sign_image_simply,
};
use serde_json::{Value, json};
use tempfile::TempDir;
use testkit::backend::{Backend, Reply, Speaks, Step};

const MODULE: &[u8] = b"\0asm\x01\0\0\0";
const BUNDLE: &str = "application/vnd.dev.sigstore.bundle.v0.3+json";
const TIME_MAX: Duration = Duration::from_secs(20);

/// A registry with one image, whose signatures are a test's matter.
struct Scene {
    backend: Backend,
    folder: TempDir,
    store: Store,
    image: Digest,
    key: PrivateKey,
}

fn reply(body: &[u8]) -> Reply {
    let length = (String::from("content-length"), body.len().to_string());
    Reply::of(vec![
        Step::Head(200, vec![length]),
        Step::Data(Bytes::copy_from_slice(body)),
    ])
}

fn status(status: u16) -> Reply {
    Reply::of(vec![Step::Head(
        status,
        vec![(String::from("content-length"), String::from("0"))],
    )])
}

fn key() -> PrivateKey {
    let random = aws_lc_rs::rand::SystemRandom::new();
    let der = Ed25519KeyPair::generate_pkcs8(&random).unwrap();
    let pem = format!(
        "-----BEGIN PRIVATE KEY-----\n{}\n-----END PRIVATE KEY-----\n",
        STANDARD.encode(der.as_ref())
    );
    PrivateKey::parse(pem.as_bytes()).unwrap()
}

impl Scene {
    fn new() -> Self {
        let backend = Backend::start("registry", Speaks::Http1).unwrap();
        let folder = tempfile::tempdir().unwrap();
        let scene = Self {
            store: Store::open(&folder.path().join("store")).unwrap(),
            backend,
            folder,
            image: Digest::of(b"the manifest"),
            key: key(),
        };
        scene.tag(status(404));
        scene.list(&[]);
        scene
    }

    /// What stands under cosign's tag.
    fn tag(&self, reply: Reply) {
        self.backend
            .reply(&format!("/v2/a/b/manifests/sha256-{}.sig", self.image.hex()), reply);
    }

    /// What the registry says is attached: kinds with the digests of their manifests.
    fn list(&self, attached: &[(&str, Digest)]) {
        let manifests: Vec<Value> = attached
            .iter()
            .map(|(kind, digest)| {
                json!({
                    "mediaType": "application/vnd.oci.image.manifest.v1+json",
                    "artifactType": kind, "digest": digest.to_string(), "size": 1,
                })
            })
            .collect();
        let index = json!({
            "schemaVersion": 2, "mediaType": "application/vnd.oci.image.index.v1+json", "manifests": manifests,
        });
        self.backend.reply(
            &format!("/v2/a/b/referrers/{}", self.image),
            reply(index.to_string().as_bytes()),
        );
    }

    /// Serves a signature that is attached to `subject`; gives the digest of its manifest.
    fn attach(&self, subject: Digest, bytes: &[u8]) -> Digest {
        let digest = Digest::of(bytes);
        let empty = json!({ "mediaType": "application/vnd.oci.empty.v1+json", "digest": Digest::of(b"{}").to_string(), "size": 2 });
        let manifest = json!({
            "schemaVersion": 2, "mediaType": "application/vnd.oci.image.manifest.v1+json", "artifactType": BUNDLE, "config": empty,
            "layers": [{ "mediaType": BUNDLE, "digest": digest.to_string(), "size": bytes.len() }],
            "subject": { "mediaType": "application/vnd.oci.image.manifest.v1+json", "digest": subject.to_string(), "size": 1 },
        });
        let manifest = manifest.to_string();
        let of = Digest::of(manifest.as_bytes());
        self.backend
            .reply(&format!("/v2/a/b/manifests/{of}"), reply(manifest.as_bytes()));
        self.backend.reply(&format!("/v2/a/b/blobs/{digest}"), reply(bytes));
        of
    }

    fn reference(&self) -> Reference {
        Reference::parse(&format!("{}/a/b:1", self.backend.address)).unwrap()
    }

    async fn fetch(&self) -> Result<Vec<Document>, PackageFault> {
        let client = Client::new(Credentials::default(), false).unwrap().with_tries(1);
        let reference = self.reference();
        let place = Signatures::Image(&reference, self.image);
        place.fetch(&client, &self.store, TIME_MAX).await
    }

    fn kept(&self, store: &Store) -> Vec<Document> {
        Signatures::Image(&self.reference(), self.image).kept(store)
    }

    fn holds(&self, documents: &[Document]) -> bool {
        let subject = Subject {
            image: Some(self.image),
            module: MODULE,
        };
        examine(&subject, documents, &Trust::Key(self.key.public().clone())).is_ok()
    }
}

#[tokio::test]
async fn hundreds_of_signatures_are_looked_at_up_to_a_bound() {
    let scene = Scene::new();
    let stranger = sign_image(scene.image, &key()).unwrap();
    let digest = scene.attach(scene.image, &stranger.bytes);
    scene.list(&vec![(BUNDLE, digest); 500]);
    assert_eq!(scene.fetch().await.unwrap().len(), SIGNATURES_MAX);
    scene.list(&vec![(BUNDLE, digest); 2_000]);
    let fault = scene.fetch().await.unwrap_err();
    assert_eq!(fault.code(), "package.manifest");
    let layer = json!({ "mediaType": "application/vnd.dev.cosign.simplesigning.v1+json", "digest": Digest::of(b"{}").to_string(), "size": 2 });
    let manifest = json!({
        "schemaVersion": 2, "mediaType": "application/vnd.oci.image.manifest.v1+json",
        "config": layer, "layers": vec![layer.clone(); 500],
    });
    scene.list(&[]);
    scene.tag(reply(manifest.to_string().as_bytes()));
    scene
        .backend
        .reply(&format!("/v2/a/b/blobs/{}", Digest::of(b"{}")), reply(b"{}"));
    assert_eq!(scene.fetch().await.unwrap().len(), SIGNATURES_MAX);
}

#[tokio::test]
async fn a_signature_that_is_broken_large_or_of_another_image_hides_no_other() {
    let scene = Scene::new();
    let good = sign_image(scene.image, &scene.key).unwrap();
    let huge = vec![b' '; 2 * 1024 * 1024];
    let list = [
        (BUNDLE, Digest::of(b"not there")),
        (BUNDLE, scene.attach(scene.image, b"no bundle")),
        (BUNDLE, scene.attach(scene.image, &huge)),
        ("application/spdx+json", scene.attach(scene.image, b"{}")),
        (BUNDLE, scene.attach(scene.image, &good.bytes)),
    ];
    scene
        .backend
        .reply(&format!("/v2/a/b/manifests/{}", Digest::of(b"not there")), status(404));
    scene.list(&list);
    let found = scene.fetch().await.unwrap();
    assert!(scene.holds(&found));
    assert_eq!(found.len(), 2, "what is large and what is no signature was not fetched");
    let elsewhere = scene.attach(Digest::of(b"another manifest"), &good.bytes);
    scene.list(&[(BUNDLE, elsewhere)]);
    assert_eq!(scene.fetch().await.unwrap(), []);
}

#[tokio::test]
async fn the_older_tag_is_read_with_what_lies_beside_each_payload() {
    let scene = Scene::new();
    let good = sign_image_simply("registry.example/a/b", scene.image, &scene.key).unwrap();
    let digest = Digest::of(&good.bytes);
    let manifest = |signature: &str| {
        let config = json!({ "mediaType": "application/vnd.oci.image.config.v1+json", "digest": Digest::of(b"{}").to_string(), "size": 2 });
        let layer = json!({
            "mediaType": "application/vnd.dev.cosign.simplesigning.v1+json", "digest": digest.to_string(), "size": good.bytes.len(),
            "annotations": { "dev.cosignproject.cosign/signature": signature },
        });
        let manifest = json!({
            "schemaVersion": 2, "mediaType": "application/vnd.oci.image.manifest.v1+json", "config": config, "layers": [layer],
        });
        reply(manifest.to_string().as_bytes())
    };
    scene
        .backend
        .reply(&format!("/v2/a/b/blobs/{digest}"), reply(&good.bytes));
    scene.tag(manifest(good.beside.as_ref().unwrap()));
    let found = scene.fetch().await.unwrap();
    assert_eq!(
        found.iter().map(|document| document.form).collect::<Vec<_>>(),
        [Form::Simple]
    );
    assert!(scene.holds(&found));
    scene.tag(manifest("AAAA"));
    assert!(!scene.holds(&scene.fetch().await.unwrap()));
}

#[tokio::test]
async fn what_was_had_is_kept_until_it_is_changed_and_a_registry_that_fails_is_not_taken_for_one_without_signatures() {
    let scene = Scene::new();
    let good = sign_image(scene.image, &scene.key).unwrap();
    let digest = scene.attach(scene.image, &good.bytes);
    scene.list(&[(BUNDLE, digest)]);
    assert_eq!(scene.kept(&scene.store), []);
    assert!(scene.holds(&scene.fetch().await.unwrap()));
    for reply in [status(503), status(401)] {
        scene.tag(reply);
        assert!(scene.fetch().await.is_err());
    }
    scene.list(&[]);
    scene.tag(status(404));
    assert_eq!(scene.fetch().await.unwrap(), [], "it was taken away");
    let again = Store::open(&scene.folder.path().join("store")).unwrap();
    assert!(
        scene.holds(&scene.kept(&again)),
        "what held once is judged again, and still holds"
    );
    for entry in std::fs::read_dir(scene.folder.path().join("store/blobs")).unwrap() {
        let path = entry.unwrap().path();
        let mut bytes = std::fs::read(&path).unwrap();
        *bytes.last_mut().unwrap() ^= 1;
        std::fs::write(&path, bytes).unwrap();
    }
    assert_eq!(scene.kept(&again), []);
}
