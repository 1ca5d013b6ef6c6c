//! Envoy's foreign functions `verify_signature` and `sign`: RSA PKCS#1 v1.5 and ECDSA over SHA-1 to SHA-512.

use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::rsa::KeyPair;
use aws_lc_rs::signature::{
    self, EcdsaKeyPair, EcdsaSigningAlgorithm, ParsedPublicKey, RsaEncoding, VerificationAlgorithm,
};
use bytes::Bytes;
use plug_abi::Status;
use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{PrivatePkcs8KeyDer, SubjectPublicKeyInfoDer};

use crate::calls::Value;
use crate::guest::Host;
use crate::protobuf::{self, Field};

/// What is meant by a hash: to verify with, in the order in which kinds of keys are tried, and to sign with.
struct Hash {
    name: &'static str,
    verify: &'static [&'static dyn VerificationAlgorithm],
    rsa: Option<&'static dyn RsaEncoding>,
    ecdsa: Option<&'static EcdsaSigningAlgorithm>,
}

/// Envoy's hashes but SHA-224, which the crypto library leaves out.
static HASHES: [Hash; 4] = [
    Hash {
        name: "sha1",
        verify: &[
            &signature::RSA_PKCS1_1024_8192_SHA1_FOR_LEGACY_USE_ONLY,
            &signature::ECDSA_P256_SHA1_ASN1,
        ],
        rsa: None,
        ecdsa: None,
    },
    Hash {
        name: "sha256",
        verify: &[
            &signature::RSA_PKCS1_1024_8192_SHA256_FOR_LEGACY_USE_ONLY,
            &signature::ECDSA_P256_SHA256_ASN1,
            &signature::ECDSA_P384_SHA256_ASN1,
            &signature::ECDSA_P521_SHA256_ASN1,
        ],
        rsa: Some(&signature::RSA_PKCS1_SHA256),
        ecdsa: Some(&signature::ECDSA_P256_SHA256_ASN1_SIGNING),
    },
    Hash {
        name: "sha384",
        verify: &[
            &signature::RSA_PKCS1_2048_8192_SHA384,
            &signature::ECDSA_P256_SHA384_ASN1,
            &signature::ECDSA_P384_SHA384_ASN1,
            &signature::ECDSA_P521_SHA384_ASN1,
        ],
        rsa: Some(&signature::RSA_PKCS1_SHA384),
        ecdsa: Some(&signature::ECDSA_P384_SHA384_ASN1_SIGNING),
    },
    Hash {
        name: "sha512",
        verify: &[
            &signature::RSA_PKCS1_1024_8192_SHA512_FOR_LEGACY_USE_ONLY,
            &signature::ECDSA_P256_SHA512_ASN1,
            &signature::ECDSA_P384_SHA512_ASN1,
            &signature::ECDSA_P521_SHA512_ASN1,
        ],
        rsa: Some(&signature::RSA_PKCS1_SHA512),
        ecdsa: Some(&signature::ECDSA_P521_SHA512_ASN1_SIGNING),
    },
];

/// The hash of that name, or Envoy's word for one that it does not know.
fn hash(name: &[u8]) -> Result<&'static Hash, String> {
    let name = String::from_utf8_lossy(name).into_owned();
    let known = HASHES.iter().find(|hash| hash.name.eq_ignore_ascii_case(&name));
    known.ok_or_else(|| format!("{name} is not supported."))
}

/// The fields of a message, and the key in it: in DER in one field or in PEM in another, not both.
struct Arguments<'a> {
    fields: Vec<(u64, Field<'a>)>,
}

impl<'a> Arguments<'a> {
    fn read(arguments: &'a Bytes) -> Result<Self, Status> {
        let fields = protobuf::fields(arguments).ok_or(Status::BadArgument)?;
        Ok(Self { fields })
    }

    fn bytes(&self, number: u64) -> &'a [u8] {
        protobuf::bytes(&self.fields, number).unwrap_or_default()
    }

    fn key(&self, pem_at: u64, from_pem: impl FnOnce(&[u8]) -> Option<Vec<u8>>) -> Result<Vec<u8>, Status> {
        match (self.bytes(2), self.bytes(pem_at)) {
            (der, []) if !der.is_empty() => Ok(der.to_vec()),
            ([], pem) if !pem.is_empty() => from_pem(pem).ok_or(Status::BadArgument),
            _ => Err(Status::BadArgument),
        }
    }
}

/// `VerifySignatureArguments { hash_function = 1, public_key = 2, signature = 3, text = 4, public_key_pem = 5 }` to
/// `VerifySignatureResult { result = 1, error = 2 }`.
pub(crate) fn verify(_: &mut Host<'_>, arguments: &Bytes) -> Value {
    let arguments = Arguments::read(arguments)?;
    let key = arguments.key(5, |pem| {
        Some(SubjectPublicKeyInfoDer::from_pem_slice(pem).ok()?.to_vec())
    })?;
    let verified = hash(arguments.bytes(1)).and_then(|hash| {
        let parse = |algorithm: &&'static dyn VerificationAlgorithm| ParsedPublicKey::new(*algorithm, &key).ok();
        let key = hash.verify.iter().find_map(parse);
        let key = key.ok_or("Failed to initialize digest verify.")?;
        let verified = key.verify_sig(arguments.bytes(4), arguments.bytes(3));
        verified.map_err(|_| "Failed to verify digest. Error code: 0".to_owned())
    });
    Ok(match verified {
        Ok(()) => protobuf::message(&[(1, Field::Number(1))]),
        Err(why) => protobuf::message(&[(2, Field::Bytes(why.as_bytes()))]),
    })
}

/// `SignArguments { hash_function = 1, private_key = 2, text = 3, private_key_pem = 4 }` to
/// `SignResult { result = 1, signature = 2, error = 3 }`.
pub(crate) fn sign(_: &mut Host<'_>, arguments: &Bytes) -> Value {
    let arguments = Arguments::read(arguments)?;
    let from_pem = |pem: &[u8]| {
        Some(
            PrivatePkcs8KeyDer::from_pem_slice(pem)
                .ok()?
                .secret_pkcs8_der()
                .to_vec(),
        )
    };
    let key = arguments.key(4, from_pem)?;
    let signed = hash(arguments.bytes(1)).and_then(|hash| signed(hash, &key, arguments.bytes(3)));
    Ok(match signed {
        Ok(signature) => protobuf::message(&[(1, Field::Number(1)), (2, Field::Bytes(&signature))]),
        Err(why) => protobuf::message(&[(3, Field::Bytes(why.as_bytes()))]),
    })
}

fn signed(hash: &Hash, key: &[u8], text: &[u8]) -> Result<Vec<u8>, String> {
    let failed = |_| "Failed to create signature.".to_owned();
    if let (Some(encoding), Ok(pair)) = (hash.rsa, KeyPair::from_pkcs8(key)) {
        let mut signature = vec![0; pair.public_modulus_len()];
        pair.sign(encoding, &SystemRandom::new(), text, &mut signature)
            .map_err(failed)?;
        return Ok(signature);
    }
    if let Some(algorithm) = hash.ecdsa
        && let Ok(pair) = EcdsaKeyPair::from_pkcs8(algorithm, key)
    {
        let signature = pair.sign(&SystemRandom::new(), text).map_err(failed)?;
        return Ok(signature.as_ref().to_vec());
    }
    Err("Failed to initialize digest sign.".to_owned())
}
