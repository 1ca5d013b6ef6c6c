//! Regular expressions.

use regex_syntax::hir::{Hir, Look};
use regex_syntax::{Error, Parser};

use super::{Flaw, Word};
use crate::route::Pattern;

/// LIMIT: bytes of one compiled expression, and of the tables its search may fill.
const COMPILED_BYTES_MAX: usize = 1 << 20;

impl Word for Pattern {
    const FORMAT: &'static str = "re2";
    const WANTED: &'static str = "a regular expression that the whole text must match, such as `/v[0-9]+/.*`";

    fn read(text: &str) -> Result<Self, Flaw> {
        let tree = Parser::new().parse(text).map_err(|error| flaw(&error))?;
        // Anchors go into the tree, not round the text: `(?x)a # b` would swallow a `)$` that is only appended.
        let whole = Hir::concat(vec![Hir::look(Look::Start), tree, Hir::look(Look::End)]).to_string();
        let built = regex::RegexBuilder::new(&whole)
            .size_limit(COMPILED_BYTES_MAX)
            .dfa_size_limit(COMPILED_BYTES_MAX)
            .build();
        let too_large = |_| {
            Flaw::new("the regular expression is too large").help("use smaller counts in `{…}`, or fewer alternatives")
        };
        Ok(Self::new(text.to_owned(), built.map_err(too_large)?))
    }
}

fn flaw(error: &Error) -> Flaw {
    let (kind, span, pattern) = match error {
        Error::Parse(error) => (error.kind().to_string(), error.span(), error.pattern()),
        Error::Translate(error) => (error.kind().to_string(), error.span(), error.pattern()),
        other => return Flaw::new(format!("the regular expression is wrong: {other}")),
    };
    let chars = |bytes: usize| pattern.get(..bytes).map_or(0, |head| head.chars().count());
    let (from, to) = (chars(span.start.offset), chars(span.end.offset));
    let message = format!(
        "the regular expression is wrong at character {}: {kind}",
        from.saturating_add(1)
    );
    let look_around = kind.contains("look-around") || kind.contains("backreferences");
    let help = if look_around {
        "look-around and backreferences are not supported, so that matching takes linear time"
    } else {
        "the syntax is that of RE2; put a `\\` before a character that stands for itself"
    };
    Flaw::new(message).help(help).part(from, to)
}
