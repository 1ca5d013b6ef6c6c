//! The members of a record's line: found without reading what they say, and the bounds of any JSON value.

use std::ops::Range;

/// LIMIT: how deep arrays and objects stand in one another.
const DEPTH_MAX: u32 = 16;

/// One member of an object, as places in its text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Member {
    /// Its name, without the quotes.
    pub(crate) name: Range<usize>,
    /// Its value.
    pub(crate) value: Range<usize>,
}

impl Member {
    /// Name and value, as they stand there.
    pub(crate) fn whole(&self) -> Range<usize> {
        self.name.start.saturating_sub(1)..self.value.end
    }
}

/// The members of the one object that `text` is, in order; an error at the first place where it is none. Between its parts there is nothing
/// but spaces.
pub(crate) struct Members<'t> {
    text: &'t [u8],
    at: usize,
    state: State,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum State {
    Before,
    Within,
    Over,
}

/// It is no JSON object on one line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct NotJson;

impl<'t> Members<'t> {
    pub(crate) fn of(text: &'t [u8]) -> Self {
        Self {
            text,
            at: 0,
            state: State::Before,
        }
    }

    /// The next member, none behind the last.
    fn step(&mut self) -> Option<Option<Member>> {
        let text = self.text;
        let mut at = spaces(text, self.at);
        let opens = self.state == State::Before;
        if opens {
            at = spaces(text, expect(text, at, b'{')?);
        }
        if text.get(at) == Some(&b'}') {
            return (spaces(text, at + 1) == text.len()).then_some(None);
        }
        if !opens {
            at = spaces(text, expect(text, at, b',')?);
        }
        let name = string(text, at)?;
        let colon = expect(text, spaces(text, name), b':')?;
        let begin = spaces(text, colon);
        let end = value(text, begin, 0)?;
        self.at = end;
        Some(Some(Member {
            name: at + 1..name - 1,
            value: begin..end,
        }))
    }
}

impl Iterator for Members<'_> {
    type Item = Result<Member, NotJson>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.state == State::Over {
            return None;
        }
        match self.step() {
            Some(Some(member)) => {
                self.state = State::Within;
                Some(Ok(member))
            }
            Some(None) => {
                self.state = State::Over;
                None
            }
            None => {
                self.state = State::Over;
                Some(Err(NotJson))
            }
        }
    }
}

fn spaces(text: &[u8], at: usize) -> usize {
    let rest = text.get(at..).unwrap_or_default();
    at + rest.iter().take_while(|byte| **byte == b' ').count()
}

fn expect(text: &[u8], at: usize, byte: u8) -> Option<usize> {
    (text.get(at) == Some(&byte)).then_some(at + 1)
}

/// The end of the value that begins at `at`.
fn value(text: &[u8], at: usize, depth: u32) -> Option<usize> {
    if depth > DEPTH_MAX {
        return None;
    }
    match text.get(at)? {
        b'"' => string(text, at),
        b'{' => list(text, at, b'}', depth, true),
        b'[' => list(text, at, b']', depth, false),
        b't' => word(text, at, b"true"),
        b'f' => word(text, at, b"false"),
        b'n' => word(text, at, b"null"),
        _ => number(text, at),
    }
}

fn word(text: &[u8], at: usize, word: &[u8]) -> Option<usize> {
    text.get(at..)?.starts_with(word).then_some(at + word.len())
}

fn list(text: &[u8], at: usize, end: u8, depth: u32, named: bool) -> Option<usize> {
    let mut at = spaces(text, at + 1);
    if text.get(at) == Some(&end) {
        return Some(at + 1);
    }
    loop {
        if named {
            let name = string(text, at)?;
            at = spaces(text, expect(text, spaces(text, name), b':')?);
        }
        at = spaces(text, value(text, at, depth + 1)?);
        match text.get(at)? {
            b',' => at = spaces(text, at + 1),
            byte if *byte == end => return Some(at + 1),
            _ => return None,
        }
    }
}

/// The place behind the closing quote.
fn string(text: &[u8], at: usize) -> Option<usize> {
    let mut at = expect(text, at, b'"')?;
    loop {
        at += plain(text.get(at..)?);
        match text.get(at)? {
            b'"' => return Some(at + 1),
            b'\\' => match text.get(at + 1)? {
                b'"' | b'\\' | b'/' | b'b' | b'f' | b'n' | b'r' | b't' => at += 2,
                b'u' => {
                    let digits = text.get(at + 2..at + 6)?;
                    if !digits.iter().all(u8::is_ascii_hexdigit) {
                        return None;
                    }
                    at += 6;
                }
                _ => return None,
            },
            _ => return None,
        }
    }
}

/// How many bytes come before a quote, a backslash or a control character.
fn plain(bytes: &[u8]) -> usize {
    crate::json::special(bytes).unwrap_or(bytes.len())
}

fn number(text: &[u8], at: usize) -> Option<usize> {
    let digits = |at: usize| {
        let rest = text.get(at..).unwrap_or_default();
        let count = rest.iter().take_while(|byte| byte.is_ascii_digit()).count();
        (count > 0).then_some(at + count)
    };
    let first = at + usize::from(text.get(at) == Some(&b'-'));
    let mut end = match text.get(first)? {
        b'0' => first + 1,
        _ => digits(first)?,
    };
    if text.get(end) == Some(&b'.') {
        end = digits(end + 1)?;
    }
    if matches!(text.get(end), Some(b'e' | b'E')) {
        let sign = usize::from(matches!(text.get(end + 1), Some(b'+' | b'-')));
        end = digits(end + 1 + sign)?;
    }
    Some(end)
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn read(text: &str) -> Option<Vec<(String, String)>> {
        let members: Result<Vec<Member>, NotJson> = Members::of(text.as_bytes()).collect();
        let part = |range: Range<usize>| text.get(range).unwrap().to_owned();
        Some(
            members
                .ok()?
                .into_iter()
                .map(|member| (part(member.name), part(member.value)))
                .collect(),
        )
    }

    #[test]
    fn members_are_found_with_their_values_as_they_stand() {
        let text = r#"{"a":1,"b" : "x\"}", "c":{"d":[1,{"e":null}]},"f":-0.5e+3}"#;
        let expected = [
            ("a", "1"),
            ("b", r#""x\"}""#),
            ("c", r#"{"d":[1,{"e":null}]}"#),
            ("f", "-0.5e+3"),
        ];
        assert_eq!(
            read(text).unwrap(),
            expected.map(|(name, value)| (name.to_owned(), value.to_owned()))
        );
        assert_eq!(read("{}"), Some(vec![]));
    }

    #[test]
    fn what_is_no_object_on_one_line_is_not_taken() {
        for text in [
            "",
            "[]",
            "{",
            "{}x",
            "{}{}",
            r#"{"a":1,}"#,
            r#"{,"a":1}"#,
            r#"{"a" 1}"#,
            r#"{"a":01}"#,
            r#"{"a":1.}"#,
            r#"{"a":tru}"#,
            "{\"a\":\"\n\"}",
            "{\"a\":\n1}",
            r#"{"a":"\x"}"#,
            r#"{"a":"\u12"}"#,
            r#"{"a":"b}"#,
            r#"{a:1}"#,
        ] {
            assert_eq!(read(text), None, "{text}");
        }
        let deep = |depth: usize| format!(r#"{{"a":{}{}}}"#, "[".repeat(depth), "]".repeat(depth));
        assert!(read(&deep(16)).is_some());
        assert!(read(&deep(18)).is_none());
    }

    proptest! {
        #[test]
        fn what_is_taken_is_json(text in r#"\{("[a\\"u1]{0,6}" ?: ?([-0-9.eE]{1,5}|"[a\\n]{0,4}"|\[[1,]{0,3}\]),?){0,3}\}"#) {
            if read(&text).is_some() {
                let known: Result<serde_json::Value, _> = serde_json::from_str(&text);
                // A number that is too large for one who computes is a number all the same.
                prop_assert!(known.is_ok() || known.unwrap_err().to_string().contains("out of range") || text.contains("\\u"), "{text}");
            }
        }

        #[test]
        fn what_serde_writes_is_taken(names in proptest::collection::vec(".{0,8}", 0..6)) {
            let object: serde_json::Map<String, serde_json::Value> =
                names.into_iter().map(|name| (name.clone(), serde_json::json!([name, 1.5, null, {"x": name}]))).collect();
            let count = object.len();
            let text = serde_json::Value::Object(object).to_string();
            prop_assert_eq!(read(&text).map(|members| members.len()), Some(count));
        }
    }
}
