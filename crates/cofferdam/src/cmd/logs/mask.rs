//! `cofferdam logs mask`: what rules would do to a file, told without what they would hide.

mod lines;

use std::fs::File;
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;

use clap::builder::PossibleValuesParser;
use clap::{Args, ValueEnum};
use gate_plan::logs::{Mask, Rules};
use log_mask::masker::{Masker, Syntax};
use log_mask::pack::{PACKS, pack};
use log_mask::report::{FINDINGS_MAX, Report};
use serde_json::{Map, Value, json};

use self::lines::Lines;
use crate::Format;
use crate::voice::{fail, print, say};

/// LIMIT: bytes that are read at once, and so what is in memory of a text of any length, beside what may still become a find.
const PIECE_BYTES: usize = 64 * 1024;

/// Which rules, and of what.
#[derive(Args)]
pub(crate) struct Options {
    /// The configuration whose `logs.mask` is meant, unless there is a `--pack`; then the text: a file, or `-` for the standard input, as without one
    #[arg(value_name = "CONFIGURATION|TEXT", num_args = 0..=2)]
    files: Vec<PathBuf>,
    /// A pack of rules instead of a configuration; may be given several times, and later ones count over earlier ones
    #[arg(long, value_parser = PossibleValuesParser::new(PACKS.iter().map(|pack| pack.name)))]
    pack: Vec<String>,
    /// How the text is written
    #[arg(long = "as", value_enum, default_value_t = Kind::Text)]
    kind: Kind,
    /// How it is told what was found
    #[arg(long, value_enum, default_value_t = Format::Text)]
    format: Format,
    /// Write the masked text to the standard output, and what was found to the standard error
    #[arg(long)]
    show: bool,
}

/// How a text is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Kind {
    /// Any text, with parts of addresses or of JSON in it
    Text,
    /// One value of JSON
    Json,
    /// A value of JSON in each line
    Jsonl,
    /// A query of an address, or the body of a form
    Query,
}

impl Kind {
    const fn syntax(self) -> Syntax {
        match self {
            Self::Text => Syntax::Loose,
            Self::Json => Syntax::Json,
            Self::Jsonl => Syntax::JsonLines,
            Self::Query => Syntax::Query,
        }
    }
}

/// What was found in a text.
struct Found {
    report: Report,
    /// The line of each place.
    lines: Vec<u64>,
    bytes: u64,
}

pub(crate) fn run(options: &Options) -> ExitCode {
    let (configuration, text) = match (options.pack.is_empty(), &*options.files) {
        (true, [configuration]) => (Some(configuration), None),
        (true, [configuration, text]) => (Some(configuration), Some(text)),
        (false, []) => (None, None),
        (false, [text]) => (None, Some(text)),
        (true, _) => return misused("no rules are named"),
        (false, _) => return misused("there are packs and a configuration"),
    };
    let masked = rules(configuration.map(PathBuf::as_path), &options.pack).and_then(|rules| {
        let (mut input, name) = opened(text.map(PathBuf::as_path))?;
        let masker = Masker::reporting(Arc::new(rules), options.kind.syntax());
        let found = match options.show {
            true => mask(masker, &mut input, &mut io::stdout().lock()),
            false => mask(masker, &mut input, &mut io::sink()),
        };
        found.map(|found| (found, name)).map_err(|why| format!("error: {why}"))
    });
    match masked {
        Ok((found, name)) => {
            let told = match options.format {
                Format::Text => told(&found, &name),
                Format::Json => format!("{}\n", object(&found)),
            };
            match options.show {
                true => say(told.trim_end()),
                false => drop(print(&told)),
            }
            ExitCode::SUCCESS
        }
        Err(why) => {
            fail(why.trim_end());
            ExitCode::FAILURE
        }
    }
}

fn misused(why: &str) -> ExitCode {
    fail(&format!(
        "error: {why}\nhint: `cofferdam logs mask CONFIGURATION [TEXT]`, or `cofferdam logs mask --pack NAME [TEXT]`"
    ));
    ExitCode::from(2)
}

fn rules(configuration: Option<&Path>, packs: &[String]) -> Result<Rules, String> {
    let Some(file) = configuration else {
        let mask = Mask {
            packs: packs
                .iter()
                .filter_map(|name| pack(name))
                .map(|pack| pack.name)
                .collect(),
            ..Mask::default()
        };
        return mask.rules(None).map_err(|why| format!("error: {why}"));
    };
    let text = crate::feed::now(file).map_err(|wrong| wrong.to_string())?;
    let mut plan = text.checked().map_err(|wrong| wrong.to_string())?;
    crate::anchor::anchor(&mut plan, &text.folder);
    if plan.logs.mask.is_none() {
        say("nothing is masked: `logs.mask` is `off`");
    }
    crate::logs::rules(&plan).map_err(|why| format!("error: {why:#}"))
}

/// The text, and what messages call it.
fn opened(file: Option<&Path>) -> Result<(Box<dyn Read>, String), String> {
    match file.filter(|file| *file != Path::new("-")) {
        None => Ok((Box::new(io::stdin().lock()), String::from("the standard input"))),
        Some(file) => {
            let shown = format!("`{}`", file.display());
            let open = File::open(file).map_err(|why| format!("error: {shown} cannot be read: {why}"))?;
            Ok((Box::new(open), shown))
        }
    }
}

/// Masks a text piece by piece.
fn mask(mut masker: Masker, input: &mut dyn Read, out: &mut dyn Write) -> Result<Found, String> {
    let unwritten = |why| format!("the masked text cannot be written: {why}");
    let mut piece = vec![0; PIECE_BYTES];
    let (mut masked, mut lines, mut bytes, mut known) = (Vec::new(), Lines::default(), 0_u64, 0);
    loop {
        let read = match input.read(&mut piece) {
            Ok(0) => break,
            Ok(read) => piece.get(..read).unwrap_or_default(),
            Err(why) if why.kind() == io::ErrorKind::Interrupted => continue,
            Err(why) => return Err(format!("the text cannot be read to its end: {why}")),
        };
        bytes = bytes.saturating_add(read.len() as u64);
        lines.take(read);
        masker.push(read, &mut masked);
        out.write_all(&masked).map_err(unwritten)?;
        masked.clear();
        // Places are asked for as long as there may be new ones, for each time they are copied.
        if masker.counts().total() > known && lines.placed() < FINDINGS_MAX {
            known = masker.counts().total();
            lines.place(&masker.report().findings);
        }
        lines.forget();
    }
    masker.finish(&mut masked);
    out.write_all(&masked).and_then(|()| out.flush()).map_err(unwritten)?;
    let report = masker.report();
    lines.place(&report.findings);
    Ok(Found {
        report,
        lines: lines.into_places(),
        bytes,
    })
}

fn told(found: &Found, name: &str) -> String {
    let total = found.report.counts.total();
    let mut text = format!("{name}: {} bytes, {total} places would be masked\n", found.bytes);
    for (class, count) in found.report.counts.found() {
        text.push_str(&format!("{:<16} {count}\n", class.name()));
    }
    for (finding, line) in found.report.findings.iter().zip(&found.lines) {
        text.push_str(&format!(
            "line {line}, offset {}, {} bytes: {}\n",
            finding.offset_bytes,
            finding.length_bytes,
            finding.class.name()
        ));
    }
    let placed = found.report.findings.len() as u64;
    if total > placed {
        text.push_str(&format!("and {} places more\n", total - placed));
    }
    text
}

fn object(found: &Found) -> Value {
    let counts = found.report.counts.found();
    let counts: Map<String, Value> = counts
        .map(|(class, count)| (class.name().to_owned(), json!(count)))
        .collect();
    let places = found.report.findings.iter().zip(&found.lines).map(|(finding, line)| {
        json!({
            "class": finding.class.name(),
            "line": line,
            "offset": finding.offset_bytes,
            "length": finding.length_bytes,
        })
    });
    json!({
        "bytes": found.bytes,
        "total": found.report.counts.total(),
        "counts": counts,
        "places": places.collect::<Vec<Value>>(),
    })
}

#[cfg(test)]
mod tests;
