//! Files of granted folders. Without one, each function answers what it answers where there are no files.

use plug_abi::{WasiModule, Whence};
use rustix::fs::{FileType, SeekFrom, Stat};
use rustix::io::Errno;

use super::{BADF, FAULT, INVAL, PIECES_MAX, Written, errno, piece_at, refusal};
use crate::files::{Entry, FIRST, Files, PIECE_BYTES_MAX, Wish};
use crate::guest::Host;
use crate::limit::Limit;

const SUCCESS: u32 = 0;
const NAMETOOLONG: u32 = 37;
const OVERFLOW: u32 = 61;

/// LIMIT: bytes of a path.
pub(crate) const PATH_BYTES_MAX: usize = 4_096;

/// Rights that decide how a file is opened: `fd_read` is bit 1, `fd_write` bit 6.
const READ: u64 = 1 << 1;
const WRITE: u64 = 1 << 6;

/// The number by which WASI knows an error of the system.
pub(crate) fn wasi(why: Errno) -> u32 {
    match why {
        Errno::ACCESS => 2,
        Errno::AGAIN => 6,
        Errno::BADF => BADF,
        Errno::DQUOT => 19,
        Errno::EXIST => 20,
        Errno::FBIG => 22,
        Errno::INVAL => INVAL,
        Errno::ISDIR => 31,
        Errno::LOOP => 32,
        Errno::MFILE => 33,
        Errno::NFILE => 41,
        Errno::NAMETOOLONG => NAMETOOLONG,
        Errno::NOENT => 44,
        Errno::NOSPC => 51,
        Errno::NOTDIR => 54,
        Errno::ROFS => 69,
        // What leads out of a folder is beyond what was given.
        Errno::PERM | Errno::XDEV => 76,
        _ => 29,
    }
}

/// The same, where a limit of the plugin may be what speaks against it.
fn refused(host: &Host<'_>, why: Errno) -> u32 {
    match why {
        Errno::MFILE => host.guest.reached(Limit::OpenFiles),
        Errno::DQUOT => host.guest.reached(Limit::Written),
        _ => {}
    }
    wasi(why)
}

fn kind(kind: FileType) -> u8 {
    match kind {
        FileType::Directory => 3,
        FileType::RegularFile => 4,
        FileType::Symlink => 7,
        _ => 0,
    }
}

/// Runs `work` with what the guest has open; without a folder the function answers as if there were no files.
fn with_files(host: &mut Host<'_>, name: &str, work: impl FnOnce(&mut Host<'_>, &mut Files) -> Written) -> Written {
    let Some(mut files) = host.guest.files.take() else {
        return match refusal(name) {
            SUCCESS => Ok(()),
            why => Err(why),
        };
    };
    let done = work(host, &mut files);
    host.guest.files = Some(files);
    done
}

fn path(host: &Host<'_>, at: u32, length: u32) -> Result<Vec<u8>, u32> {
    let path = host.read(at, length).map_err(errno)?;
    match path.len() <= PATH_BYTES_MAX {
        true => Ok(path.to_vec()),
        false => Err(NAMETOOLONG),
    }
}

pub(super) fn fd_prestat_get(host: &mut Host<'_>, fd: u32, at: u32) -> Written {
    with_files(host, "fd_prestat_get", |host, files| {
        let name = files.preopened(fd).ok_or(BADF)?;
        let length = u32::try_from(name.len()).map_err(|_| OVERFLOW)?;
        let mut about = [0; 8];
        about[4..].copy_from_slice(&length.to_le_bytes());
        host.write(at, &about).map_err(errno)
    })
}

pub(super) fn fd_prestat_dir_name(host: &mut Host<'_>, fd: u32, at: u32, length: u32) -> Written {
    with_files(host, "fd_prestat_dir_name", |host, files| {
        let name = files.preopened(fd).ok_or(BADF)?;
        match u32::try_from(name.len()) == Ok(length) {
            true => host.write(at, name.as_bytes()).map_err(errno),
            false => Err(NAMETOOLONG),
        }
    })
}

/// What kind of thing is open, and what may be done with it: all that a folder of its kind lets.
pub(super) fn fd_fdstat_get(host: &mut Host<'_>, fd: u32, at: u32) -> Option<Written> {
    let (is_folder, read, write) = host.guest.files.as_ref()?.kind(fd)?;
    let mut stat = [0_u8; 24];
    stat[0] = if is_folder { 3 } else { 4 };
    // All rights but those to write, which are `fd_datasync`, `fd_write`, `fd_allocate`, `path_create_file` and their like.
    const READS: u64 = READ | 1 << 2 | 1 << 5 | 1 << 13 | 1 << 14 | 1 << 18 | 1 << 21;
    let rights = if read { READS } else { 1 << 2 | 1 << 21 } | if write { WRITE | 1 << 10 | 1 << 19 } else { 0 };
    stat[8..16].copy_from_slice(&rights.to_le_bytes());
    stat[16..].copy_from_slice(&rights.to_le_bytes());
    Some(host.write(at, &stat).map_err(errno))
}

/// The arguments of `path_open`.
pub(super) struct Open {
    pub(super) folder: u32,
    pub(super) lookup: u32,
    pub(super) path: (u32, u32),
    pub(super) how: u32,
    pub(super) rights: u64,
    pub(super) flags: u32,
    pub(super) fd_at: u32,
}

pub(super) fn path_open(host: &mut Host<'_>, open: &Open) -> Written {
    with_files(host, "path_open", |host, files| {
        let path = path(host, open.path.0, open.path.1)?;
        host.check_u32(open.fd_at).map_err(errno)?;
        let is_set = |word: u32, bit: u32| word & 1 << bit != 0;
        let wish = Wish {
            create: is_set(open.how, 0),
            directory: is_set(open.how, 1),
            exclusive: is_set(open.how, 2),
            truncate: is_set(open.how, 3),
            append: is_set(open.flags, 0),
            read: open.rights & READ != 0 || open.rights & WRITE == 0,
            write: open.rights & WRITE != 0 && !is_set(open.how, 1),
            follow: is_set(open.lookup, 0),
        };
        // Runtimes ask for all rights wherever they open something; where nothing may be written, they get those to read.
        let wish = Wish {
            write: wish.write && (files.kind(open.folder).is_some_and(|(_, _, write)| write) || !wish.read),
            ..wish
        };
        let opened = files.open(open.folder, &path, wish);
        let number = opened.map_err(|why| refused(host, why))?;
        host.write_u32(open.fd_at, number).map_err(errno)
    })
}

pub(super) fn fd_close(host: &mut Host<'_>, fd: u32) -> Written {
    if fd < FIRST {
        return Ok(());
    }
    with_files(host, "fd_close", |_, files| files.close(fd).map_err(wasi))
}

/// Places in the guest's memory, each with a length, of `count` at most.
fn places(host: &Host<'_>, at: u32, count: u32) -> Result<Vec<(u32, u32)>, u32> {
    if count > PIECES_MAX {
        return Err(INVAL);
    }
    let place = |piece: u32| {
        let at = piece.checked_mul(8).and_then(|offset| at.checked_add(offset));
        piece_at(host, at.ok_or(FAULT)?)
    };
    (0..count).map(place).collect()
}

pub(super) fn fd_read(host: &mut Host<'_>, fd: u32, at: u32, count: u32, read_at: u32) -> Written {
    with_files(host, "fd_read", |host, files| {
        let mut left = PIECE_BYTES_MAX;
        let mut all = 0_u32;
        for (pointer, length) in places(host, at, count)? {
            let wanted = usize::try_from(length).map_err(|_| INVAL)?.min(left);
            let bytes = files.read(fd, wanted).map_err(wasi)?;
            host.write(pointer, &bytes).map_err(errno)?;
            left = left.saturating_sub(bytes.len());
            all = all.saturating_add(u32::try_from(bytes.len()).map_err(|_| OVERFLOW)?);
            if bytes.len() < wanted || left == 0 {
                break;
            }
        }
        host.write_u32(read_at, all).map_err(errno)
    })
}

/// What is written to a file; none when the number is none of one.
pub(super) fn fd_write(host: &mut Host<'_>, fd: u32, at: u32, count: u32, written_at: u32) -> Written {
    with_files(host, "fd_write", |host, files| {
        let mut bytes = Vec::new();
        for (pointer, length) in places(host, at, count)? {
            let piece = host.read(pointer, length).map_err(errno)?;
            let room = PIECE_BYTES_MAX.saturating_sub(bytes.len()).min(piece.len());
            bytes.extend_from_slice(piece.get(..room).unwrap_or_default());
        }
        let written = files.write(fd, &bytes).map_err(|why| refused(host, why))?;
        let written = u32::try_from(written).map_err(|_| OVERFLOW)?;
        host.write_u32(written_at, written).map_err(errno)
    })
}

pub(super) fn fd_seek(
    host: &mut Host<'_>,
    module: WasiModule,
    (fd, offset): (u32, u64),
    whence: u32,
    at: u32,
) -> Written {
    with_files(host, "fd_seek", |host, files| {
        let offset = offset.cast_signed();
        let to = match module.whence(whence).ok_or(INVAL)? {
            Whence::Start => SeekFrom::Start(u64::try_from(offset).map_err(|_| INVAL)?),
            Whence::Current => SeekFrom::Current(offset),
            Whence::End => SeekFrom::End(offset),
        };
        let place = files.seek(fd, to).map_err(wasi)?;
        host.write(at, &place.to_le_bytes()).map_err(errno)
    })
}

/// The time of a file in nanoseconds since 1970.
fn time(seconds: i64, nanoseconds: u64) -> u64 {
    u64::try_from(seconds)
        .unwrap_or(0)
        .saturating_mul(1_000_000_000)
        .saturating_add(nanoseconds)
}

/// A filestat as the version lays it out. The device is not told.
pub(crate) fn filestat(module: WasiModule, about: &Stat) -> Vec<u8> {
    let mut bytes = 0_u64.to_le_bytes().to_vec();
    bytes.extend_from_slice(&about.st_ino.to_le_bytes());
    let kind = kind(FileType::from_raw_mode(about.st_mode));
    match module {
        WasiModule::Preview1 => {
            bytes.extend_from_slice(&[kind, 0, 0, 0, 0, 0, 0, 0]);
            bytes.extend_from_slice(&1_u64.to_le_bytes());
        }
        WasiModule::Unstable => {
            bytes.extend_from_slice(&[kind, 0, 0, 0]);
            bytes.extend_from_slice(&1_u32.to_le_bytes());
        }
    }
    bytes.extend_from_slice(&u64::try_from(about.st_size).unwrap_or(0).to_le_bytes());
    for (seconds, nanoseconds) in [
        (about.st_atime, about.st_atime_nsec),
        (about.st_mtime, about.st_mtime_nsec),
        (about.st_ctime, about.st_ctime_nsec),
    ] {
        bytes.extend_from_slice(&time(seconds, nanoseconds).to_le_bytes());
    }
    bytes
}

pub(super) fn fd_filestat_get(host: &mut Host<'_>, module: WasiModule, fd: u32, at: u32) -> Written {
    with_files(host, "fd_filestat_get", |host, files| {
        let about = files.about(fd).map_err(wasi)?;
        host.write(at, &filestat(module, &about)).map_err(errno)
    })
}

pub(super) fn path_filestat_get(
    host: &mut Host<'_>,
    module: WasiModule,
    (fd, lookup): (u32, u32),
    place: (u32, u32),
    at: u32,
) -> Written {
    with_files(host, "path_filestat_get", |host, files| {
        let path = path(host, place.0, place.1)?;
        let about = files.about_path(fd, &path, lookup & 1 != 0).map_err(wasi)?;
        host.write(at, &filestat(module, &about)).map_err(errno)
    })
}

/// Entries from the `cookie`th on, as many as fit; the last may be cut off, by which its reader knows that there are more.
pub(super) fn fd_readdir(host: &mut Host<'_>, fd: u32, (at, length): (u32, u32), cookie: u64, used_at: u32) -> Written {
    with_files(host, "fd_readdir", |host, files| {
        let room = usize::try_from(length).map_err(|_| INVAL)?;
        let from = usize::try_from(cookie).map_err(|_| INVAL)?;
        let mut bytes = Vec::new();
        for (place, entry) in files.list(fd).map_err(wasi)?.iter().enumerate().skip(from) {
            if bytes.len() >= room {
                break;
            }
            bytes.extend_from_slice(&dirent(place, entry)?);
        }
        bytes.truncate(room);
        host.write(at, &bytes).map_err(errno)?;
        host.write_u32(used_at, u32::try_from(bytes.len()).map_err(|_| OVERFLOW)?)
            .map_err(errno)
    })
}

fn dirent(place: usize, entry: &Entry) -> Result<Vec<u8>, u32> {
    let next = u64::try_from(place).map_err(|_| OVERFLOW)?.saturating_add(1);
    let length = u32::try_from(entry.name.len()).map_err(|_| OVERFLOW)?;
    let mut bytes = next.to_le_bytes().to_vec();
    bytes.extend_from_slice(&entry.number.to_le_bytes());
    bytes.extend_from_slice(&length.to_le_bytes());
    bytes.extend_from_slice(&[kind(entry.kind), 0, 0, 0]);
    bytes.extend_from_slice(&entry.name);
    Ok(bytes)
}
