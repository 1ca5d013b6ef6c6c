//! Any bytes as a text in which personal data is masked.

use std::sync::Arc;

use log_mask::class::Class;
use log_mask::masker::{Masker, Syntax};
use log_mask::rules::{Action, Draft, Rules, SECRET_NAMES};

const SYNTAXES: [Syntax; 7] = [
    Syntax::Text,
    Syntax::Json,
    Syntax::JsonLines,
    Syntax::Events,
    Syntax::Query,
    Syntax::Target,
    Syntax::Loose,
];

/// Masks the bytes whole and in pieces as long as the first byte says; both must come to the same, and without a class to what went in.
pub(crate) fn run(bytes: &[u8]) {
    let Some((cut, text)) = bytes.split_first() else {
        return;
    };
    let cut = usize::from(*cut).max(1);
    let draft = Draft::default().names(SECRET_NAMES.iter().copied());
    let draft = Class::ALL
        .into_iter()
        .fold(draft, |draft, class| draft.class(class, Action::usual(class)));
    let all = Arc::new(draft.finish().expect("nothing is hashed"));
    let none = Arc::new(Draft::default().finish().expect("nothing is hashed"));
    for syntax in SYNTAXES {
        let whole = masked(&all, syntax, std::iter::once(text));
        assert_eq!(whole, masked(&all, syntax, text.chunks(cut)), "{syntax:?}");
        assert_eq!(text, masked(&none, syntax, text.chunks(cut)), "{syntax:?}");
    }
}

fn masked<'a>(rules: &Arc<Rules>, syntax: Syntax, pieces: impl Iterator<Item = &'a [u8]>) -> Vec<u8> {
    let mut masker = Masker::new(Arc::clone(rules), syntax);
    let mut out = Vec::new();
    for piece in pieces {
        masker.push(piece, &mut out);
    }
    masker.finish(&mut out);
    out
}
