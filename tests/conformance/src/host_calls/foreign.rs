//! Functions by name, outside the ABI.

use std::fmt::Write;

use aws_lc_rs::encoding::AsDer;
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::rsa::{KeyPair, KeySize};
use aws_lc_rs::signature::{self, EcdsaKeyPair, KeyPair as _};
use plug_abi::{Abi, LogLevel};
use serde_json::{Value, json};

use crate::session::{answers, play, play_module, said_in, spec};

fn call(name: &str, arguments: Value) -> Value {
    json!({"op": "call_foreign_function", "name": name, "arguments": arguments, "as": "hex"})
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut text, byte| {
        write!(text, "{byte:02x}").unwrap();
        text
    })
}

/// A protobuf message of bytes fields.
fn message(fields: &[(u8, &[u8])]) -> Value {
    let mut bytes = Vec::new();
    for (number, value) in fields {
        bytes.push(number << 3 | 2);
        let mut length = value.len();
        while length >= 0x80 {
            bytes.push(u8::try_from(length & 0x7f).unwrap() | 0x80);
            length >>= 7;
        }
        bytes.push(u8::try_from(length).unwrap());
        bytes.extend_from_slice(value);
    }
    json!({ "hex": hex(&bytes) })
}

/// The result of one function in `proxy_on_request_headers`.
fn result(abi: Abi, name: &str, arguments: Value) -> String {
    let line = answers(abi, json!([call(name, arguments)])).remove(0);
    line.strip_prefix("call_foreign_function -> ").unwrap().to_owned()
}

/// `VerifySignatureResult { result: true }`.
const VERIFIED: &str = "0 result=0x0801";

fn pem(label: &str, der: &[u8]) -> String {
    use std::process::{Command, Stdio};
    // The one encoder at hand on every machine that has a shell.
    let mut child = Command::new("base64")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    std::io::Write::write_all(child.stdin.as_mut().unwrap(), der).unwrap();
    let text = String::from_utf8(child.wait_with_output().unwrap().stdout).unwrap();
    format!("-----BEGIN {label}-----\n{text}-----END {label}-----\n")
}

mod proxy_call_foreign_function {
    use super::*;

    #[test]
    fn an_unknown_name_is_not_found() {
        for abi in Abi::ALL {
            for name in ["unknown", "", "expr_creat"] {
                assert_eq!(result(abi, name, json!("x")), "1");
            }
            let long = json!({"repeat": "a", "times": 1000});
            assert_eq!(
                answers(
                    abi,
                    json!([{"op": "call_foreign_function", "name": long, "arguments": ""}])
                ),
                ["call_foreign_function -> 1"]
            );
        }
    }

    #[test]
    fn expr_create_gives_a_token_that_expr_evaluate_takes_until_expr_delete() {
        for abi in Abi::ALL {
            let with =
                |name: &str| json!({"op": "call_foreign_function", "name": name, "arguments": "${token}", "as": "hex"});
            let create = |text: &str, to: &str| json!({"op": "call_foreign_function", "name": "expr_create", "arguments": text, "save": to, "as": "hex"});
            let steps = json!([
                create("'a' + string(1 + 1)", "token"),
                create("1", "other"),
                with("expr_evaluate"),
                with("expr_evaluate"),
                with("expr_delete"),
                with("expr_evaluate"),
                with("expr_delete")
            ]);
            let expected = [
                "call_foreign_function -> 0 result=0x00000000",
                "call_foreign_function -> 0 result=0x01000000",
                "call_foreign_function -> 0 result=0x6132",
                "call_foreign_function -> 0 result=0x6132",
                "call_foreign_function -> 0 result=0x",
                "call_foreign_function -> 1",
                "call_foreign_function -> 0 result=0x",
            ];
            assert_eq!(answers(abi, steps), expected);
        }
    }

    #[test]
    fn expressions_that_cannot_be_read_or_evaluated_say_so() {
        for abi in Abi::ALL {
            for text in ["1 +", "", "unknown(1)", "'a"] {
                assert_eq!(result(abi, "expr_create", json!(text)), "2", "{text}");
            }
            for name in ["expr_evaluate", "expr_delete"] {
                assert_eq!(result(abi, name, json!("abc")), "2");
            }
            let steps = json!([
                call("expr_create", json!("1 / 0")),
                call("expr_evaluate", json!({"u32": 0}))
            ]);
            let expected = [
                "call_foreign_function -> 0 result=0x00000000",
                "call_foreign_function -> 10",
            ];
            assert_eq!(answers(abi, steps), expected);
        }
    }

    #[test]
    fn what_compress_makes_uncompress_takes() {
        for abi in Abi::ALL {
            let text = "a".repeat(200);
            let steps = json!([
                {"op": "call_foreign_function", "name": "compress", "arguments": text, "save": "z", "show": false},
                {"op": "call_foreign_function", "name": "uncompress", "arguments": "${z}"}]);
            let expected = [
                "call_foreign_function -> 0".to_owned(),
                format!("call_foreign_function -> 0 result={text:?}"),
            ];
            assert_eq!(answers(abi, steps), expected);
        }
    }

    #[test]
    fn uncompress_reads_zlib_and_refuses_anything_else_and_too_much() {
        for abi in Abi::ALL {
            // Made by zlib: 24 times `a`.
            assert_eq!(
                result(abi, "uncompress", json!({"hex": "789c4b4cc40e0071c40919"})),
                format!("0 result=0x{}", "61".repeat(24))
            );
            assert_eq!(result(abi, "uncompress", json!("not zlib")), "3");
            assert_eq!(result(abi, "uncompress", json!("")), "3");
            let steps = json!([
                {"op": "call_foreign_function", "name": "compress", "arguments": {"repeat": "a", "times": 1_000_000}, "save": "z", "show": false},
                {"op": "call_foreign_function", "name": "uncompress", "arguments": "${z}${z}", "show": false},
                {"op": "call_foreign_function", "name": "compress", "arguments": {"repeat": "a", "times": 2_000_000}, "show": false}]);
            let expected = [
                "call_foreign_function -> 0",
                "call_foreign_function -> 0",
                "call_foreign_function -> 3",
            ];
            assert_eq!(
                answers(abi, steps),
                expected,
                "of two streams the first is read, and a large text takes too long"
            );
        }
    }

    #[test]
    fn an_rsa_signature_is_verified_in_der_and_in_pem() {
        let pair = KeyPair::generate(KeySize::Rsa2048).unwrap();
        let public = pair.public_key().as_der().unwrap();
        let public = public.as_ref();
        let mut signed = vec![0; pair.public_modulus_len()];
        pair.sign(&signature::RSA_PKCS1_SHA256, &SystemRandom::new(), b"text", &mut signed)
            .unwrap();
        let pem = pem("PUBLIC KEY", public);
        for abi in Abi::ALL {
            for hash in [b"sha256".as_slice(), b"SHA256"] {
                assert_eq!(
                    result(
                        abi,
                        "verify_signature",
                        message(&[(1, hash), (2, public), (3, &signed), (4, b"text")])
                    ),
                    VERIFIED
                );
                assert_eq!(
                    result(
                        abi,
                        "verify_signature",
                        message(&[(1, hash), (5, pem.as_bytes()), (3, &signed), (4, b"text")])
                    ),
                    VERIFIED
                );
            }
            let failed = |hash: &[u8], key: &[u8], text: &[u8]| {
                let line = result(
                    abi,
                    "verify_signature",
                    message(&[(1, hash), (2, key), (3, &signed), (4, text)]),
                );
                line.strip_prefix("0 result=0x12").unwrap().get(2..).unwrap().to_owned()
            };
            assert_eq!(
                failed(b"sha256", public, b"other"),
                hex(b"Failed to verify digest. Error code: 0")
            );
            assert_eq!(
                failed(b"sha512", public, b"text"),
                hex(b"Failed to verify digest. Error code: 0")
            );
            assert_eq!(failed(b"md5", public, b"text"), hex(b"md5 is not supported."));
            assert_eq!(
                failed(b"sha256", b"no key", b"text"),
                hex(b"Failed to initialize digest verify.")
            );
            let both = message(&[
                (1, b"sha256"),
                (2, public),
                (5, pem.as_bytes()),
                (3, &signed),
                (4, b"text"),
            ]);
            for arguments in [both, json!(""), message(&[(1, b"sha256")]), json!({"hex": "0aff"})] {
                assert_eq!(result(abi, "verify_signature", arguments), "2");
            }
        }
    }

    #[test]
    fn an_ecdsa_signature_is_verified() {
        let algorithm = &signature::ECDSA_P256_SHA256_ASN1_SIGNING;
        let pair = EcdsaKeyPair::generate(algorithm).unwrap();
        let public = pair.public_key().as_der().unwrap();
        let signed = pair.sign(&SystemRandom::new(), b"text").unwrap();
        for abi in Abi::ALL {
            let arguments = message(&[(1, b"sha256"), (2, public.as_ref()), (3, signed.as_ref()), (4, b"text")]);
            assert_eq!(result(abi, "verify_signature", arguments), VERIFIED);
        }
    }

    #[test]
    fn what_is_signed_can_be_verified() {
        let rsa = KeyPair::generate(KeySize::Rsa2048).unwrap();
        let (rsa_private, rsa_public) = (rsa.as_der().unwrap(), rsa.public_key().as_der().unwrap());
        let ecdsa = EcdsaKeyPair::generate(&signature::ECDSA_P256_SHA256_ASN1_SIGNING).unwrap();
        let (ecdsa_private, ecdsa_public) = (ecdsa.to_pkcs8v1().unwrap(), ecdsa.public_key().as_der().unwrap());
        let keys: [(&[u8], &[u8]); 2] = [
            (rsa_private.as_ref(), rsa_public.as_ref()),
            (ecdsa_private.as_ref(), ecdsa_public.as_ref()),
        ];
        for (private, public) in keys {
            let private_pem = pem("PRIVATE KEY", private);
            for abi in Abi::ALL {
                for arguments in [
                    message(&[(1, b"sha256"), (2, private), (3, b"text")]),
                    message(&[(1, b"sha256"), (4, private_pem.as_bytes()), (3, b"text")]),
                ] {
                    let line = result(abi, "sign", arguments);
                    let result = line.strip_prefix("0 result=0x080112").unwrap();
                    // The length takes one byte below 128, two from there on.
                    let length = if result.len() / 2 > 128 { 2 } else { 1 };
                    let signed = crate::session::unhex(&result[2 * length..]);
                    let arguments = message(&[(1, b"sha256"), (2, public), (3, &signed), (4, b"text")]);
                    assert_eq!(super::result(abi, "verify_signature", arguments), VERIFIED);
                }
                assert_eq!(result(abi, "sign", json!("")), "2");
                let why = result(abi, "sign", message(&[(1, b"sha256"), (2, b"no key"), (3, b"text")]));
                assert_eq!(
                    why,
                    format!("0 result=0x1a21{}", hex(b"Failed to initialize digest sign."))
                );
            }
        }
    }

    #[test]
    fn the_first_generation_has_nothing_to_take_over_and_may_hand_over_what_is_not_too_much() {
        for abi in Abi::ALL {
            assert_eq!(result(abi, "take_over", json!("")), "1");
            assert_eq!(result(abi, "hand_over", json!("state")), "0 result=0x");
            let too_much = json!({"repeat": "x", "times": 1024 * 1024 + 1});
            assert_eq!(result(abi, "hand_over", too_much), "2");
        }
    }

    #[test]
    fn filter_state_is_kept_for_later_plugins_and_the_record() {
        for abi in Abi::ALL {
            let steps = json!([
                call("set_envoy_filter_state", message(&[(1, b"my.key"), (2, b"value")])), {"op": "get_property", "path": ["my.key"]},
                call("set_envoy_filter_state", json!("")), call("set_envoy_filter_state", json!({"hex": "0aff"}))]);
            play(
                abi,
                &json!({ "request_headers": steps, "configure": [call("set_envoy_filter_state", message(&[(1, b"my.key"), (2, b"value")]))] }),
                async |session| {
                    session.start().await;
                    assert_eq!(said_in("configure", &session.said()), ["call_foreign_function -> 1"]);
                    let stream = session.exchange().await;
                    let expected = [
                        "call_foreign_function -> 0 result=0x",
                        r#"get_property -> 0 value="value""#,
                        "call_foreign_function -> 1",
                        "call_foreign_function -> 2",
                    ];
                    assert_eq!(said_in("request_headers", &session.said()), expected);
                    assert_eq!(stream.context().exchange.state.borrow()[b"my.key".as_slice()], "value");
                },
            );
        }
    }

    #[test]
    fn the_route_is_chosen_again_when_asked() {
        for abi in Abi::ALL {
            play(
                abi,
                &json!({"configure": [call("clear_route_cache", json!(""))], "request_headers": [call("clear_route_cache", json!(""))]}),
                async |session| {
                    session.start().await;
                    let stream = session.exchange().await;
                    assert!(stream.context().exchange.route_stale.get());
                    let lines = session.said();
                    assert!(lines.iter().all(|line| line.ends_with("-> 0 result=0x")), "{lines:?}");
                },
            );
        }
    }

    #[test]
    fn higresss_functions_answer() {
        for abi in Abi::ALL {
            let mut spec = spec(
                &json!({"request_headers": [call("get_log_level", json!("")), call("set_global_max_requests_per_io_cycle", json!({"u64": 1})), call("declare_property", json!(""))]}),
            );
            spec.log_level = LogLevel::Info;
            play_module(crate::guests::probe(abi), spec, async |session| {
                session.start().await;
                session.exchange().await;
                let expected =
                    ["0x02000000", "0x", "0x"].map(|result| format!("call_foreign_function -> 0 result={result}"));
                assert_eq!(said_in("request_headers", &session.said()), expected);
            });
        }
    }

    #[test]
    fn higresss_injection_on_headers_puts_a_piece_behind_the_plugin() {
        let mut arguments = message(&[(1, b"piece")]);
        let ended = format!("{}1001", arguments["hex"].as_str().unwrap());
        arguments["hex"] = json!(ended);
        for abi in Abi::ALL {
            let step = call("inject_encoded_data_to_filter_chain_on_header", arguments.clone());
            play(abi, &json!({ "response_headers": [step] }), async |session| {
                session.start().await;
                let stream = session.exchange().await;
                assert_eq!(stream.context().response.injected.take(), [("piece".into(), true)]);
            });
        }
    }
}
