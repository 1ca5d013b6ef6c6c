//! Valid values of each class, as many as are wanted and the same each time.

use crate::checksum::{is_card, is_iban, is_resident_id};
use crate::class::Class;

const LETTERS: &[u8] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789";

/// Numbers that look random and are the same each time (splitmix64).
pub(super) struct Numbers(pub(super) u64);

impl Numbers {
    pub(super) fn next(&mut self, below: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (mixed ^ (mixed >> 31)) % below
    }

    pub(super) fn digits(&mut self, count: usize) -> String {
        (0..count).map(|_| char::from(b'0' + self.next(10) as u8)).collect()
    }

    fn card(&mut self) -> String {
        let (prefix, length) = [("62", 19), ("62", 16), ("4", 16), ("53", 16), ("34", 15)][self.next(5) as usize];
        let body = format!("{prefix}{}", self.digits(length - prefix.len() - 1));
        let whole = (0..10).map(|digit| format!("{body}{digit}"));
        whole.into_iter().find(|card| is_card(card.as_bytes())).unwrap()
    }

    fn resident(&mut self) -> String {
        let body = format!(
            "44{}19{}0{}1{}{}",
            self.digits(4),
            10 + self.next(90),
            1 + self.next(9),
            self.next(10),
            self.digits(3)
        );
        let whole = "0123456789X".chars().map(|last| format!("{body}{last}"));
        whole.into_iter().find(|id| is_resident_id(id.as_bytes())).unwrap()
    }

    fn phone(&mut self) -> String {
        format!("1{}{}", 3 + self.next(7), self.digits(9))
    }

    pub(super) fn second(&mut self) -> u64 {
        1_700_000_000 + self.next(200_000_000)
    }

    fn of(&mut self, signs: &[u8], count: usize) -> String {
        (0..count)
            .map(|_| char::from(signs[self.next(signs.len() as u64) as usize]))
            .collect()
    }

    pub(super) fn hex(&mut self, count: usize) -> String {
        self.of(b"0123456789abcdef", count)
    }

    /// Letters and digits, one of them a digit.
    fn token(&mut self, count: usize) -> String {
        format!("{}{}", self.of(LETTERS, count - 1), self.digits(1))
    }

    fn base64url(&mut self, count: usize) -> String {
        format!("{}{}", self.of(b"ABCDEFghijkl0189-_", count - 1), self.digits(1))
    }

    fn between(&mut self, least: u64, most: u64) -> usize {
        (least + self.next(most - least + 1)) as usize
    }

    fn email(&mut self) -> String {
        let (local, label) = (self.between(1, 40), self.between(1, 20));
        let inner = self.of(b"abcxyz019._%+-", local);
        let domain = self.of(b"abcxyz019", label);
        let top = ["com", "cn", "co.uk", "example.org", "technology"][self.next(5) as usize];
        format!("u{inner}1@{domain}.{top}")
    }

    fn iban(&mut self) -> String {
        const FORMS: &[(&str, usize)] = &[("DE", 22), ("GB", 22), ("FR", 27), ("NO", 15), ("MT", 31), ("NL", 18)];
        let (country, length) = FORMS[self.next(FORMS.len() as u64) as usize];
        let body = self.of(b"ABCXYZ0123456789", length - 4);
        let whole = (2..=98).map(|check| format!("{country}{check:02}{body}"));
        let plain = whole.into_iter().find(|text| is_iban(text.as_bytes())).unwrap();
        if self.next(2) == 0 {
            return plain;
        }
        let groups: Vec<&str> = plain
            .as_bytes()
            .chunks(4)
            .map(|group| std::str::from_utf8(group).unwrap())
            .collect();
        groups.join(" ")
    }

    fn international(&mut self) -> String {
        let (code, count) = [
            ("1", 10),
            ("44", 10),
            ("49", 11),
            ("81", 10),
            ("852", 8),
            ("91", 10),
            ("351", 9),
            ("62", 10),
        ][self.next(8) as usize];
        let number = format!("2{}5{}", self.digits(2), self.digits(count - 4));
        match self.next(3) {
            0 => format!("+{code}{number}"),
            1 => format!("+{code} {number}"),
            _ => format!("+{code} ({}) {}-{}", &number[..3], &number[3..5], &number[5..]),
        }
    }

    fn passport(&mut self) -> String {
        match self.next(3) {
            0 => format!("{}{}", self.of(b"EGDSPH", 1), self.digits(8)),
            1 => format!("E{}{}", self.of(b"ABCDEFGHJKLMNPQRSTUVWXYZ", 1), self.digits(7)),
            _ => self.line(),
        }
    }

    /// The second line of a passport, whose check digits are sought one after the other.
    fn line(&mut self) -> String {
        let check = |text: &str| -> u32 {
            let value = |sign: char| sign.to_digit(36).unwrap_or(0);
            let sum: u32 = text
                .chars()
                .zip([7, 3, 1].into_iter().cycle())
                .map(|(sign, weight)| value(sign) * weight)
                .sum();
            sum % 10
        };
        let number = self.of(b"ABCXYZ0123456789", 9);
        let number = format!("{number}{}", check(&number));
        let birth = format!("{:02}0{}1{}", self.next(100), 1 + self.next(9), self.next(10));
        let birth = format!("{birth}{}", check(&birth));
        let expiry = format!("3{}0{}1{}", self.next(10), 1 + self.next(9), self.next(10));
        let expiry = format!("{expiry}{}", check(&expiry));
        let country = ["CHN", "UTO", "D<<", "USA"][self.next(4) as usize];
        let sex = self.of(b"MF<", 1);
        let all = check(&format!("{number}{birth}{expiry}<<<<<<<<<<<<<<<"));
        format!("{number}{country}{birth}{sex}{expiry}<<<<<<<<<<<<<<<{all}")
    }

    fn cloud_key(&mut self) -> String {
        match self.next(6) {
            0 => format!("LTAI{}", self.token(20)),
            1 => format!("AKID{}", self.token(32)),
            2 => format!("ya29.{}", self.base64url(60)),
            3 => format!("GOCSPX-{}", self.base64url(28)),
            4 => format!("AccountKey={}==", self.token(86)),
            _ => format!("{}8Q~{}", self.token(3), self.base64url(34)),
        }
    }

    fn api_key(&mut self) -> String {
        match self.next(10) {
            0 => format!("sk-{}", self.token(48)),
            1 => format!("sk-proj-{}", self.base64url(100)),
            2 => format!("xoxb-{}-{}", self.digits(12), self.token(24)),
            3 => format!("sk_live_{}", self.token(24)),
            4 => format!("AIza{}", self.base64url(35)),
            5 => format!("glpat-{}", self.base64url(20)),
            6 => format!("npm_{}", self.token(36)),
            7 => format!("hf_{}", self.token(34)),
            8 => format!("whsec_{}", self.token(32)),
            _ => format!("pypi-{}", self.base64url(80)),
        }
    }

    fn address(&mut self) -> String {
        let group = |numbers: &mut Self| format!("{:x}", numbers.next(0x1_0000));
        match self.next(3) {
            0 => (0..8).map(|_| group(self)).collect::<Vec<_>>().join(":"),
            1 => format!("2001:db8::{}", group(self)),
            _ => format!("fe80::{}:1", group(self)),
        }
    }

    /// A valid value of the class.
    pub(super) fn value(&mut self, class: Class) -> String {
        match class {
            Class::PrivateKey => {
                let kind = ["", "RSA ", "EC ", "OPENSSH "][self.next(4) as usize];
                let lines: Vec<String> = (0..3).map(|_| self.token(64)).collect();
                let body = lines.join("\n");
                format!("-----BEGIN {kind}PRIVATE KEY-----\n{body}\n-----END {kind}PRIVATE KEY-----")
            }
            Class::Jwt => format!(
                "eyJ{}.eyJ{}.{}",
                self.base64url(20),
                self.base64url(40),
                self.base64url(43)
            ),
            Class::GithubToken => match self.next(2) {
                0 => format!("gh{}_{}", self.of(b"pousr", 1), self.token(36)),
                _ => format!("github_pat_{}_{}", self.token(22), self.token(59)),
            },
            Class::AwsAccessKey => format!("A{}IA{}8", self.of(b"KS", 1), self.of(b"ABCXYZ234567", 15)),
            Class::ApiKey => self.api_key(),
            Class::CloudKey => self.cloud_key(),
            Class::Bearer => format!("Bearer {}", self.token(32)),
            Class::Email => self.email(),
            Class::Iban => self.iban(),
            Class::ResidentIdCn => self.resident(),
            Class::PhoneCn => self.phone(),
            Class::Phone => self.international(),
            Class::Passport => self.passport(),
            Class::BankCard => self.card(),
            Class::Ipv6 => self.address(),
            Class::Ipv4 => (0..4).map(|_| self.next(256).to_string()).collect::<Vec<_>>().join("."),
            Class::Word | Class::Pattern | Class::Key => unreachable!("they are the operator's own"),
        }
    }
}
