//! Signatures that other crates make, and ones that nobody could have made.

use p256::ecdsa::signature::hazmat::PrehashSigner;
use p256::ecdsa::signature::hazmat::PrehashVerifier;
use proptest::prelude::*;
use rand_core::OsRng;
use sha2::{Digest, Sha256, Sha384, Sha512};

use super::*;

/// Signs with a fresh key of the crate: the key's coordinates, and r and s.
macro_rules! signed_by {
    ($crate_name:ident, $digest:expr) => {{
        let key = $crate_name::ecdsa::SigningKey::random(&mut OsRng);
        let signature: $crate_name::ecdsa::Signature = key.sign_prehash($digest).unwrap();
        let verifying = $crate_name::ecdsa::VerifyingKey::from(&key);
        let point = verifying.to_encoded_point(false);
        (
            point.x().unwrap().to_vec(),
            point.y().unwrap().to_vec(),
            signature.to_bytes().to_vec(),
        )
    }};
}

fn key(named: Named, x: &[u8], y: &[u8]) -> PublicKey {
    PublicKey::new(named, x, y).unwrap()
}

/// The signature is good; with any other byte in it, or for another digest, it is not.
fn check(named: Named, (x, y, signature): &(Vec<u8>, Vec<u8>, Vec<u8>), digest: &[u8]) {
    let key = key(named, x, y);
    assert!(key.verify_ecdsa(digest, signature), "{named:?}");
    for place in (0..signature.len()).step_by(11) {
        let mut other = signature.clone();
        other[place] ^= 1 << (place % 8);
        assert!(!key.verify_ecdsa(digest, &other), "{named:?} {place}");
    }
    let mut other = digest.to_vec();
    other[0] ^= 1;
    assert!(!key.verify_ecdsa(&other, signature), "{named:?}");
}

#[test]
fn what_other_crates_sign_is_good_and_nothing_else() {
    for round in 0..20_u32 {
        let message = round.to_be_bytes();
        let digest = Sha256::digest(message);
        check(Named::P256, &signed_by!(p256, &digest), &digest);
        let digest = Sha384::digest(message);
        check(Named::P384, &signed_by!(p384, &digest), &digest);
    }
    for round in 0..10_u32 {
        let digest = Sha512::digest(round.to_be_bytes());
        let key = p521::ecdsa::SigningKey::random(&mut OsRng);
        let signature: p521::ecdsa::Signature = key.sign_prehash(&digest).unwrap();
        let point = p521::ecdsa::VerifyingKey::from(&key).to_encoded_point(false);
        let parts = (
            point.x().unwrap().to_vec(),
            point.y().unwrap().to_vec(),
            signature.to_bytes().to_vec(),
        );
        check(Named::P521, &parts, &digest);
    }
}

#[test]
fn what_the_crate_sm2_signs_is_good_and_nothing_else() {
    use sm2::dsa::signature::Signer;
    for round in 0..20_u32 {
        let secret = sm2::SecretKey::random(&mut OsRng);
        let signing = sm2::dsa::SigningKey::new("somebody", &secret).unwrap();
        let message = round.to_be_bytes();
        let signature: sm2::dsa::Signature = signing.sign(&message);
        let signature = signature.to_bytes();
        let point = sm2::elliptic_curve::sec1::ToEncodedPoint::to_encoded_point(&secret.public_key(), false);
        let key = key(Named::Sm2, point.x().unwrap(), point.y().unwrap());
        assert!(key.verify_sm2("somebody", &message, &signature));
        assert!(!key.verify_sm2("somebody else", &message, &signature));
        assert!(!key.verify_sm2("somebody", b"other", &signature));
        for place in (0..64).step_by(3) {
            let mut other = signature.to_vec();
            other[place] ^= 0x80;
            assert!(!key.verify_sm2("somebody", &message, &other), "{place}");
        }
        assert!(!key.verify_ecdsa(&[7; 32], &signature));
    }
}

/// GB/T 32918.5 annex A.2, the example on the recommended curve.
#[test]
fn the_example_of_the_standard_is_good() {
    let x = curve::hex("09f9df311e5421a150dd7d161e4bc5c672179fad1833fc076bb08ff356f35020");
    let y = curve::hex("ccea490ce26775a52dc6ea718cc1aa600aed05fbf35e084a6632f6072da9ad13");
    let r = "f5a03b0648d2c4630eeac513e1bb81a15944da3827d5b74143ac7eaceee720b3";
    let s = "b1b6aa29df212fd8763182bc0d421ca1bb9038fd1f7f42d4840b69c485bbc1aa";
    let signature = curve::hex(&format!("{r}{s}"));
    let key = key(Named::Sm2, &x, &y);
    assert!(key.verify_sm2("1234567812345678", b"message digest", &signature));
    assert!(!key.verify_sm2("1234567812345678", b"message digesu", &signature));
}

#[test]
fn numbers_out_of_range_sign_nothing() {
    let digest = Sha256::digest(b"x");
    let (x, y, good) = signed_by!(p256, &digest);
    let key = key(Named::P256, &x, &y);
    let order = curve::hex("ffffffff00000000ffffffffffffffffbce6faada7179e84f3b9cac2fc632551");
    let (r, s) = good.split_at(32);
    let zero = [0; 32];
    for (r, s) in [
        (&zero[..], s),
        (r, &zero[..]),
        (&order[..], s),
        (r, &order[..]),
        (&zero, &zero),
        (&[255; 32], s),
    ] {
        assert!(!key.verify_ecdsa(&digest, &[r, s].concat()));
    }
    assert!(!key.verify_ecdsa(&digest, &good[..63]));
    assert!(!key.verify_ecdsa(&digest, &[&good[..], &[0]].concat()));
    assert!(!key.verify_ecdsa(&digest, &[]));
}

#[test]
fn what_is_no_point_of_the_curve_is_no_key() {
    let (x, y, _) = signed_by!(p256, &[7; 32]);
    assert!(PublicKey::new(Named::P256, &x, &y).is_some());
    assert!(PublicKey::new(Named::Sm2, &x, &y).is_none());
    assert!(PublicKey::new(Named::P256, &y, &x).is_none());
    assert!(PublicKey::new(Named::P256, &[0; 32], &[0; 32]).is_none());
    assert!(PublicKey::new(Named::P256, &x[1..], &y).is_none());
    assert!(PublicKey::new(Named::P256, &[&[0], &x[..]].concat(), &y).is_none());
    let prime = curve::hex("ffffffff00000001000000000000000000000000ffffffffffffffffffffffff");
    assert!(PublicKey::new(Named::P256, &prime, &y).is_none());
}

/// Whatever r, s and digest are, this code and the crate say the same. Both get the rare cases: a digest of 0, equal numbers, numbers at the order.
#[test]
fn odd_numbers_are_judged_as_by_another_crate() {
    let order = curve::hex("ffffffff00000000ffffffffffffffffbce6faada7179e84f3b9cac2fc632551");
    let mut below = order.clone();
    below[31] -= 1;
    let mut one = vec![0; 32];
    one[31] = 1;
    let mut two = vec![0; 32];
    two[31] = 2;
    let numbers = [vec![0; 32], one, two, below, order, vec![255; 32], vec![0x80; 32]];
    let secret = p256::ecdsa::SigningKey::from_slice(&numbers[1]).unwrap();
    let oracle = p256::ecdsa::VerifyingKey::from(&secret);
    let point = oracle.to_encoded_point(false);
    // The key is the generator itself: sums of its multiples meet in doublings and at infinity.
    let ours = key(Named::P256, point.x().unwrap(), point.y().unwrap());
    for digest in &numbers {
        for r in &numbers {
            for s in &numbers {
                let signature = [&r[..], s].concat();
                let expected = p256::ecdsa::Signature::from_slice(&signature)
                    .is_ok_and(|signature| oracle.verify_prehash(digest, &signature).is_ok());
                assert_eq!(
                    ours.verify_ecdsa(digest, &signature),
                    expected,
                    "{digest:?} {r:?} {s:?}"
                );
            }
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn a_signature_over_any_digest_is_judged_as_by_another_crate(digest: [u8; 32], flip in 0_usize..128) {
        let (x, y, mut signature) = signed_by!(p256, &digest);
        // Half of them are spoilt.
        if flip < 64 {
            signature[flip] ^= 1;
        }
        let point = p256::EncodedPoint::from_affine_coordinates(x[..].into(), y[..].into(), false);
        let oracle = p256::ecdsa::VerifyingKey::from_encoded_point(&point).unwrap();
        let expected = p256::ecdsa::Signature::from_slice(&signature)
            .is_ok_and(|signature| oracle.verify_prehash(&digest, &signature).is_ok());
        prop_assert_eq!(key(Named::P256, &x, &y).verify_ecdsa(&digest, &signature), expected);
    }
}
