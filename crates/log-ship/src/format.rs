//! In which form a line goes out: as it is, as logfmt, or by a template; read out of the line on the thread of its sink.

mod logfmt;
mod template;

use serde_json::Value;

pub use self::template::{Template, TemplateFault};

/// The form of a sink's lines. Whatever stands in a record, what goes out is one line.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Format {
    /// The bytes as they are.
    #[default]
    Json,
    /// `name=value` for each member, quoted as `go-logfmt` does. Objects become names with dots, arrays JSON in quotes.
    Logfmt,
    /// By a template.
    Template(Template),
}

impl Format {
    /// Appends a line without its end; says whether it could be read. One that is no JSON object stands there in quotes.
    pub(crate) fn write(&self, line: &[u8], out: &mut Vec<u8>) -> bool {
        if *self == Self::Json {
            out.extend_from_slice(line);
            return true;
        }
        let Ok(Value::Object(members)) = serde_json::from_slice(line) else {
            out.push(b'"');
            escape(&String::from_utf8_lossy(line), out);
            out.push(b'"');
            return false;
        };
        match self {
            Self::Template(template) => template.write(&members, out),
            Self::Json | Self::Logfmt => logfmt::write(&members, out),
        }
        true
    }
}

/// Whether a character would end a line for somebody, or does something else than to be shown.
fn breaks(one: char) -> bool {
    one.is_control() || matches!(one, '\u{2028}' | '\u{2029}')
}

/// Appends a text with what would end a line or a quote escaped as in JSON.
fn escape(text: &str, out: &mut Vec<u8>) {
    let mut rest = text;
    while let Some((plain, behind)) = rest
        .find(|one| breaks(one) || matches!(one, '"' | '\\'))
        .and_then(|at| rest.split_at_checked(at))
    {
        out.extend_from_slice(plain.as_bytes());
        let mut chars = behind.chars();
        let escaped = match chars.next() {
            Some('\n') => String::from("\\n"),
            Some('\r') => String::from("\\r"),
            Some('\t') => String::from("\\t"),
            Some(one @ ('"' | '\\')) => format!("\\{one}"),
            Some(one) => format!("\\u{:04x}", u32::from(one)),
            None => String::new(),
        };
        out.extend_from_slice(escaped.as_bytes());
        rest = chars.as_str();
    }
    out.extend_from_slice(rest.as_bytes());
}

#[cfg(test)]
mod tests;
