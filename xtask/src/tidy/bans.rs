//! The bans, each with the rule that it enforces.

use super::Problem;
use super::source::{Line, cut, words};
use super::tree::File;

/// Names that say nothing about what is inside.
const EMPTY_NAMES: &[&str] = &[
    "utils", "util", "common", "helpers", "helper", "misc", "manager", "prelude",
];

/// Where unsafe code may be. Guests are inside the sandbox, and an ABI of pointers cannot be spoken without it.
const UNSAFE_ROOMS: &[&str] = &[
    "crates/plug-host/",
    "crates/log-ring/",
    "crates/log-kernel/",
    "crates/rag-index/",
    "plugins/",
];

/// Homes and hosts that belong to one machine. In two parts, so that this list does not find itself.
const OF_ONE_MACHINE: &[(&str, &str)] = &[
    ("/home", "/"),
    ("/root", "/"),
    ("/Users", "/"),
    ("static.crates", ".io"),
    ("index.crates", ".io"),
    ("pypi", ".org"),
    ("pythonhosted", ".org"),
    ("registry.npmjs", ".org"),
    ("deb.debian", ".org"),
    ("archive.ubuntu", ".com"),
];

/// Files that a tool writes, or whose every byte is what a test compares with.
const AS_THEY_ARE: &[&str] = &["Cargo.lock", "package-lock.json", "LICENSE"];

/// Folders of the same kind.
const AS_THEY_ARE_FOLDERS: &[&str] = &["golden", "fixtures", "snapshots", "seeds", "wrong"];

/// A rule about a line of Rust: whether the line breaks it, and what it says.
type LineRule = (fn(&Line) -> bool, &'static str);

const LINE_RULES: &[LineRule] = &[
    (
        re_exports_all,
        "no `pub use x::*`: a room's door names what goes through it",
    ),
    (
        |line| has_attribute(line, "ignore"),
        "no `#[ignore]`: a test that does not run is none; assert what is, and say in a comment what should be",
    ),
    (
        |line| has_attribute(line, "should_panic"),
        "no `#[should_panic]`: it passes on any panic; assert the fault",
    ),
    (
        |line| line.code.contains("todo!"),
        "no `todo!`: build it, or leave it out and say so",
    ),
    (
        |line| bare_todo(&line.comment),
        "no TODO without its reason: write `TODO: what, and why not now`",
    ),
    (
        declares_empty_name,
        "a module named utils, common, helpers, misc, manager or prelude says nothing: name it after what lives there",
    ),
];

/// Checks one file against every ban.
pub(super) fn check(file: &File, problems: &mut Vec<Problem>) {
    check_text(file, problems);
    if file.path.ends_with(".rs") {
        check_name(file, problems);
        let lines = cut(&file.text);
        check_first_sentence(file, problems);
        check_lines(file, &lines, problems);
        check_unsafe(file, &lines, problems);
    }
}

fn check_text(file: &File, problems: &mut Vec<Problem>) {
    let parts: Vec<&str> = file.path.split('/').collect();
    let name = parts.last().copied().unwrap_or_default();
    if AS_THEY_ARE.contains(&name) || parts.iter().any(|part| AS_THEY_ARE_FOLDERS.contains(part)) {
        return;
    }
    for (index, line) in file.text.lines().enumerate() {
        let mut say = |text: String| problems.push(Problem::new(&file.path, index + 1, text));
        if line.ends_with([' ', '\t']) {
            say(String::from("no white space at the end of a line"));
        }
        // Go's own formatter indents by tabs, and `make` wants them before what it runs.
        let may_have_tabs = name.ends_with(".go") || name == "Makefile";
        if line.contains('\t') && !may_have_tabs {
            say(String::from("no tabs: four spaces in Rust, two elsewhere"));
        }
        for (one, two) in OF_ONE_MACHINE
            .iter()
            .filter(|(one, two)| line.contains(&[*one, *two].concat()))
        {
            say(format!(
                "`{one}{two}` belongs to one machine or one registry: the project must build on any"
            ));
        }
    }
    if !file.text.is_empty() && !file.text.ends_with('\n') {
        problems.push(Problem::new(
            &file.path,
            file.text.lines().count(),
            "a file ends with a line break",
        ));
    }
}

fn check_name(file: &File, problems: &mut Vec<Problem>) {
    if file.path.ends_with("/mod.rs") {
        problems.push(Problem::new(
            &file.path,
            1,
            "no `mod.rs`: `foo.rs` beside `foo/`, so that a tab in the editor says which file it is",
        ));
    }
    if let Some(name) = file
        .path
        .split('/')
        .map(|part| part.trim_end_matches(".rs"))
        .find(|part| EMPTY_NAMES.contains(part))
    {
        problems.push(Problem::new(
            &file.path,
            1,
            format!("`{name}` says nothing: name it after what lives there"),
        ));
    }
}

/// The first line is `//!`, and its paragraph is a sentence.
fn check_first_sentence(file: &File, problems: &mut Vec<Problem>) {
    let paragraph: Vec<&str> = file
        .text
        .lines()
        .map_while(|line| line.strip_prefix("//!"))
        .take_while(|line| !line.trim().is_empty())
        .collect();
    let is_sentence = paragraph
        .last()
        .is_some_and(|line| line.trim_end().ends_with(['.', ':', '?']));
    if !is_sentence {
        problems.push(Problem::new(
            &file.path,
            1,
            "every file opens with one `//!` sentence that says what lives in it, and ends with a full stop",
        ));
    }
}

fn check_lines(file: &File, lines: &[Line], problems: &mut Vec<Problem>) {
    for (index, line) in lines.iter().enumerate() {
        for (_, rule) in LINE_RULES.iter().filter(|(breaks, _)| breaks(line)) {
            problems.push(Problem::new(&file.path, index + 1, *rule));
        }
    }
}

fn check_unsafe(file: &File, lines: &[Line], problems: &mut Vec<Problem>) {
    let allowed = UNSAFE_ROOMS.iter().any(|room| file.path.starts_with(room));
    for (index, line) in lines
        .iter()
        .enumerate()
        .filter(|(_, line)| words(&line.code).any(|word| word == "unsafe"))
    {
        if !allowed {
            problems.push(Problem::new(
                &file.path,
                index + 1,
                "unsafe only in `plug-host`, `log-ring`, `log-kernel` and `rag-index`",
            ));
        }
        let code = squeezed(&line.code);
        let opens = code.contains("unsafe{") || code.contains("unsafeimpl") || code.ends_with("unsafe");
        if opens && !has_safety(lines.get(..=index).unwrap_or_default()) {
            problems.push(Problem::new(
                &file.path,
                index + 1,
                "`// SAFETY:` before each unsafe block says why it is sound, checkable without scrolling",
            ));
        }
    }
}

/// Whether the last of these lines, or the comment right above its statement, says why it is safe.
fn has_safety(lines: &[Line]) -> bool {
    let says = |line: &Line| line.comment.contains("SAFETY:");
    let Some((last, above)) = lines.split_last() else {
        return false;
    };
    let belongs = |line: &&Line| {
        let code = line.code.trim();
        let comment_only = code.is_empty() && !line.comment.is_empty();
        let unfinished = !code.is_empty() && !code.ends_with([';', '{', '}']);
        comment_only || unfinished
    };
    says(last) || above.iter().rev().take_while(belongs).any(says)
}

fn squeezed(code: &str) -> String {
    code.split_whitespace().collect()
}

fn has_attribute(line: &Line, name: &str) -> bool {
    let code = squeezed(&line.code);
    code.contains(&format!("#[{name}]")) || code.contains(&format!("#[{name}=")) || code.contains(&format!("#[{name}("))
}

fn bare_todo(comment: &str) -> bool {
    let reason = |rest: &str| {
        rest.trim_start()
            .strip_prefix(':')
            .map_or(0, |text| text.split_whitespace().count())
    };
    let mut todos = comment.split("TODO").skip(1);
    todos.any(|rest| reason(rest) < 4) || words(comment).any(|word| matches!(word, "FIXME" | "XXX" | "HACK"))
}

fn re_exports_all(line: &Line) -> bool {
    let mut words = words(&line.code);
    words.next() == Some("pub") && words.any(|word| word == "use") && line.code.contains("::*")
}

fn declares_empty_name(line: &Line) -> bool {
    let mut words = words(&line.code).skip_while(|word| *word != "mod").skip(1);
    words.next().is_some_and(|name| EMPTY_NAMES.contains(&name))
}
