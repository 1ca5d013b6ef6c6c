//! Hexadecimal digits in lower case, in and out, without an allocation.

const ANY_OTHER: u8 = 0xff;

/// The number that 16 digits write; none when one of them is no digit in lower case.
pub(crate) fn read(digits: &[u8; 16]) -> Option<u64> {
    let (number, wrong) = digits.iter().fold((0_u64, 0_u8), |(number, wrong), letter| {
        let digit = value(*letter);
        (number << 4 | u64::from(digit & 0xf), wrong | digit)
    });
    (wrong <= 0xf).then_some(number)
}

/// The number that two digits write.
pub(crate) fn read_byte(digits: [u8; 2]) -> Option<u8> {
    let [high, low] = digits.map(value);
    (high <= 0xf && low <= 0xf).then_some(high << 4 | low)
}

/// The digit's value, or something above 15.
const fn value(letter: u8) -> u8 {
    match letter {
        b'0'..=b'9' => letter - b'0',
        b'a'..=b'f' => letter - b'a' + 10,
        _ => ANY_OTHER,
    }
}

/// The 16 digits of a number: nibbles are spread over bytes, eight at once, because it is done for each request several times.
pub(crate) fn write(number: u64) -> [u8; 16] {
    let mut digits = [0; 16];
    let (high, low) = digits.split_at_mut(8);
    high.copy_from_slice(&eight(number >> 32).to_be_bytes());
    low.copy_from_slice(&eight(number & 0xffff_ffff).to_be_bytes());
    digits
}

/// The two digits of a byte.
pub(crate) fn write_byte(byte: u8) -> [u8; 2] {
    let [.., high, low] = eight(u64::from(byte)).to_be_bytes();
    [high, low]
}

/// The digits of the low 32 bits, the last in the lowest byte.
const fn eight(number: u64) -> u64 {
    let pairs = (number | number << 16) & 0x0000_ffff_0000_ffff;
    let bytes = (pairs | pairs << 8) & 0x00ff_00ff_00ff_00ff;
    let nibbles = (bytes | bytes << 4) & 0x0f0f_0f0f_0f0f_0f0f;
    // 1 in each byte whose nibble is a letter: from `:` on to `a` there are 39 characters.
    let letters = (nibbles + 0x0606_0606_0606_0606) >> 4 & 0x0101_0101_0101_0101;
    nibbles + 0x3030_3030_3030_3030 + letters * 39
}
