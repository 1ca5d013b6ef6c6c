//! `cofferdam plugin pull`: a module out of a registry, with what is attached to it.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

use clap::Args;
use plug_package::{Attachment, Client, Credentials, Digest, Fetched, Layout, Origin, Pull, Reference, Store, Wanted};
use serde_json::json;

use crate::Format;
use crate::progress::Bars;
use crate::voice::{fail, print, say};

/// LIMIT: how long a pull may take; what came until then is gone on with by the next.
const TIME_MAX: Duration = Duration::from_secs(60 * 60);

/// What is to be pulled.
#[derive(Args)]
pub(crate) struct Options {
    /// The name in the registry, such as registry.example.com/team/plugin:1.2, perhaps with @sha256:...
    reference: String,
    /// Write the module into this file
    #[arg(short, long, value_name = "FILE")]
    output: Option<PathBuf>,
    /// Write what is attached into this folder
    #[arg(long, value_name = "DIR")]
    attached: Option<PathBuf>,
    /// Speak HTTP without TLS also with other machines
    #[arg(long)]
    plain_http: bool,
    /// How the answer is written
    #[arg(long, value_enum, default_value_t = Format::Text)]
    format: Format,
}

/// What was pulled.
struct Pulled {
    reference: Reference,
    fetched: Fetched,
    image: Digest,
    layout: Layout,
    attached: Vec<(Attachment, Option<PathBuf>)>,
}

pub(crate) fn run(options: &Options) -> ExitCode {
    let pulled = Reference::parse(&options.reference)
        .map_err(|why| why.to_string())
        .and_then(|reference| work(options, reference));
    match pulled {
        Ok(pulled) => {
            print(&match options.format {
                Format::Text => pulled.text(),
                Format::Json => pulled.json(),
            });
            if let Some(output) = &options.output {
                say(&format!("written: {}", output.display()));
            }
            ExitCode::SUCCESS
        }
        Err(why) => {
            fail(&format!("error: {why}"));
            ExitCode::FAILURE
        }
    }
}

fn work(options: &Options, reference: Reference) -> Result<Pulled, String> {
    let folder =
        crate::sources::default_store().ok_or("there is no folder to pull into; hint: set `XDG_CACHE_HOME`")?;
    let store = Store::open(&folder).map_err(|why| why.to_string())?;
    let client = Client::new(Credentials::of_user(), options.plain_http).map_err(|why| why.to_string())?;
    let client = client.with_progress(Bars::new());
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let runtime = runtime.map_err(|why| format!("no event queue: {why}"))?;
    let pulled = runtime.block_on(pull(&client, reference, (&store, options.attached.as_deref())));
    runtime.shutdown_background();
    let pulled = pulled?;
    if let Some(output) = &options.output {
        write(output, &pulled.fetched.module)?;
    }
    Ok(pulled)
}

async fn pull(
    client: &Client,
    reference: Reference,
    (store, folder): (&Store, Option<&Path>),
) -> Result<Pulled, String> {
    let refused = |why: plug_package::PackageFault| format!("`{reference}` is not pulled: {why}");
    let wanted = Wanted {
        origin: Origin::Oci(reference.clone()),
        sha256: None,
        pull: Pull::Always,
        time_max: TIME_MAX,
    };
    let fetched = plug_package::fetch(client, &wanted, store).await.map_err(refused)?;
    if let plug_package::Way::Older { why, .. } = &fetched.way {
        return Err(format!("`{reference}` is not pulled: {why}"));
    }
    let (image, layout) = fetched.image.zip(fetched.layout).ok_or("it came from no image")?;
    let mut attached = Vec::new();
    if let Some(folder) = folder {
        fs::create_dir_all(folder).map_err(|why| format!("`{}` cannot be made: {why}", folder.display()))?;
        for attachment in client.attached(&reference, image).await.map_err(refused)? {
            let bytes = client
                .attachment(&reference, (image, &attachment), store)
                .await
                .map_err(refused)?;
            // By digest, as what a registry calls a file may lead anywhere.
            let file = folder.join(format!("{}.{}", attachment.digest.hex(), ending(&attachment.kind)));
            write(&file, &bytes)?;
            attached.push((attachment, Some(file)));
        }
    }
    Ok(Pulled {
        reference: reference.clone(),
        fetched,
        image,
        layout,
        attached,
    })
}

fn ending(kind: &str) -> &'static str {
    if kind.ends_with("+wasm") { "wasm" } else { "json" }
}

fn write(file: &Path, bytes: &[u8]) -> Result<(), String> {
    fs::write(file, bytes).map_err(|why| format!("`{}` cannot be written: {why}", file.display()))
}

impl Pulled {
    fn text(&self) -> String {
        let mut text = format!(
            "image {}\nmodule sha256:{}\nlayout {}, module of {} bytes\n",
            self.image,
            self.fetched.digest.hex(),
            self.layout,
            self.fetched.module.len(),
        );
        for (attachment, file) in &self.attached {
            let file = file.as_ref().map(|file| file.display().to_string()).unwrap_or_default();
            text += &format!("attached {} {file}\n", attachment.kind);
        }
        text
    }

    fn json(&self) -> String {
        let attached = self.attached.iter().map(|(attachment, file)| {
            json!({ "kind": attachment.kind, "digest": attachment.digest.to_string(), "file": file })
        });
        let told = json!({
            "reference": self.reference.to_string(),
            "digest": self.image.to_string(),
            "module_sha256": self.fetched.digest.hex(),
            "module_bytes": self.fetched.module.len(),
            "layout": self.layout.word(),
            "attached": attached.collect::<Vec<_>>(),
        });
        format!("{told:#}\n")
    }
}
