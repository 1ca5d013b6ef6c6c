//! The few protobuf messages that foreign functions take and give, field by field.

use bytes::Bytes;

/// A field as it stands on the wire.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Field<'a> {
    Number(u64),
    Bytes(&'a [u8]),
    Other,
}

/// All fields with their numbers; none when the bytes are no message.
pub(crate) fn fields(mut bytes: &[u8]) -> Option<Vec<(u64, Field<'_>)>> {
    let mut found = Vec::new();
    while !bytes.is_empty() {
        let tag = varint(&mut bytes)?;
        let field = match tag & 7 {
            0 => Field::Number(varint(&mut bytes)?),
            1 => skip(&mut bytes, 8)?,
            2 => {
                let length = usize::try_from(varint(&mut bytes)?).ok()?;
                let (value, rest) = bytes.split_at_checked(length)?;
                bytes = rest;
                Field::Bytes(value)
            }
            5 => skip(&mut bytes, 4)?,
            _ => return None,
        };
        found.push((tag >> 3, field));
    }
    Some(found)
}

/// The last bytes field of that number, as protobuf reads repeated scalars.
pub(crate) fn bytes<'a>(fields: &[(u64, Field<'a>)], number: u64) -> Option<&'a [u8]> {
    fields.iter().rev().find_map(|(found, field)| match field {
        Field::Bytes(value) if *found == number => Some(*value),
        _ => None,
    })
}

/// The last number field of that number.
pub(crate) fn number(fields: &[(u64, Field<'_>)], wanted: u64) -> Option<u64> {
    fields.iter().rev().find_map(|(found, field)| match field {
        Field::Number(value) if *found == wanted => Some(*value),
        _ => None,
    })
}

/// A message of these fields.
pub(crate) fn message(fields: &[(u64, Field<'_>)]) -> Bytes {
    let mut message = Vec::new();
    for (number, field) in fields {
        match field {
            Field::Number(value) => {
                write_varint(&mut message, number << 3);
                write_varint(&mut message, *value);
            }
            Field::Bytes(value) => {
                write_varint(&mut message, number << 3 | 2);
                write_varint(&mut message, u64::try_from(value.len()).unwrap_or(u64::MAX));
                message.extend_from_slice(value);
            }
            Field::Other => {}
        }
    }
    Bytes::from(message)
}

fn skip<'a>(bytes: &mut &'a [u8], count: usize) -> Option<Field<'a>> {
    let (_, rest) = bytes.split_at_checked(count)?;
    *bytes = rest;
    Some(Field::Other)
}

fn varint(bytes: &mut &[u8]) -> Option<u64> {
    let mut value = 0_u64;
    for shift in (0..64).step_by(7) {
        let (byte, rest) = bytes.split_first()?;
        *bytes = rest;
        value |= u64::from(byte & 0x7f) << shift;
        if byte & 0x80 == 0 {
            return Some(value);
        }
    }
    None
}

fn write_varint(message: &mut Vec<u8>, mut value: u64) {
    loop {
        let [low, ..] = value.to_le_bytes();
        value >>= 7;
        if value == 0 {
            message.push(low & 0x7f);
            return;
        }
        message.push(low | 0x80);
    }
}

#[cfg(test)]
mod tests;
