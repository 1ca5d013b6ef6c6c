//! Values with comments, and how they are written as YAML that reads as what they are.

#[cfg(test)]
mod tests;

use serde_json::{Number, Value};

/// LIMIT: columns up to which a map or list stands on one line.
const LINE_COLUMNS_MAX: usize = 100;
/// LIMIT: entries of a map that stands on one line.
const LINE_ENTRIES_MAX: usize = 4;
/// A key on the line of its `:` may have 1,024 characters (YAML 1.2.2 section 8.2.2).
const KEY_BYTES_MAX: usize = 1_000;
/// Words that some reader of YAML takes for something other than text.
const WORDS: &[&str] = &["null", "true", "false", "yes", "no", "on", "off", "y", "n"];

/// A value to be written.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Yaml {
    Null,
    Bool(bool),
    Number(Number),
    Text(String),
    List(Vec<Yaml>),
    Map(Vec<Entry>),
}

/// A key with its value, and what is said above them.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Entry {
    pub(crate) comments: Vec<String>,
    pub(crate) key: String,
    pub(crate) value: Yaml,
}

impl Yaml {
    pub(crate) fn map() -> Self {
        Self::Map(Vec::new())
    }

    /// The map with one more entry.
    pub(crate) fn with(self, key: &str, value: impl Into<Self>) -> Self {
        self.with_said(key, value, Vec::new())
    }

    /// The map with one more entry and comments above it.
    pub(crate) fn with_said(mut self, key: &str, value: impl Into<Self>, comments: Vec<String>) -> Self {
        if let Self::Map(entries) = &mut self {
            entries.push(Entry {
                comments,
                key: key.to_owned(),
                value: value.into(),
            });
        }
        self
    }

    /// The map with one more entry, when there is a value.
    pub(crate) fn with_some(self, key: &str, value: Option<impl Into<Self>>) -> Self {
        match value {
            Some(value) => self.with(key, value),
            None => self,
        }
    }

    /// The map with one more entry, when the list is not empty.
    pub(crate) fn with_list<T: Into<Self>>(self, key: &str, items: Vec<T>) -> Self {
        if items.is_empty() {
            return self;
        }
        self.with(key, Self::List(items.into_iter().map(Into::into).collect()))
    }

    pub(crate) fn is_empty(&self) -> bool {
        matches!(self, Self::Map(entries) if entries.is_empty())
            || matches!(self, Self::List(items) if items.is_empty())
    }

    /// The value without its comments.
    pub(crate) fn to_json(&self) -> Value {
        match self {
            Self::Null => Value::Null,
            Self::Bool(value) => Value::Bool(*value),
            Self::Number(number) => Value::Number(number.clone()),
            Self::Text(text) => Value::String(text.clone()),
            Self::List(items) => items.iter().map(Self::to_json).collect(),
            Self::Map(entries) => {
                let pairs = entries.iter().map(|entry| (entry.key.clone(), entry.value.to_json()));
                Value::Object(pairs.collect())
            }
        }
    }

    /// Appends the entries of a map, or whatever it is, as a document.
    pub(crate) fn write(&self, out: &mut String) {
        match self {
            Self::Map(entries) if !entries.is_empty() => entries.iter().for_each(|entry| entry.write(0, out)),
            Self::List(items) if !items.is_empty() => items.iter().for_each(|item| item.write_item(0, &[], out)),
            Self::Text(text) => out.push_str(&format!("{}\n", quoted(text))),
            _ => out.push_str(&format!("{}\n", self.on_one_line().unwrap_or_default())),
        }
    }

    /// Appends it as an item of a list whose dashes stand at `indent`, with comments above.
    pub(crate) fn write_item(&self, indent: usize, comments: &[String], out: &mut String) {
        let pad = " ".repeat(indent);
        comment(comments, &pad, out);
        if let Some(line) = self.short(indent.saturating_add(2)) {
            out.push_str(&format!("{pad}- {line}\n"));
            return;
        }
        match self {
            Self::Map(entries) => {
                if let Some(first) = entries.first() {
                    comment(&first.comments, &pad, out);
                }
                let start = out.len();
                for (index, entry) in entries.iter().enumerate() {
                    let said = if index == 0 { &[][..] } else { &entry.comments };
                    entry.write_with(said, indent.saturating_add(2), out);
                }
                // The dash takes the place of the first entry's indentation.
                if let Some(place) = out
                    .get(start.saturating_add(indent)..)
                    .map(|_| start.saturating_add(indent))
                {
                    out.replace_range(place..place.saturating_add(1), "-");
                }
            }
            Self::List(items) => {
                out.push_str(&format!("{pad}-\n"));
                for item in items {
                    item.write_item(indent.saturating_add(2), &[], out);
                }
            }
            Self::Text(text) => {
                out.push_str(&format!("{pad}-"));
                write_text(text, indent.saturating_add(2), out);
            }
            Self::Null | Self::Bool(_) | Self::Number(_) => {}
        }
    }

    /// On one line, if it is short and simple enough for that.
    fn short(&self, column: usize) -> Option<String> {
        if let Self::Text(text) = self {
            return (!is_block(text)).then(|| quoted(text));
        }
        let deep = matches!(self, Self::Map(entries) if entries.iter().any(|entry| !entry.comments.is_empty()));
        let line = self.on_one_line().filter(|_| !deep)?;
        let fits = column.saturating_add(line.chars().count()) <= LINE_COLUMNS_MAX;
        let plain = !matches!(self, Self::List(_) | Self::Map(_));
        (plain || fits || self.is_empty()).then_some(line)
    }

    fn on_one_line(&self) -> Option<String> {
        Some(match self {
            Self::Null => "null".to_owned(),
            Self::Bool(value) => value.to_string(),
            Self::Number(number) => number.to_string(),
            Self::Text(text) if text.contains('\n') => return None,
            Self::Text(text) => quoted(text),
            Self::List(items) if items.is_empty() => "[]".to_owned(),
            Self::List(items) => {
                let items: Option<Vec<String>> = items.iter().map(Self::on_one_line).collect();
                format!("[{}]", items?.join(", "))
            }
            Self::Map(entries) if entries.is_empty() => "{}".to_owned(),
            Self::Map(entries) => {
                let simple = entries.len() <= LINE_ENTRIES_MAX
                    && entries
                        .iter()
                        .all(|entry| entry.comments.is_empty() && entry.key.len() <= KEY_BYTES_MAX / 10);
                let pair = |entry: &Entry| Some(format!("{}: {}", quoted(&entry.key), entry.value.on_one_line()?));
                let pairs: Option<Vec<String>> = entries.iter().map(pair).collect();
                format!("{{ {} }}", pairs.filter(|_| simple)?.join(", "))
            }
        })
    }
}

impl Entry {
    fn write(&self, indent: usize, out: &mut String) {
        self.write_with(&self.comments, indent, out);
    }

    fn write_with(&self, comments: &[String], indent: usize, out: &mut String) {
        let pad = " ".repeat(indent);
        comment(comments, &pad, out);
        let key = quoted(&self.key);
        if key.len() > KEY_BYTES_MAX {
            out.push_str(&format!("{pad}? {key}\n{pad}:"));
        } else {
            out.push_str(&format!("{pad}{key}:"));
        }
        let column = indent.saturating_add(key.chars().count()).saturating_add(2);
        if let Some(line) = self.value.short(column) {
            out.push_str(&format!(" {line}\n"));
            return;
        }
        let indent = indent.saturating_add(2);
        match &self.value {
            Yaml::Text(text) => write_text(text, indent, out),
            Yaml::List(items) => {
                out.push('\n');
                items.iter().for_each(|item| item.write_item(indent, &[], out));
            }
            Yaml::Map(entries) => {
                out.push('\n');
                entries.iter().for_each(|entry| entry.write(indent, out));
            }
            Yaml::Null | Yaml::Bool(_) | Yaml::Number(_) => {}
        }
    }
}

/// Comments never end early: what would end their line is not in them.
pub(crate) fn comment(lines: &[String], pad: &str, out: &mut String) {
    for line in lines {
        let clean = |char: char| if is_printed(char) { char } else { '\u{FFFD}' };
        let line: String = line.chars().map(clean).collect();
        out.push_str(format!("{pad}# {line}").trim_end());
        out.push('\n');
    }
}

/// After the `:` or `-` of a text of several lines.
fn write_text(text: &str, indent: usize, out: &mut String) {
    let pad = " ".repeat(indent);
    out.push_str(if text.ends_with('\n') { " |\n" } else { " |-\n" });
    for line in text.strip_suffix('\n').unwrap_or(text).split('\n') {
        if !line.is_empty() {
            out.push_str(&pad);
            out.push_str(line);
        }
        out.push('\n');
    }
}

/// Whether a text is best written as lines of their own, and would read back as it is.
fn is_block(text: &str) -> bool {
    let body = text.strip_suffix('\n').unwrap_or(text);
    let mut lines = body.split('\n');
    let begins = lines
        .next()
        .is_some_and(|first| first.starts_with(|char: char| !char.is_whitespace()));
    let lines_fit = body.split('\n').all(|line| line.is_empty() || !line.trim().is_empty());
    text.contains('\n')
        && begins
        && lines_fit
        && !body.ends_with('\n')
        && text.chars().all(|char| char == '\n' || is_printed(char))
}

/// Whether a character may stand as it is; a tab would be one, but indents badly.
fn is_printed(char: char) -> bool {
    let steers = matches!(char, '\u{200B}'..='\u{200F}' | '\u{2028}'..='\u{202E}' | '\u{2066}'..='\u{2069}' | '\u{FEFF}' | '\u{FFFE}' | '\u{FFFF}');
    !char.is_control() && !steers
}

/// A text on one line: as it is where nobody takes it for anything else, in double quotes otherwise.
fn quoted(text: &str) -> String {
    if is_plain(text) {
        return text.to_owned();
    }
    let mut out = String::with_capacity(text.len().saturating_add(2));
    out.push('"');
    for char in text.chars() {
        match char {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            char if is_printed(char) => out.push(char),
            char => out.push_str(&format!("\\U{:08x}", u32::from(char))),
        }
    }
    out.push('"');
    out
}

fn is_plain(text: &str) -> bool {
    let inner = |char: char| char.is_ascii_alphanumeric() || "_-./:@+=".contains(char);
    let Some(first) = text.chars().next() else { return false };
    let begins = first.is_ascii_alphanumeric() || first == '/' || first == '_';
    let word = WORDS.iter().any(|word| word.eq_ignore_ascii_case(text));
    begins && text.chars().all(inner) && !text.ends_with(':') && !word && !may_be_number(text)
}

/// Numbers, times and dates, of YAML 1.1 too.
fn may_be_number(text: &str) -> bool {
    let version = text.split('.').count() > 2;
    let digit = text.starts_with(|char: char| char.is_ascii_digit());
    let radix = text.starts_with("0x") || text.starts_with("0o") || text.starts_with("0b");
    digit
        && !version
        && (radix
            || text
                .chars()
                .all(|char| char.is_ascii_digit() || "_.:+-eETtZz".contains(char)))
}

impl From<Value> for Yaml {
    fn from(value: Value) -> Self {
        match value {
            Value::Null => Self::Null,
            Value::Bool(value) => Self::Bool(value),
            Value::Number(number) => Self::Number(number),
            Value::String(text) => Self::Text(text),
            Value::Array(items) => Self::List(items.into_iter().map(Self::from).collect()),
            Value::Object(pairs) => {
                let entry = |(key, value)| Entry {
                    comments: Vec::new(),
                    key,
                    value: Self::from(value),
                };
                Self::Map(pairs.into_iter().map(entry).collect())
            }
        }
    }
}

impl From<&str> for Yaml {
    fn from(text: &str) -> Self {
        Self::Text(text.to_owned())
    }
}

impl From<String> for Yaml {
    fn from(text: String) -> Self {
        Self::Text(text)
    }
}

impl From<bool> for Yaml {
    fn from(value: bool) -> Self {
        Self::Bool(value)
    }
}

impl From<i64> for Yaml {
    fn from(number: i64) -> Self {
        Self::Number(number.into())
    }
}
