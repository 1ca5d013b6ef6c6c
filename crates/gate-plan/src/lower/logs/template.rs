//! Templates of records: text with names of fields in braces.

use super::super::Lowering;
use crate::findings::Draft;
use crate::plan::logs::Piece;
use crate::tree::Node;

impl Lowering<'_> {
    /// `{{` and `}}` are braces themselves.
    pub(super) fn template(&mut self, text: &str, node: &Node, own: &[&str]) -> Vec<Piece> {
        let letters: Vec<char> = text.chars().collect();
        let mut pieces = Vec::new();
        let mut plain = String::new();
        let mut at = 0_usize;
        while let Some(letter) = letters.get(at).copied() {
            let next = letters.get(at.saturating_add(1)).copied();
            match (letter, next) {
                ('{' | '}', Some(same)) if same == letter => {
                    plain.push(letter);
                    at = at.saturating_add(2);
                }
                ('{', _) => {
                    let rest = letters.get(at.saturating_add(1)..).unwrap_or_default();
                    let Some(length) = rest.iter().position(|one| *one == '}') else {
                        self.brace(node, at, "`{` is not closed");
                        break;
                    };
                    let name: String = rest.iter().take(length).collect();
                    let end = at.saturating_add(length).saturating_add(2);
                    self.known_field(&name, node.part(at, end), own);
                    pieces.extend(
                        Some(std::mem::take(&mut plain))
                            .filter(|text| !text.is_empty())
                            .map(Piece::Text),
                    );
                    pieces.push(Piece::Field(name));
                    at = end;
                }
                ('}', _) => {
                    self.brace(node, at, "`}` closes nothing");
                    at = at.saturating_add(1);
                }
                (letter, _) => {
                    if letter.is_control() && letter != '\t' {
                        let draft = Draft::error(node.part(at, at.saturating_add(1)), "a template is one line");
                        self.error(draft.help("remove the line break or control character"));
                    }
                    plain.push(letter);
                    at = at.saturating_add(1);
                }
            }
        }
        pieces.extend(Some(plain).filter(|text| !text.is_empty()).map(Piece::Text));
        if !pieces.iter().any(|piece| matches!(piece, Piece::Field(_))) {
            let draft = Draft::error(
                node.span,
                "the template has no field, so that all records would be the same",
            );
            self.absent(
                node,
                draft.help("write names in braces: `{timestamp} {http.request.method} {url.path}`"),
            );
        }
        pieces
    }

    fn brace(&mut self, node: &Node, at: usize, why: &str) {
        let draft = Draft::error(
            node.part(at, at.saturating_add(1)),
            format!("the template has a brace too many: {why}"),
        );
        self.error(draft.help("a brace itself is written twice: `{{` or `}}`"));
    }
}
