//! Keyed digests: in place of personal data, where the same value has the same one, and in a chain that nobody makes anew without the key.

use std::fs;
use std::path::Path;

use anyhow::{Context, Result, ensure};
use rustix::process::Signal;
use serde_json::{Value, json};
use testkit::client::{Request, Version, send};
use testkit::gateway::Gateway;
use testkit::port::free_port;

use super::secrets::files;
use super::verifying::{segments, verify};
use super::{accesses, answering, file_sink};
use crate::reload::change;
use crate::setting::{ask, complete, gateway};

const KEY: &[u8] = b"a key of some length, for tests";
const PHONE: &str = "13812341234";
const OTHER: &str = "13912341234";
const MAIL: &str = "Anna.Schmidt@example.com";
/// Bytes of a block of both functions, for which a key is filled up (RFC 2104 section 2).
const BLOCK_BYTES: usize = 64;

/// HMAC as RFC 2104 has it, written here once more so that the gateway does not say itself what is right.
fn hmac(hash: impl Fn(&[u8]) -> Vec<u8>, text: &[u8]) -> Vec<u8> {
    let with = |mask: u8, text: &[u8]| {
        let mut bytes = [mask; BLOCK_BYTES];
        bytes.iter_mut().zip(KEY).for_each(|(byte, key)| *byte ^= key);
        hash(&[&bytes, text].concat())
    };
    with(0x5c, &with(0x36, text))
}

/// What stands in a record in place of a value.
fn shown(algorithm: &str, class: &str, value: &str) -> String {
    let message = format!("{class}\0{value}");
    let digest = match algorithm {
        "sm3" => hmac(
            |bytes| sm3::Digest::finalize(sm3_of(bytes)).to_vec(),
            message.as_bytes(),
        ),
        _ => hmac(
            |bytes| sha2::Digest::finalize(sha256_of(bytes)).to_vec(),
            message.as_bytes(),
        ),
    };
    let digits: String = digest.iter().take(16).map(|byte| format!("{byte:02x}")).collect();
    format!("{class}:{digits}")
}

fn sm3_of(bytes: &[u8]) -> sm3::Sm3 {
    sm3::Digest::chain_update(<sm3::Sm3 as sm3::Digest>::new(), bytes)
}

fn sha256_of(bytes: &[u8]) -> sha2::Sha256 {
    sha2::Digest::chain_update(<sha2::Sha256 as sha2::Digest>::new(), bytes)
}

/// A gateway that hashes, and whose records stay in their rings, too, because one sink is away.
async fn hashing(algorithm: &str, key: &Path) -> Result<Gateway> {
    let away = json!({"name": "away", "durable": true, "http": {"url": format!("http://127.0.0.1:{}/", free_port()?)}});
    gateway(answering(json!({
        "mask": {
            "packs": ["mlps3"],
            "classes": {"phone_cn": "hash", "email": "hash"},
            "hash": {"algorithm": algorithm, "key": {"file": key}},
        },
        "fields": [{"name": "caller", "request_header": "x-caller"}],
        "sinks": [file_sink("file", Path::new("all.log")), away],
    })))
    .await
}

fn calling(path: &str, caller: &str) -> Request {
    Request::get(&format!("{path}?tel={caller}&mail={MAIL}"))
        .field("x-caller", caller)
        .field("user-agent", &format!("app/1 {caller} {MAIL}"))
}

/// That nothing of these stands in a file of the folder but the configuration, nor was said.
fn stands_nowhere(gateway: &Gateway, raw: &[&str]) -> Result<()> {
    let all = files(gateway.folder())?;
    let written = all
        .iter()
        .filter(|file| file.extension().is_none_or(|end| end != "yaml"));
    for file in written {
        let text = String::from_utf8_lossy(&fs::read(file)?).into_owned();
        ensure!(
            raw.iter().all(|word| !text.contains(word)),
            "`{}`: {text}",
            file.display()
        );
    }
    for line in gateway.process.lines_from(0) {
        ensure!(raw.iter().all(|word| !line.text.contains(word)), "{line:?}");
    }
    Ok(())
}

/// The files of rings below a folder, as text.
fn rings(folder: &Path) -> Result<String> {
    let all = files(&folder.join("rings"))?;
    let texts = all
        .iter()
        .map(|file| Ok(String::from_utf8_lossy(&fs::read(file)?).into_owned()));
    texts.collect()
}

async fn the_same_has_the_same(algorithm: &str) -> Result<()> {
    let folder = tempfile::tempdir()?;
    let key = folder.path().join("mask.key");
    fs::write(&key, [KEY, b"\n"].concat())?;
    let mut gateway = hashing(algorithm, &key).await?;
    for (path, caller) in [("/one", PHONE), ("/two", "138-1234-1234"), ("/three", OTHER)] {
        ask(&gateway, &calling(path, caller)).await?;
    }
    let all = accesses(&gateway.folder().join("all.log"), 3).await?;
    let mail = shown(algorithm, "email", &MAIL.to_ascii_lowercase());
    for (record, caller) in all.iter().zip([PHONE, PHONE, OTHER]) {
        let phone = shown(algorithm, "phone_cn", caller);
        ensure!(record["cofferdam.fields"]["caller"] == phone, "not {phone}: {record}");
        ensure!(
            record["user_agent.original"] == format!("app/1 {phone} {mail}"),
            "not {phone} and {mail}: {record}"
        );
        let query = record["url.query"].as_str().context("no query")?;
        ensure!(query.contains(&phone) && query.contains(&mail), "{record}");
    }
    let callers = |at: usize| &all[at]["cofferdam.fields"]["caller"];
    ensure!(callers(0) == callers(1) && callers(0) != callers(2), "{all:#?}");
    gateway.process.end_with(Signal::KILL).await?;
    let left = rings(gateway.folder())?;
    ensure!(
        left.contains(&shown(algorithm, "phone_cn", PHONE)),
        "there is nothing in the rings to look through"
    );
    let key = String::from_utf8_lossy(KEY);
    let raw = [PHONE, OTHER, "138-1234-1234", MAIL, "anna.schmidt", &*key];
    stands_nowhere(&gateway, &raw)
}

#[tokio::test]
async fn the_same_value_has_the_same_digest_by_sha_256_and_stands_raw_nowhere() -> Result<()> {
    the_same_has_the_same("sha256").await
}

#[tokio::test]
async fn the_same_value_has_the_same_digest_by_sm3_and_stands_raw_nowhere() -> Result<()> {
    the_same_has_the_same("sm3").await
}

fn chained(algorithm: &str, key: &Path, body: &str) -> Value {
    let hash = json!({"algorithm": algorithm, "key": {"file": key}});
    let audit = json!({"dir": "chain", "hash": hash});
    let sink = json!({"name": "audit", "audit": audit, "batch": {"linger": "1ms"}});
    let mut configuration = answering(json!({"sinks": [sink]}));
    configuration["routes"][0]["respond"]["body"] = json!(body);
    complete(configuration)
}

/// Has a gateway write a chain with a key, of changes and of orders, until it is stopped.
async fn lived(algorithm: &str, key: &Path) -> Result<Gateway> {
    let mut gateway = Gateway::start(&chained(algorithm, key, "one").to_string()).await?;
    for body in ["two", "three"] {
        let said = change(&gateway, &chained(algorithm, key, body).to_string()).await?;
        ensure!(said.contains("applied"), "{said}");
        let order = Request::new("POST", "/plugins/nobody/lift");
        ensure!(send(gateway.admin, Version::Http1, &order).await?.status == 404);
    }
    gateway.process.stop().await?;
    Ok(gateway)
}

async fn a_chain_needs_its_key(algorithm: &str) -> Result<()> {
    let folder = tempfile::tempdir()?;
    let (key, wrong) = (folder.path().join("right.key"), folder.path().join("wrong.key"));
    fs::write(&key, KEY)?;
    fs::write(&wrong, "another key")?;
    let gateway = lived(algorithm, &key).await?;
    let chain = gateway.folder().join("chain");
    let file = |path: &Path| path.display().to_string();
    let (key, wrong) = (file(&key), file(&wrong));
    let keyed = ["--key-file", key.as_str()];
    let whole = verify(&chain, &keyed).await?;
    ensure!(whole.code == Some(0) && whole.out.contains("is whole"), "{whole:?}");
    let name = format!("hmac-{algorithm}");
    let named = verify(&chain, &["--key-file", key.as_str(), "--digest", name.as_str()]).await?;
    ensure!(named.code == Some(0), "{named:?}");
    let without = verify(&chain, &[]).await?;
    ensure!(
        without.code == Some(1) && without.err.contains("has a key, and none was given"),
        "{without:?}"
    );
    let other = verify(&chain, &["--key-file", wrong.as_str()]).await?;
    ensure!(other.code == Some(1) && other.out.contains("is not whole"), "{other:?}");
    // One digit of a time, in the middle of a line.
    let segment = segments(&chain)?.into_iter().next().context("no segment")?;
    let text = fs::read_to_string(&segment)?;
    let line = text.lines().nth(2).context("no line")?;
    let changed = line.replacen("\"timestamp\":\"2", "\"timestamp\":\"3", 1);
    ensure!(changed != line, "{line}");
    fs::write(&segment, text.replacen(line, &changed, 1))?;
    let after = verify(&chain, &["--key-file", key.as_str(), "--format", "json"]).await?;
    let said: Value = serde_json::from_str(&after.out)?;
    ensure!(
        after.code == Some(1) && said["findings"][0]["kind"] == "changed" && said["findings"][0]["line"] == 3,
        "{said}"
    );
    Ok(())
}

#[tokio::test]
async fn a_chain_by_hmac_sha_256_is_read_with_its_key_alone() -> Result<()> {
    a_chain_needs_its_key("sha256").await
}

#[tokio::test]
async fn a_chain_by_hmac_sm3_is_read_with_its_key_alone() -> Result<()> {
    a_chain_needs_its_key("sm3").await
}
