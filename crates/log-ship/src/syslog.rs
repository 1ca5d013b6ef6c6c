//! The sink of syslog as RFC 5424 has it, over UDP, TCP with octet counting (RFC 6587), and unix sockets.

use std::io::{self, Write};
use std::net::{TcpStream, ToSocketAddrs, UdpSocket};
use std::os::unix::net::{UnixDatagram, UnixStream};
use std::path::PathBuf;
use std::time::{Duration, UNIX_EPOCH};

use socket2::SockRef;

use crate::batch::{Batch, Fate, Passenger};
use crate::carrier::{Carrier, Step};
use crate::fault::ShipFault;
use crate::format::Format;
use crate::record::Level;
use crate::sink::{Frame, Sink};

/// How messages get to the daemon. None of these says that it has one: what the system has taken counts as delivered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Transport {
    /// Datagrams to `HOST:PORT`.
    Udp(String),
    /// A stream to `HOST:PORT`, each message behind its length.
    Tcp(String),
    /// Datagrams to a socket such as `/dev/log`.
    UnixDatagram(PathBuf),
    /// A stream to a socket, each message behind its length.
    UnixStream(PathBuf),
}

/// What stands before each message, and where it goes.
#[derive(Clone, Debug)]
pub struct SyslogSettings {
    /// The way.
    pub transport: Transport,
    /// Number of the facility, 0 to 23; 16 is `local0`.
    pub facility: u8,
    /// This machine's name.
    pub host: String,
    /// Our name.
    pub application: String,
    /// LIMIT: bytes of a datagram; a longer message is cut, and then is no JSON any more. RFC 5426 has every receiver take 480, and asks for 2048.
    pub datagram_bytes_max: usize,
    /// How long a connection or a write may take.
    pub wait_max: Duration,
}

/// Starts a sink that speaks syslog.
///
/// # Errors
/// When the facility is none, or the spool or a thread is not to be had.
pub fn start(frame: Frame, settings: SyslogSettings) -> Result<Sink, ShipFault> {
    if settings.facility > 23 {
        return Err(ShipFault::Setting {
            sink: frame.name.clone(),
            why: format!("there is no facility {}", settings.facility),
        });
    }
    let process = std::process::id().to_string();
    let format = frame.format.clone();
    let line = None;
    Sink::start(
        frame,
        Box::new(Syslog {
            settings,
            format,
            process,
            line,
        }),
    )
}

enum Line {
    Udp(UdpSocket),
    Tcp(TcpStream),
    UnixDatagram(UnixDatagram),
    UnixStream(UnixStream),
}

struct Syslog {
    settings: SyslogSettings,
    format: Format,
    process: String,
    line: Option<Line>,
}

impl Carrier for Syslog {
    fn deliver(&mut self, batch: &mut Batch, _: &mut dyn FnMut(&str)) -> Step {
        let messages: Vec<Vec<u8>> = batch.open_mut().map(|one| self.message(one)).collect();
        let mut line = match self.line.take().filter(Line::is_alive) {
            Some(line) => line,
            None => match Line::open(&self.settings) {
                Ok(line) => line,
                Err(why) => return self.again(&why),
            },
        };
        let (sent, wrong) = line.send(&messages, self.settings.datagram_bytes_max);
        batch.decide(sent, Fate::Delivered);
        match wrong {
            None => {
                self.line = Some(line);
                Step::Done
            }
            Some(why) => self.again(&why),
        }
    }
}

impl Syslog {
    fn again(&self, why: &io::Error) -> Step {
        Step::Again {
            why: format!("{:?}: {why}", self.settings.transport),
            after: None,
        }
    }

    fn message(&self, passenger: &mut Passenger) -> Vec<u8> {
        let record = &passenger.record;
        let priority = u32::from(self.settings.facility) * 8 + severity(record.level);
        let time = UNIX_EPOCH + Duration::from_nanos(record.time_ns);
        let head = format!(
            "<{priority}>1 {} {} {} {} {} - ",
            log_record::timestamp::text(time),
            plain(&self.settings.host, 255),
            plain(&self.settings.application, 48),
            self.process,
            record.class.word(),
        );
        let mut message = head.into_bytes();
        passenger.write(&self.format, &mut message);
        message
    }
}

/// A part of the head: printable ASCII without spaces, `-` when nothing is left.
fn plain(text: &str, chars_max: usize) -> String {
    let plain: String = text.chars().filter(char::is_ascii_graphic).take(chars_max).collect();
    if plain.is_empty() { String::from("-") } else { plain }
}

fn severity(level: Level) -> u32 {
    match level {
        Level::Trace | Level::Debug => 7,
        Level::Info => 6,
        Level::Warn => 4,
        Level::Error => 3,
        Level::Critical => 2,
    }
}

impl Line {
    fn open(settings: &SyslogSettings) -> io::Result<Self> {
        let wait = Some(settings.wait_max);
        Ok(match &settings.transport {
            Transport::Udp(place) => {
                let address = resolved(place)?;
                let any = if address.is_ipv4() { "0.0.0.0:0" } else { "[::]:0" };
                let socket = UdpSocket::bind(any)?;
                socket.connect(address)?;
                Self::Udp(socket)
            }
            Transport::Tcp(place) => {
                let stream = TcpStream::connect_timeout(&resolved(place)?, settings.wait_max)?;
                stream.set_write_timeout(wait)?;
                Self::Tcp(stream)
            }
            Transport::UnixDatagram(path) => {
                let socket = UnixDatagram::unbound()?;
                socket.connect(path)?;
                socket.set_write_timeout(wait)?;
                Self::UnixDatagram(socket)
            }
            Transport::UnixStream(path) => {
                let stream = UnixStream::connect(path)?;
                stream.set_write_timeout(wait)?;
                Self::UnixStream(stream)
            }
        })
    }

    /// A stream whose other end is closed would still take a message, and lose it.
    fn is_alive(&self) -> bool {
        match self {
            Self::Tcp(stream) => is_open(&SockRef::from(stream)),
            Self::UnixStream(stream) => is_open(&SockRef::from(stream)),
            Self::Udp(_) | Self::UnixDatagram(_) => true,
        }
    }

    /// Sends messages in their order; says how many went, and what kept the next one.
    fn send(&mut self, messages: &[Vec<u8>], datagram_bytes_max: usize) -> (usize, Option<io::Error>) {
        for (index, message) in messages.iter().enumerate() {
            let sent = match self {
                Self::Udp(socket) => socket.send(cut(message, datagram_bytes_max)).map(|_| ()),
                Self::UnixDatagram(socket) => socket.send(cut(message, datagram_bytes_max)).map(|_| ()),
                Self::Tcp(stream) => stream.write_all(&counted(message)),
                Self::UnixStream(stream) => stream.write_all(&counted(message)),
            };
            if let Err(why) = sent {
                return (index, Some(why));
            }
        }
        (messages.len(), None)
    }
}

fn is_open(socket: &SockRef<'_>) -> bool {
    let mut byte = [std::mem::MaybeUninit::uninit()];
    if socket.set_nonblocking(true).is_err() {
        return false;
    }
    let peeked = socket.peek(&mut byte);
    let restored = socket.set_nonblocking(false).is_ok();
    restored
        && match peeked {
            Ok(bytes) => bytes > 0,
            Err(why) => why.kind() == io::ErrorKind::WouldBlock,
        }
}

fn resolved(place: &str) -> io::Result<std::net::SocketAddr> {
    let found = place.to_socket_addrs()?.next();
    found.ok_or_else(|| io::Error::new(io::ErrorKind::NotFound, format!("no address for `{place}`")))
}

fn counted(message: &[u8]) -> Vec<u8> {
    [message.len().to_string().as_bytes(), b" ", message].concat()
}

/// As much of a message as goes, without half a character at its end.
fn cut(message: &[u8], bytes_max: usize) -> &[u8] {
    let Some(cut) = message.get(..bytes_max) else {
        return message;
    };
    let follows = |byte: Option<&u8>| byte.is_some_and(|byte| byte & 0xc0 == 0x80);
    let mut end = cut.len();
    while end > 0 && follows(message.get(end)) {
        end -= 1;
    }
    cut.get(..end).unwrap_or(cut)
}

#[cfg(test)]
mod tests;
