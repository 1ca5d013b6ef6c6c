//! Every path of the logs, for whoever turns them into paths of the process.

use std::path::PathBuf;

use super::{Hash, Login, Logs, Otlp, Secret, Sink, SyslogTransport, Target, To};
use crate::plan::tracing::{Spans, Tracing};

/// What is done with a path.
type Place<'p> = &'p mut dyn FnMut(&mut PathBuf);

impl Logs {
    /// Shows every path that they name.
    pub fn each_path(&mut self, place: Place<'_>) {
        self.rings.dir.iter_mut().for_each(&mut *place);
        if let Some(hash) = self.mask.as_mut().and_then(|mask| mask.hash.as_mut()) {
            of_hash(hash, place);
        }
        for plugin in self.sandbox.iter_mut().flat_map(|sandbox| &mut sandbox.plugins) {
            place(&mut plugin.module);
            plugin.files.iter_mut().for_each(|(_, path)| place(path));
        }
        self.sinks.iter_mut().for_each(|sink| of_sink(sink, place));
    }
}

impl Tracing {
    /// Shows every path that it names.
    pub fn each_path(&mut self, place: Place<'_>) {
        if let Some(Spans {
            to: Otlp { target, .. },
            spool,
            ..
        }) = &mut self.spans
        {
            of_target(target, place);
            spool.iter_mut().for_each(|spool| place(&mut spool.dir));
        }
    }
}

fn of_sink(sink: &mut Sink, place: Place<'_>) {
    sink.spool.iter_mut().for_each(|spool| place(&mut spool.dir));
    match &mut sink.to {
        To::Stdout => {}
        To::Files(files) => files.lanes.iter_mut().for_each(|lane| place(&mut lane.path)),
        To::Http { target, .. } => of_target(target, place),
        To::Loki(loki) => of_target(&mut loki.target, place),
        To::Otlp(otlp) => of_target(&mut otlp.target, place),
        To::Syslog(syslog) => match &mut syslog.transport {
            SyslogTransport::UnixDatagram(path) | SyslogTransport::UnixStream(path) => place(path),
            SyslogTransport::Udp(_) | SyslogTransport::Tcp(_) => {}
        },
        To::Audit(audit) => {
            place(&mut audit.dir);
            of_hash(&mut audit.hash, place);
        }
    }
}

fn of_target(target: &mut Target, place: Place<'_>) {
    if let Some(tls) = &mut target.tls {
        tls.authorities.iter_mut().for_each(&mut *place);
        if let Some(files) = &mut tls.certificate {
            place(&mut files.chain);
            place(&mut files.key);
        }
    }
    match &mut target.login {
        Some(Login::Bearer(secret) | Login::Basic(_, secret) | Login::Header(_, secret)) => of_secret(secret, place),
        None => {}
    }
}

fn of_hash(hash: &mut Hash, place: Place<'_>) {
    hash.key.iter_mut().for_each(|key| of_secret(key, place));
}

fn of_secret(secret: &mut Secret, place: Place<'_>) {
    if let Secret::File(path) = secret {
        place(path);
    }
}
