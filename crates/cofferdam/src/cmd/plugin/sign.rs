//! `cofferdam plugin sign`: a signature of an image into its registry, or of a module into it or beside it.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::Args;
use plug_package::{
    Client, Credentials, Digest, Document, Form, KEY_BYTES_MAX, MODULE_BYTES_MAX, PrivateKey, Reference, read_file,
    sign_beside, sign_image, sign_image_simply, sign_module,
};
use serde_json::json;

use crate::Format;
use crate::voice::{fail, print, say};

/// What is to be signed, and how.
#[derive(Args)]
pub(crate) struct Options {
    /// The name of an image in a registry, such as registry.example.com/team/plugin:1.2, or the file of a module
    what: String,
    /// The file of the private key: PKCS#8 for ECDSA on P-256, Ed25519 or SM2, or one of cosign, whose password COSIGN_PASSWORD holds
    #[arg(long, value_name = "FILE")]
    key: PathBuf,
    /// Sign an image as cosign did before its third version: under the tag sha256-….sig
    #[arg(long)]
    legacy: bool,
    /// Sign a module in a file beside it, not within it; the way for keys other than Ed25519
    #[arg(long)]
    detached: bool,
    /// Where the signed module, or the signature beside it, is written; the default is the module itself, or its name with an ending
    #[arg(short, long, value_name = "FILE")]
    output: Option<PathBuf>,
    /// Speak HTTP without TLS also with other machines
    #[arg(long)]
    plain_http: bool,
    /// How the answer is written
    #[arg(long, value_enum, default_value_t = Format::Text)]
    format: Format,
}

/// What was signed.
struct Done {
    what: String,
    /// The digest that the signature is of.
    digest: Digest,
    form: Form,
    key: String,
    written: String,
}

pub(crate) fn run(options: &Options) -> ExitCode {
    let done = key(&options.key)
        .map_err(|why| format!("`{}`: {why}", options.key.display()))
        .and_then(|key| match super::is_file(&options.what) {
            true => file(options, &key),
            false => image(options, &key),
        });
    match done {
        Ok(done) => {
            print(&match options.format {
                Format::Text => format!("signed {}\nkey {}\nform {}\n", done.digest, done.key, done.form.word()),
                Format::Json => format!(
                    "{:#}\n",
                    json!({
                        "what": done.what,
                        "digest": done.digest.to_string(),
                        "key": done.key,
                        "form": done.form.word(),
                        "written": done.written,
                    })
                ),
            });
            say(&format!("written: {}", done.written));
            ExitCode::SUCCESS
        }
        Err(why) => {
            fail(&format!("error: {why}"));
            ExitCode::FAILURE
        }
    }
}

/// Where cosign looks for a key's password too.
const PASSWORD: &str = "COSIGN_PASSWORD";

fn key(file: &Path) -> Result<PrivateKey, String> {
    let pem = read_file(file, KEY_BYTES_MAX).map_err(|why| why.to_string())?;
    if !PrivateKey::is_locked(&pem) {
        return PrivateKey::parse(&pem).map_err(|why| why.to_string());
    }
    let password = std::env::var(PASSWORD)
        .map_err(|_| format!("it is encrypted; hint: put its password into the environment as {PASSWORD}"))?;
    PrivateKey::unlock(&pem, &password).map_err(|why| why.to_string())
}

fn shown(key: &PrivateKey) -> String {
    let key = key.public();
    format!("{} {}", key.algorithm().word(), key.fingerprint())
}

fn image(options: &Options, key: &PrivateKey) -> Result<Done, String> {
    if options.detached || options.output.is_some() {
        return Err(String::from("`--detached` and `--output` are for modules in files"));
    }
    let reference = Reference::parse(&options.what).map_err(|why| why.to_string())?;
    let client = Client::new(Credentials::of_user(), options.plain_http).map_err(|why| why.to_string())?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let runtime = runtime.map_err(|why| format!("no event queue: {why}"))?;
    let signed = runtime.block_on(async {
        let image = client.resolve(&reference).await?;
        let name = format!("{}/{}", reference.host(), reference.repository());
        let signature = match options.legacy {
            true => sign_image_simply(&name, image, key)?,
            false => sign_image(image, key)?,
        };
        client.push_signature(&reference, image, &signature).await?;
        Ok((image, signature.form))
    });
    runtime.shutdown_background();
    let signed: plug_package::Result<(Digest, Form)> = signed;
    let (digest, form) = signed.map_err(|why| format!("`{reference}` is not signed: {why}"))?;
    Ok(Done {
        what: reference.to_string(),
        digest,
        form,
        key: shown(key),
        written: reference.at(digest).to_string(),
    })
}

fn file(options: &Options, key: &PrivateKey) -> Result<Done, String> {
    if options.legacy {
        return Err(String::from("`--legacy` is for images in registries"));
    }
    let path = Path::new(&options.what);
    let module = read_file(path, MODULE_BYTES_MAX).map_err(|why| why.to_string())?;
    let refused = |why: plug_package::PackageFault| format!("`{}`: {why}", path.display());
    let (form, bytes, default) = if options.detached {
        let Document { form, bytes, .. } = sign_beside(&module, key).map_err(refused)?;
        let beside = crate::sources::signature_files(path);
        let default = beside.into_iter().find(|(of, _)| *of == form).map(|(_, file)| file);
        (form, bytes.to_vec(), default)
    } else {
        let signed = sign_module(&module, key).map_err(refused)?;
        (Form::Module, signed, Some(path.to_owned()))
    };
    let output = options
        .output
        .clone()
        .or(default)
        .ok_or("nothing says where to write it")?;
    write(&output, &bytes)?;
    Ok(Done {
        what: options.what.clone(),
        digest: Digest::of(if form == Form::Module { &bytes } else { &module }),
        form,
        key: shown(key),
        written: output.display().to_string(),
    })
}

/// Whole or not at all: the file may be the module itself.
fn write(file: &Path, bytes: &[u8]) -> Result<(), String> {
    let mut part = file.as_os_str().to_owned();
    part.push(format!(".{}.new", std::process::id()));
    let part = PathBuf::from(part);
    let written = fs::write(&part, bytes).and_then(|()| fs::rename(&part, file));
    written.map_err(|why| {
        // What a full disk left behind helps nobody.
        let _ = fs::remove_file(&part);
        format!("`{}` cannot be written: {why}", file.display())
    })
}
