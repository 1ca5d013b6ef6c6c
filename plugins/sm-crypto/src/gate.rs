//! The keys and what is done with them: pure, with the time, the fetched keys and the random bytes handed in.

use guest_kit::fetched::{Fetched, Hope, max_age_seconds};
use serde::Deserialize;

use crate::configuration::{Configuration, EncryptResponse, KeyEntry, RemoteKeys};
use crate::exchange::{Decryption, Head, Inbound, Outbound, Refusal, iv_of};
use crate::keyring::Keyring;
use crate::signing;

/// What the guest knows.
pub struct Gate {
    configuration: Configuration,
    keys: Keys,
}

enum Keys {
    Fixed(Keyring),
    Fetched(Fetched<Keyring>),
}

/// What becomes of a request.
pub enum Verdict {
    /// It goes on; its body is dealt with so.
    Pass(Inbound),
    /// It does not.
    Refuse(Refusal),
    /// Keys are being fetched.
    Wait,
}

/// A callout's answer.
pub struct Answer<'a> {
    pub status: Option<&'a str>,
    pub cache_control: Option<&'a str>,
    pub body: &'a [u8],
}

/// A document of keys.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Document {
    keys: Vec<KeyEntry>,
}

impl Gate {
    /// Makes a gate.
    ///
    /// # Errors
    /// A sentence with the path of the key.
    pub fn new(configuration: Configuration) -> Result<Self, String> {
        let keys = match &configuration.remote_keys {
            Some(remote) => Keys::Fetched(Fetched::new(remote.schedule())),
            None => {
                let keyring = Keyring::read(&configuration.keys)?;
                check_names(&configuration, &keyring)?;
                Keys::Fixed(keyring)
            }
        };
        Ok(Self { configuration, keys })
    }

    /// The configuration of responses.
    #[must_use]
    pub const fn encrypts(&self) -> Option<&EncryptResponse> {
        self.configuration.encrypt_response.as_ref()
    }

    /// The configuration of requests' bodies: what the upstream is told of their type.
    #[must_use]
    pub fn plain_type(&self) -> Option<&str> {
        let decrypt = self.configuration.decrypt_request.as_ref()?;
        Some(&decrypt.plain_content_type)
    }

    /// Decides about a request.
    pub fn decide(&mut self, head: &Head, has_body: bool, now_ms: u64) -> Verdict {
        let keyring = match &mut self.keys {
            Keys::Fixed(keyring) => &*keyring,
            Keys::Fetched(fetched) => {
                let hope = match fetched.document(now_ms) {
                    Some(_) => Hope::None,
                    None => fetched.want(now_ms),
                };
                match (fetched.document(now_ms), hope) {
                    (Some(keyring), _) => keyring,
                    (None, Hope::Coming) => return Verdict::Wait,
                    (None, Hope::None) => {
                        return Verdict::Refuse(Refusal::new(503, "the keys cannot be fetched now"));
                    }
                }
            }
        };
        match inbound(&self.configuration, keyring, (head, has_body), now_ms / 1_000) {
            Ok(inbound) => Verdict::Pass(inbound),
            Err(refusal) => Verdict::Refuse(refusal),
        }
    }

    /// Begins a response's body with random bytes, as many as [`crate::exchange::iv_bytes`] says; none without the key.
    #[must_use]
    pub fn begin_response(&self, iv: &[u8], now_ms: u64) -> Option<(Outbound, Option<String>)> {
        let encrypt = self.configuration.encrypt_response.as_ref()?;
        let keyring = match &self.keys {
            Keys::Fixed(keyring) => keyring,
            Keys::Fetched(fetched) => fetched.document(now_ms)?,
        };
        Outbound::new(encrypt.mode, &keyring.sm4(&encrypt.key)?, iv, encrypt.iv)
    }

    /// When the next fetch is due, in milliseconds since 1970.
    #[must_use]
    pub fn due_at(&self) -> Option<u64> {
        match &self.keys {
            Keys::Fixed(_) => None,
            Keys::Fetched(fetched) => fetched.due_at(),
        }
    }

    /// Where keys are to be fetched from now.
    #[must_use]
    pub fn due(&self, now_ms: u64) -> Option<&RemoteKeys> {
        self.due_at().filter(|due| *due <= now_ms)?;
        self.configuration.remote_keys.as_ref()
    }

    /// A fetch has begun as that callout, or could not begin.
    pub fn began(&mut self, callout: Option<u32>, now_ms: u64) {
        if let Keys::Fetched(fetched) = &mut self.keys {
            match callout {
                Some(callout) => fetched.began(callout, now_ms),
                None => fetched.failed(now_ms),
            }
        }
    }

    /// A fetch has ended: how many keys there are.
    ///
    /// # Errors
    /// Why there are no new keys; the old ones stay.
    pub fn answered(&mut self, callout: u32, answer: &Answer<'_>, now_ms: u64) -> Result<usize, String> {
        let (Keys::Fetched(fetched), Some(remote)) = (&mut self.keys, &self.configuration.remote_keys) else {
            return Ok(0);
        };
        if !fetched.is_under_way_as(callout) {
            return Ok(0);
        }
        let read = keys_of(answer, remote).and_then(|keyring| {
            check_names(&self.configuration, &keyring)?;
            Ok(keyring)
        });
        match read {
            Ok(keyring) => {
                let count = keyring.len();
                fetched.came(keyring, answer.cache_control.and_then(max_age_seconds), now_ms);
                Ok(count)
            }
            Err(why) => {
                fetched.failed(now_ms);
                Err(format!("keys were not fetched: {why}"))
            }
        }
    }
}

fn keys_of(answer: &Answer<'_>, remote: &RemoteKeys) -> Result<Keyring, String> {
    match answer.status {
        Some("200") => {}
        Some(status) => return Err(format!("status {status}")),
        None => return Err(String::from("no answer")),
    }
    // LIMIT: bytes of an answer.
    if u64::try_from(answer.body.len()).unwrap_or(u64::MAX) > remote.bytes_max {
        return Err(format!("the answer has more than {} bytes", remote.bytes_max));
    }
    let document: Document = guest_kit::configuration::read(answer.body)?;
    Keyring::read(&document.keys)
}

/// Every key that is named is there, and of the kind that it is named for.
fn check_names(configuration: &Configuration, keyring: &Keyring) -> Result<(), String> {
    let bodies = [
        configuration
            .decrypt_request
            .as_ref()
            .map(|decrypt| ("decrypt_request.key", &decrypt.key)),
        configuration
            .encrypt_response
            .as_ref()
            .map(|encrypt| ("encrypt_response.key", &encrypt.key)),
    ];
    for (path, name) in bodies.into_iter().flatten() {
        if keyring.sm4(name).is_none() {
            return Err(format!("`{path}`: there is no key `{name}` of the kind `sm4`"));
        }
    }
    if let Some(verify) = &configuration.verify_request {
        for name in &verify.keys {
            let fits = signing::is_key_for(verify.scheme, keyring.get(name));
            if !fits {
                return Err(format!(
                    "`verify_request.keys`: there is no key `{name}` of the scheme's kind"
                ));
            }
        }
    }
    Ok(())
}

/// What a request's head says about its body.
fn inbound(
    configuration: &Configuration,
    keyring: &Keyring,
    (head, has_body): (&Head, bool),
    now_seconds: u64,
) -> Result<Inbound, Refusal> {
    let digest = match &configuration.verify_request {
        Some(verify) => Some(signing::check(head, verify, keyring, now_seconds)?),
        None => None,
    };
    let decryption = match &configuration.decrypt_request {
        Some(decrypt) if has_body => {
            if !head.is_of_type(&decrypt.content_type) {
                return Err(Refusal::new(
                    415,
                    format!("a body must be of type {}", decrypt.content_type),
                ));
            }
            Some(Decryption {
                mode: decrypt.mode,
                key: keyring
                    .sm4(&decrypt.key)
                    .ok_or_else(|| Refusal::new(503, "there is no key"))?,
                iv: iv_of(head, decrypt.iv, &decrypt.iv_header, decrypt.mode)?,
                head: Vec::new(),
                cbc: None,
            })
        }
        _ => None,
    };
    let mut inbound = Inbound { digest, decryption };
    if !has_body {
        inbound.whole(&[])?;
    }
    Ok(inbound)
}
