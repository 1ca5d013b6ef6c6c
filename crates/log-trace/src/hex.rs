//! Hexadecimal digits in lower case, in and out, without an allocation.

/// The number that 16 digits write; none when one of them is no digit in lower case.
pub(crate) fn read(digits: &[u8; 16]) -> Option<u64> {
    let (high, low) = (digits.first_chunk::<8>()?, digits.last_chunk::<8>()?);
    Some(read_eight(*high)? << 32 | read_eight(*low)?)
}

/// The number that two digits write.
pub(crate) fn read_byte([high, low]: [u8; 2]) -> Option<u8> {
    let number = read_eight([b'0', b'0', b'0', b'0', b'0', b'0', high, low])?;
    u8::try_from(number).ok()
}

/// Eight digits at once: what they would be worth if they were digits, which they are if that is written in the same way.
fn read_eight(digits: [u8; 8]) -> Option<u64> {
    let text = u64::from_be_bytes(digits);
    let letters = text >> 6 & 0x0101_0101_0101_0101;
    // No byte is above 15 + 9, so none runs over into the next.
    let nibbles = ((text & 0x0f0f_0f0f_0f0f_0f0f) + letters * 9) & 0x0f0f_0f0f_0f0f_0f0f;
    let bytes = (nibbles | nibbles >> 4) & 0x00ff_00ff_00ff_00ff;
    let pairs = (bytes | bytes >> 8) & 0x0000_ffff_0000_ffff;
    let number = (pairs | pairs >> 16) & 0xffff_ffff;
    (eight(number) == text).then_some(number)
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
