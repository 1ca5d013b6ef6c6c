//! `cofferdam plugin push`: a module, or a folder that `pack` wrote, into a registry.

use std::path::PathBuf;
use std::process::ExitCode;

use clap::Args;
use plug_package::{Client, Credentials, Package, Reference};
use serde_json::json;

use super::packing::{Packing, described, shown};
use crate::Format;
use crate::progress::Bars;
use crate::voice::{fail, print, say};

/// What is to be pushed, and where to.
#[derive(Args)]
pub(crate) struct Options {
    /// The module, or a folder with an OCI image layout
    what: PathBuf,
    /// The name in the registry, such as registry.example.com/team/plugin:1.2
    reference: String,
    #[command(flatten)]
    packing: Packing,
    /// Speak HTTP without TLS also with other machines
    #[arg(long)]
    plain_http: bool,
    /// How the answer is written
    #[arg(long, value_enum, default_value_t = Format::Text)]
    format: Format,
}

pub(crate) fn run(options: &Options) -> ExitCode {
    match push(options) {
        Ok((package, reference)) => {
            print(&match options.format {
                Format::Text => shown(&package),
                Format::Json => {
                    let mut told = described(&package);
                    if let Some(told) = told.as_object_mut() {
                        told.insert(String::from("reference"), json!(reference.to_string()));
                    }
                    format!("{told:#}\n")
                }
            });
            say(&format!("pushed: {}", reference.at(package.image.digest())));
            ExitCode::SUCCESS
        }
        Err(why) => {
            fail(&format!("error: {why}"));
            ExitCode::FAILURE
        }
    }
}

fn push(options: &Options) -> Result<(Package, Reference), String> {
    let reference = Reference::parse(&options.reference).map_err(|why| why.to_string())?;
    let package = match options.what.is_dir() {
        false => options.packing.file(&options.what)?,
        true => {
            let mut package = Package::read(&options.what).map_err(|why| why.to_string())?;
            options.packing.attach(&mut package)?;
            package
        }
    };
    let client = Client::new(Credentials::of_user(), options.plain_http).map_err(|why| why.to_string())?;
    let client = client.with_progress(Bars::new());
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let runtime = runtime.map_err(|why| format!("no event queue: {why}"))?;
    let pushed = runtime.block_on(client.push(&package, &reference));
    runtime.shutdown_background();
    pushed.map_err(|why| format!("`{reference}` is not pushed: {why}"))?;
    Ok((package, reference))
}
