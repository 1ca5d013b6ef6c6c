//! Commands of Redis as they are judged, one by one and in each other's clothes.

use super::*;

fn grant(commands: &[&str], keys: &[&str]) -> Redis {
    Redis {
        commands: commands.iter().copied().collect(),
        keys: keys.iter().copied().collect(),
        ..Redis::default()
    }
}

fn resp(words: &[&str]) -> Vec<u8> {
    let mut bytes = format!("*{}\r\n", words.len()).into_bytes();
    for word in words {
        bytes.extend_from_slice(format!("${}\r\n{word}\r\n", word.len()).as_bytes());
    }
    bytes
}

#[test]
fn a_command_and_its_keys_are_granted_by_their_names() {
    let grant = grant(&["GET", "MSET", "ZUNIONSTORE", "XREAD"], &["team:*"]);
    let ask = |words: &[&str]| check(&resp(words), &grant);
    assert_eq!(ask(&["get", "team:1"]), Ok(()));
    assert_eq!(ask(&["GET", "other"]), Err(Refused::Key("GET".to_owned())));
    assert_eq!(ask(&["SET", "team:1", "x"]), Err(Refused::Command("SET".to_owned())));
    assert_eq!(ask(&["MSET", "team:1", "other", "team:2", "x"]), Ok(()));
    assert!(ask(&["MSET", "team:1", "x", "other", "x"]).is_err());
    assert_eq!(ask(&["ZUNIONSTORE", "team:1", "2", "team:2", "team:3"]), Ok(()));
    assert!(ask(&["ZUNIONSTORE", "team:1", "2", "team:2", "other"]).is_err());
    assert!(ask(&["ZUNIONSTORE", "team:1", "9", "team:2"]).is_err());
    assert_eq!(
        ask(&["XREAD", "COUNT", "2", "STREAMS", "team:1", "team:2", "0", "0"]),
        Ok(())
    );
    for words in [
        &["XREAD", "STREAMS", "team:1", "other", "0", "0"][..],
        &["XREAD", "STREAMS", "team:1", "0", "0"],
        &["XREAD", "STREAMS", "team:1", "STREAMS", "0", "0"],
        &["XREAD", "STREAMS"],
        &["XREAD", "team:1"],
    ] {
        assert!(ask(words).is_err(), "{words:?}");
    }
    assert!(ask(&["GET"]).is_err());
}

#[test]
fn pipelined_and_inline_commands_do_not_pass() {
    let grant = grant(&["GET"], &["team:*"]);
    let good = resp(&["GET", "team:1"]);
    assert_eq!(check(&good, &grant), Ok(()));
    for behind in [&good[..], b"FLUSHALL\r\n", b"\r\n", b"\0", b"*0\r\n"] {
        assert_eq!(check(&[&good, behind].concat(), &grant), Err(Refused::Several));
    }
    for inline in [
        "GET team:1\r\n",
        "FLUSHALL\r\n",
        "\r\n*1\r\n$8\r\nFLUSHALL\r\n",
        "",
        "*0\r\n",
        "*-1\r\n",
    ] {
        assert_eq!(
            check(inline.as_bytes(), &grant),
            Err(Refused::NotACommand),
            "{inline:?}"
        );
    }
    let odd = [
        "*+2\r\n$3\r\nGET\r\n$6\r\nteam:1\r\n",
        "*02\r\n$3\r\nGET\r\n$6\r\nteam:1\r\n",
        "*2\n$3\nGET\n$6\nteam:1\n",
    ];
    for odd in odd {
        assert_eq!(check(odd.as_bytes(), &grant), Err(Refused::NotACommand), "{odd:?}");
    }
    // Shorter than it says, so that what another call sends next would be its end.
    assert_eq!(
        check(b"*2\r\n$3\r\nGET\r\n$60\r\nteam:1\r\n", &grant),
        Err(Refused::NotACommand)
    );
    assert_eq!(
        check(b"*3\r\n$3\r\nGET\r\n$6\r\nteam:1\r\n", &grant),
        Err(Refused::NotACommand)
    );
}

#[test]
fn scripts_and_searches_need_all_keys() {
    let some = grant(&["*"], &["team:*"]);
    let eval = resp(&["EVAL", "return redis.call('get', 'other')", "1", "team:1"]);
    assert_eq!(check(&eval, &some), Err(Refused::AnyKey("EVAL".to_owned())));
    let all = grant(&["*"], &["*"]);
    assert_eq!(check(&eval, &all), Ok(()));
}

#[test]
fn what_waits_changes_the_connection_or_reaches_another_database_is_refused_whatever_is_granted() {
    let all = grant(&["*"], &["*"]);
    let waits = Harm::Waits.why();
    let connection = Harm::Connection.why();
    let database = Harm::Database.why();
    for (words, why) in [
        (&["blpop", "k", "0"][..], waits),
        (&["BRPOPLPUSH", "k", "l", "0"], waits),
        (&["BLMPOP", "0", "1", "k", "LEFT"], waits),
        (&["XREAD", "COUNT", "1", "block", "0", "STREAMS", "k", "$"], waits),
        (
            &["XREADGROUP", "GROUP", "g", "c", "BLOCK", "0", "STREAMS", "k", ">"],
            waits,
        ),
        // Of a group whose name is an option.
        (
            &["XREADGROUP", "GROUP", "STREAMS", "c", "BLOCK", "0", "STREAMS", "k", ">"],
            waits,
        ),
        (&["XREAD", "LATER", "1", "STREAMS", "k", "$"], Harm::Unclear.why()),
        (&["WAIT", "1", "0"], waits),
        (&["WAITAOF", "1", "1", "0"], waits),
        (&["SCRIPT", "DEBUG", "SYNC"], waits),
        (&["SCRIPT", "kill"], waits),
        (&["SCRIPT"], waits),
        (&["AUTH", "x"], connection),
        (&["SELECT", "1"], connection),
        (&["MULTI"], connection),
        (&["CLIENT", "REPLY", "OFF"], connection),
        (&["SUBSCRIBE", "x"], connection),
        (&["HELLO", "3"], connection),
        (&["MONITOR"], connection),
        (&["QUIT"], connection),
        (&["RESET"], connection),
        (&["MOVE", "k", "1"], database),
        (&["SWAPDB", "0", "1"], database),
        (&["COPY", "k", "l", "db", "1"], database),
        (&["COPY", "k", "l", "REPLACE", "DB", "1"], database),
    ] {
        let refused = check(&resp(words), &all);
        let command = words[0].to_ascii_uppercase();
        assert_eq!(refused, Err(Refused::Harmful(command.clone(), why)), "{words:?}");
    }
    for words in [
        &["COPY", "DB", "l"][..],
        &["COPY", "k", "DB", "REPLACE"],
        &["XREAD", "STREAMS", "BLOCK", "0"],
        &["SCRIPT", "load", "return 1"],
        &["LPOP", "k"],
    ] {
        assert_eq!(check(&resp(words), &all), Ok(()), "{words:?}");
    }
    assert!(
        HARMFUL
            .iter()
            .flat_map(|(_, names)| *names)
            .all(|name| !knows_command(name))
    );
    assert_eq!(harm_of_command("BLPOP"), Some(waits));
}

#[test]
fn every_command_has_one_row() {
    let mut names: Vec<_> = commands_known().collect();
    names.sort_unstable();
    let count = names.len();
    names.dedup();
    assert_eq!(names.len(), count);
    assert!(knows_command("GET") && !knows_command("SELECT"));
}
