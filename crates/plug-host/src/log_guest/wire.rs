//! A batch as a guest is given it, and its answer: counts and lengths as four bytes each, the lowest first, and JSON objects.

/// Bytes of a count or a length.
pub(super) const NUMBER_BYTES: usize = 4;

/// How many bytes a record takes in a batch.
pub(super) fn bytes_of(line: &[u8]) -> usize {
    object(line).len().saturating_add(NUMBER_BYTES)
}

/// The object without the end of its line.
fn object(line: &[u8]) -> &[u8] {
    line.strip_suffix(b"\n").unwrap_or(line)
}

/// Writes a batch to the beginning of `room`, and says how long it is; none when there is too little room.
pub(super) fn write<L: AsMut<Vec<u8>>>(mut room: &mut [u8], lines: &mut [L]) -> Option<usize> {
    let before = room.len();
    put(&mut room, &u32::try_from(lines.len()).ok()?.to_le_bytes())?;
    for line in lines {
        let line = object(line.as_mut());
        put(&mut room, &u32::try_from(line.len()).ok()?.to_le_bytes())?;
        put(&mut room, line)?;
    }
    before.checked_sub(room.len())
}

fn put(room: &mut &mut [u8], bytes: &[u8]) -> Option<()> {
    let (here, rest) = std::mem::take(room).split_at_mut_checked(bytes.len())?;
    here.copy_from_slice(bytes);
    *room = rest;
    Some(())
}

/// The patches of an answer, in the order of the records; an empty one leaves its record as it is.
#[derive(Clone)]
pub(super) struct Patches<'m> {
    rest: &'m [u8],
}

impl<'m> Patches<'m> {
    /// Reads an answer to a batch of so many records: all of it is looked through before anything of it is used.
    pub(super) fn read(answer: &'m [u8], records: usize) -> Result<Self, &'static str> {
        let (count, rest) = number(answer).ok_or("it has no count")?;
        if count != records {
            return Err("it has another number of records");
        }
        let patches = Self { rest };
        let mut looking = patches.clone();
        if looking.by_ref().take(records).count() != records {
            return Err("a length leads beyond its end");
        }
        match looking.rest.is_empty() {
            true => Ok(patches),
            false => Err("something comes behind its last record"),
        }
    }
}

impl<'m> Iterator for Patches<'m> {
    type Item = &'m [u8];

    fn next(&mut self) -> Option<&'m [u8]> {
        let (length, rest) = number(self.rest)?;
        let (patch, rest) = rest.split_at_checked(length)?;
        self.rest = rest;
        Some(patch)
    }
}

fn number(bytes: &[u8]) -> Option<(usize, &[u8])> {
    let (number, rest) = bytes.split_first_chunk::<NUMBER_BYTES>()?;
    Some((usize::try_from(u32::from_le_bytes(*number)).ok()?, rest))
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn a_batch_is_counts_lengths_and_objects_without_the_ends_of_lines() {
        let mut lines = [b"{\"a\":1}\n".to_vec(), b"{}".to_vec()];
        let mut room = [9; 40];
        let written = write(&mut room, &mut lines).unwrap();
        let expected = b"\x02\0\0\0\x07\0\0\0{\"a\":1}\x02\0\0\0{}";
        assert_eq!(room.get(..written).unwrap(), expected);
        assert_eq!(
            written,
            NUMBER_BYTES + lines.iter().map(|line| bytes_of(line)).sum::<usize>()
        );
        assert_eq!(write(&mut [0; 20], &mut lines), None);
        assert_eq!(write(&mut [0; 3], &mut lines), None);
    }

    #[test]
    fn an_answer_is_taken_whole_or_not_at_all() {
        let read = |answer: &[u8], records| {
            Patches::read(answer, records).map(|patches| patches.map(<[u8]>::to_vec).collect::<Vec<_>>())
        };
        let good = b"\x02\0\0\0\0\0\0\0\x02\0\0\0{}";
        assert_eq!(read(good, 2).unwrap(), [b"".to_vec(), b"{}".to_vec()]);
        for (answer, records) in [
            (&good[..], 1),
            (&good[..], 3),
            (&good[..good.len() - 1], 2),
            (&[&good[..], b"x"].concat(), 2),
            (b"", 0),
            (b"\0\0", 0),
            (b"\x01\0\0\0\xff\xff\xff\xff", 1),
        ] {
            assert!(read(answer, records).is_err(), "{answer:?}");
        }
        assert_eq!(read(b"\0\0\0\0", 0).unwrap(), Vec::<Vec<u8>>::new());
    }
}
