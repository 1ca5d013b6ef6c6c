//! Texts to look for secrets in: some 400 bytes each, clean, or with a secret every 200 bytes.

/// How many there are of each kind.
const COUNT: usize = 512;

/// Secrets of several classes, one after the other.
const SECRETS: [&str; 8] = [
    "13912345678",
    "ann.smith@example.com",
    "6222021234567890128",
    "11010519491231002X",
    "4111111111111111",
    "+4915112345678",
    "DE89370400440532013000",
    "E12345678",
];

/// What people and programs write, with nothing in it that is anybody's.
pub(crate) fn clean() -> Vec<String> {
    let text = |number: usize| {
        let mut text = format!(
            "order o-{number:05} of category garden was moved to the state packed after 37 ms; carrier=north weight=2.5kg lines=3 note=\"please ring twice\" "
        );
        text.push_str(
            "the quick brown fox jumps over the lazy dog while the scheduler retries the second batch of 64 items, ",
        );
        text.push_str("cache hit ratio 0.93, shard eu-west-1b, version 4.17.2, build 2024-11-05, locale=de_DE, feature flags: dark-mode, checkout-v3, free-returns");
        text
    };
    (0..COUNT).map(text).collect()
}

/// The same with two secrets in each.
pub(crate) fn with_secrets() -> Vec<String> {
    let texts = clean().into_iter().enumerate();
    let with = |(number, mut text): (usize, String)| {
        let secret = |step: usize| {
            SECRETS
                .get((number + step) % SECRETS.len())
                .copied()
                .unwrap_or_default()
        };
        let middle = text.len() / 2;
        let middle = text
            .get(middle..)
            .and_then(|rest| rest.find(' '))
            .map_or(0, |space| middle + space);
        text.insert_str(middle, &format!(" {} ", secret(0)));
        text.push_str(&format!(" {}", secret(1)));
        text
    };
    texts.map(with).collect()
}
