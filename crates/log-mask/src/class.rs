//! The classes of what is found, in the order in which they are tried.

/// What something is that is found.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Class {
    /// A text of the operator's own
    Word,
    /// What fits a regular expression of the operator's own
    Pattern,
    /// A private key in PEM, from its first line to its last
    PrivateKey,
    /// A JSON Web Token, signed or encrypted
    Jwt,
    /// A token of GitHub
    GithubToken,
    /// The id of an access key of AWS
    AwsAccessKey,
    /// A key of an API whose form tells it: `sk-`, Slack, GitLab, Google, Stripe, npm, PyPI, Hugging Face
    ApiKey,
    /// A key of a cloud: Alibaba's `LTAI`, Tencent's `AKID`, Google's `ya29.` and `GOCSPX-`, Azure's keys and client secrets
    CloudKey,
    /// What follows `Bearer` (RFC 6750)
    Bearer,
    /// An e-mail address
    Email,
    /// An international bank account number (ISO 13616)
    Iban,
    /// The number of a Chinese resident (GB 11643)
    ResidentIdCn,
    /// A Chinese mobile number
    PhoneCn,
    /// A telephone number with a plus sign and the code of a country (ITU-T E.164)
    Phone,
    /// The number of a Chinese passport, or the second line of anybody's (ICAO 9303)
    Passport,
    /// A number of a bank card (ISO/IEC 7812)
    BankCard,
    /// An IPv6 address
    Ipv6,
    /// An IPv4 address
    Ipv4,
    /// The value of a member of JSON whose name says that it is secret
    Key,
}

impl Class {
    /// All of them, in the order in which they are tried.
    pub const ALL: [Self; 19] = [
        Self::Word,
        Self::Pattern,
        Self::PrivateKey,
        Self::Jwt,
        Self::GithubToken,
        Self::AwsAccessKey,
        Self::ApiKey,
        Self::CloudKey,
        Self::Bearer,
        Self::Email,
        Self::Iban,
        Self::ResidentIdCn,
        Self::PhoneCn,
        Self::Phone,
        Self::Passport,
        Self::BankCard,
        Self::Ipv6,
        Self::Ipv4,
        Self::Key,
    ];

    /// Its name in configurations, metrics and logs.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Word => "word",
            Self::Pattern => "pattern",
            Self::PrivateKey => "private_key",
            Self::Jwt => "jwt",
            Self::GithubToken => "github_token",
            Self::AwsAccessKey => "aws_access_key",
            Self::ApiKey => "api_key",
            Self::CloudKey => "cloud_key",
            Self::Bearer => "bearer",
            Self::Email => "email",
            Self::Iban => "iban",
            Self::ResidentIdCn => "resident_id_cn",
            Self::PhoneCn => "phone_cn",
            Self::Phone => "phone",
            Self::Passport => "passport",
            Self::BankCard => "bank_card",
            Self::Ipv6 => "ipv6",
            Self::Ipv4 => "ipv4",
            Self::Key => "key",
        }
    }

    pub(crate) const fn bit(self) -> u32 {
        1 << self as u16
    }
}

/// How often something of each class was masked.
#[derive(Clone, PartialEq, Eq, Default, Debug)]
pub struct Counts([u64; Class::ALL.len()]);

impl Counts {
    /// The classes of which there was something.
    pub fn found(&self) -> impl Iterator<Item = (Class, u64)> {
        Class::ALL.into_iter().zip(self.0).filter(|(_, count)| *count > 0)
    }

    /// How often, of all classes.
    #[must_use]
    pub fn total(&self) -> u64 {
        self.0.iter().fold(0, |sum, count| sum.saturating_add(*count))
    }

    pub(crate) fn merge(&mut self, others: &Self) {
        for (count, more) in self.0.iter_mut().zip(others.0) {
            *count = count.saturating_add(more);
        }
    }

    pub(crate) fn add(&mut self, class: Class) {
        if let Some(count) = self.0.get_mut(class as usize) {
            *count = count.saturating_add(1);
        }
    }
}
