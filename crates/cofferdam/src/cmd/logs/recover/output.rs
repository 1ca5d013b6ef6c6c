//! Where recovered lines go: all lines of a ring are there, as far as the system can say, before its file goes.

use std::fs::{File, OpenOptions};
use std::io::{self, BufWriter, Read, Seek, SeekFrom, Stdout, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use rustix::fs::fdatasync;
use rustix::io::Errno;

/// Where recovered lines go.
pub(super) enum Output {
    Stdout(Stdout),
    File { file: File, path: PathBuf },
}

impl Output {
    /// A file is appended to: what an earlier call wrote is nowhere else.
    pub(super) fn open(path: &Path) -> Result<Self, String> {
        if path == Path::new("-") {
            return Ok(Self::Stdout(io::stdout()));
        }
        let file = opened(path).map_err(|why| unwritten(path, &why))?;
        Ok(Self::File {
            file,
            path: path.to_owned(),
        })
    }

    /// Appends lines, and waits until they are where they are to stay. A file to which they cannot be written is as it was before.
    pub(super) fn append(&mut self, lines: impl Iterator<Item = Vec<u8>>) -> Result<(), String> {
        match self {
            Self::Stdout(out) => {
                let mut out = out.lock();
                let written = write(lines, &mut out).and_then(|()| synced(fdatasync(&out)));
                written.map_err(|why| {
                    format!(
                        "error: the standard output takes no more: {why}\nhint: nothing was removed that is not written"
                    )
                })
            }
            Self::File { file, path } => {
                let failed = |why| unwritten(path, &why);
                let before = file.metadata().map_err(failed)?.len();
                let written = write(lines, file).and_then(|()| synced(fdatasync(&*file)));
                written.map_err(|why| {
                    // What cannot be cut is half a line, behind which the next call begins a new one.
                    let _ = file.set_len(before);
                    unwritten(path, &why)
                })
            }
        }
    }
}

fn write(lines: impl Iterator<Item = Vec<u8>>, out: &mut impl Write) -> io::Result<()> {
    let mut out = BufWriter::new(out);
    for line in lines {
        out.write_all(&line)?;
        out.write_all(b"\n")?;
    }
    out.flush()
}

/// Pipes and terminals have nothing to wait for.
fn synced(answer: Result<(), Errno>) -> io::Result<()> {
    match answer {
        Ok(()) | Err(Errno::INVAL | Errno::NOTSUP | Errno::ROFS) => Ok(()),
        Err(why) => Err(why.into()),
    }
}

fn opened(path: &Path) -> io::Result<File> {
    let mut options = OpenOptions::new();
    let mut file = options.read(true).append(true).create(true).mode(0o600).open(path)?;
    // Half a line at its end is of a call that was killed.
    if file.metadata()?.len() > 0 {
        let mut last = [0];
        file.seek(SeekFrom::End(-1))?;
        file.read_exact(&mut last)?;
        if last != *b"\n" {
            file.write_all(b"\n")?;
        }
    }
    // A name is on disk when its folder is.
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty());
    File::open(folder.unwrap_or(Path::new(".")))?.sync_all()?;
    Ok(file)
}

fn unwritten(path: &Path, why: &io::Error) -> String {
    format!(
        "error: `{}` cannot be written: {why}\nhint: nothing was removed that is not written",
        path.display()
    )
}
