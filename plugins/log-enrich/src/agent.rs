//! What a `User-Agent` says of the program and the system behind it, as far as a few words tell.

/// What is known of a client's program.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Agent<'t> {
    pub name: Option<&'t str>,
    pub version: Option<&'t str>,
    pub system: Option<&'static str>,
}

/// LIMIT: bytes that are looked at; what comes behind them is somebody's idea of a joke.
const BYTES_MAX: usize = 512;

/// Words of products, in the order in which they are asked: browsers name those that they imitate, so that the one that nobody imitates comes first.
const PRODUCTS: &[(&str, &str)] = &[
    ("Edg/", "Edge"),
    ("OPR/", "Opera"),
    ("SamsungBrowser/", "Samsung Internet"),
    ("Firefox/", "Firefox"),
    ("CriOS/", "Chrome"),
    ("Chrome/", "Chrome"),
    ("Version/", "Safari"),
];

/// Words of systems; those that stand in the text of another come first.
const SYSTEMS: &[(&str, &str)] = &[
    ("Android", "Android"),
    ("iPhone", "iOS"),
    ("iPad", "iOS"),
    ("Windows", "Windows"),
    ("Mac OS X", "macOS"),
    ("CrOS", "ChromeOS"),
    ("Linux", "Linux"),
];

impl<'t> Agent<'t> {
    /// Reads one. A text that begins otherwise than those of browsers names itself: `curl/8.5.0`.
    #[must_use]
    pub fn read(text: &'t str) -> Self {
        let end = (0..=BYTES_MAX).rev().find(|end| text.is_char_boundary(*end));
        let text = text.get(..end.unwrap_or(0)).unwrap_or(text);
        let system = SYSTEMS
            .iter()
            .find(|(word, _)| text.contains(word))
            .map(|(_, name)| *name);
        let known = PRODUCTS
            .iter()
            .find_map(|(word, name)| Some((*name, text.split_once(word)?.1)));
        let (name, rest) = match (text.starts_with("Mozilla/"), known) {
            (true, Some((name, rest))) => (Some(name), Some(rest)),
            (true, None) => (None, None),
            (false, _) => match text.split_once('/') {
                Some((name, rest)) if is_word(name) => (Some(name), Some(rest)),
                _ => (None, None),
            },
        };
        let version = rest.map(version_of).filter(|version| !version.is_empty());
        Self { name, version, system }
    }
}

fn is_word(text: &str) -> bool {
    let is_part = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.');
    (1..=64).contains(&text.len()) && text.bytes().all(is_part)
}

fn version_of(rest: &str) -> &str {
    let is_part = |letter: char| letter.is_ascii_alphanumeric() || letter == '.';
    let end = rest.find(|letter| !is_part(letter)).unwrap_or(rest.len());
    rest.get(..end.min(32)).unwrap_or_default()
}
