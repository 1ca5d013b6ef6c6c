//! Layouts, layers and manifests, good and hostile.

use std::io::Write;

use bytes::Bytes;
use flate2::Compression;
use flate2::write::GzEncoder;
use proptest::prelude::*;
use serde_json::{Value, json};
use tar::{Builder, EntryType, Header};

use super::attachment::{Attached, attach};
use super::layout::{Form, Layout, choose};
use super::manifest::{Annotations, Document, MANIFEST_BYTES_MAX, Manifest};
use super::pack::{Image, pack};
use super::unpack::{FILES_MAX, MODULE_BYTES_MAX, UNPACKED_BYTES_MAX, download, layer};
use crate::digest::Digest;
use crate::fault::PackageFault;

const MODULE: &[u8] = b"\0asm\x01\0\0\0 and more";

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut gzip = GzEncoder::new(Vec::new(), Compression::fast());
    gzip.write_all(bytes).unwrap();
    gzip.finish().unwrap()
}

fn header(name: &str, kind: EntryType, size: u64) -> Header {
    let mut header = Header::new_ustar();
    // The crate refuses the names that are wanted here.
    header.as_old_mut().name[..name.len()].copy_from_slice(name.as_bytes());
    header.set_entry_type(kind);
    header.set_size(size);
    header.set_mode(0o644);
    header.set_cksum();
    header
}

/// An archive of these files.
fn tar(files: &[(&str, EntryType, &[u8])]) -> Vec<u8> {
    let mut builder = Builder::new(Vec::new());
    for (name, kind, bytes) in files {
        builder
            .append(&header(name, *kind, bytes.len() as u64), *bytes)
            .unwrap();
    }
    builder.into_inner().unwrap()
}

fn plugin(name: &str) -> Vec<u8> {
    tar(&[(name, EntryType::Regular, MODULE)])
}

fn unpacked(archive: &[u8]) -> Result<Vec<u8>, PackageFault> {
    layer(&gzip(archive), Form::TarGzip)
}

fn manifest(image: &Image) -> Manifest {
    match Document::read(&image.manifest).unwrap() {
        Document::Manifest(manifest) => *manifest,
        Document::Index(_) => panic!("an index"),
    }
}

#[test]
fn each_layout_that_is_written_is_read_again() {
    for layout in [Layout::Compat, Layout::Solo, Layout::Cncf] {
        let image = pack(MODULE, layout, Annotations::new()).unwrap();
        let manifest = manifest(&image);
        let (read, part) = choose(&manifest).unwrap();
        assert_eq!(read, layout);
        let blob = image
            .blobs
            .iter()
            .find(|blob| blob.digest.to_string() == part.digest)
            .unwrap();
        assert_eq!(layer(&blob.bytes, read.form()).unwrap(), MODULE, "{layout}");
        let told = &manifest.annotations.unwrap()["dev.cofferdam.module.sha256"];
        assert_eq!(*told, Digest::of(MODULE).hex());
    }
    assert!(pack(MODULE, Layout::Higress, Annotations::new()).is_err());
}

#[test]
fn the_same_module_gives_the_same_digest_on_every_day() {
    for (layout, digest) in [
        (
            Layout::Compat,
            "76a5236ee66804922f0658c68c251882d8fa079c3e9a1b9bf27afd861c49d19f",
        ),
        (
            Layout::Solo,
            "a37fb46bab191fb5fc8753ee74344ca3742045869144758abf95db5232223a9f",
        ),
        (
            Layout::Cncf,
            "a43ff245fe9269bdb0effb1aae7e881b63abadf56190140caf88ee1026f1617b",
        ),
    ] {
        let image = pack(MODULE, layout, Annotations::new()).unwrap();
        assert_eq!(image.digest().to_string(), format!("sha256:{digest}"), "{layout}");
    }
}

fn of_layers(kind: Option<&str>, config: &str, layers: &[&str]) -> Result<Layout, PackageFault> {
    let part = |kind: &str| json!({ "mediaType": kind, "digest": Digest::of(b"").to_string(), "size": 0 });
    let layers: Vec<Value> = layers.iter().map(|kind| part(kind)).collect();
    let mut text = json!({ "schemaVersion": 2, "config": part(config), "layers": layers });
    if let Some(kind) = kind {
        text["mediaType"] = json!(kind);
    }
    match Document::read(text.to_string().as_bytes())? {
        Document::Manifest(manifest) => choose(&manifest).map(|(layout, _)| layout),
        Document::Index(_) => panic!("an index"),
    }
}

#[test]
fn five_layouts_are_told_apart() {
    let oci = "application/vnd.oci.image.manifest.v1+json";
    let docker = "application/vnd.docker.distribution.manifest.v2+json";
    let config = "application/vnd.oci.image.config.v1+json";
    let tar = "application/vnd.oci.image.layer.v1.tar+gzip";
    let diff = "application/vnd.docker.image.rootfs.diff.tar.gzip";
    let content = "application/vnd.module.wasm.content.layer.v1+wasm";
    let solo = "application/vnd.module.wasm.config.v1+json";
    let spec = "application/vnd.module.wasm.spec.v1+yaml";
    let doc = "application/vnd.module.wasm.doc.v1.en+markdown";
    for (kind, config, layers, layout) in [
        (Some(oci), config, &[tar][..], Layout::Compat),
        (None, config, &["text/plain", tar], Layout::Compat),
        (
            Some(docker),
            "application/vnd.docker.container.image.v1+json",
            &[diff, diff],
            Layout::Docker,
        ),
        (
            Some(oci),
            "application/vnd.unknown.config.v1+json",
            &[spec, doc, tar],
            Layout::Higress,
        ),
        (Some(oci), config, &[solo, content], Layout::Solo),
        (Some(oci), config, &[content, solo], Layout::Solo),
        (
            Some(oci),
            "application/vnd.wasm.config.v0+json",
            &["application/wasm"],
            Layout::Cncf,
        ),
    ] {
        assert_eq!(of_layers(kind, config, layers).unwrap(), layout, "{layers:?}");
    }
    for (kind, layers) in [
        (Some(oci), &[][..]),
        (Some(oci), &["text/plain"]),
        (Some(oci), &[tar, "text/plain"]),
        (Some(oci), &["application/vnd.oci.image.layer.v1.tar+zstd"]),
        (Some(oci), &[content, content]),
        (Some(oci), &["application/wasm", "application/wasm"]),
        (Some(docker), &[tar]),
        (Some(docker), &[content]),
    ] {
        let fault = of_layers(kind, config, layers).unwrap_err();
        assert!(matches!(fault, PackageFault::Layout(_)), "{layers:?}: {fault}");
    }
}

#[test]
fn a_document_of_two_kinds_or_of_none_is_refused() {
    let part = json!({ "mediaType": "a/b", "digest": Digest::of(b"").to_string(), "size": 0 });
    let index = "application/vnd.oci.image.index.v1+json";
    let image = "application/vnd.oci.image.manifest.v1+json";
    for text in [
        json!({}),
        json!([]),
        json!({ "schemaVersion": 1, "fsLayers": [] }),
        json!({ "schemaVersion": 2, "config": part, "layers": [], "manifests": [] }),
        json!({ "schemaVersion": 2, "mediaType": index, "config": part, "layers": [] }),
        json!({ "schemaVersion": 2, "mediaType": image, "manifests": [] }),
        json!({ "schemaVersion": 2, "layers": [] }),
        json!({ "schemaVersion": 2, "config": part, "layers": [{ "mediaType": "a/b", "digest": "x", "size": -1 }] }),
        json!({ "schemaVersion": 2, "config": part, "layers": vec![part.clone(); 1001] }),
    ] {
        let fault = Document::read(text.to_string().as_bytes()).unwrap_err();
        assert!(matches!(fault, PackageFault::Manifest(_)), "{text}: {fault}");
    }
    let twice = br#"{"schemaVersion":2,"layers":[],"layers":[],"config":{}}"#;
    assert!(Document::read(twice).is_err());
    let huge = vec![b' '; MANIFEST_BYTES_MAX as usize + 1];
    assert!(matches!(
        Document::read(&huge).unwrap_err(),
        PackageFault::TooLarge { .. }
    ));
    let deep = "[".repeat(1_000_000);
    assert!(Document::read(deep.as_bytes()).is_err());
}

#[test]
fn of_an_index_the_image_for_webassembly_is_taken() {
    let image = "application/vnd.oci.image.manifest.v1+json";
    let part = |os: &str, architecture: &str, number: u8| {
        json!({
            "mediaType": image, "digest": Digest::of(&[number]).to_string(), "size": 1,
            "platform": { "os": os, "architecture": architecture },
        })
    };
    let chosen = |parts: &[Value]| {
        let text = json!({ "schemaVersion": 2, "manifests": parts }).to_string();
        match Document::read(text.as_bytes()).unwrap() {
            Document::Index(index) => index.choose().map(|part| part.digest().unwrap()),
            Document::Manifest(_) => panic!("a manifest"),
        }
    };
    let (arm, amd, wasm, about) = (
        part("linux", "arm64", 1),
        part("linux", "amd64", 2),
        part("wasi", "wasm", 3),
        part("unknown", "unknown", 4),
    );
    assert_eq!(chosen(&[arm.clone(), amd.clone(), wasm]).unwrap(), Digest::of(&[3]));
    assert_eq!(chosen(&[arm.clone(), amd, about.clone()]).unwrap(), Digest::of(&[2]));
    assert_eq!(chosen(&[arm.clone(), about.clone()]).unwrap(), Digest::of(&[1]));
    for none in [vec![], vec![about], vec![arm, part("linux", "s390x", 5)]] {
        assert!(chosen(&none).is_err(), "{none:?}");
    }
}

#[test]
fn the_module_is_found_in_any_folder_of_an_archive() {
    for name in ["plugin.wasm", "./plugin.wasm", "/plugin.wasm", "a/b/plugin.wasm"] {
        assert_eq!(unpacked(&plugin(name)).unwrap(), MODULE, "{name}");
    }
    let deep = format!("{}/plugin.wasm", "folder/".repeat(40));
    let mut builder = Builder::new(Vec::new());
    let mut long = Header::new_gnu();
    long.set_size(MODULE.len() as u64);
    long.set_mode(0o644);
    builder.append_data(&mut long, &deep, MODULE).unwrap();
    assert_eq!(unpacked(&builder.into_inner().unwrap()).unwrap(), MODULE);
    let record = format!("path={deep}\n");
    let record = format!("{} {record}", record.len() + 4);
    let pax = tar(&[
        ("pax", EntryType::XHeader, record.as_bytes()),
        ("short", EntryType::Regular, MODULE),
    ]);
    assert_eq!(unpacked(&pax).unwrap(), MODULE);
}

#[test]
fn a_layer_that_is_no_archive_with_one_module_is_refused() {
    let (file, link) = (EntryType::Regular, EntryType::Symlink);
    for (archive, why) in [
        (tar(&[]), "has no `plugin.wasm`"),
        (tar(&[("other.wasm", file, MODULE)]), "has no `plugin.wasm`"),
        (tar(&[("plugin.wasm", file, b"#!/bin/sh")]), "no WebAssembly"),
        (tar(&[("plugin.wasm", file, b"")]), "no WebAssembly"),
        (tar(&[("plugin.wasm", link, b"")]), "is a link"),
        (tar(&[("plugin.wasm", EntryType::Link, b"")]), "is a link"),
        (tar(&[("plugin.wasm", EntryType::Char, b"")]), "is a link"),
        (tar(&[("plugin.wasm", EntryType::GNUSparse, b"")]), "is a link"),
        (tar(&[("plugin.wasm", EntryType::Directory, b"")]), "is a link"),
        (tar(&[("../plugin.wasm", file, MODULE)]), "leads out of it"),
        (
            tar(&[("a/../../etc/passwd", file, b"x"), ("plugin.wasm", file, MODULE)]),
            "leads out of it",
        ),
        (
            tar(&[("..", link, b""), ("plugin.wasm", file, MODULE)]),
            "leads out of it",
        ),
        (
            tar(&[("plugin.wasm", file, MODULE), ("a/plugin.wasm", file, MODULE)]),
            "more than one module",
        ),
        (
            tar(&[
                ("pax", EntryType::XHeader, b"11 size=99\n"),
                ("plugin.wasm", file, MODULE),
            ]),
            "broken header",
        ),
        (
            tar(&[
                ("pax", EntryType::XHeader, b"999 path=a\n"),
                ("plugin.wasm", file, MODULE),
            ]),
            "broken header",
        ),
        (
            tar(&[
                ("pax", EntryType::XHeader, b"1 path=a\n"),
                ("plugin.wasm", file, MODULE),
            ]),
            "broken header",
        ),
        (
            tar(&[("pax", EntryType::XHeader, b"path"), ("plugin.wasm", file, MODULE)]),
            "broken header",
        ),
        (b"no archive at all".repeat(100), "broken"),
        (plugin("plugin.wasm")[..520].to_vec(), "ends within a file"),
    ] {
        let fault = unpacked(&archive).unwrap_err();
        assert!(
            matches!(&fault, PackageFault::Layer(said) if said.contains(why)),
            "{why}: {fault}"
        );
    }
    for layer_bytes in [&b""[..], b"\x1f\x8b", b"PK\x03\x04", MODULE] {
        assert!(layer(layer_bytes, Form::TarGzip).is_err());
    }
    assert!(layer(b"#!/bin/sh", Form::Module).is_err());
}

#[test]
fn a_layer_that_is_cut_off_or_changed_is_refused() {
    let whole = gzip(&plugin("plugin.wasm"));
    for length in 0..whole.len() {
        // What follows the last file is padding: the module itself is whole then.
        let Ok(module) = layer(&whole[..length], Form::TarGzip) else {
            continue;
        };
        assert_eq!(module, MODULE, "{length}");
    }
    assert!(layer(&whole[..whole.len() / 2], Form::TarGzip).is_err());
}

#[test]
fn an_archive_with_too_many_files_is_refused() {
    let many: Vec<String> = (0..=FILES_MAX).map(|number| format!("file{number}")).collect();
    let files: Vec<_> = many
        .iter()
        .map(|name| (name.as_str(), EntryType::Regular, &b""[..]))
        .collect();
    let fault = unpacked(&tar(&files)).unwrap_err();
    assert!(fault.to_string().contains("more than 1000 files"), "{fault}");
    let fits = &files[..FILES_MAX - 1];
    let with_plugin = [fits, &[("plugin.wasm", EntryType::Regular, MODULE)]].concat();
    assert_eq!(unpacked(&tar(&with_plugin)).unwrap(), MODULE);
}

/// Zeros without end, compressed a thousandfold.
fn bomb(bytes: u64) -> Vec<u8> {
    let mut gzip = GzEncoder::new(Vec::new(), Compression::best());
    gzip.write_all(header("zeros", EntryType::Regular, bytes).as_bytes())
        .unwrap();
    std::io::copy(&mut std::io::Read::take(std::io::repeat(0), bytes), &mut gzip).unwrap();
    gzip.write_all(&plugin("plugin.wasm")).unwrap();
    gzip.finish().unwrap()
}

#[test]
fn a_bomb_is_given_up_at_its_bound() {
    let bomb_bytes = bomb(UNPACKED_BYTES_MAX);
    assert!(bomb_bytes.len() < 1024 * 1024);
    let fault = layer(&bomb_bytes, Form::TarGzip).unwrap_err();
    assert!(
        matches!(
            fault,
            PackageFault::TooLarge {
                bytes_max: UNPACKED_BYTES_MAX,
                ..
            }
        ),
        "{fault}"
    );
    let fault = download(bomb_bytes).unwrap_err();
    assert!(
        matches!(
            fault,
            PackageFault::TooLarge {
                bytes_max: UNPACKED_BYTES_MAX,
                ..
            }
        ),
        "{fault}"
    );
    let large = gzip(header("plugin.wasm", EntryType::Regular, MODULE_BYTES_MAX + 1).as_bytes());
    let fault = layer(&large, Form::TarGzip).unwrap_err();
    assert!(
        matches!(
            fault,
            PackageFault::TooLarge {
                bytes_max: MODULE_BYTES_MAX,
                ..
            }
        ),
        "{fault}"
    );
    let name = gzip(header("name", EntryType::GNULongName, 1 << 30).as_bytes());
    let fault = layer(&name, Form::TarGzip).unwrap_err();
    assert!(fault.to_string().contains("a name of more than"), "{fault}");
}

#[test]
fn a_download_is_unpacked_as_far_as_it_is_packed() {
    for bytes in [
        MODULE.to_vec(),
        gzip(MODULE),
        plugin("plugin.wasm"),
        gzip(&plugin("a/plugin.wasm")),
        gzip(&plugin("hello.wasm")),
        tar(&[
            ("hello.wasm", EntryType::Regular, b"\0asm"),
            ("plugin.wasm", EntryType::Regular, MODULE),
        ]),
    ] {
        assert_eq!(download(bytes).unwrap(), MODULE);
    }
    let two = tar(&[
        ("a.wasm", EntryType::Regular, MODULE),
        ("b.wasm", EntryType::Regular, MODULE),
    ]);
    for bytes in [
        Vec::new(),
        b"<html>".to_vec(),
        gzip(b"<html>"),
        gzip(&gzip(MODULE)),
        two,
        plugin("README.md"),
    ] {
        assert!(download(bytes).is_err());
    }
}

#[test]
fn an_attachment_is_an_image_with_a_subject() {
    let image = pack(MODULE, Layout::Compat, Annotations::new()).unwrap();
    for (what, bytes, kind) in [
        (
            Attached::DebugFile,
            "\0asm\x01\0\0\0",
            "application/vnd.cofferdam.debug.v1+wasm",
        ),
        (Attached::Sbom, r#"{"spdxVersion":"SPDX-2.3"}"#, "application/spdx+json"),
        (
            Attached::Sbom,
            r#"{"bomFormat":"CycloneDX"}"#,
            "application/vnd.cyclonedx+json",
        ),
        (Attached::Provenance, r#"{"_type":"x"}"#, "application/vnd.in-toto+json"),
        (
            Attached::Provenance,
            r#"{"payloadType":"x","payload":"","signatures":[]}"#,
            "application/vnd.dsse.envelope.v1+json",
        ),
        (
            Attached::Provenance,
            r#"{"mediaType":"application/vnd.dev.sigstore.bundle.v0.3+json"}"#,
            "application/vnd.dev.sigstore.bundle.v0.3+json",
        ),
        (Attached::CheckReport, "{}", "application/vnd.cofferdam.check.v1+json"),
    ] {
        let made = attach(&image, what, Bytes::from(bytes), "file").unwrap();
        let manifest = manifest(&made);
        assert_eq!(manifest.artifact_type.as_deref(), Some(kind));
        assert_eq!(manifest.subject.unwrap().digest, image.digest().to_string());
        assert_eq!(manifest.config.media_type, "application/vnd.oci.empty.v1+json");
    }
    for (what, bytes) in [
        (Attached::DebugFile, "{}"),
        (Attached::Sbom, "{}"),
        (Attached::Sbom, "<xml/>"),
        (Attached::Provenance, r#"{"mediaType":"text/html"}"#),
        (Attached::CheckReport, "good"),
    ] {
        assert!(attach(&image, what, Bytes::from(bytes), "file").is_err(), "{bytes}");
    }
}

proptest! {
    #[test]
    fn no_bytes_make_it_panic(bytes in proptest::collection::vec(any::<u8>(), 0..2_000)) {
        let _ = Document::read(&bytes);
        let _ = layer(&bytes, Form::TarGzip);
        let _ = unpacked(&bytes);
        let _ = download(bytes);
    }

    #[test]
    fn nor_does_an_archive_with_changed_bytes(changes in proptest::collection::vec((0_usize..2_048, any::<u8>()), 1..20)) {
        let mut archive = tar(&[
            ("pax", EntryType::XHeader, b"16 path=x/y/zzz\n"),
            ("plugin.wasm", EntryType::Regular, MODULE),
        ]);
        for (at, byte) in changes {
            archive[at] = byte;
        }
        let _ = unpacked(&archive);
    }

    #[test]
    fn nor_does_json_of_its_own_words(text in r#"[\[\]{}",: 0-9]{0,100}"#) {
        let _ = Document::read(text.as_bytes());
    }

    #[test]
    fn every_module_comes_back_from_every_layout(tail in proptest::collection::vec(any::<u8>(), 0..3_000)) {
        let module = [MODULE, &tail].concat();
        for layout in [Layout::Compat, Layout::Solo, Layout::Cncf] {
            let image = pack(&module, layout, Annotations::new()).unwrap();
            let manifest = manifest(&image);
            let (read, part) = choose(&manifest).unwrap();
            let blob = image.blobs.iter().find(|blob| blob.digest.to_string() == part.digest).unwrap();
            prop_assert_eq!(layer(&blob.bytes, read.form()).unwrap(), module.clone());
        }
    }
}
