//! The bytes of a suite, read before anything runs: files, digits and base64, and each mistake with its place.

use std::collections::BTreeMap;

use gate_plan::document::{Complaint, Step as Place};

use crate::piece::{ExpectedBytes, Piece, Pieces, ReadFile};
use crate::written::{Case, Event, Expect, Mocks, Queue, Step};

/// A part of a suite.
#[derive(Debug, Clone)]
enum Part {
    Key(String),
    Item(usize),
}

/// Where something stands in a suite.
#[derive(Debug, Clone, Default)]
pub(crate) struct Trail(Vec<Part>);

impl Trail {
    /// What stands under a key here.
    pub(crate) fn key(&self, key: &str) -> Self {
        self.with(Part::Key(key.to_owned()))
    }

    /// An item of the list here, from 0.
    pub(crate) fn item(&self, at: usize) -> Self {
        self.with(Part::Item(at))
    }

    fn with(&self, part: Part) -> Self {
        let mut parts = self.0.clone();
        parts.push(part);
        Self(parts)
    }

    /// As a document asks for it.
    pub(crate) fn path(&self) -> Vec<Place<'_>> {
        let part = |part| match part {
            &Part::Item(at) => Place::Item(at),
            Part::Key(key) => Place::Key(key.as_str()),
        };
        self.0.iter().map(part).collect()
    }
}

/// What is wrong with a suite, and where.
#[derive(Debug)]
pub(crate) struct Mistake {
    pub(crate) trail: Trail,
    pub(crate) message: String,
}

impl Mistake {
    pub(crate) fn complaint(&self) -> Complaint<'_> {
        Complaint {
            path: self.trail.path(),
            message: self.message.clone(),
            help: None,
        }
    }
}

/// Reads what is written as bytes.
pub(crate) struct Settler<'a> {
    read: &'a ReadFile<'a>,
    pub(crate) mistakes: Vec<Mistake>,
}

impl<'a> Settler<'a> {
    pub(crate) fn new(read: &'a ReadFile<'a>) -> Self {
        Self {
            read,
            mistakes: Vec::new(),
        }
    }

    /// Something else that is wrong.
    pub(crate) fn complain(&mut self, trail: &Trail, message: String) {
        let trail = trail.clone();
        self.mistakes.push(Mistake { trail, message });
    }

    fn one(&mut self, trail: &Trail, piece: &mut Piece) {
        // As it is written, for it is gone afterwards.
        let key = match piece {
            Piece::Plain(_) => return,
            Piece::Hex(_) => "hex",
            Piece::Base64(_) => "base64",
            Piece::File(_) => "file",
        };
        if let Err(message) = piece.settle(self.read) {
            self.complain(&trail.key(key), message);
        }
    }

    /// A piece that may not be there.
    pub(crate) fn piece(&mut self, trail: &Trail, piece: &mut Option<Piece>) {
        if let Some(piece) = piece {
            self.one(trail, piece);
        }
    }

    fn list(&mut self, trail: &Trail, pieces: &mut [Piece]) {
        for (at, piece) in pieces.iter_mut().enumerate() {
            self.one(&trail.item(at), piece);
        }
    }

    fn pieces(&mut self, trail: &Trail, pieces: &mut Pieces) {
        // One may have been written without a list, which a place in the list then stands for.
        match pieces.0.as_mut_slice() {
            [one] => {
                self.one(trail, one);
            }
            several => self.list(trail, several),
        }
    }

    fn expected(&mut self, trail: &Trail, bytes: &mut ExpectedBytes) {
        if let ExpectedBytes::Exact(pieces) = bytes {
            self.pieces(trail, pieces);
        }
    }

    /// What a plugin finds outside.
    pub(crate) fn mocks(&mut self, trail: &Trail, mocks: &mut Mocks) {
        let http = trail.key("http");
        for (at, mock) in mocks.http.iter_mut().enumerate() {
            self.piece(&http.item(at).key("body"), &mut mock.body);
        }
        let grpc = trail.key("grpc");
        for (at, mock) in mocks.grpc.iter_mut().enumerate() {
            self.list(&grpc.item(at).key("messages"), &mut mock.messages);
        }
        let redis = trail.key("redis");
        for (at, mock) in mocks.redis.iter_mut().enumerate() {
            self.piece(&redis.item(at).key("bytes"), &mut mock.bytes);
        }
        for (key, value) in &mut mocks.shared_data {
            self.one(&trail.key("shared_data").key(key), value);
        }
        self.queues(&trail.key("queues"), &mut mocks.queues);
    }

    fn queues(&mut self, trail: &Trail, queues: &mut [Queue]) {
        for (at, queue) in queues.iter_mut().enumerate() {
            self.list(&trail.item(at).key("items"), &mut queue.items);
        }
    }

    /// Everything of a case, its steps too.
    pub(crate) fn case(&mut self, trail: &Trail, case: &mut Case) {
        self.piece(&trail.key("config_bytes"), &mut case.config_bytes);
        self.mocks(&trail.key("mocks"), &mut case.mocks);
        let mut whole = Step {
            connection: case.connection.take(),
            request: case.request.take(),
            response: case.response.take(),
            expect: case.expect.take(),
            ..Step::default()
        };
        self.step(trail, &mut whole);
        case.connection = whole.connection;
        (case.request, case.response, case.expect) = (whole.request, whole.response, whole.expect);
        for (at, step) in case.steps.iter_mut().enumerate() {
            self.step(&trail.key("steps").item(at), step);
        }
    }

    fn step(&mut self, trail: &Trail, step: &mut Step) {
        self.queues(&trail.key("enqueue"), &mut step.enqueue);
        if let Some(body) = step.request.as_mut().and_then(|request| request.body.as_mut()) {
            self.pieces(&trail.key("request").key("body"), body);
        }
        if let Some(body) = step.response.as_mut().and_then(|response| response.body.as_mut()) {
            self.pieces(&trail.key("response").key("body"), body);
        }
        for (at, event) in step.connection.iter_mut().flatten().enumerate() {
            let (key, piece) = match event {
                Event::Client(piece) => ("client", piece),
                Event::Upstream(piece) => ("upstream", piece),
                Event::Ends(_) | Event::Breaks(_) => continue,
            };
            self.one(&trail.key("connection").item(at).key(key), piece);
        }
        if let Some(expect) = &mut step.expect {
            self.expect(&trail.key("expect"), expect);
        }
    }

    fn expect(&mut self, trail: &Trail, expect: &mut Expect) {
        if let Some(body) = expect.request.as_mut().and_then(|request| request.body.as_mut()) {
            self.expected(&trail.key("request").key("body"), body);
        }
        if let Some(body) = expect.response.as_mut().and_then(|response| response.body.as_mut()) {
            self.expected(&trail.key("response").key("body"), body);
        }
        if let Some(connection) = &mut expect.connection {
            let trail = trail.key("connection");
            for (key, bytes) in [
                ("upstream", &mut connection.upstream),
                ("client", &mut connection.client),
            ] {
                bytes.iter_mut().for_each(|bytes| self.expected(&trail.key(key), bytes));
            }
        }
        self.values(&trail.key("shared_data"), &mut expect.shared_data);
        for (at, callout) in expect.callouts.iter_mut().flatten().enumerate() {
            if let Some(body) = &mut callout.body {
                self.expected(&trail.key("callouts").item(at).key("body"), body);
            }
        }
        for (at, call) in expect.grpc.iter_mut().flatten().enumerate() {
            let trail = trail.key("grpc").item(at).key("messages");
            self.all(&trail, call.messages.as_deref_mut().unwrap_or_default());
        }
        for (at, queue) in expect.queues.iter_mut().enumerate() {
            self.all(&trail.key("queues").item(at).key("items"), &mut queue.items);
        }
    }

    fn values(&mut self, trail: &Trail, values: &mut BTreeMap<String, ExpectedBytes>) {
        for (key, value) in values {
            self.expected(&trail.key(key), value);
        }
    }

    fn all(&mut self, trail: &Trail, values: &mut [ExpectedBytes]) {
        for (at, value) in values.iter_mut().enumerate() {
            self.expected(&trail.item(at), value);
        }
    }
}
