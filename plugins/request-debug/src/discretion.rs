//! What is hidden: values of secret headers and parameters, and what looks like personal data or a secret anywhere.

use std::sync::Arc;

use log_mask::class::Class;
use log_mask::masker::{Masker, Syntax};
use log_mask::rules::{Action, Draft, Rules, SECRET_NAMES};

/// Headers whose values are secret whatever they are.
const SECRET_HEADERS: &[&str] = &[
    "authorization",
    "proxy-authorization",
    "cookie",
    "set-cookie",
    "x-api-key",
    "api-key",
    "x-amz-security-token",
    "x-csrf-token",
    "x-debug-key",
];

/// Parameters of signed addresses that are as good as a password (OpenTelemetry's conventions for `url.query`).
const SECRET_PARAMETERS: &[&str] = &[
    "sig",
    "signature",
    "token",
    "code",
    "awsaccesskeyid",
    "x-amz-signature",
    "x-goog-signature",
];

/// What stands in place of a value that is hidden.
pub(crate) const HIDDEN: &str = "***";

/// What is hidden.
#[derive(Clone)]
pub struct Discretion {
    rules: Arc<Rules>,
    headers: Vec<String>,
}

/// Case, `-` and `_` make no difference.
fn plain(name: &str) -> String {
    name.replace(['-', '_'], "").to_ascii_lowercase()
}

impl Discretion {
    /// With these headers beside the usual ones.
    ///
    /// # Errors
    /// Never: the rules are fixed.
    pub fn new(more: &[String]) -> Result<Self, String> {
        let classes = Class::ALL
            .into_iter()
            .filter(|class| !matches!(class, Class::Ipv4 | Class::Ipv6));
        let draft = classes.fold(Draft::default(), |draft, class| {
            draft.class(class, Action::usual(class))
        });
        let rules = draft
            .names(SECRET_NAMES.iter().copied())
            .finish()
            .map_err(|fault| fault.to_string())?;
        let headers = SECRET_HEADERS.iter().copied().chain(more.iter().map(String::as_str));
        Ok(Self {
            rules: Arc::new(rules),
            headers: headers.map(plain).collect(),
        })
    }

    /// A header's value as it may be told.
    #[must_use]
    pub fn header(&self, name: &str, value: &[u8]) -> String {
        let name = plain(name);
        if self.headers.contains(&name) || is_secret(&name) {
            return String::from(HIDDEN);
        }
        if name == ":path" {
            return self.path(&String::from_utf8_lossy(value));
        }
        self.text(value)
    }

    /// A path, with the values of secret parameters hidden.
    #[must_use]
    pub fn path(&self, path: &str) -> String {
        let Some((path, query)) = path.split_once('?') else {
            return self.text(path.as_bytes());
        };
        let pairs = query.split('&').map(|pair| match pair.split_once('=') {
            Some((name, _)) if is_secret(&plain(name)) => format!("{name}={HIDDEN}"),
            _ => self.text(pair.as_bytes()),
        });
        let pairs: Vec<String> = pairs.collect();
        format!("{}?{}", self.text(path.as_bytes()), pairs.join("&"))
    }

    fn text(&self, text: &[u8]) -> String {
        let mut masker = Masker::new(Arc::clone(&self.rules), Syntax::Text);
        let mut out = Vec::with_capacity(text.len());
        masker.push(text, &mut out);
        masker.finish(&mut out);
        String::from_utf8_lossy(&out).into_owned()
    }
}

fn is_secret(plain_name: &str) -> bool {
    let mut all = SECRET_NAMES.iter().chain(SECRET_PARAMETERS);
    all.any(|known| plain(known) == plain_name)
}
