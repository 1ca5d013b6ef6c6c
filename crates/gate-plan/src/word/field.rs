//! Header names and values, methods, and environment values.

use http::{HeaderName, HeaderValue, Method};

use super::{Flaw, Word};

impl Word for HeaderName {
    const FORMAT: &'static str = "header-name";
    const WANTED: &'static str = "a header name such as `x-tenant`";

    fn read(text: &str) -> Result<Self, Flaw> {
        if text.is_empty() {
            return Err(Flaw::new("the header name is empty"));
        }
        if text.starts_with(':') {
            let flaw = Flaw::new(format!("`{text}` is a pseudo-header, not a header"));
            return Err(flaw.help("use `hosts`, `path` and `methods` to match, `rewrite` to change"));
        }
        Self::from_bytes(text.as_bytes()).map_err(|_| {
            let bad = text.chars().position(|char| !is_token(char)).unwrap_or(0);
            let flaw = Flaw::new(format!("`{text}` is not a header name"));
            let help = "letters, digits, `-`, `_` and a few other signs may stand in it (RFC 9110 section 5.6.2)";
            flaw.help(help).part(bad, bad.saturating_add(1))
        })
    }
}

/// RFC 9110 section 5.6.2.
fn is_token(char: char) -> bool {
    char.is_ascii_alphanumeric() || "!#$%&'*+-.^_`|~".contains(char)
}

/// A header value. Its text stays out of messages: it may be a credential.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct FieldText(pub(crate) HeaderValue);

impl Word for FieldText {
    const FORMAT: &'static str = "header-value";
    const WANTED: &'static str = "text";

    fn read(text: &str) -> Result<Self, Flaw> {
        if text.trim_matches([' ', '\t', '\r', '\n']) != text {
            let flaw = Flaw::new("the header value begins or ends with white space");
            return Err(flaw.help("remove it; a recipient would (RFC 9110 section 5.5)"));
        }
        HeaderValue::from_str(text).map(Self).map_err(|_| {
            let control = |char: char| char.is_control() && char != '\t';
            let bad = text.chars().position(control).unwrap_or(0);
            let flaw = Flaw::new("the header value has a control character");
            flaw.help("line breaks and other control characters may not stand in it (RFC 9110 section 5.5)")
                .part(bad, bad.saturating_add(1))
        })
    }
}

/// The name of an environment variable.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct EnvironmentName(pub(crate) String);

impl Word for EnvironmentName {
    const FORMAT: &'static str = "environment-name";
    const WANTED: &'static str = "the name of an environment variable, such as `LOG_LEVEL`";

    fn read(text: &str) -> Result<Self, Flaw> {
        if text.is_empty() || text.contains(['=', '\0']) {
            let flaw = Flaw::new(format!("`{text}` is not the name of an environment variable"));
            return Err(flaw.help("a name is not empty and has no `=` and no NUL character"));
        }
        Ok(Self(text.to_owned()))
    }
}

/// The value of an environment variable. Its text stays out of messages.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct EnvironmentText(pub(crate) String);

impl Word for EnvironmentText {
    const FORMAT: &'static str = "environment-value";
    const WANTED: &'static str = "text";

    fn read(text: &str) -> Result<Self, Flaw> {
        if text.contains('\0') {
            return Err(Flaw::new("the value has a NUL character").help("the guest would see it cut there"));
        }
        Ok(Self(text.to_owned()))
    }
}

impl Word for Method {
    const FORMAT: &'static str = "method";
    const WANTED: &'static str = "a method such as `GET` or `POST`";

    fn read(text: &str) -> Result<Self, Flaw> {
        if text.is_empty() {
            return Err(Flaw::new("the method is empty"));
        }
        let upper = text.to_ascii_uppercase();
        let known = [
            "GET", "HEAD", "POST", "PUT", "DELETE", "CONNECT", "OPTIONS", "TRACE", "PATCH",
        ];
        if upper != text && known.contains(&upper.as_str()) {
            let flaw = Flaw::new(format!("the method `{text}` is not in capitals"));
            return Err(flaw.help(format!("write `{upper}`; methods are compared with regard to case")));
        }
        Self::from_bytes(text.as_bytes()).map_err(|_| Flaw::new(format!("`{text}` is not a method")))
    }
}
