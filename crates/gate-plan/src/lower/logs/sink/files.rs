//! Files of a sink: lanes that differ, each with a path of its own.

use std::path::{Path, PathBuf};

use log_record::grade::Level;

use super::super::super::Lowering;
use super::super::Numbers;
use super::super::shipping::{number, sync};
use crate::findings::Draft;
use crate::plan::logs::{FileKeep, Files, Lane, Selection};
use crate::tree::Node;
use crate::wire::logs as wire;

impl Lowering<'_> {
    pub(super) fn files(&mut self, written: &wire::FileSink, node: &Node, numbers: &mut Numbers<'_>) -> Files {
        let path = &written.path.word.0;
        self.taken(path, node.at("path").span, numbers);
        let mut lanes = Vec::new();
        for (lane, node) in written.lanes.iter().zip(node.list("lanes")) {
            lanes.push(self.lane(lane, (path, node), numbers));
        }
        lanes.push(Lane {
            takes: Selection {
                level_min: Level::Trace,
                level_max: Level::Critical,
                classes: Vec::new(),
            },
            path: path.clone(),
            keep: keep(&written.keep),
        });
        Files {
            lanes,
            rotate_bytes: written.rotate.bytes.word.0,
            rotate_every: written.rotate.every.word,
            compress: written.compress,
            sync: sync(written.sync.word),
        }
    }

    fn lane(&mut self, written: &wire::FileLane, (main, node): (&Path, &Node), numbers: &mut Numbers<'_>) -> Lane {
        if ["level", "up_to", "classes"].iter().all(|key| node.get(key).is_none()) {
            let draft = Draft::error(node.span, "the lane is for everything");
            let help = "add `level`, `up_to` or `classes`; what is for everything is the sink's own `path`";
            self.absent(node, draft.help(help));
        }
        let takes = self.selection((&written.level, &written.up_to), written.classes.clone(), node);
        let path = match &written.path {
            Some(path) => path.word.0.clone(),
            None => beside(main, &word(&takes, written.up_to.is_some())),
        };
        self.taken(&path, node.at("path").span, numbers);
        Lane {
            takes,
            path,
            keep: keep(&written.keep),
        }
    }
}

/// What tells a lane's file from the sink's.
fn word(takes: &Selection, is_bounded: bool) -> String {
    if !takes.classes.is_empty() {
        let words: Vec<&str> = takes.classes.iter().map(|class| class.word()).collect();
        words.join("-")
    } else if is_bounded {
        takes.level_max.word().to_owned()
    } else {
        takes.level_min.word().to_owned()
    }
}

/// `gateway.log` and `debug` make `gateway.debug.log`.
fn beside(main: &Path, word: &str) -> PathBuf {
    let stem = main.file_stem().unwrap_or_default().to_string_lossy();
    let name = match main.extension() {
        Some(end) => format!("{stem}.{word}.{}", end.to_string_lossy()),
        None => format!("{stem}.{word}"),
    };
    main.with_file_name(name)
}

fn keep(written: &wire::FileKeep) -> FileKeep {
    FileKeep {
        age_max: written.age.as_ref().map(|age| age.word),
        bytes_max: written.bytes.as_ref().map(|bytes| bytes.word.0),
        files_max: written.files.map(|files| number(files.into())),
    }
}
