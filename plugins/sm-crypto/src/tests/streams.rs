//! However a stream is cut into pieces, the same bytes come out; and nothing comes out of what was spoilt.

use proptest::prelude::*;

use crate::cipher::open_gcm;
use crate::configuration::{IvPlace, Mode};
use crate::exchange::{Decryption, Inbound, Outbound, iv_bytes};

const KEY: [u8; 16] = *b"0123456789abcdef";

/// Cuts bytes at places; there may be empty pieces.
fn pieces<'a>(bytes: &'a [u8], cuts: &[usize]) -> Vec<&'a [u8]> {
    let mut places: Vec<usize> = cuts.iter().map(|cut| cut % (bytes.len() + 1)).collect();
    places.extend([0, bytes.len()]);
    places.sort_unstable();
    places.windows(2).map(|pair| &bytes[pair[0]..pair[1]]).collect()
}

fn encrypted(mode: Mode, place: IvPlace, plain: &[u8], cuts: &[usize]) -> Vec<u8> {
    let iv = vec![7; iv_bytes(mode)];
    let (mut outbound, _) = Outbound::new(mode, &KEY, &iv, place).unwrap();
    let mut out = Vec::new();
    for piece in pieces(plain, cuts) {
        out.extend(outbound.piece(piece, false).unwrap());
    }
    assert!(outbound.is_open());
    out.extend(outbound.piece(&[], true).unwrap());
    assert!(!outbound.is_open() && outbound.piece(&[], true).is_none());
    out
}

fn inbound(mode: Mode, place: IvPlace) -> Inbound {
    let iv = (place == IvPlace::Header).then(|| vec![7; iv_bytes(mode)]);
    let decryption = Decryption {
        mode,
        key: KEY,
        iv,
        head: Vec::new(),
        cbc: None,
    };
    Inbound {
        digest: None,
        decryption: Some(decryption),
    }
}

fn decrypted_cbc(place: IvPlace, body: &[u8], cuts: &[usize]) -> Option<Vec<u8>> {
    let mut inbound = inbound(Mode::Cbc, place);
    let mut out = Vec::new();
    for piece in pieces(body, cuts) {
        out.extend(inbound.piece(piece, false).ok()?);
    }
    out.extend(inbound.piece(&[], true).ok()?);
    Some(out)
}

fn place() -> impl Strategy<Value = IvPlace> {
    prop_oneof![Just(IvPlace::Body), Just(IvPlace::Header)]
}

proptest! {
    #[test]
    fn pieces_change_nothing(
        plain in proptest::collection::vec(any::<u8>(), 0..200),
        cuts in proptest::collection::vec(any::<usize>(), 0..6),
        other_cuts in proptest::collection::vec(any::<usize>(), 0..6),
        place in place(),
    ) {
        for mode in [Mode::Cbc, Mode::Gcm] {
            let whole = encrypted(mode, place, &plain, &[]);
            prop_assert_eq!(&encrypted(mode, place, &plain, &cuts), &whole);
            let back = match mode {
                Mode::Cbc => decrypted_cbc(place, &whole, &other_cuts),
                Mode::Gcm => inbound(mode, place).whole(&whole).ok(),
            };
            prop_assert_eq!(back.as_ref(), Some(&plain));
        }
    }

    #[test]
    fn nothing_comes_out_of_a_gcm_message_that_was_spoilt(
        plain in proptest::collection::vec(any::<u8>(), 0..64),
        at: usize,
        bit in 0..8_u8,
    ) {
        let mut message = encrypted(Mode::Gcm, IvPlace::Body, &plain, &[]);
        let at = at % message.len();
        message[at] ^= 1 << bit;
        let refused = inbound(Mode::Gcm, IvPlace::Body).whole(&message).unwrap_err();
        prop_assert_eq!((refused.status, refused.text.as_str()), (400, "the body is not encrypted by this key"));
    }
}

#[test]
fn what_is_cut_off_is_refused_at_every_length() {
    let message = encrypted(Mode::Gcm, IvPlace::Body, b"seventeen letters", &[]);
    for length in 0..message.len() {
        assert!(
            inbound(Mode::Gcm, IvPlace::Body).whole(&message[..length]).is_err(),
            "{length}"
        );
        assert!(open_gcm(&KEY, [7; 12], &message[..length]).is_err(), "{length}");
    }
    let message = encrypted(Mode::Cbc, IvPlace::Body, b"seventeen letters", &[]);
    for length in 0..message.len() {
        // At the end of a block the padding is wrong, elsewhere the length is.
        assert_eq!(decrypted_cbc(IvPlace::Body, &message[..length], &[]), None, "{length}");
    }
}

#[test]
fn a_padding_that_is_none_is_refused() {
    // Without its own padding, a body's last byte is the padding: 0 and 17 are none, and 2 wants another 2 before it.
    for last in [0, 17, 255, 2] {
        let mut plain = [1; 16];
        plain[15] = last;
        let mut message = encrypted(Mode::Cbc, IvPlace::Body, &plain, &[]);
        message.truncate(32);
        assert_eq!(decrypted_cbc(IvPlace::Body, &message, &[]), None, "{last}");
    }
    let mut message = encrypted(Mode::Cbc, IvPlace::Body, &[[0; 15].as_slice(), &[1]].concat(), &[]);
    message.truncate(32);
    assert_eq!(decrypted_cbc(IvPlace::Body, &message, &[]), Some(vec![0; 15]));
}
