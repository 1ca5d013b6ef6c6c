//! Texts to look for secrets in: some 400 bytes each, clean, or with a secret every 200 bytes.

use std::fs;
use std::path::Path;

use anyhow::Result;
use serde_json::json;

use crate::exchange::{self, Exchange};

/// How many there are of each kind.
const COUNT: usize = 512;

/// Secrets of several classes, one after the other.
const SECRETS: [&str; 8] = [
    "13912345678",
    "ann.smith@example.com",
    "6222021234567890128",
    "11010519491231002X",
    "4111111111111111",
    "+4915112345678",
    "DE89370400440532013000",
    "E12345678",
];

/// What people and programs write, with nothing in it that is anybody's.
pub(crate) fn clean() -> Vec<String> {
    let text = |number: usize| {
        let mut text = format!(
            "order o-{number:05} of category garden was moved to the state packed after 37 ms; carrier=north weight=2.5kg lines=3 note=\"please ring twice\" "
        );
        text.push_str(
            "the quick brown fox jumps over the lazy dog while the scheduler retries the second batch of 64 items, ",
        );
        text.push_str("cache hit ratio 0.93, shard eu-west-1b, version 4.17.2, build 2024-11-05, locale=de_DE, feature flags: dark-mode, checkout-v3, free-returns");
        text
    };
    (0..COUNT).map(text).collect()
}

/// The same with two secrets in each.
pub(crate) fn with_secrets() -> Vec<String> {
    let texts = clean().into_iter().enumerate();
    let with = |(number, mut text): (usize, String)| {
        let secret = |step: usize| {
            SECRETS
                .get((number + step) % SECRETS.len())
                .copied()
                .unwrap_or_default()
        };
        let middle = text.len() / 2;
        let middle = text
            .get(middle..)
            .and_then(|rest| rest.find(' '))
            .map_or(0, |space| middle + space);
        text.insert_str(middle, &format!(" {} ", secret(0)));
        text.push_str(&format!(" {}", secret(1)));
        text
    };
    texts.map(with).collect()
}

/// Writes them for programs that are measured elsewhere: `clean.txt`, `secrets.txt`, and records with about 400 bytes that somebody sent as `records.jsonl`, one in each line.
pub(crate) fn save(folder: &Path) -> Result<()> {
    fs::create_dir_all(folder)?;
    let records: Vec<String> = exchange::long().iter().map(record).collect();
    for (name, lines) in [
        ("clean.txt", clean()),
        ("secrets.txt", with_secrets()),
        ("records.jsonl", records),
    ] {
        fs::write(folder.join(name), lines.join("\n") + "\n")?;
    }
    Ok(())
}

fn record(exchange: &Exchange) -> String {
    let record = json!({
        "timestamp": "2025-11-24T16:00:00.123456789Z",
        "level": "info",
        "message": "access",
        "request_id": exchange.request_id,
        "client": exchange.client_text,
        "method": exchange.method,
        "authority": exchange.authority,
        "path": exchange.path,
        "query": exchange.query,
        "protocol": exchange.protocol,
        "status": exchange.status,
        "response_bytes": exchange.response_bytes,
        "duration_ms": exchange.duration_ms(),
        "user_agent": exchange.user_agent,
    });
    record.to_string()
}
