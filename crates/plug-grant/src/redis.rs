//! What a plugin sends to Redis: RESP bytes read as the one command that they are, and the keys that it names.

use std::fmt;

use crate::grant::Redis;

/// LIMIT: words of one command.
const WORDS_MAX: usize = 65_536;
/// How much of a word is shown.
const SHOWN_BYTES_MAX: usize = 64;

/// Where the keys of a command stand among its words, of which the command is the first.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Keys {
    /// It has none.
    None,
    /// The first argument.
    First,
    /// The first two.
    Two,
    /// All arguments.
    All,
    /// Every second argument from the first on.
    Pairs,
    /// As many as the first argument says, behind it.
    Counted,
    /// The first argument, and as many after the second as it says.
    FirstAndCounted,
    /// The first half of what stands behind `STREAMS`, whose other half are places in them.
    Streams,
    /// Any: a script, a search, a command about the server or the connection.
    Any,
}

use Keys::{All, Any, Counted, First, FirstAndCounted, Pairs, Streams, Two};

/// Why a command is refused whatever is granted: plugins share connections, and a client has one database.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Harm {
    /// Its answer waits for something, and with it the answers of all that come after it.
    Waits,
    /// The connection is another one afterwards.
    Connection,
    /// It reaches a database that is not the client's.
    Database,
    /// Nobody here knows what its arguments ask.
    Unclear,
}

impl Harm {
    const fn why(self) -> &'static str {
        match self {
            Self::Waits => "which holds up other plugins on its connection",
            Self::Connection => "which changes a connection that plugins share",
            Self::Database => "which reaches another database",
            Self::Unclear => "whose arguments are not known here",
        }
    }
}

/// Commands that are always refused. What is in no table is refused as well, without a reason of its own.
const HARMFUL: &[(Harm, &[&str])] = &[
    (
        Harm::Waits,
        &[
            "BLMOVE",
            "BLMPOP",
            "BLPOP",
            "BRPOP",
            "BRPOPLPUSH",
            "BZMPOP",
            "BZPOPMAX",
            "BZPOPMIN",
            "WAIT",
            "WAITAOF",
        ],
    ),
    (
        Harm::Connection,
        &[
            "ASKING",
            "AUTH",
            "CLIENT",
            "DISCARD",
            "EXEC",
            "HELLO",
            "MONITOR",
            "MULTI",
            "PSUBSCRIBE",
            "PSYNC",
            "PUNSUBSCRIBE",
            "QUIT",
            "READONLY",
            "READWRITE",
            "RESET",
            "SELECT",
            "SSUBSCRIBE",
            "SUBSCRIBE",
            "SUNSUBSCRIBE",
            "SYNC",
            "UNSUBSCRIBE",
            "UNWATCH",
            "WATCH",
        ],
    ),
    (Harm::Database, &["MOVE", "SWAPDB"]),
];

/// What may stand behind `SCRIPT`: neither what stops scripts of others, nor a debugger, which stops the server.
const OF_SCRIPTS: &[&str] = &["EXISTS", "FLUSH", "LOAD"];

/// Commands by the places of their keys. A command that is not here is refused.
const COMMANDS: &[(Keys, &[&str])] = &[
    (Keys::None, &["PING", "ECHO", "TIME"]),
    (
        First,
        &[
            "APPEND",
            "BITCOUNT",
            "BITFIELD",
            "BITFIELD_RO",
            "BITPOS",
            "DECR",
            "DECRBY",
            "DUMP",
            "EXPIRE",
            "EXPIREAT",
            "EXPIRETIME",
            "GEOADD",
            "GEODIST",
            "GEOHASH",
            "GEOPOS",
            "GEOSEARCH",
            "GET",
            "GETBIT",
            "GETDEL",
            "GETEX",
            "GETRANGE",
            "GETSET",
            "HDEL",
            "HEXISTS",
            "HEXPIRE",
            "HGET",
            "HGETALL",
            "HINCRBY",
            "HINCRBYFLOAT",
            "HKEYS",
            "HLEN",
            "HMGET",
            "HMSET",
            "HRANDFIELD",
            "HSCAN",
            "HSET",
            "HSETNX",
            "HSTRLEN",
            "HTTL",
            "HVALS",
            "INCR",
            "INCRBY",
            "INCRBYFLOAT",
            "LINDEX",
            "LINSERT",
            "LLEN",
            "LPOP",
            "LPOS",
            "LPUSH",
            "LPUSHX",
            "LRANGE",
            "LREM",
            "LSET",
            "LTRIM",
            "PERSIST",
            "PEXPIRE",
            "PEXPIREAT",
            "PEXPIRETIME",
            "PFADD",
            "PSETEX",
            "PTTL",
            "RPOP",
            "RPUSH",
            "RPUSHX",
            "SADD",
            "SCARD",
            "SET",
            "SETBIT",
            "SETEX",
            "SETNX",
            "SETRANGE",
            "SISMEMBER",
            "SMEMBERS",
            "SMISMEMBER",
            "SPOP",
            "SRANDMEMBER",
            "SREM",
            "SSCAN",
            "STRLEN",
            "SUBSTR",
            "TTL",
            "TYPE",
            "XACK",
            "XADD",
            "XAUTOCLAIM",
            "XCLAIM",
            "XDEL",
            "XLEN",
            "XPENDING",
            "XRANGE",
            "XREVRANGE",
            "XTRIM",
            "ZADD",
            "ZCARD",
            "ZCOUNT",
            "ZINCRBY",
            "ZLEXCOUNT",
            "ZMSCORE",
            "ZPOPMAX",
            "ZPOPMIN",
            "ZRANDMEMBER",
            "ZRANGE",
            "ZRANGEBYLEX",
            "ZRANGEBYSCORE",
            "ZRANK",
            "ZREM",
            "ZREMRANGEBYLEX",
            "ZREMRANGEBYRANK",
            "ZREMRANGEBYSCORE",
            "ZREVRANGE",
            "ZREVRANGEBYLEX",
            "ZREVRANGEBYSCORE",
            "ZREVRANK",
            "ZSCAN",
            "ZSCORE",
        ],
    ),
    (
        Two,
        &[
            "COPY",
            "GEOSEARCHSTORE",
            "LMOVE",
            "RENAME",
            "RENAMENX",
            "RPOPLPUSH",
            "SMOVE",
            "ZRANGESTORE",
        ],
    ),
    (
        All,
        &[
            "DEL",
            "EXISTS",
            "MGET",
            "PFCOUNT",
            "PFMERGE",
            "SDIFF",
            "SDIFFSTORE",
            "SINTER",
            "SINTERSTORE",
            "SUNION",
            "SUNIONSTORE",
            "TOUCH",
            "UNLINK",
        ],
    ),
    (Pairs, &["MSET", "MSETNX"]),
    (
        Counted,
        &[
            "LMPOP",
            "SINTERCARD",
            "ZDIFF",
            "ZINTER",
            "ZINTERCARD",
            "ZMPOP",
            "ZUNION",
        ],
    ),
    (FirstAndCounted, &["ZDIFFSTORE", "ZINTERSTORE", "ZUNIONSTORE"]),
    (
        Any,
        &[
            "DBSIZE",
            "EVAL",
            "EVALSHA",
            "EVALSHA_RO",
            "EVAL_RO",
            "FCALL",
            "FCALL_RO",
            "KEYS",
            "PUBLISH",
            "RANDOMKEY",
            "SCAN",
            "SCRIPT",
            "SORT",
            "SORT_RO",
            "XGROUP",
            "XINFO",
        ],
    ),
    (Streams, &["XREAD", "XREADGROUP"]),
];

/// Commands that can be granted, in upper case. What changes the connection, which plugins share, is none, nor what waits on it: `AUTH`, `SELECT`,
/// `HELLO`, `CLIENT`, `MULTI`, `SUBSCRIBE`, `MONITOR`, `BLPOP` and their like are always refused to a plugin with a grant.
pub fn commands_known() -> impl Iterator<Item = &'static str> + Clone {
    COMMANDS.iter().flat_map(|(_, names)| names.iter().copied())
}

/// Whether a command, in upper case, is one of [`commands_known`].
#[must_use]
pub fn knows_command(name: &str) -> bool {
    commands_known().any(|known| known == name)
}

/// Why a command, in upper case, cannot be granted, when there is a reason of its own.
#[must_use]
pub fn harm_of_command(name: &str) -> Option<&'static str> {
    harm(name.as_bytes()).map(Harm::why)
}

fn harm(name: &[u8]) -> Option<Harm> {
    let row = HARMFUL
        .iter()
        .find(|(_, names)| names.iter().any(|known| known.as_bytes() == name));
    row.map(|(harm, _)| *harm)
}

/// Why Redis is not asked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Refused {
    /// The bytes are not one whole command as an array of texts: inline commands and broken bytes.
    NotACommand,
    /// The bytes are several commands, of which each would get the answer of another call.
    Several,
    /// The command is not granted.
    Command(String),
    /// The command is not known here, so that nobody knows its keys.
    Unknown(String),
    /// A key is not granted. It is not shown: it may be a client's token.
    Key(String),
    /// The command may touch any key, and not all are granted.
    AnyKey(String),
    /// The command is refused whatever is granted, for this reason.
    Harmful(String, &'static str),
}

impl fmt::Display for Refused {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotACommand => formatter.write_str("bytes that are no command"),
            Self::Several => formatter.write_str("several commands at once"),
            Self::Command(command) => write!(formatter, "{command}"),
            Self::Unknown(command) => write!(formatter, "{command}, which is not known here"),
            Self::Key(command) => write!(formatter, "a key of {command}"),
            Self::AnyKey(command) => write!(formatter, "{command}, which may touch any key"),
            Self::Harmful(command, why) => write!(formatter, "{command}, {why}"),
        }
    }
}

/// Whether `query` is one command that `grant` has, with keys that it has.
pub(crate) fn check(query: &[u8], grant: &Redis) -> Result<(), Refused> {
    let (words, rest) = command(query).ok_or(Refused::NotACommand)?;
    let (first, arguments) = words.split_first().ok_or(Refused::NotACommand)?;
    let name = first.to_ascii_uppercase();
    let shown = || String::from_utf8_lossy(name.get(..SHOWN_BYTES_MAX).unwrap_or(&name)).into_owned();
    if let Some(harm) = harm(&name).or_else(|| harm_of_arguments(&name, arguments)) {
        return Err(Refused::Harmful(shown(), harm.why()));
    }
    if !grant.commands.has(&name) {
        return Err(Refused::Command(shown()));
    }
    let row = COMMANDS
        .iter()
        .find(|(_, names)| names.iter().any(|known| known.as_bytes() == name));
    let (keys, _) = row.ok_or_else(|| Refused::Unknown(shown()))?;
    if !grant.keys.is_all() {
        let named = named(*keys, arguments).ok_or_else(|| Refused::AnyKey(shown()))?;
        if !named.iter().all(|key| grant.keys.has(key)) {
            return Err(Refused::Key(shown()));
        }
    }
    // Said last: what is in the first command tells more.
    match rest.is_empty() {
        true => Ok(()),
        false => Err(Refused::Several),
    }
}

/// The harm that is in what stands behind a command.
fn harm_of_arguments(name: &[u8], arguments: &[&[u8]]) -> Option<Harm> {
    let is = |word: &&[u8], known: &str| word.eq_ignore_ascii_case(known.as_bytes());
    match name {
        b"XREAD" | b"XREADGROUP" => match streams(arguments) {
            Some((false, _)) => None,
            Some((true, _)) => Some(Harm::Waits),
            None => Some(Harm::Unclear),
        },
        b"SCRIPT" => {
            let known = |word: &&[u8]| OF_SCRIPTS.iter().any(|known| is(word, known));
            (!arguments.first().is_some_and(known)).then_some(Harm::Waits)
        }
        b"COPY" => {
            let mut options = arguments.iter().skip(2);
            options.any(|word| is(word, "DB")).then_some(Harm::Database)
        }
        _ => None,
    }
}

/// Whether a read of streams waits, and what stands behind `STREAMS`; none when an option is not known.
fn streams<'a, 'b>(arguments: &'a [&'b [u8]]) -> Option<(bool, &'a [&'b [u8]])> {
    let (mut at, mut waits) = (0_usize, false);
    loop {
        // A group may have the name of an option.
        let words = match arguments.get(at)?.to_ascii_uppercase().as_slice() {
            b"STREAMS" => return Some((waits, arguments.get(at.checked_add(1)?..)?)),
            b"BLOCK" => {
                waits = true;
                2
            }
            b"COUNT" => 2,
            b"GROUP" => 3,
            b"NOACK" => 1,
            _ => return None,
        };
        at = at.checked_add(words)?;
    }
}

/// The keys among the arguments; none when they cannot be told.
fn named<'a>(keys: Keys, arguments: &[&'a [u8]]) -> Option<Vec<&'a [u8]>> {
    let counted = |place: usize| {
        let count: usize = std::str::from_utf8(arguments.get(place)?).ok()?.parse().ok()?;
        let from = place.checked_add(1)?;
        arguments.get(from..from.checked_add(count)?)
    };
    Some(match keys {
        Keys::None => Vec::new(),
        First => vec![*arguments.first()?],
        Two => vec![*arguments.first()?, *arguments.get(1)?],
        All => arguments.to_vec(),
        Streams => {
            let (_, words) = streams(arguments)?;
            let (names, places) = words.split_at_checked(words.len() / 2)?;
            (!names.is_empty() && names.len() == places.len())
                .then_some(names)?
                .to_vec()
        }
        Pairs => arguments.iter().step_by(2).copied().collect(),
        Counted => counted(0)?.to_vec(),
        FirstAndCounted => [&[*arguments.first()?], counted(1)?].concat(),
        Any => return None,
    })
}

/// The words of the first command, and what is behind it; none when it is no array of texts, or not whole.
fn command(bytes: &[u8]) -> Option<(Vec<&[u8]>, &[u8])> {
    let (count, mut rest) = number(bytes.strip_prefix(b"*")?)?;
    if count == 0 || count > WORDS_MAX {
        return None;
    }
    let mut words = Vec::new();
    for _ in 0..count {
        let (length, from) = number(rest.strip_prefix(b"$")?)?;
        let (word, behind) = from.split_at_checked(length)?;
        rest = behind.strip_prefix(b"\r\n")?;
        words.push(word);
    }
    Some((words, rest))
}

/// A length in plain digits, with its line's end taken off: no sign, no blanks and no leading zeros, which servers read in several ways.
fn number(bytes: &[u8]) -> Option<(usize, &[u8])> {
    let end = bytes.iter().position(|byte| !byte.is_ascii_digit())?;
    let (digits, rest) = bytes.split_at_checked(end)?;
    if digits.len() > 1 && digits.starts_with(b"0") {
        return None;
    }
    let number = std::str::from_utf8(digits).ok()?.parse().ok()?;
    Some((number, rest.strip_prefix(b"\r\n")?))
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::indexing_slicing)]
mod tests;
