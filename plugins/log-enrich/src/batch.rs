//! A batch and its answer: counts and lengths as four bytes each, the lowest first, and what they count.

use crate::enricher::Enricher;

/// Writes the answer to a batch; none when it is no batch.
pub fn answer(enricher: &Enricher, batch: &[u8], out: &mut Vec<u8>) -> Option<()> {
    out.clear();
    let (count, mut rest) = number(batch)?;
    out.extend_from_slice(&count.to_le_bytes());
    for _ in 0..count {
        let (length, record) = number(rest)?;
        let (record, behind) = record.split_at_checked(usize::try_from(length).ok()?)?;
        rest = behind;
        let at = out.len();
        out.extend_from_slice(&[0; 4]);
        enricher.patch(record, out);
        let length = out.len().checked_sub(at.checked_add(4)?)?;
        let length = u32::try_from(length).ok()?.to_le_bytes();
        out.get_mut(at..at.checked_add(4)?)?.copy_from_slice(&length);
    }
    Some(())
}

fn number(bytes: &[u8]) -> Option<(u32, &[u8])> {
    let (number, rest) = bytes.split_first_chunk::<4>()?;
    Some((u32::from_le_bytes(*number), rest))
}
