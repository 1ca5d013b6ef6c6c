//! `cofferdam logs verify`: a chain of audit records read again, and what was done to it.

use std::fs::File;
use std::io::{BufRead, BufReader, Read};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::{Args, ValueEnum};
use gate_plan::logs::{Hash, HashAlgorithm, Secret};
use log_ship::chain::{Finding, Head, Report, Wrong, verify};
use serde_json::{Value, json};

use crate::Format;
use crate::logs::digest::digest;
use crate::logs::sinks::chain_names;
use crate::voice::{fail, print};

/// LIMIT: bytes of the first line of a segment; it has fewer than 300.
const FIRST_LINE_BYTES_MAX: u64 = 64 * 1024;
/// LIMIT: entries of a folder that are looked at.
const ENTRIES_MAX: usize = 1_000_000;
/// Digits of a hash.
const HASH_DIGITS: usize = 64;

/// Which chain, and what is known of it.
#[derive(Args)]
pub(crate) struct Options {
    /// The folder of the chain: `dir` of an `audit` sink
    folder: PathBuf,
    /// What hashes. Default: as the segments say, which somebody may have written anew
    #[arg(long, value_enum)]
    digest: Option<Name>,
    /// The file with the key of a keyed chain
    #[arg(long, value_name = "FILE", conflicts_with = "key_env")]
    key_file: Option<PathBuf>,
    /// The variable with the key of a keyed chain
    #[arg(long, value_name = "NAME")]
    key_env: Option<String>,
    /// A head that was noted elsewhere, and must be in the chain as it was; may be given several times
    #[arg(long, value_name = "NUMBER:HASH", value_parser = head_of)]
    head: Vec<Head>,
    /// How findings are written
    #[arg(long, value_enum, default_value_t = Format::Text)]
    format: Format,
}

/// What hashes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Name {
    Sha256,
    HmacSha256,
    Sm3,
    HmacSm3,
}

impl Name {
    const ALL: [Self; 4] = [Self::Sha256, Self::HmacSha256, Self::Sm3, Self::HmacSm3];

    const fn word(self) -> &'static str {
        match self {
            Self::Sha256 => "sha256",
            Self::HmacSha256 => "hmac-sha256",
            Self::Sm3 => "sm3",
            Self::HmacSm3 => "hmac-sm3",
        }
    }

    const fn is_keyed(self) -> bool {
        matches!(self, Self::HmacSha256 | Self::HmacSm3)
    }

    const fn algorithm(self) -> HashAlgorithm {
        match self {
            Self::Sha256 | Self::HmacSha256 => HashAlgorithm::Sha256,
            Self::Sm3 | Self::HmacSm3 => HashAlgorithm::Sm3,
        }
    }

    /// As the first line of a segment has it: letters and digits alone.
    fn written(written: &str) -> Option<Self> {
        Self::ALL
            .into_iter()
            .find(|name| name.word().replace('-', "") == written)
    }
}

pub(crate) fn run(options: &Options) -> ExitCode {
    match (looked(options), options.format) {
        (Ok(report), format) => {
            print(&match format {
                Format::Text => text(&options.folder, &report),
                Format::Json => format!("{}\n", object(&report)),
            });
            if report.is_whole() {
                ExitCode::SUCCESS
            } else {
                ExitCode::FAILURE
            }
        }
        (Err(why), Format::Text) => {
            fail(&format!("error: {why}"));
            ExitCode::FAILURE
        }
        (Err(why), Format::Json) => {
            print(&format!("{}\n", json!({ "whole": false, "error": why })));
            ExitCode::FAILURE
        }
    }
}

fn looked(options: &Options) -> Result<Report, String> {
    let folder = &options.folder;
    let unread = |why| format!("`{}` cannot be read: {why}", folder.display());
    let said = digest_said(folder).map_err(unread)?;
    let key = match (&options.key_file, &options.key_env) {
        (Some(file), _) => Some(Secret::File(file.clone())),
        (None, Some(name)) => Some(Secret::Environment(name.clone())),
        (None, None) => None,
    };
    let name = chosen(options.digest, said, key.is_some())?;
    let hash = Hash {
        algorithm: name.algorithm(),
        key,
    };
    let digest = digest(&hash).map_err(|why| format!("{why:#}"))?;
    let report = verify(folder, &chain_names(), &digest, &options.head).map_err(unread)?;
    match report.segments {
        0 if report.is_whole() => Err(format!(
            "`{}` has no segments of a chain\nhint: they are called `audit.00000001.log` and so on",
            folder.display()
        )),
        _ => Ok(report),
    }
}

/// What hashes, when what is asked for, what the segments say and whether there is a key go together. A chain that says it has no key, where there is
/// one, is of somebody who did not have it.
fn chosen(asked: Option<Name>, said: Option<Name>, has_key: bool) -> Result<Name, String> {
    let name = match (asked, said) {
        (Some(asked), Some(said)) if asked != said => {
            return Err(format!(
                "the chain says that its digest is `{}`, not `{}`\nhint: the configuration of the gateway says which it has to be; a chain with another one was made anew",
                said.word(),
                asked.word()
            ));
        }
        (Some(name), _) | (None, Some(name)) => name,
        (None, None) => {
            return Err(String::from(
                "the first segment does not say what hashes\nhint: `--digest NAME` says it",
            ));
        }
    };
    match (name.is_keyed(), has_key) {
        (true, false) => Err(format!(
            "the digest `{}` has a key, and none was given\nhint: `--key-file FILE` or `--key-env NAME`, as `hash.key` of the sink has it",
            name.word()
        )),
        (false, true) => Err(format!(
            "a key was given, and the digest `{}` has none\nhint: leave the key out if the sink has no `hash.key`; if it has one, somebody made the chain anew",
            name.word()
        )),
        _ => Ok(name),
    }
}

/// The digest that the first segment there is names.
fn digest_said(folder: &Path) -> std::io::Result<Option<Name>> {
    let mut first: Option<PathBuf> = None;
    for entry in folder.read_dir()?.take(ENTRIES_MAX) {
        let path = entry?.path();
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        let is_segment = name.starts_with("audit.") && name.ends_with(".log");
        if is_segment && first.as_ref().is_none_or(|first| path < *first) {
            first = Some(path);
        }
    }
    let Some(first) = first else { return Ok(None) };
    let mut line = Vec::new();
    BufReader::new(File::open(first)?)
        .take(FIRST_LINE_BYTES_MAX)
        .read_until(b'\n', &mut line)?;
    let line: Option<Value> = serde_json::from_slice(&line).ok();
    let said = line.as_ref().and_then(|line| line.get(chain_names().digest)?.as_str());
    Ok(said.and_then(Name::written))
}

fn head_of(text: &str) -> Result<Head, String> {
    let wanted = || String::from("a head is written NUMBER:HASH, the hash with 64 digits");
    let (number, digits) = text.split_once(':').ok_or_else(wanted)?;
    let mut hash = [0; 32];
    let (pairs, rest) = digits.as_bytes().as_chunks::<2>();
    if digits.len() != HASH_DIGITS || !rest.is_empty() {
        return Err(wanted());
    }
    for (place, pair) in hash.iter_mut().zip(pairs) {
        let pair = std::str::from_utf8(pair).ok();
        let byte = pair.filter(|pair| pair.bytes().all(|digit| digit.is_ascii_hexdigit()));
        *place = byte
            .and_then(|pair| u8::from_str_radix(pair, 16).ok())
            .ok_or_else(wanted)?;
    }
    Ok(Head {
        sequence: number.parse().map_err(|_| wanted())?,
        hash,
    })
}

fn noted(head: &Head) -> String {
    let digits: String = head.hash.iter().map(|byte| format!("{byte:02x}")).collect();
    format!("{}:{digits}", head.sequence)
}

fn text(folder: &Path, report: &Report) -> String {
    let mut text = String::new();
    for finding in &report.findings {
        let line = if finding.line > 0 {
            format!(":{}", finding.line)
        } else {
            String::new()
        };
        text.push_str(&format!("{}{line}: {}\n", finding.file.display(), meaning(finding)));
    }
    if report.more > 0 {
        text.push_str(&format!("and {} findings more\n", report.more));
    }
    let numbers = match (report.first, report.last) {
        (Some(first), Some(last)) => format!(", numbers {first} to {}", last.sequence),
        _ => String::new(),
    };
    let read = format!("{} segments, {} lines{numbers}", report.segments, report.lines);
    let all = report.more.saturating_add(report.findings.len() as u64);
    text.push_str(&match all {
        0 => format!("the chain in `{}` is whole: {read}\n", folder.display()),
        1 => format!(
            "the chain in `{}` is not whole: 1 finding in {read}\n",
            folder.display()
        ),
        several => format!(
            "the chain in `{}` is not whole: {several} findings in {read}\n",
            folder.display()
        ),
    });
    if let Some(last) = report.last.filter(|_| report.is_whole()) {
        let head = noted(&last);
        text.push_str(&format!(
            "head {head}\nhint: keep it where nobody who can write to the folder can; `--head {head}` then finds a chain that was cut or made anew\n"
        ));
    }
    text
}

fn object(report: &Report) -> Value {
    let finding = |finding: &Finding| {
        json!({
            "file": finding.file,
            "line": (finding.line > 0).then_some(finding.line),
            "number": finding.sequence,
            "kind": kind(&finding.wrong),
            "meaning": meaning(finding),
        })
    };
    json!({
        "whole": report.is_whole(),
        "segments": report.segments,
        "lines": report.lines,
        "first": report.first,
        "last": report.last.map(|last| last.sequence),
        "head": report.last.as_ref().map(noted),
        "findings": report.findings.iter().map(finding).collect::<Vec<Value>>(),
        "more": report.more,
    })
}

const fn kind(wrong: &Wrong) -> &'static str {
    match wrong {
        Wrong::Changed => "changed",
        Wrong::Removed { .. } => "removed",
        Wrong::Moved => "moved",
        Wrong::Replaced => "replaced",
        Wrong::Added => "added",
        Wrong::Torn => "torn",
        Wrong::SegmentRemoved { .. } => "segment_removed",
        Wrong::Cut { .. } => "cut",
        Wrong::NoHead => "no_head",
    }
}

/// What a finding means.
fn meaning(finding: &Finding) -> String {
    let number = finding
        .sequence
        .map(|number| format!(" number {number}"))
        .unwrap_or_default();
    match finding.wrong {
        Wrong::Changed => format!(
            "record{number} was changed: its hash is not that of what stands there, or the digest or key is another"
        ),
        Wrong::Removed { from, to } if from == to => format!("record number {from} was removed before it"),
        Wrong::Removed { from, to } => format!("records number {from} to {to} were removed before it"),
        Wrong::Moved => format!("record{number} stands behind one that comes after it, or stands here once more"),
        Wrong::Replaced => {
            format!("record{number} does not follow the one before it: that one was replaced, with a hash made anew")
        }
        Wrong::Added => String::from("no record of the chain: the line was added, or its end was changed"),
        Wrong::Torn => String::from("the line has no end: whoever wrote it was killed, or writes it now"),
        Wrong::SegmentRemoved { number } => {
            format!(
                "segment number {number} is missing before this one, and it was not removed because its time was over"
            )
        }
        Wrong::Cut { known } => {
            format!("the chain was cut or made anew: record number {known}, which is known, is not there as it was")
        }
        Wrong::NoHead => String::from(
            "there is no note of the last record, so that a cut end cannot be seen: it was removed or damaged",
        ),
    }
}

#[cfg(test)]
mod tests;
