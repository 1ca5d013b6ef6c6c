//! Calls to stores of configurations and to registries, written down.

use std::time::Duration;

use control_store::{Call, Came};
use log_book::Sheet;
use log_mask::field::Untrusted;
use log_record::field;
use log_record::grade::{Class, Level};
use plug_package::{Fetched, PackageFault, Way};

/// What is written down of a call.
struct Told<'a> {
    system: &'a str,
    /// What was asked, and of what. It may hold what others wrote.
    operation: &'a str,
    result: &'static str,
    took: Duration,
    bytes_in: u64,
    digest: &'a str,
    message: &'a str,
}

impl Told<'_> {
    /// Calls that go well are many.
    fn level(&self) -> Level {
        if self.result == OK { Level::Debug } else { Level::Warn }
    }

    fn fill(&self, sheet: &mut Sheet<'_>) {
        sheet.own().text(&field::SYSTEM, self.system.as_bytes());
        sheet.sent(&field::OPERATION, Untrusted::Text(self.operation.as_bytes()));
        let own = sheet.own();
        own.text(&field::RESULT, self.result.as_bytes());
        own.text(&field::DIGEST, self.digest.as_bytes());
        if self.bytes_in > 0 {
            own.integer(&field::BYTES_IN, self.bytes_in);
        }
        own.milliseconds(&field::DURATION, self.took);
        sheet.sent(&field::MESSAGE, Untrusted::Text(self.message.as_bytes()));
    }

    fn write(&self) {
        crate::logs::write_down(self.level(), Class::Call, |sheet| self.fill(sheet));
    }
}

const OK: &str = "ok";
const REFUSED: &str = "refused";
const UNAVAILABLE: &str = "unavailable";
const TIMEOUT: &str = "timeout";
const FAILED: &str = "failed";

/// A call to a store of configurations.
pub(crate) fn of_store(call: &Call<'_>) {
    let operation = operation(call);
    let told = Told {
        system: call.system,
        operation: &operation,
        result: match call.came {
            Came::Ok => OK,
            Came::Refused => REFUSED,
            Came::Unavailable => UNAVAILABLE,
            Came::Timeout => TIMEOUT,
            Came::Failed => FAILED,
        },
        took: call.took,
        bytes_in: 0,
        digest: "",
        message: call.why.unwrap_or_default(),
    };
    told.write();
}

/// What was asked, about which key, and about how many: `list gateways/history/ (3)`.
fn operation(call: &Call<'_>) -> String {
    match call.key {
        "" => call.verb.to_owned(),
        key => format!("{} {key} ({})", call.verb, call.keys),
    }
}

/// A module that was asked for in a registry, or behind a URL; nothing of one that was had without asking.
pub(crate) fn of_registry(shown: &str, fetched: &Result<Fetched, PackageFault>, took: Duration) {
    let operation = format!("pull {shown}");
    let asked = Told {
        system: "registry",
        operation: &operation,
        result: OK,
        took,
        bytes_in: 0,
        digest: "",
        message: "",
    };
    match fetched {
        Ok(fetched) => match &fetched.way {
            Way::Store => {}
            Way::Network => {
                let digest = fetched.digest.hex();
                let (bytes_in, digest) = (fetched.module.len() as u64, &*digest);
                Told {
                    bytes_in,
                    digest,
                    ..asked
                }
                .write();
            }
            // Why nobody gave it is known as text alone.
            Way::Older { why, .. } => Told {
                result: FAILED,
                message: why,
                ..asked
            }
            .write(),
        },
        Err(why) => {
            let text = why.to_string();
            Told {
                result: result_of(why),
                message: &text,
                ..asked
            }
            .write();
        }
    }
}

const fn result_of(why: &PackageFault) -> &'static str {
    match why {
        PackageFault::Unreachable { .. } => UNAVAILABLE,
        PackageFault::Late(_) => TIMEOUT,
        PackageFault::Status {
            status: 401 | 403 | 404 | 429,
            ..
        }
        | PackageFault::Refused { .. }
        | PackageFault::Address { .. } => REFUSED,
        _ => FAILED,
    }
}
