//! Rules to start from, for what laws and standards ask of logs; whoever starts from one still answers for what is missing.

use crate::class::Class;
use crate::replacement::Action;
use crate::rules::{Draft, QUERY_NAMES, SECRET_HEADERS, SECRET_NAMES};

/// A set of rules: classes with what is done, and names.
pub struct Pack {
    /// Its name in configurations
    pub name: &'static str,
    /// What it looks for, what is done with it, and why
    pub rows: &'static [Row],
    /// Names whose values are secret in JSON, headers and queries, beside the usual ones
    pub names: &'static [&'static str],
}

/// A class in a pack.
pub struct Row {
    /// What is looked for
    pub class: Class,
    /// What is done with it
    pub shape: Shape,
    /// Where that is asked for
    pub source: &'static str,
}

/// What is done, as data.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Shape {
    /// As [`Action::usual`] has it
    Usual,
    /// Nothing stands there
    Drop,
    /// A fixed text stands there
    Redact,
    /// So many characters stay at the beginning and at the end
    Keep(usize, usize),
}

impl Shape {
    fn action(self, class: Class) -> Action {
        match self {
            Self::Usual => Action::usual(class),
            Self::Drop => Action::Drop,
            Self::Redact => Action::usual(Class::Key),
            Self::Keep(first, last) => Action::Partial { first, last },
        }
    }
}

const fn row(class: Class, shape: Shape, source: &'static str) -> Row {
    Row { class, shape, source }
}

/// Secrets that no log needs, whoever asks.
const SECRETS: [Row; 8] = [
    row(
        Class::PrivateKey,
        Shape::Usual,
        "OWASP Logging Cheat Sheet, data to exclude",
    ),
    row(Class::Jwt, Shape::Usual, "OWASP Logging Cheat Sheet, data to exclude"),
    row(
        Class::GithubToken,
        Shape::Usual,
        "OWASP Logging Cheat Sheet, data to exclude",
    ),
    row(
        Class::AwsAccessKey,
        Shape::Usual,
        "OWASP Logging Cheat Sheet, data to exclude",
    ),
    row(
        Class::ApiKey,
        Shape::Usual,
        "OWASP Logging Cheat Sheet, data to exclude",
    ),
    row(
        Class::CloudKey,
        Shape::Usual,
        "OWASP Logging Cheat Sheet, data to exclude",
    ),
    row(
        Class::Bearer,
        Shape::Usual,
        "OWASP Logging Cheat Sheet, data to exclude",
    ),
    row(
        Class::Key,
        Shape::Usual,
        "OpenTelemetry conventions, url.query; OWASP Logging Cheat Sheet",
    ),
];

/// All packs.
pub const PACKS: &[Pack] = &[
    Pack {
        name: "gdpr",
        rows: &[
            row(Class::Email, Shape::Usual, "GDPR art. 4(1), art. 25"),
            row(Class::Phone, Shape::Usual, "GDPR art. 4(1), art. 25"),
            row(Class::PhoneCn, Shape::Usual, "GDPR art. 4(1), art. 25"),
            row(Class::Iban, Shape::Usual, "GDPR art. 4(1), art. 32"),
            row(Class::BankCard, Shape::Usual, "GDPR art. 32, PCI DSS 4.0.1 req. 3.4.1"),
            row(Class::Passport, Shape::Redact, "GDPR art. 87, national numbers"),
            row(Class::ResidentIdCn, Shape::Redact, "GDPR art. 87, national numbers"),
            row(Class::Ipv4, Shape::Usual, "GDPR recital 30, CJEU C-582/14"),
            row(Class::Ipv6, Shape::Usual, "GDPR recital 30, CJEU C-582/14"),
        ],
        names: &[
            "first_name",
            "last_name",
            "full_name",
            "birth_date",
            "date_of_birth",
            "street",
            "postal_address",
        ],
    },
    Pack {
        name: "mlps3",
        rows: &[
            row(
                Class::ResidentIdCn,
                Shape::Keep(3, 4),
                "PIPL art. 51, GB/T 35273-2020 7.2",
            ),
            row(Class::PhoneCn, Shape::Keep(3, 4), "PIPL art. 51, GB/T 35273-2020 7.2"),
            row(Class::Phone, Shape::Usual, "PIPL art. 51, GB/T 35273-2020 7.2"),
            row(Class::Passport, Shape::Keep(1, 2), "PIPL art. 51, GB/T 35273-2020 7.2"),
            row(Class::BankCard, Shape::Keep(6, 4), "PIPL art. 51, GB/T 35273-2020 7.2"),
            row(Class::Email, Shape::Usual, "PIPL art. 51, GB/T 35273-2020 7.2"),
        ],
        names: &[
            "id_card",
            "id_number",
            "id_no",
            "real_name",
            "bank_account",
            "身份证号",
            "姓名",
            "手机号",
        ],
    },
    Pack {
        name: "pci",
        rows: &[
            row(Class::BankCard, Shape::Keep(6, 4), "PCI DSS 4.0.1 req. 3.4.1, FAQ 1492"),
            row(Class::Iban, Shape::Usual, "beside cards"),
        ],
        names: &[
            "card_number",
            "pan",
            "primary_account_number",
            "cvv2",
            "cvc2",
            "cid",
            "cav2",
            "card_verification_value",
            "pin",
            "pin_block",
            "track1",
            "track2",
            "track_data",
        ],
    },
];

/// The pack of that name.
#[must_use]
pub fn pack(name: &str) -> Option<&'static Pack> {
    PACKS.iter().find(|pack| pack.name == name)
}

impl Draft {
    /// What the pack asks for, and secrets; what was said of a class before is said anew.
    #[must_use]
    pub fn pack(self, pack: &Pack) -> Self {
        let rows = SECRETS.iter().chain(pack.rows);
        let draft = rows.fold(self, |draft, row| draft.class(row.class, row.shape.action(row.class)));
        draft
            .names(SECRET_NAMES.iter().copied())
            .names(pack.names.iter().copied())
            .headers(SECRET_HEADERS.iter().copied())
            .query_names(QUERY_NAMES.iter().copied())
    }
}
