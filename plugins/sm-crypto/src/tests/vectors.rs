//! The examples of GB/T 32905 (SM3), GB/T 32907 (SM4) and RFC 8998 (SM4-GCM), and a vector of HMAC-SM3.

use super::*;
use crate::cipher::{CbcEncryption, GcmEncryption, open_gcm};
use hmac::{Hmac, Mac};
use sm3::{Digest, Sm3};
use sm4::Sm4;
use sm4::cipher::{BlockEncrypt, KeyInit};

#[test]
fn sm3_is_that_of_gb_t_32905() {
    let abc = hex("66c7f0f462eeedd9d1f2d46bdc10e4e24167c4875cf2f7a2297da02b8f4ba8e0");
    assert_eq!(Sm3::digest(b"abc").to_vec(), abc);
    let abcd = hex("debe9ff92275b8a138604889c18e5a4d6fdb70e5387e5765293dcba39c0c5732");
    assert_eq!(Sm3::digest("abcd".repeat(16)).to_vec(), abcd);
}

#[test]
fn sm4_is_that_of_gb_t_32907() {
    let key = hex("0123456789abcdeffedcba9876543210");
    let cipher = Sm4::new(key.as_slice().into());
    let mut block = *sm4::cipher::generic_array::GenericArray::from_slice(&key);
    cipher.encrypt_block(&mut block);
    assert_eq!(block.to_vec(), hex("681edf34d206965e86b3e94f536e4246"));
    // The second example: a million times in all.
    for _ in 1..1_000_000 {
        cipher.encrypt_block(&mut block);
    }
    assert_eq!(block.to_vec(), hex("595298c7c6fd271f0402f804c33d3f66"));
}

/// RFC 8998 annex A.1: key, nonce, plaintext and ciphertext. Its tag is over more than the message; this one is OpenSSL's for the message alone.
#[test]
fn gcm_encrypts_as_rfc_8998_does() {
    let key = hex("0123456789abcdeffedcba9876543210").try_into().unwrap();
    let nonce = hex("00001234567800000000abcd").try_into().unwrap();
    let plain = hex("aaaaaaaaaaaaaaaabbbbbbbbbbbbbbbbccccccccccccccccdddddddddddddddd
         eeeeeeeeeeeeeeeeffffffffffffffffeeeeeeeeeeeeeeeeaaaaaaaaaaaaaaaa");
    let expected = hex("17f399f08c67d5ee19d0dc9969c4bb7d5fd46fd3756489069157b282bb200735
         d82710ca5c22f0ccfa7cbf93d496ac15a56834cbcf98c397b4024a2691233b8d");
    let mut gcm = GcmEncryption::new(&key, nonce);
    let mut message = gcm.update(&plain).unwrap();
    assert_eq!(message, expected);
    let tag = gcm.finish();
    assert_eq!(tag.to_vec(), hex("7bd29ef4763611cbcd3bcd2de1a39c42"));
    message.extend(tag);
    assert_eq!(open_gcm(&key, nonce, &message).unwrap(), plain);
}

/// OpenSSL 3.0: `openssl enc -sm4-cbc -K 0123456789abcdeffedcba9876543210 -iv 000102030405060708090a0b0c0d0e0f`.
#[test]
fn cbc_with_its_padding_is_that_of_openssl() {
    let key = hex("0123456789abcdeffedcba9876543210").try_into().unwrap();
    let iv = hex("000102030405060708090a0b0c0d0e0f").try_into().unwrap();
    let mut cbc = CbcEncryption::new(&key, iv);
    let mut message = cbc.update(b"hello, gateway of ours");
    message.extend(cbc.finish());
    assert_eq!(
        message,
        hex("f411453149ab8678d96014d8a691135bfa17f52bb5968f1ecd6f8cd98a87e219")
    );
}

/// OpenSSL 3.0: `openssl dgst -sm3 -hmac key`.
#[test]
fn the_code_of_authentication_is_that_of_openssl() {
    let mut mac = <Hmac<Sm3> as Mac>::new_from_slice(b"key").unwrap();
    mac.update(b"The quick brown fox jumps over the lazy dog");
    assert_eq!(
        mac.finalize().into_bytes().to_vec(),
        hex("bd4a34077888162b210645b8ebf74b9af357303789357a27c7fc457244ebd398")
    );
}
