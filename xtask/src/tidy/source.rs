//! Rust source cut into code and comments, line by line, so that no check mistakes a string or a comment for code.

/// A line: its code with the insides of strings taken out, and its comments.
#[derive(Default, Debug)]
pub(super) struct Line {
    pub(super) code: String,
    pub(super) comment: String,
}

/// A function with a body.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Function {
    pub(super) name: String,
    /// First line, counted from 1.
    pub(super) line: usize,
    /// Lines from the signature to the closing brace.
    pub(super) lines: usize,
}

/// Where the scanner is.
enum State {
    Code,
    LineComment,
    /// Nested so many deep.
    BlockComment(usize),
    Text,
    /// Closed by a quote and so many hashes.
    RawText(usize),
}

/// Cuts a file.
pub(super) fn cut(text: &str) -> Vec<Line> {
    let letters: Vec<char> = text.chars().collect();
    let mut lines = vec![Line::default()];
    let mut state = State::Code;
    let mut at = 0;
    while let Some(letter) = letters.get(at).copied() {
        if letter == '\n' {
            lines.push(Line::default());
            if matches!(state, State::LineComment) {
                state = State::Code;
            }
            at += 1;
            continue;
        }
        let rest = letters.get(at..).unwrap_or_default();
        let (next, taken) = step(state, rest, lines.last_mut());
        state = next;
        at += taken;
    }
    lines
}

/// Takes at least one letter; gives the state after it and how many it took. A line break is never taken.
fn step(state: State, rest: &[char], line: Option<&mut Line>) -> (State, usize) {
    let mut spare = Line::default();
    let line = line.unwrap_or(&mut spare);
    let first = rest.first().copied().unwrap_or_default();
    match state {
        State::Code => code(rest, first, line),
        State::LineComment => {
            line.comment.push(first);
            (State::LineComment, 1)
        }
        State::BlockComment(depth) if starts(rest, "/*") => (State::BlockComment(depth + 1), 2),
        State::BlockComment(1) if starts(rest, "*/") => (State::Code, 2),
        State::BlockComment(depth) if starts(rest, "*/") => (State::BlockComment(depth - 1), 2),
        State::BlockComment(depth) => {
            line.comment.push(first);
            (State::BlockComment(depth), 1)
        }
        State::Text if first == '\\' && rest.get(1) != Some(&'\n') => (State::Text, 2),
        State::Text if first == '"' => {
            line.code.push('"');
            (State::Code, 1)
        }
        State::Text => (State::Text, 1),
        State::RawText(hashes)
            if first == '"' && rest.iter().skip(1).take_while(|letter| **letter == '#').count() >= hashes =>
        {
            line.code.push('"');
            (State::Code, 1 + hashes)
        }
        State::RawText(hashes) => (State::RawText(hashes), 1),
    }
}

fn code(rest: &[char], first: char, line: &mut Line) -> (State, usize) {
    if starts(rest, "//") {
        line.comment.push_str("//");
        return (State::LineComment, 2);
    }
    if starts(rest, "/*") {
        return (State::BlockComment(1), 2);
    }
    let after_word = line
        .code
        .chars()
        .last()
        .is_some_and(|letter| letter.is_alphanumeric() || letter == '_');
    if !after_word && let Some((hashes, taken)) = raw_opening(rest) {
        line.code.push('"');
        return (State::RawText(hashes), taken);
    }
    match first {
        '"' => {
            line.code.push('"');
            (State::Text, 1)
        }
        '\'' => (State::Code, character(rest, line)),
        _ => {
            line.code.push(first);
            (State::Code, 1)
        }
    }
}

/// `r"`, `r#"`, `br##"` and so on: number of hashes, letters taken.
fn raw_opening(rest: &[char]) -> Option<(usize, usize)> {
    let prefix = rest
        .iter()
        .take_while(|letter| matches!(letter, 'b' | 'c' | 'r'))
        .count();
    if prefix == 0 || prefix > 2 || rest.get(prefix - 1) != Some(&'r') {
        return None;
    }
    let hashes = rest.iter().skip(prefix).take_while(|letter| **letter == '#').count();
    (rest.get(prefix + hashes) == Some(&'"')).then_some((hashes, prefix + hashes + 1))
}

/// A character literal loses its inside; a lifetime stays.
fn character(rest: &[char], line: &mut Line) -> usize {
    let literal = match (rest.get(1), rest.get(2)) {
        (Some('\\'), _) => rest
            .iter()
            .skip(3)
            .take(8)
            .position(|letter| *letter == '\'')
            .map(|end| end + 4),
        (Some(_), Some('\'')) => Some(3),
        _ => None,
    };
    line.code.push('\'');
    literal.unwrap_or(1)
}

fn starts(rest: &[char], text: &str) -> bool {
    text.chars()
        .zip(rest.iter())
        .filter(|(one, other)| one == *other)
        .count()
        == text.len()
}

/// The words of a line of code.
pub(super) fn words(code: &str) -> impl Iterator<Item = &str> {
    code.split(|letter: char| !letter.is_alphanumeric() && letter != '_')
        .filter(|word| !word.is_empty())
}

/// Every function that has a body, nested ones too.
pub(super) fn functions(lines: &[Line]) -> Vec<Function> {
    let mut found = Vec::new();
    for (index, line) in lines.iter().enumerate() {
        let mut words = words(&line.code).skip_while(|word| *word != "fn");
        if let (Some("fn"), Some(name)) = (words.next(), words.next())
            && let Some(lines) = body_lines(lines.get(index..).unwrap_or_default(), name)
        {
            found.push(Function {
                name: name.to_owned(),
                line: index + 1,
                lines,
            });
        }
    }
    found
}

/// Lines up to the brace that closes the body; none for a signature without one.
fn body_lines(lines: &[Line], name: &str) -> Option<usize> {
    let mut braces = 0_usize;
    let mut brackets = 0_usize;
    let mut started = false;
    for (index, line) in lines.iter().enumerate() {
        let from = if index == 0 {
            line.code.find(&format!("fn {name}"))?
        } else {
            0
        };
        for letter in line.code.get(from..)?.chars() {
            match letter {
                '(' | '[' => brackets += 1,
                ')' | ']' => brackets = brackets.saturating_sub(1),
                '{' => {
                    braces += 1;
                    started = started || brackets == 0;
                }
                '}' => braces = braces.saturating_sub(1),
                ';' if !started && brackets == 0 => return None,
                _ => {}
            }
            if started && braces == 0 {
                return Some(index + 1);
            }
        }
    }
    None
}

/// Lines that are not inside a `#[cfg(test)]` item.
pub(super) fn lines_without_tests(lines: &[Line]) -> usize {
    let mut count = 0;
    let mut index = 0;
    while let Some(line) = lines.get(index) {
        if line.code.trim_start().starts_with("#[cfg(test)]") {
            index += item_lines(lines.get(index..).unwrap_or_default());
        } else {
            count += 1;
            index += 1;
        }
    }
    // The cut leaves an empty line after the last line break.
    count
        - usize::from(
            lines
                .last()
                .is_some_and(|line| line.code.is_empty() && line.comment.is_empty()),
        )
}

/// Lines of the item that starts here: up to its closing brace or semicolon.
fn item_lines(lines: &[Line]) -> usize {
    let mut braces = 0_usize;
    for (index, line) in lines.iter().enumerate() {
        for letter in line.code.chars() {
            match letter {
                '{' => braces += 1,
                '}' if braces == 1 => return index + 1,
                '}' => braces = braces.saturating_sub(1),
                ';' if braces == 0 => return index + 1,
                _ => {}
            }
        }
    }
    lines.len()
}
