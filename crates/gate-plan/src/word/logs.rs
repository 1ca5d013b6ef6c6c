//! Words of logs: levels, classes of records and of what is masked, what is kept, statuses, codes of faults, and when a disk is asked.

use std::time::Duration;

use log_mask::class::Class as MaskClass;
use log_mask::pack::{PACKS, pack};
use log_record::grade::{Class, Level};

use super::image::WebAddress;
use super::rollout::Part;
use super::{Flaw, Word};
use crate::nearest::nearest;

/// Parts per million of a whole.
const WHOLE: u64 = 1_000_000;
/// LIMIT: characters of a fault's code.
const CODE_CHARS_MAX: usize = 100;

/// The one of `all` that has this word.
fn known<T: Copy>(text: &str, all: &[T], word: fn(T) -> &'static str, kind: &str) -> Result<T, Flaw> {
    if let Some(known) = all.iter().find(|known| word(**known) == text) {
        return Ok(*known);
    }
    let flaw = Flaw::new(format!("there is no {kind} `{text}`"));
    let words = || all.iter().map(|known| word(*known));
    Err(match nearest(text, words()) {
        Some(meant) => flaw.help(format!("did you mean `{meant}`?")),
        None => {
            let words: Vec<String> = words().map(|word| format!("`{word}`")).collect();
            flaw.help(format!("there are {}", words.join(", ")))
        }
    })
}

impl Word for Level {
    const FORMAT: &'static str = "level";
    const WANTED: &'static str = "a level: `trace`, `debug`, `info`, `warn`, `error` or `critical`";
    const PATTERN: Option<&'static str> = Some("^(trace|debug|info|warn|error|critical)$");

    fn read(text: &str) -> Result<Self, Flaw> {
        known(text, &Self::ALL, Self::word, "level")
    }
}

impl Word for Class {
    const FORMAT: &'static str = "record-class";
    const WANTED: &'static str = "a class of records such as `access` or `plugin`";
    const PATTERN: Option<&'static str> =
        Some("^(access|plugin|fault|control|call|gateway|audit|connection|debug|span)$");

    fn read(text: &str) -> Result<Self, Flaw> {
        known(text, &Self::ALL, Self::word, "class of records")
    }
}

impl Word for MaskClass {
    const FORMAT: &'static str = "mask-class";
    const WANTED: &'static str = "a class of what is masked, such as `email` or `bank_card`";

    fn read(text: &str) -> Result<Self, Flaw> {
        known(text, &Self::ALL, Self::name, "class of what is masked")
    }
}

/// The name of a pack of rules.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct MaskPack(pub(crate) &'static str);

impl Word for MaskPack {
    const FORMAT: &'static str = "mask-pack";
    const WANTED: &'static str = "a pack: `gdpr`, `mlps3` or `pci`";
    const PATTERN: Option<&'static str> = Some("^(gdpr|mlps3|pci)$");

    fn read(text: &str) -> Result<Self, Flaw> {
        if let Some(pack) = pack(text) {
            return Ok(Self(pack.name));
        }
        let names: Vec<&'static str> = PACKS.iter().map(|pack| pack.name).collect();
        known(text, &names, |name| name, "pack").map(Self)
    }
}

/// The word by which something is left out that is there otherwise.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Off;

impl Word for Off {
    const FORMAT: &'static str = "off";
    const WANTED: &'static str = "a map, or `off`";

    fn read(text: &str) -> Result<Self, Flaw> {
        match text {
            "off" => Ok(Self),
            _ => Err(Flaw::new(format!("`{text}` is not `off`")).help(format!("write {}", Self::WANTED))),
        }
    }
}

/// What part of something is kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kept {
    /// Everything, lines of exchanges that are not kept included.
    All,
    /// Nothing.
    None,
    /// So many of a million exchanges, and of lines those of them.
    Part(u32),
}

impl Word for Kept {
    const FORMAT: &'static str = "kept-part";
    const WANTED: &'static str = "a percentage such as `10%`, or `all` or `none`";
    const PATTERN: Option<&'static str> = Some("^([0-9]+([.][0-9]{1,4})?%|all|none)$");

    fn read(text: &str) -> Result<Self, Flaw> {
        let Part(parts) = match text {
            "all" => return Ok(Self::All),
            "none" => return Ok(Self::None),
            text => Part::read(text)?,
        };
        match u32::try_from(parts) {
            Ok(0) => Err(Flaw::new(format!("`{text}` keeps nothing")).help("write `none`")),
            Ok(part) if parts <= WHOLE => Ok(Self::Part(part)),
            _ => Err(Flaw::new(format!("`{text}` is more than everything")).help("everything is `100%`")),
        }
    }
}

/// Statuses of responses: one, or a class.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum StatusWord {
    One(u16),
    Class(u16),
}

impl Word for StatusWord {
    const FORMAT: &'static str = "status-or-class";
    const WANTED: &'static str = "a status such as `429`, or a class such as `5xx`";
    const PATTERN: Option<&'static str> = Some("^[1-5]([0-9][0-9]|xx)$");
    const NUMBER_TOO: bool = true;

    fn read(text: &str) -> Result<Self, Flaw> {
        let word = match text.strip_suffix("xx") {
            Some(class) => class
                .parse()
                .ok()
                .filter(|class| (1..=5).contains(class))
                .map(Self::Class),
            None => text.parse().ok().filter(|one| (100..600).contains(one)).map(Self::One),
        };
        word.ok_or_else(|| Flaw::new(format!("`{text}` is no status")).help(format!("write {}", Self::WANTED)))
    }
}

/// Faults, by their code, or any.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum FaultWord {
    Any,
    Code(String),
}

impl Word for FaultWord {
    const FORMAT: &'static str = "fault-code";
    const WANTED: &'static str = "the code of a fault such as `plugin.slice_exceeded`, or `any`";
    const PATTERN: Option<&'static str> = Some("^(any|[a-z0-9_]+([.][a-z0-9_]+)+)$");

    fn read(text: &str) -> Result<Self, Flaw> {
        if text == "any" {
            return Ok(Self::Any);
        }
        let plain = |part: &str| {
            let letter = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'_';
            !part.is_empty() && part.bytes().all(letter)
        };
        if text.len() <= CODE_CHARS_MAX && text.contains('.') && text.split('.').all(plain) {
            return Ok(Self::Code(text.to_owned()));
        }
        Err(Flaw::new(format!("`{text}` is not the code of a fault")).help(format!("write {}", Self::WANTED)))
    }
}

/// When what is written is forced onto the disk.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum SyncWord {
    Never,
    Always,
    Every(Duration),
}

impl Word for SyncWord {
    const FORMAT: &'static str = "sync";
    const WANTED: &'static str = "a time span such as `1s`, or `always` or `never`";
    const PATTERN: Option<&'static str> = Some("^([0-9]+(ns|us|ms|s|m|h|d)|always|never)$");

    fn read(text: &str) -> Result<Self, Flaw> {
        match text {
            "never" => Ok(Self::Never),
            "always" => Ok(Self::Always),
            text => Duration::read(text).map(Self::Every),
        }
    }

    fn measure(&self) -> Option<u128> {
        match self {
            Self::Every(span) => Some(span.as_nanos()),
            // They have no length that a key could bound.
            Self::Never | Self::Always => None,
        }
    }
}

/// A name that a store of logs takes: letters, digits and `_`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct PlainName(pub(crate) String);

impl Word for PlainName {
    const FORMAT: &'static str = "plain-name";
    const WANTED: &'static str = "a name of letters, digits and `_`, such as `service_name`";
    const PATTERN: Option<&'static str> = Some("^[A-Za-z_][A-Za-z0-9_]*$");

    fn read(text: &str) -> Result<Self, Flaw> {
        let plain = |letter: char| letter == '_' || letter.is_ascii_alphanumeric();
        if text.is_empty() || text.starts_with(|first: char| first.is_ascii_digit()) {
            return Err(Flaw::new(format!("`{text}` is no such name")).help(format!("write {}", Self::WANTED)));
        }
        match text.chars().position(|letter| !plain(letter)) {
            None => Ok(Self(text.to_owned())),
            Some(bad) => {
                let flaw = Flaw::new(format!("`{text}` has a character that does not belong there"));
                Err(flaw
                    .help(format!("write {}", Self::WANTED))
                    .part(bad, bad.saturating_add(1)))
            }
        }
    }
}

/// Where a store of logs is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct LogAddress(pub(crate) String);

impl Word for LogAddress {
    const FORMAT: &'static str = "log-address";
    const WANTED: &'static str = "a URL such as `https://logs.example.com`";
    const PATTERN: Option<&'static str> = Some("^https?://");

    fn read(text: &str) -> Result<Self, Flaw> {
        match WebAddress::read(text) {
            Ok(WebAddress(text)) => Ok(Self(text)),
            Err(flaw) if text.contains('@') => {
                Err(flaw.help("say who we are under `login`, with a file or a variable that has the secret"))
            }
            Err(flaw) => Err(flaw.help(format!("write {}", Self::WANTED))),
        }
    }
}
