//! The words of grants: host calls, functions, and names with a star at their end.

use plug_abi::{FOREIGN_FUNCTIONS, Family, HOST_CALLS, WASI_CALLS};
use plug_grant::{CallSet, Grant, Name};

use super::{Flaw, Word};
use crate::nearest::nearest;

/// LIMIT: characters of a name that a grant lists.
const CHARS_MAX: usize = 1_024;

/// Host calls by name or family.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct HostCallWord(pub(crate) CallSet);

impl Word for HostCallWord {
    const FORMAT: &'static str = "host-call";
    const WANTED: &'static str = "a host call such as `proxy_log`, or a family such as `log`";

    fn read(text: &str) -> Result<Self, Flaw> {
        let mut set = CallSet::NONE;
        if set.add_host(text).is_some() {
            return Ok(Self(set));
        }
        if plug_abi::wasi_call(text).is_some() {
            return Err(Flaw::new(format!("`{text}` is a function of WASI")).help("write it under `wasi`"));
        }
        let names = HOST_CALLS.iter().map(|call| call.name);
        let known = names.chain(Family::ALL.iter().map(|family| family.word()));
        Err(unknown("host call or family", text, known))
    }
}

/// Functions of WASI by name or by what they are for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct WasiWord(pub(crate) CallSet);

impl Word for WasiWord {
    const FORMAT: &'static str = "wasi-function";
    const WANTED: &'static str = "a function of WASI such as `clock_time_get`, or what it is for, such as `clock`";

    fn read(text: &str) -> Result<Self, Flaw> {
        let mut set = CallSet::NONE;
        if set.add_wasi(text).is_some() {
            return Ok(Self(set));
        }
        let names = WASI_CALLS.iter().map(|call| call.name);
        let words = WASI_CALLS.iter().map(|call| call.capability().word());
        Err(unknown("function of WASI", text, names.chain(words)))
    }
}

/// A foreign function, or all of them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct ForeignFunction(pub(crate) Name);

impl Word for ForeignFunction {
    const FORMAT: &'static str = "foreign-function";
    const WANTED: &'static str = "a foreign function such as `compress`, or `*`";

    fn read(text: &str) -> Result<Self, Flaw> {
        match text == "*" || FOREIGN_FUNCTIONS.contains(&text) {
            true => Ok(Self(Name::read(text))),
            false => Err(unknown("foreign function", text, FOREIGN_FUNCTIONS.iter().copied())),
        }
    }
}

fn unknown<'k>(kind: &str, text: &str, known: impl Iterator<Item = &'k str> + Clone) -> Flaw {
    let flaw = Flaw::new(format!("there is no {kind} `{text}`"));
    match nearest(text, known) {
        Some(meant) => flaw.help(format!("did you mean `{meant}`?")),
        None => flaw,
    }
}

/// A name, a beginning with a star behind it, or a star alone.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct NamePattern(pub(crate) Name);

impl Word for NamePattern {
    const FORMAT: &'static str = "name-pattern";
    const WANTED: &'static str = "a name, a beginning such as `team.*`, or `*`";

    fn read(text: &str) -> Result<Self, Flaw> {
        starred(text)?;
        Ok(Self(Name::read(text)))
    }
}

/// The name of a header, a beginning with a star behind it, or a star alone.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct HeaderPattern(pub(crate) Name);

impl Word for HeaderPattern {
    const FORMAT: &'static str = "header-pattern";
    const WANTED: &'static str = "a header such as `x-user` or `:path`, a beginning such as `x-team-*`, or `*`";

    fn read(text: &str) -> Result<Self, Flaw> {
        starred(text)?;
        let bare = text.strip_suffix('*').unwrap_or(text);
        let bare = bare.strip_prefix(':').unwrap_or(bare);
        // RFC 9110 section 5.6.2.
        let token = |char: char| char.is_ascii_alphanumeric() || "!#$%&'+-.^_`|~".contains(char);
        if let Some(bad) = text.chars().position(|char| !token(char) && !matches!(char, ':' | '*')) {
            return Err(Flaw::new(format!("`{text}` has a character that no name of a header has")).part(bad, bad + 1));
        }
        if bare.contains(':') {
            return Err(Flaw::new(format!(
                "`{text}` has a colon in the middle, which no name of a header has"
            )));
        }
        Ok(Self(Grant::header_name(text)))
    }
}

/// A command of Redis, in upper case.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct RedisCommand(pub(crate) Name);

impl Word for RedisCommand {
    const FORMAT: &'static str = "redis-command";
    const WANTED: &'static str = "a command of Redis such as `get`, or `*`";

    fn read(text: &str) -> Result<Self, Flaw> {
        starred(text)?;
        let upper = text.to_ascii_uppercase();
        if upper == "*" || plug_grant::knows_command(&upper) {
            return Ok(Self(Name::read(&upper)));
        }
        if let Some(why) = plug_grant::harm_of_command(&upper) {
            return Err(Flaw::new(format!("`{text}` cannot be granted: it is a command {why}")));
        }
        let flaw = unknown(
            "command of Redis that can be granted",
            text,
            plug_grant::commands_known(),
        );
        Err(match flaw.help {
            None => flaw.help("what changes the connection cannot be granted: plugins share it"),
            Some(_) => flaw,
        })
    }
}

/// What a plugin calls a folder.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct FolderName(pub(crate) String);

impl Word for FolderName {
    const FORMAT: &'static str = "folder-name";
    const WANTED: &'static str = "a folder's name as the plugin sees it, such as `/data`";

    fn read(text: &str) -> Result<Self, Flaw> {
        let parts = || text.split('/').filter(|part| !part.is_empty());
        if !text.starts_with('/') || parts().any(|part| part == "." || part == "..") {
            return Err(
                Flaw::new(format!("`{text}` is no absolute name of a folder")).help("write a name such as `/data`")
            );
        }
        if text.contains('\0') || text.chars().count() > CHARS_MAX {
            return Err(Flaw::new("the folder's name is too long or has a NUL character"));
        }
        Ok(Self(text.to_owned()))
    }
}

fn starred(text: &str) -> Result<(), Flaw> {
    if text.is_empty() {
        return Err(Flaw::new("the name is empty"));
    }
    if text.chars().count() > CHARS_MAX {
        return Err(Flaw::new(format!("the name has more than {CHARS_MAX} characters")));
    }
    let star = text.chars().position(|char| char == '*');
    match star.filter(|at| at.saturating_add(1) < text.chars().count()) {
        Some(at) => {
            let flaw = Flaw::new(format!("`{text}` has a star that is not at its end"));
            Err(flaw
                .help("only beginnings are granted, such as `team.*`")
                .part(at, at.saturating_add(1)))
        }
        None => Ok(()),
    }
}
