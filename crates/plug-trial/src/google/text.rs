//! The text form of protocol buffers: fields with their places. What a field means is read elsewhere.
//!
//! Written by hand because the crates that read this form want a descriptor from a compiler of `.proto` files, and do not say where a
//! value stood once it is read. The rules are those of protobuf.dev, "Text Format Language Specification".

/// LIMIT: messages within messages.
const DEPTH_MAX: usize = 64;

/// A place in the text, from 1.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Place {
    pub(crate) line: usize,
    pub(crate) column: usize,
}

/// A field, as it is written. One with a list is several of one value each.
#[derive(Debug, Clone)]
pub(crate) struct Field {
    pub(crate) name: String,
    pub(crate) place: Place,
    pub(crate) value: Value,
}

/// What a field holds.
#[derive(Debug, Clone)]
pub(crate) enum Value {
    /// Fields in braces.
    Message(Vec<Field>),
    /// Bytes in quotes.
    Bytes(Vec<u8>),
    /// A number or a name, as it is written.
    Word(String),
}

/// What is wrong with a text, and where.
#[derive(Debug, Clone)]
pub(crate) struct Wrong {
    pub(crate) place: Place,
    pub(crate) message: String,
}

/// Reads the fields of a text.
///
/// # Errors
/// The first thing that is none of the form.
pub(crate) fn read(text: &str) -> Result<Vec<Field>, Wrong> {
    let mut reader = Reader {
        rest: text.strip_prefix('\u{FEFF}').unwrap_or(text),
        place: Place { line: 1, column: 1 },
    };
    reader.fields(None, 0)
}

struct Reader<'t> {
    rest: &'t str,
    place: Place,
}

impl Reader<'_> {
    fn peek(&self) -> Option<char> {
        self.rest.chars().next()
    }

    fn take(&mut self) -> Option<char> {
        let letter = self.peek()?;
        self.rest = self.rest.get(letter.len_utf8()..).unwrap_or_default();
        if letter == '\n' {
            self.place = Place {
                line: self.place.line.saturating_add(1),
                column: 1,
            };
        } else {
            self.place.column = self.place.column.saturating_add(1);
        }
        Some(letter)
    }

    fn wrong<T>(&self, message: impl Into<String>) -> Result<T, Wrong> {
        Err(Wrong {
            place: self.place,
            message: message.into(),
        })
    }

    /// Goes over white space and comments.
    fn skip(&mut self) {
        while let Some(letter) = self.peek() {
            if letter == '#' {
                while self.peek().is_some_and(|letter| letter != '\n') {
                    self.take();
                }
            } else if letter.is_whitespace() {
                self.take();
            } else {
                return;
            }
        }
    }

    fn accept(&mut self, letter: char) -> bool {
        self.skip();
        let is_there = self.peek() == Some(letter);
        if is_there {
            self.take();
        }
        is_there
    }

    /// What comes next, for people.
    fn next_shown(&self) -> String {
        self.peek()
            .map_or_else(|| "the end".to_owned(), |letter| format!("`{}`", letter.escape_debug()))
    }

    fn fields(&mut self, close: Option<char>, depth: usize) -> Result<Vec<Field>, Wrong> {
        if depth > DEPTH_MAX {
            return self.wrong(format!("more than {DEPTH_MAX} messages within each other"));
        }
        let mut fields = Vec::new();
        loop {
            self.skip();
            match (self.peek(), close) {
                (None, None) => return Ok(fields),
                (None, Some(close)) => return self.wrong(format!("the text ends, and `{close}` is missing")),
                (Some(letter), Some(close)) if letter == close => {
                    self.take();
                    return Ok(fields);
                }
                _ => self.field(&mut fields, depth)?,
            }
            if !self.accept(',') {
                self.accept(';');
            }
        }
    }

    fn field(&mut self, fields: &mut Vec<Field>, depth: usize) -> Result<(), Wrong> {
        let place = self.place;
        if self.peek() == Some('[') {
            return self.wrong("extensions are not read here");
        }
        let name = self.word();
        if name.is_empty() || name.starts_with(|first: char| first.is_ascii_digit() || first == '-') {
            return self.wrong(format!("{} where a field's name was to be", self.next_shown()));
        }
        let has_colon = self.accept(':');
        self.skip();
        if self.peek() == Some('[') {
            self.take();
            return self.list((name, place), fields, depth);
        }
        let value = self.value(has_colon, depth)?;
        fields.push(Field { name, place, value });
        Ok(())
    }

    fn list(&mut self, (name, place): (String, Place), fields: &mut Vec<Field>, depth: usize) -> Result<(), Wrong> {
        if self.accept(']') {
            return Ok(());
        }
        loop {
            self.skip();
            let value = self.value(true, depth)?;
            fields.push(Field {
                name: name.clone(),
                place,
                value,
            });
            if self.accept(']') {
                return Ok(());
            }
            if !self.accept(',') {
                return self.wrong(format!("{} where `,` or `]` was to be", self.next_shown()));
            }
        }
    }

    fn value(&mut self, has_colon: bool, depth: usize) -> Result<Value, Wrong> {
        match self.peek() {
            Some('{') => {
                self.take();
                self.fields(Some('}'), depth.saturating_add(1)).map(Value::Message)
            }
            Some('<') => {
                self.take();
                self.fields(Some('>'), depth.saturating_add(1)).map(Value::Message)
            }
            _ if !has_colon => self.wrong(format!("{} where `:` or `{{` was to be", self.next_shown())),
            Some('"' | '\'') => self.texts().map(Value::Bytes),
            _ => {
                let word = self.word();
                match word.is_empty() {
                    true => self.wrong(format!("{} where a value was to be", self.next_shown())),
                    false => Ok(Value::Word(word)),
                }
            }
        }
    }

    fn word(&mut self) -> String {
        let mut word = String::new();
        if self.peek() == Some('-') {
            word.extend(self.take());
            self.skip();
        }
        while let Some(letter) = self.peek() {
            // `1e+5` is a word; a sign anywhere else is none.
            let is_exponent = matches!(letter, '+' | '-') && word.ends_with(['e', 'E']) && is_number(&word);
            if letter.is_ascii_alphanumeric() || matches!(letter, '_' | '.') || is_exponent {
                word.extend(self.take());
            } else {
                break;
            }
        }
        word
    }

    /// Texts one after the other are one.
    fn texts(&mut self) -> Result<Vec<u8>, Wrong> {
        let mut bytes = Vec::new();
        while let Some(quote @ ('"' | '\'')) = self.peek() {
            self.take();
            self.text(quote, &mut bytes)?;
            self.skip();
        }
        Ok(bytes)
    }

    fn text(&mut self, quote: char, bytes: &mut Vec<u8>) -> Result<(), Wrong> {
        loop {
            match self.peek() {
                None | Some('\n') => return self.wrong(format!("the line ends, and {quote} is missing")),
                Some('\\') => {
                    self.take();
                    self.escape(bytes)?;
                }
                Some(letter) => {
                    self.take();
                    if letter == quote {
                        return Ok(());
                    }
                    push(bytes, letter);
                }
            }
        }
    }

    fn escape(&mut self, bytes: &mut Vec<u8>) -> Result<(), Wrong> {
        let Some(letter) = self.peek() else {
            return self.wrong("the text ends in an escape");
        };
        if letter.is_digit(8) {
            let number = self.digits(8, 3);
            return self.byte(number, bytes);
        }
        self.take();
        match letter {
            'n' => bytes.push(b'\n'),
            'r' => bytes.push(b'\r'),
            't' => bytes.push(b'\t'),
            'a' => bytes.push(7),
            'b' => bytes.push(8),
            'f' => bytes.push(12),
            'v' => bytes.push(11),
            '\\' | '\'' | '"' | '?' => push(bytes, letter),
            'x' | 'X' => {
                let number = self.digits(16, 2);
                return self.byte(number, bytes);
            }
            'u' => return self.letter(4, bytes),
            'U' => return self.letter(8, bytes),
            other => return self.wrong(format!("there is no escape `\\{}`", other.escape_debug())),
        }
        Ok(())
    }

    fn byte(&self, number: Option<u32>, bytes: &mut Vec<u8>) -> Result<(), Wrong> {
        match number.and_then(|number| u8::try_from(number).ok()) {
            Some(byte) => bytes.push(byte),
            None => return self.wrong("this escape is no byte"),
        }
        Ok(())
    }

    fn letter(&mut self, count: usize, bytes: &mut Vec<u8>) -> Result<(), Wrong> {
        let before = self.rest.len();
        let number = self.digits(16, count);
        let is_whole = before.saturating_sub(self.rest.len()) == count;
        match number.filter(|_| is_whole).and_then(char::from_u32) {
            Some(letter) => push(bytes, letter),
            None => return self.wrong("this escape is no letter of Unicode"),
        }
        Ok(())
    }

    /// Up to `count` digits as a number; none when there are none.
    fn digits(&mut self, radix: u32, count: usize) -> Option<u32> {
        let mut number = None;
        for _ in 0..count {
            let Some(digit) = self.peek().and_then(|letter| letter.to_digit(radix)) else {
                break;
            };
            self.take();
            number = Some(number.unwrap_or(0_u32).wrapping_mul(radix).wrapping_add(digit));
        }
        number
    }
}

fn is_number(word: &str) -> bool {
    word.trim_start_matches('-')
        .starts_with(|first: char| first.is_ascii_digit() || first == '.')
}

fn push(bytes: &mut Vec<u8>, letter: char) {
    let mut room = [0; 4];
    bytes.extend_from_slice(letter.encode_utf8(&mut room).as_bytes());
}

/// A finding with the line and a caret, as those of other suites are.
pub(crate) fn shown(wrong: &Wrong, (text, origin): (&str, &str)) -> String {
    let Place { line, column } = wrong.place;
    // A tab is as wide as one column, and shown as one.
    let code = text
        .lines()
        .nth(line.saturating_sub(1))
        .unwrap_or_default()
        .replace('\t', " ");
    let pad = " ".repeat(line.to_string().len());
    let indent = " ".repeat(column.saturating_sub(1));
    format!(
        "error: {}\n{pad}--> {origin}:{line}:{column}\n{pad} |\n{line} | {code}\n{pad} | {indent}^\n",
        wrong.message
    )
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn bytes(text: &str) -> Vec<u8> {
        match read(text).unwrap().pop().unwrap().value {
            Value::Bytes(bytes) => bytes,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn fields_are_read_in_all_their_forms() {
        let fields =
            read("# a comment\na: 1, b { c: 'x' } d < e: -5; > f: [1, {g: 2}]\nh: [] i: 1e+5 j: true k [ {} ]")
                .unwrap();
        let names: Vec<&str> = fields.iter().map(|field| field.name.as_str()).collect();
        assert_eq!(names, ["a", "b", "d", "f", "f", "i", "j", "k"]);
        assert_eq!(fields[5].place, Place { line: 3, column: 7 });
        assert!(
            matches!(&fields[2].value, Value::Message(inner) if matches!(&inner[0].value, Value::Word(word) if word == "-5"))
        );
    }

    #[test]
    fn texts_are_joined_and_their_escapes_are_read() {
        let read = bytes("a: \"x\" 'y' # z\n \"\\n\\101\\x4a\\377\\u00e4\\U0001F600\\'\\?\"");
        assert_eq!(read, b"xy\nAJ\xff\xc3\xa4\xf0\x9f\x98\x80'?");
    }

    #[test]
    fn what_is_none_of_the_form_is_said_with_its_place() {
        for (text, line, column, why) in [
            ("a", 1, 2, "`:`"),
            ("a: ", 1, 4, "a value"),
            ("a {\n b: 1", 2, 6, "`}`"),
            ("a: \"x\n\"", 1, 6, "\" is missing"),
            ("a: '\\q'", 1, 7, "`\\q`"),
            ("a: '\\777'", 1, 9, "no byte"),
            ("a: '\\ud800'", 1, 11, "Unicode"),
            ("[x.y]: 1", 1, 1, "extensions"),
            ("}", 1, 1, "name"),
            ("a: [1 2]", 1, 7, "`,` or `]`"),
        ] {
            let wrong = read(text).unwrap_err();
            assert_eq!(
                (wrong.place.line, wrong.place.column),
                (line, column),
                "{text}: {}",
                wrong.message
            );
            assert!(wrong.message.contains(why), "{text}: {}", wrong.message);
        }
        assert!(read(&"a{".repeat(1_000)).unwrap_err().message.contains("within"));
    }
}
