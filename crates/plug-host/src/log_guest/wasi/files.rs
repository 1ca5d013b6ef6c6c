//! Files that a log guest may read while it is configured. A guest without any, and every guest afterwards, finds none.

use plug_abi::{WasiModule, Whence};
use rustix::fs::SeekFrom;

use super::{Here, Written};
use crate::calls::wasi::files::{PATH_BYTES_MAX, filestat, wasi};
use crate::calls::wasi::{BADF, INVAL, SUCCESS, refusal};
use crate::files::{FIRST, PIECE_BYTES_MAX, Wish};

/// A name is too long for WASI.
const NAMETOOLONG: u32 = 37;
/// A number is too large for WASI.
const OVERFLOW: u32 = 61;
/// Rights to read, seek, tell, open, list and look at: all but those to write.
const READS: u64 = 1 << 1 | 1 << 2 | 1 << 5 | 1 << 13 | 1 << 14 | 1 << 18 | 1 << 21;

/// What a function answers where there are no files.
fn none(name: &str) -> Written {
    match refusal(name) {
        SUCCESS => Ok(()),
        why => Err(why),
    }
}

pub(super) fn fd_prestat_get(here: &mut Here<'_>, fd: u32, at: u32) -> Written {
    let Some(files) = &here.keeper.files else {
        return none("fd_prestat_get");
    };
    let name = files.preopened(fd).ok_or(BADF)?;
    let length = u32::try_from(name.len()).map_err(|_| OVERFLOW)?;
    here.write(at, &0_u32.to_le_bytes())?;
    here.write_u32(at.checked_add(4).ok_or(INVAL)?, length)
}

pub(super) fn fd_prestat_dir_name(here: &mut Here<'_>, fd: u32, (at, length): (u32, u32)) -> Written {
    let Some(files) = &here.keeper.files else {
        return none("fd_prestat_dir_name");
    };
    let name = files.preopened(fd).ok_or(BADF)?.to_owned();
    match u32::try_from(name.len()) == Ok(length) {
        true => here.write(at, name.as_bytes()),
        false => Err(NAMETOOLONG),
    }
}

/// Standard output and error may be written; what else is open may be read.
pub(super) fn fd_fdstat_get(here: &mut Here<'_>, fd: u32, at: u32) -> Written {
    let kind = here.keeper.files.as_ref().and_then(|files| files.kind(fd));
    let (kind, rights) = match (fd, kind) {
        (1 | 2, _) => (0, 1 << 6),
        (_, Some((true, ..))) => (3, READS),
        (_, Some((false, ..))) => (4, READS),
        _ => return Err(BADF),
    };
    let mut stat = [0_u8; 24];
    stat[0] = kind;
    stat[8..16].copy_from_slice(&u64::to_le_bytes(rights));
    stat[16..].copy_from_slice(&u64::to_le_bytes(rights));
    here.write(at, &stat)
}

pub(super) fn fd_filestat_get(here: &mut Here<'_>, module: WasiModule, fd: u32, at: u32) -> Written {
    let Some(files) = &here.keeper.files else {
        return none("fd_filestat_get");
    };
    let about = files.about(fd).map_err(wasi)?;
    here.write(at, &filestat(module, &about))
}

pub(super) fn fd_read(here: &mut Here<'_>, fd: u32, (at, count): (u32, u32), read_at: u32) -> Written {
    let mut left = PIECE_BYTES_MAX;
    let mut all = 0_u32;
    for (at, length) in here.pieces(at, count)? {
        let Some(files) = &here.keeper.files else {
            return none("fd_read");
        };
        let wanted = super::place(length)?.min(left);
        let bytes = files.read(fd, wanted).map_err(wasi)?;
        here.write(at, &bytes)?;
        left = left.saturating_sub(bytes.len());
        all = all.saturating_add(u32::try_from(bytes.len()).map_err(|_| OVERFLOW)?);
        if bytes.len() < wanted || left == 0 {
            break;
        }
    }
    here.write_u32(read_at, all)
}

pub(super) fn fd_seek(here: &mut Here<'_>, (fd, offset): (u32, i64), whence: Option<Whence>, at: u32) -> Written {
    let Some(files) = &here.keeper.files else {
        return none("fd_seek");
    };
    let to = match whence.ok_or(INVAL)? {
        Whence::Start => SeekFrom::Start(u64::try_from(offset).map_err(|_| INVAL)?),
        Whence::Current => SeekFrom::Current(offset),
        Whence::End => SeekFrom::End(offset),
    };
    let place = files.seek(fd, to).map_err(wasi)?;
    here.write(at, &place.to_le_bytes())
}

pub(super) fn fd_close(here: &mut Here<'_>, fd: u32) -> Written {
    match &mut here.keeper.files {
        Some(files) if fd >= FIRST => files.close(fd).map_err(wasi),
        _ => none("fd_close"),
    }
}

/// Opens to read, whatever is asked for: a folder of a log guest cannot be written in.
pub(super) fn path_open(
    here: &mut Here<'_>,
    (fd, lookup, how): (u32, u32, u32),
    (path, length): (u32, u32),
    opened_at: u32,
) -> Written {
    let path = here.read(path, length)?.to_vec();
    if path.len() > PATH_BYTES_MAX {
        return Err(NAMETOOLONG);
    }
    let is_set = |word: u32, bit: u32| word & 1 << bit != 0;
    let wish = Wish {
        create: is_set(how, 0),
        directory: is_set(how, 1),
        exclusive: is_set(how, 2),
        truncate: is_set(how, 3),
        append: false,
        read: true,
        write: false,
        follow: is_set(lookup, 0),
    };
    let Some(files) = &mut here.keeper.files else {
        return none("path_open");
    };
    let number = files.open(fd, &path, wish).map_err(wasi)?;
    here.write_u32(opened_at, number)
}
