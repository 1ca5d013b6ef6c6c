//! The sink of standard output, or of anything that is written to as a stream of lines.

use std::fs::File;
use std::io::{self, Write};
use std::os::fd::AsFd;

use crate::batch::{Batch, Fate};
use crate::carrier::{Carrier, Step};
use crate::fault::ShipFault;
use crate::format::Format;
use crate::sink::{Frame, Sink};

/// Starts a sink that writes lines to standard output.
///
/// # Errors
/// When there is no standard output, or the system gives no thread.
pub fn start_stdout(frame: Frame) -> Result<Sink, ShipFault> {
    // Beside the standard library's buffer, which hides how much was taken.
    let own = io::stdout().as_fd().try_clone_to_owned();
    let out = own.map_err(|source| ShipFault::File {
        path: "/dev/stdout".into(),
        source,
    })?;
    start_writer(frame, Box::new(File::from(out)))
}

/// Starts a sink that writes lines to a writer.
///
/// # Errors
/// When the system gives no thread.
pub fn start_writer(frame: Frame, out: Box<dyn Write + Send>) -> Result<Sink, ShipFault> {
    let format = frame.format.clone();
    let partial = None;
    Sink::start(frame, Box::new(Stream { out, format, partial }))
}

struct Stream {
    out: Box<dyn Write + Send>,
    format: Format,
    /// Of which record how many bytes are out already.
    partial: Option<(u64, usize)>,
}

impl Stream {
    fn write(&mut self, batch: &mut Batch) -> io::Result<()> {
        let (mut bytes, mut ends) = (Vec::new(), Vec::new());
        for passenger in batch.open_mut() {
            passenger.write(&self.format, &mut bytes);
            bytes.push(b'\n');
            ends.push((bytes.len(), passenger.record.sequence));
        }
        let mut at = match (self.partial.take(), ends.first()) {
            (Some((number, written)), Some((end, first))) if number == *first => written.min(*end),
            // The record of which half is out was dropped: the half stands by itself.
            (Some(partial), _) => {
                self.partial = Some(partial);
                self.out.write_all(b"\n")?;
                self.partial = None;
                0
            }
            (None, _) => 0,
        };
        let wrong = loop {
            let Some(rest) = bytes.get(at..).filter(|rest| !rest.is_empty()) else {
                break self.out.flush().err();
            };
            match self.out.write(rest) {
                Ok(0) => break Some(io::ErrorKind::WriteZero.into()),
                Ok(written) => at += written,
                Err(why) if why.kind() == io::ErrorKind::Interrupted => {}
                Err(why) => break Some(why),
            }
        };
        let whole = ends.partition_point(|(end, _)| *end <= at);
        let begun = whole
            .checked_sub(1)
            .and_then(|last| ends.get(last))
            .map_or(0, |(end, _)| *end);
        if at > begun {
            self.partial = ends.get(whole).map(|(_, number)| (*number, at - begun));
        }
        batch.decide(whole, Fate::Delivered);
        wrong.map_or(Ok(()), Err)
    }
}

impl Carrier for Stream {
    fn deliver(&mut self, batch: &mut Batch, _: &mut dyn FnMut(&str)) -> Step {
        match self.write(batch) {
            Ok(()) => Step::Done,
            Err(why) => Step::Again {
                why: format!("the output cannot be written: {why}"),
                after: None,
            },
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::time::{Duration, Instant};

    use parking_lot::Mutex;

    use super::*;
    use crate::scene::{assert_exact, frame, records, until};

    /// Takes a few bytes at a time, and is full every other time.
    struct Narrow(Arc<Mutex<Vec<u8>>>, usize);

    impl Write for Narrow {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.1 += 1;
            if self.1.is_multiple_of(3) {
                return Err(io::ErrorKind::WouldBlock.into());
            }
            let taken = bytes.len().min(977);
            self.0.lock().extend_from_slice(&bytes[..taken]);
            Ok(taken)
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn lines_are_whole_and_once_also_when_the_other_side_takes_them_in_pieces() {
        let written = Arc::new(Mutex::new(Vec::new()));
        let mut sink = start_writer(frame("out"), Box::new(Narrow(Arc::clone(&written), 0))).unwrap();
        let given = records(1..=500);
        sink.give(&given);
        until("all", || sink.acknowledged() == 500);
        let mut expected = Vec::new();
        for record in &given {
            expected.extend_from_slice(&record.line);
            expected.push(b'\n');
        }
        assert_eq!(*written.lock(), expected);
        assert!(sink.ended(Instant::now() + Duration::from_secs(5)));
        assert_exact(&sink.tally());
    }
}
