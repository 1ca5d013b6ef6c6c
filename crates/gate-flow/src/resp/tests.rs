//! Where a reply ends, for whole, partial and hostile bytes.

use super::{Malformed, reply_bytes};

#[test]
fn each_kind_of_reply_ends_where_it_says() {
    for whole in [
        "+OK\r\n",
        "-ERR no\r\n",
        ":42\r\n",
        "$5\r\nhello\r\n",
        "$-1\r\n",
        "*-1\r\n",
        "*0\r\n",
        "*2\r\n$1\r\na\r\n:1\r\n",
        "%1\r\n+k\r\n+v\r\n",
        "_\r\n",
        "#t\r\n",
        ",1.5\r\n",
        "*1\r\n*1\r\n$3\r\n\r\n\r\r\n",
    ] {
        assert_eq!(reply_bytes(whole.as_bytes()), Ok(Some(whole.len())), "{whole:?}");
        let more = format!("{whole}+next\r\n");
        assert_eq!(reply_bytes(more.as_bytes()), Ok(Some(whole.len())), "{more:?}");
        for cut in 0..whole.len() {
            assert_eq!(reply_bytes(&whole.as_bytes()[..cut]), Ok(None), "{:?}", &whole[..cut]);
        }
    }
}

#[test]
fn bytes_that_are_no_reply_are_refused() {
    for wrong in ["hello\r\n", "$x\r\n", "$-2\r\n", "*9999999999999999999\r\n"] {
        assert_eq!(reply_bytes(wrong.as_bytes()), Err(Malformed), "{wrong:?}");
    }
}

#[test]
fn nesting_is_bounded() {
    assert_eq!(reply_bytes("*1\r\n".repeat(100).as_bytes()), Err(Malformed));
}
