//! Logs are set beside one another step by step.

use super::*;

fn lines(texts: &[&str]) -> Vec<String> {
    texts.iter().map(|text| (*text).to_owned()).collect()
}

#[test]
fn lines_of_one_step_are_set_beside_one_another() {
    let one = lines(&["a info x: get -> 1", "a info end()"]);
    let other = lines(&["a info x: get -> 2", "a info end()"]);
    let pairs = align(&one, &other);
    assert_eq!(pairs.len(), 2);
    assert_eq!(pairs[0], (Some(one[0].clone()), Some(other[0].clone())));
}

#[test]
fn a_line_of_one_side_alone_is_beside_nothing() {
    let one = lines(&["a info begin()", "a info more()", "a info end()"]);
    let other = lines(&["a info begin()", "a info end()"]);
    let differing: Vec<_> = align(&one, &other)
        .into_iter()
        .filter(|pair| pair.0 != pair.1)
        .collect();
    assert_eq!(differing, [(Some("a info more()".to_owned()), None)]);
}
