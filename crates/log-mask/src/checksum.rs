//! Check digits, and what else tells a number from any other: prefixes of cards, dates and provinces of ids, lengths of account numbers.

/// The value of a digit.
const fn value(digit: u8) -> u32 {
    digit.wrapping_sub(b'0') as u32
}

/// The number that digits say; ten of them at most fit.
fn number(digits: &[u8]) -> u32 {
    digits
        .iter()
        .fold(0_u32, |sum, digit| sum.wrapping_mul(10).wrapping_add(value(*digit)))
}

/// Luhn's check digit (ISO/IEC 7812-1 annex B) over ASCII digits.
pub(crate) fn is_luhn(digits: &[u8]) -> bool {
    let doubled = |digit: u32| if digit > 4 { digit * 2 - 9 } else { digit * 2 };
    let weighted = digits.iter().rev().enumerate().map(|(place, digit)| {
        if place % 2 == 1 {
            doubled(value(*digit))
        } else {
            value(*digit)
        }
    });
    weighted.sum::<u32>() % 10 == 0
}

/// Prefixes that issuers have, as first and last, and the lengths of their numbers. A random number passes Luhn once in ten, and stamps of time
/// have 13, 16 and 19 digits: they begin with 1, as no card does.
const ISSUERS: &[(u32, u32, usize, usize)] = &[
    (2200, 2204, 16, 19), // Mir
    (2221, 2720, 16, 16), // Mastercard
    (3000, 3059, 14, 19), // Diners Club
    (3095, 3095, 14, 19), // Diners Club
    (3400, 3499, 15, 15), // American Express
    (3528, 3589, 16, 19), // JCB
    (3600, 3699, 14, 19), // Diners Club
    (3700, 3799, 15, 15), // American Express
    (3800, 3999, 16, 19), // Diners Club
    (4000, 4999, 16, 16), // Visa
    (4000, 4999, 19, 19), // Visa
    (5018, 5018, 13, 19), // Maestro
    (5020, 5020, 13, 19), // Maestro
    (5038, 5038, 13, 19), // Maestro
    (5080, 5089, 16, 16), // RuPay
    (5100, 5599, 16, 16), // Mastercard
    (5893, 5893, 13, 19), // Maestro
    (6011, 6011, 16, 19), // Discover
    (6013, 6014, 16, 19), // older cards of Chinese banks
    (6200, 6299, 16, 19), // UnionPay
    (6304, 6304, 13, 19), // Maestro
    (6440, 6599, 16, 19), // Discover, RuPay
    (6759, 6763, 13, 19), // Maestro
    (8100, 8171, 16, 19), // UnionPay
    (9558, 9559, 16, 19), // older cards of Chinese banks
    (9792, 9792, 16, 16), // Troy
];

/// Whether digits are a card's number: issuer, length, check digit.
pub(crate) fn is_card(digits: &[u8]) -> bool {
    let prefix = number(digits.get(..4).unwrap_or_default());
    let is_issued = ISSUERS.iter().any(|(first, last, least, most)| {
        (*first..=*last).contains(&prefix) && (*least..=*most).contains(&digits.len())
    });
    is_issued && is_luhn(digits)
}

/// The provinces of GB/T 2260, and 91 for foreigners' permits.
const PROVINCES: &[u32] = &[
    11, 12, 13, 14, 15, 21, 22, 23, 31, 32, 33, 34, 35, 36, 37, 41, 42, 43, 44, 45, 46, 50, 51, 52, 53, 54, 61, 62, 63,
    64, 65, 71, 81, 82, 83, 91,
];

/// Whether 18 bytes are a resident's number: province, date of birth, check character (ISO 7064, MOD 11-2).
pub(crate) fn is_resident_id(text: &[u8]) -> bool {
    let (Some((last, digits)), 18) = (text.split_last(), text.len()) else {
        return false;
    };
    let part = |from: usize, to: usize| number(digits.get(from..to).unwrap_or_default());
    let sum = digits.iter().fold(0, |sum, digit| (sum + value(*digit)) * 2 % 11);
    let check = if last.eq_ignore_ascii_case(&b'x') {
        10
    } else {
        value(*last)
    };
    PROVINCES.contains(&part(0, 2)) && is_date(part(6, 10), part(10, 12), part(12, 14)) && (sum + check) % 11 == 1
}

fn is_date(year: u32, month: u32, day: u32) -> bool {
    let is_leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
    let days = match month {
        2 if is_leap => 29,
        2 => 28,
        4 | 6 | 9 | 11 => 30,
        1..=12 => 31,
        _ => 0,
    };
    (1900..=2099).contains(&year) && (1..=days).contains(&day)
}

/// Countries with their lengths (the registry of ISO 13616, release 99).
#[rustfmt::skip]
const ACCOUNTS: &[(&[u8; 2], usize)] = &[
    (b"AD", 24), (b"AE", 23), (b"AL", 28), (b"AT", 20), (b"AZ", 28), (b"BA", 20), (b"BE", 16), (b"BG", 22),
    (b"BH", 22), (b"BI", 27), (b"BR", 29), (b"BY", 28), (b"CH", 21), (b"CR", 22), (b"CY", 28), (b"CZ", 24),
    (b"DE", 22), (b"DJ", 27), (b"DK", 18), (b"DO", 28), (b"EE", 20), (b"EG", 29), (b"ES", 24), (b"FI", 18),
    (b"FK", 18), (b"FO", 18), (b"FR", 27), (b"GB", 22), (b"GE", 22), (b"GI", 23), (b"GL", 18), (b"GR", 27),
    (b"GT", 28), (b"HN", 28), (b"HR", 21), (b"HU", 28), (b"IE", 22), (b"IL", 23), (b"IQ", 23), (b"IS", 26),
    (b"IT", 27), (b"JO", 30), (b"KW", 30), (b"KZ", 20), (b"LB", 28), (b"LC", 32), (b"LI", 21), (b"LT", 20),
    (b"LU", 20), (b"LV", 21), (b"LY", 25), (b"MC", 27), (b"MD", 24), (b"ME", 22), (b"MK", 19), (b"MN", 20),
    (b"MR", 27), (b"MT", 31), (b"MU", 30), (b"NI", 28), (b"NL", 18), (b"NO", 15), (b"OM", 23), (b"PK", 24),
    (b"PL", 28), (b"PS", 29), (b"PT", 25), (b"QA", 29), (b"RO", 24), (b"RS", 22), (b"RU", 33), (b"SA", 24),
    (b"SC", 31), (b"SD", 18), (b"SE", 24), (b"SI", 19), (b"SK", 24), (b"SM", 27), (b"SO", 23), (b"ST", 25),
    (b"SV", 28), (b"TL", 23), (b"TN", 24), (b"TR", 26), (b"UA", 29), (b"VA", 22), (b"VG", 24), (b"XK", 20),
    (b"YE", 30),
];

/// The length of an account number of that country.
pub(crate) fn account_length(country: &[u8]) -> Option<usize> {
    let place = ACCOUNTS
        .binary_search_by(|(known, _)| known.as_slice().cmp(country))
        .ok()?;
    ACCOUNTS.get(place).map(|(_, length)| *length)
}

/// Whether an account number without spaces has the right check digits (ISO 7064, MOD 97-10).
pub(crate) fn is_iban(text: &[u8]) -> bool {
    let (head, rest) = text.split_at_checked(4).unwrap_or_default();
    let sum = rest.iter().chain(head).fold(0_u32, |sum, byte| match byte {
        b'0'..=b'9' => (sum * 10 + value(*byte)) % 97,
        _ => (sum * 100 + u32::from(byte.wrapping_sub(b'A')) + 10) % 97,
    });
    sum == 1
}
