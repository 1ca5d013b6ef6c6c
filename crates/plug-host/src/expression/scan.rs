//! How deep an expression is, said before it is parsed.

use cel::parser::pratt_parser::{Lexer, TokenKind};

/// LIMIT: levels of an expression: of the parser's recursion, of the parsed tree, and so of everything that walks it. The deepest
/// take 130 KiB of stack (150 KiB in a build for tests); a guest's host calls have 512 KiB.
pub(super) const DEPTH_MAX: u16 = 32;

/// What stands between two brackets, or the whole text.
///
/// Each operator, call, index and selection may put all that was read so far one level deeper, because the parser makes `a + b + c`
/// and `a.b.c` lean to the left. `&&` and `||` are an exception: it makes balanced trees of their chains.
struct Level {
    /// What ends it.
    close: TokenKind,
    conditionals: u16,
    logicals: u16,
    /// Operators since the last `&&`, `||`, `?` or `:`.
    operators: u16,
    /// Depth of the deepest brackets since then.
    inner: u16,
    /// Depth of the deepest such term.
    term: u16,
    /// Depth of the deepest part between commas.
    part: u16,
}

impl Level {
    fn new(close: TokenKind) -> Self {
        Self {
            close,
            conditionals: 0,
            logicals: 0,
            operators: 0,
            inner: 0,
            term: 0,
            part: 0,
        }
    }

    fn end_term(&mut self) {
        self.term = self.term.max(self.operators.saturating_add(self.inner));
        (self.operators, self.inner) = (0, 0);
    }

    /// The depth of what ends here, and of what ended before.
    fn end_part(&mut self) -> u16 {
        self.end_term();
        // A balanced tree of n terms, twice because chains of `&&` lie in those of `||`.
        let balanced = u16::try_from(self.logicals.saturating_add(1).next_power_of_two().ilog2()).unwrap_or(u16::MAX);
        let depth = [self.conditionals, balanced, balanced, self.term]
            .into_iter()
            .fold(0, u16::saturating_add);
        self.part = self.part.max(depth);
        (self.conditionals, self.logicals, self.term) = (0, 0, 0);
        self.part
    }
}

/// The bracket that ends what this one begins.
fn closing(open: TokenKind) -> TokenKind {
    match open {
        TokenKind::TokLeftParen => TokenKind::TokRightParen,
        TokenKind::TokLeftBracket => TokenKind::TokRightBracket,
        _ => TokenKind::TokRightBrace,
    }
}

/// Whether a text has matching brackets, no token that the parser does not know, and at most [`DEPTH_MAX`] levels.
///
/// The tokens are the parser's own, so what it takes for a text or a comment is one here.
pub(super) fn is_shallow(text: &str) -> bool {
    depth(text).is_some_and(|depth| depth <= DEPTH_MAX)
}

fn depth(text: &str) -> Option<u16> {
    let mut lexer = Lexer::new(text);
    let mut levels = vec![Level::new(TokenKind::TokEnd)];
    loop {
        let token = lexer.lex().kind;
        let level = levels.last_mut()?;
        match token {
            TokenKind::TokError => return None,
            TokenKind::TokLeftParen | TokenKind::TokLeftBracket | TokenKind::TokLeftBrace => {
                level.operators = level.operators.saturating_add(1);
                if levels.len() > usize::from(DEPTH_MAX) {
                    return None;
                }
                levels.push(Level::new(closing(token)));
            }
            TokenKind::TokEnd | TokenKind::TokRightParen | TokenKind::TokRightBracket | TokenKind::TokRightBrace => {
                if level.close != token {
                    return None;
                }
                let depth = level.end_part();
                levels.pop();
                let Some(outer) = levels.last_mut() else {
                    return Some(depth);
                };
                outer.inner = outer.inner.max(depth);
            }
            TokenKind::TokComma => {
                level.end_part();
            }
            TokenKind::TokColon => level.end_term(),
            TokenKind::TokQuestion => {
                level.conditionals = level.conditionals.saturating_add(1);
                level.end_term();
            }
            TokenKind::TokLogicalAnd | TokenKind::TokLogicalOr => {
                level.logicals = level.logicals.saturating_add(1);
                level.end_term();
            }
            TokenKind::TokWhitespace
            | TokenKind::TokComment
            | TokenKind::TokNull
            | TokenKind::TokTrue
            | TokenKind::TokFalse
            | TokenKind::TokInt
            | TokenKind::TokUint
            | TokenKind::TokFloat
            | TokenKind::TokString
            | TokenKind::TokBytes
            | TokenKind::TokIdent
            | TokenKind::TokReservedWord => {}
            _ => level.operators = level.operators.saturating_add(1),
        }
    }
}

#[cfg(test)]
mod tests;
