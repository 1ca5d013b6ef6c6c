//! Depths of texts.

use super::depth;

#[test]
fn depth_counts_what_leans_and_what_nests() {
    assert_eq!(depth("1"), Some(0));
    assert_eq!(depth("a.b.c"), Some(2));
    assert_eq!(depth("((((1))))"), Some(4));
    assert_eq!(depth("1 + 1 + 1 + 1"), Some(3));
    assert_eq!(depth("f(1, 1 + 1, 1)"), Some(2));
}

#[test]
fn long_chains_of_and_and_or_are_shallow() {
    let chain = vec!["a == 1 && b == 2"; 60].join(" || ");
    assert!(depth(&chain).is_some_and(|depth| depth < 20), "{:?}", depth(&chain));
}

#[test]
fn brackets_in_texts_and_comments_do_not_count() {
    assert_eq!(depth("'((((' // ))))"), Some(0));
    assert_eq!(depth(r#"r"\" + """" " """ + b'('"#), Some(2));
}

#[test]
fn what_does_not_match_is_refused() {
    for text in ["(", ")", "(]", "([)]", "{)", "'", "1 & 1", "a`b", "\u{e9}"] {
        assert_eq!(depth(text), None, "{text}");
    }
}
