//! What is found and what is not, in each syntax, and the same however it is cut.

mod classes;
mod corpus;
mod syntaxes;
mod splits;
mod fields;

use std::sync::Arc;

use crate::class::Class;
use crate::masker::{Masker, Syntax};
use crate::rules::{Action, Draft, Rules, SECRET_NAMES};

/// All classes with what is usual, and a word.
pub(super) fn draft() -> Draft {
    let draft = Draft::default()
        .words(&[String::from("Project Falcon"), String::from("猎鹰计划")], true)
        .unwrap()
        .names(SECRET_NAMES.iter().copied());
    Class::ALL
        .into_iter()
        .fold(draft, |draft, class| draft.class(class, Action::usual(class)))
}

pub(super) fn rules() -> Arc<Rules> {
    Arc::new(draft().finish().unwrap())
}

/// What becomes of pieces.
pub(super) fn masked(rules: &Arc<Rules>, syntax: Syntax, pieces: &[&[u8]]) -> Vec<u8> {
    let mut masker = Masker::new(Arc::clone(rules), syntax);
    let mut out = Vec::new();
    for piece in pieces {
        masker.push(piece, &mut out);
    }
    masker.finish(&mut out);
    out
}

/// What becomes of a text, whole and byte by byte.
pub(super) fn told(rules: &Arc<Rules>, syntax: Syntax, text: &str) -> String {
    let whole = masked(rules, syntax, &[text.as_bytes()]);
    let bytes: Vec<&[u8]> = text.as_bytes().chunks(1).collect();
    let cut = masked(rules, syntax, &bytes);
    assert_eq!(
        String::from_utf8_lossy(&whole),
        String::from_utf8_lossy(&cut),
        "cut, and whole: {text}"
    );
    String::from_utf8(whole).unwrap()
}

pub(super) fn text(text: &str) -> String {
    told(&rules(), Syntax::Text, text)
}
