//! The guest's core: what is told, what is hidden, and the configuration's documents and errors.

mod documents;
mod told;

pub(super) fn head(lines: &[(&str, &str)]) -> Vec<(String, Vec<u8>)> {
    let lines = lines
        .iter()
        .map(|(name, value)| ((*name).to_owned(), value.as_bytes().to_vec()));
    lines.collect()
}
