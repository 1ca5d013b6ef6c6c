//! `cofferdam plugin pack`: a module as an image in a folder, the same bytes whenever and wherever it is packed.

use std::path::PathBuf;
use std::process::ExitCode;

use clap::Args;

use super::packing::{Packing, described, shown};
use crate::Format;
use crate::voice::{fail, print, say};

/// What is to be packed.
#[derive(Args)]
pub(crate) struct Options {
    /// The module
    file: PathBuf,
    /// The folder, which must be empty or not there: an OCI image layout
    #[arg(short, long, value_name = "DIR")]
    output: PathBuf,
    #[command(flatten)]
    packing: Packing,
    /// How the answer is written
    #[arg(long, value_enum, default_value_t = Format::Text)]
    format: Format,
}

pub(crate) fn run(options: &Options) -> ExitCode {
    let packed = options.packing.file(&options.file).and_then(|package| {
        let written = package.write(&options.output).map_err(|why| why.to_string());
        written.map(|()| package)
    });
    match packed {
        Ok(package) => {
            print(&match options.format {
                Format::Text => shown(&package),
                Format::Json => format!("{:#}\n", described(&package)),
            });
            say(&format!("written: {}", options.output.display()));
            ExitCode::SUCCESS
        }
        Err(why) => {
            fail(&format!("error: {why}"));
            ExitCode::FAILURE
        }
    }
}
