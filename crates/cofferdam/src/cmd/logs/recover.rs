//! `cofferdam logs recover`: lines of what dead processes left in their rings, each ring's file removed when all of it is written.

mod output;
mod told;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::Args;
use log_book::lines_of;
use log_ring::{Folder, Found, Recovered, recover_folder};

use self::output::Output;
use crate::voice::{fail, say, warn};

/// LIMIT: entries of a folder that are looked at.
const ENTRIES_MAX: usize = 4096;
/// Letters of the name of a gateway's folder among those of others.
const NAME_LETTERS: usize = 16;

/// Whose rings, and where to with what is in them.
#[derive(Args)]
pub(crate) struct Options {
    /// The configuration of the gateway whose rings are meant
    #[arg(required_unless_present = "rings")]
    file: Option<PathBuf>,
    /// A folder of rings, or one with such folders: `logs.rings.dir`, or what a gateway was given as COFFERDAM_RING_DIR
    #[arg(long, value_name = "DIR", conflicts_with = "file")]
    rings: Option<PathBuf>,
    /// A file to which lines are appended; `-` is the standard output
    #[arg(long, value_name = "FILE", default_value = "-")]
    out: PathBuf,
    /// Leave the files of rings where they are, for the next start or the next look
    #[arg(long)]
    keep: bool,
}

pub(crate) fn run(options: &Options) -> ExitCode {
    match recover(options) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(why) => {
            fail(why.trim_end());
            ExitCode::FAILURE
        }
    }
}

/// Says whether everything that was found was written.
fn recover(options: &Options) -> Result<bool, String> {
    let folders = folders(options)?;
    let mut output = None;
    let (mut is_whole, mut rings) = (true, 0_u64);
    for folder in &folders {
        let shown = folder.display();
        let opened = Folder::open(folder).map_err(|why| format!("error: {why}"))?;
        let found =
            recover_folder(&opened).map_err(|why| format!("error: `{shown}` cannot be looked through: {why}"))?;
        for found in found {
            let ring = match found {
                Found::Ring(ring) => ring,
                Found::Alive(path) => {
                    say(&format!("ring {}: left alone, its process is alive", path.display()));
                    continue;
                }
                Found::Unfinished(path) => {
                    say(&format!(
                        "ring {}: empty, its process died while it made it",
                        path.display()
                    ));
                    continue;
                }
                Found::Refused(_, why) => {
                    fail(&format!("error: {why}"));
                    is_whole = false;
                    continue;
                }
            };
            rings += 1;
            let output = match &mut output {
                Some(output) => output,
                nowhere => nowhere.insert(Output::open(&options.out)?),
            };
            is_whole &= bring(*ring, output, options.keep)?;
        }
    }
    if rings == 0 && is_whole {
        say("no ring of a process that is gone");
    }
    Ok(is_whole)
}

/// Writes what is in a ring, and then takes its file away; says whether all of it was written.
fn bring(ring: Recovered, output: &mut Output, keep: bool) -> Result<bool, String> {
    let path = ring.path();
    say(&told::told(&ring, told::started(&path, ring.process_started())));
    output.append(lines_of(&ring).map(|(_, line)| line))?;
    if let Some((damage, bytes)) = ring.damage() {
        warn(&told::damaged(&ring, damage, bytes));
        return Ok(false);
    }
    if !keep {
        ring.remove()
            .map_err(|why| format!("error: {why}\nhint: what was in it is written, and would be once more"))?;
    }
    Ok(true)
}

/// The folders in which rings may be, as far as they are there.
fn folders(options: &Options) -> Result<Vec<PathBuf>, String> {
    if let Some(folder) = &options.rings {
        return below(folder).map_err(|why| format!("error: `{}` cannot be looked through: {why}", folder.display()));
    }
    let Some(file) = &options.file else {
        return Ok(Vec::new());
    };
    let text = crate::feed::now(file).map_err(|wrong| wrong.to_string());
    let plan = text.and_then(|text| {
        let mut plan = text.checked().map_err(|wrong| wrong.to_string())?;
        crate::anchor::anchor(&mut plan, &text.folder);
        Ok(plan)
    });
    let plan = plan.map_err(|why| format!("{why}\nhint: `--rings DIR` needs no configuration"))?;
    let folders = crate::logs::ring_folders(&plan, file).map_err(|why| format!("error: {why:#}"))?;
    let (there, missing): (Vec<_>, Vec<_>) = folders.into_iter().partition(|folder| folder.is_dir());
    for folder in missing {
        say(&format!("nothing in `{}`: it is not there", folder.display()));
    }
    Ok(there)
}

/// A folder if it has rings, and those in it that are of gateways.
fn below(folder: &Path) -> std::io::Result<Vec<PathBuf>> {
    let (mut has_rings, mut folders) = (false, Vec::new());
    for entry in fs::read_dir(folder)?.take(ENTRIES_MAX) {
        let entry = entry?;
        let name = entry.file_name();
        let name = name.to_string_lossy();
        has_rings |= name.ends_with(".ring");
        let is_gateway = name.len() == NAME_LETTERS && name.bytes().all(|byte| byte.is_ascii_hexdigit());
        if is_gateway && entry.file_type()?.is_dir() {
            folders.push(entry.path());
        }
    }
    folders.sort();
    if has_rings {
        folders.insert(0, folder.to_owned());
    }
    Ok(folders)
}

#[cfg(test)]
mod tests;
