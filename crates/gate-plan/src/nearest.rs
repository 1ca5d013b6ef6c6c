//! "Did you mean": the known word that is nearest to an unknown one.

/// What other gateways call a key of ours, and Higress's and Envoy's spellings.
const FOREIGN: &[(&str, &str)] = &[
    ("address", "listen"),
    ("bind", "listen"),
    ("port", "listen"),
    ("cluster", "upstream"),
    ("backend", "upstream"),
    ("service", "upstream"),
    ("clusters", "upstreams"),
    ("backends", "upstreams"),
    ("services", "upstreams"),
    ("filters", "plugins"),
    ("middlewares", "plugins"),
    ("wasm", "plugins"),
    ("servers", "endpoints"),
    ("targets", "endpoints"),
    ("nodes", "endpoints"),
    ("hosts", "endpoints"),
    ("addresses", "endpoints"),
    ("lb_policy", "balance"),
    ("load_balancer", "balance"),
    ("timeout", "timeouts"),
    ("ssl", "tls"),
    ("module", "source"),
    ("url", "source"),
    ("plugin_config", "config"),
    ("env", "environment"),
    ("fail_policy", "on_fault"),
    ("fail_strategy", "on_fault"),
    ("cluster_header", "upstream_header"),
    ("direct_response", "respond"),
    ("response", "respond"),
    ("matches", "match"),
    ("uri", "path"),
    ("method", "methods"),
    ("host", "hosts"),
    ("domains", "hosts"),
    ("cert", "chain"),
    ("cert_file", "chain"),
    ("key_file", "key"),
    ("sni", "server_name"),
    ("ca", "authorities"),
    ("threads", "workers"),
    ("concurrency", "workers"),
    ("value", "exact"),
    ("code", "status"),
    ("path_redirect", "path"),
    ("host_redirect", "host"),
    ("prefix_rewrite", "rewrite"),
    ("host_rewrite", "rewrite"),
];

/// The word of `known` that `word` was probably meant to be.
pub(crate) fn nearest<'k>(word: &str, known: impl Iterator<Item = &'k str> + Clone) -> Option<&'k str> {
    let bare = bare(word);
    if let Some(same) = known.clone().find(|candidate| self::bare(candidate) == bare) {
        return Some(same);
    }
    let close = |candidate: &&'k str| strsim::damerau_levenshtein(&bare, &self::bare(candidate));
    let limit = bare.chars().count().div_ceil(3);
    known.min_by_key(close).filter(|candidate| close(candidate) <= limit)
}

/// As [`nearest`], for keys: the words of other gateways count too.
pub(crate) fn nearest_key<'k>(word: &str, known: impl Iterator<Item = &'k str> + Clone) -> Option<&'k str> {
    let foreign = FOREIGN
        .iter()
        .filter(|(name, _)| bare(name) == bare(word))
        .map(|(_, ours)| *ours);
    let translated = foreign
        .clone()
        .find_map(|ours| known.clone().find(|candidate| *candidate == ours));
    translated.or_else(|| nearest(word, known))
}

/// Case, hyphens and underscores do not make another word: `matchRules` is `match_rules`.
fn bare(word: &str) -> String {
    // LIMIT: characters that are compared; the distance of two words costs the product of their lengths.
    const COMPARED_CHARS_MAX: usize = 64;
    let letters = word
        .chars()
        .take(COMPARED_CHARS_MAX)
        .filter(|char| !matches!(char, '_' | '-' | ' '));
    letters.flat_map(char::to_lowercase).collect()
}

/// The words as a list for a message: `a`, `b` and `c`.
pub(crate) fn enumerated<'w>(words: impl Iterator<Item = &'w str>, joint: &str) -> String {
    let quoted: Vec<String> = words.map(|word| format!("`{word}`")).collect();
    match quoted.split_last() {
        None => String::new(),
        Some((last, [])) => last.clone(),
        Some((last, rest)) => format!("{} {joint} {last}", rest.join(", ")),
    }
}
