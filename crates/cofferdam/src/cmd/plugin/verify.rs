//! `cofferdam plugin verify`: who signed a plugin, judged as a gateway does it.

use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

use clap::Args;
use gate_plan::{Signer, SignerIdentity};
use plug_package::{
    Client, Credentials, Digest, MODULE_BYTES_MAX, Origin, Pull, Reference, Signatures, Store, Wanted, Way, read_file,
};
use serde_json::{Value, json};

use crate::Format;
use crate::signing::{Outcome, Signers};
use crate::sources::{Had, with_signatures_beside};
use crate::voice::{fail, print};

/// LIMIT: how long the image and its signatures may take to come.
const TIME_MAX: Duration = Duration::from_secs(10 * 60);

/// Whose signature is looked for, on what.
#[derive(Args)]
#[command(group = clap::ArgGroup::new("whose").required(true).args(["key", "policy", "certificate_identity"]))]
pub(crate) struct Options {
    /// The name of an image in a registry, or the file of a module
    what: String,
    /// The file of the signer's public key
    #[arg(long, value_name = "FILE")]
    key: Option<PathBuf>,
    /// A configuration of a gateway, whose `signatures` say who may sign
    #[arg(long, value_name = "FILE")]
    policy: Option<PathBuf>,
    /// Whom the certificate of a signature without a key must name
    #[arg(long, value_name = "IDENTITY", requires_all = ["certificate_oidc_issuer", "trusted_root"])]
    certificate_identity: Option<String>,
    /// Who must have vouched for that
    #[arg(long, value_name = "URL", requires = "certificate_identity")]
    certificate_oidc_issuer: Option<String>,
    /// Sigstore's `trusted_root.json`: authorities and logs that count
    #[arg(long, value_name = "FILE", requires = "certificate_identity")]
    trusted_root: Option<PathBuf>,
    /// Speak HTTP without TLS also with other machines
    #[arg(long)]
    plain_http: bool,
    /// How the answer is written
    #[arg(long, value_enum, default_value_t = Format::Text)]
    format: Format,
}

pub(crate) fn run(options: &Options) -> ExitCode {
    let signers = match signers(options) {
        Ok(signers) => signers,
        Err(why) => {
            fail(&format!("error: {why}"));
            return ExitCode::from(2);
        }
    };
    let had = match super::is_file(&options.what) {
        true => file(Path::new(&options.what)),
        false => image(options),
    };
    let had = match had {
        Ok(had) => had,
        Err(why) => {
            fail(&format!("error: {why}"));
            return ExitCode::FAILURE;
        }
    };
    let outcomes = signers.outcomes(&had.candidate());
    print(&match options.format {
        Format::Text => text(&had, &outcomes),
        Format::Json => format!("{:#}\n", json(&had, &outcomes)),
    });
    if let Some(why) = &had.unasked {
        fail(&format!("error: not all signatures can be read: {why}"));
    }
    match outcomes.iter().any(Outcome::is_enough) {
        true => ExitCode::SUCCESS,
        false => ExitCode::FAILURE,
    }
}

fn signers(options: &Options) -> Result<Signers, String> {
    let plan = match &options.policy {
        Some(file) => policy(file)?,
        None => alone(options)?,
    };
    Signers::open(&plan).map_err(|faults| faults.join("\n"))
}

/// One signer, as the options name it.
fn alone(options: &Options) -> Result<gate_plan::Signatures, String> {
    let by = match (
        &options.key,
        &options.certificate_identity,
        &options.certificate_oidc_issuer,
    ) {
        (Some(key), ..) => SignerIdentity::Key(key.clone()),
        (None, Some(identity), Some(issuer)) => SignerIdentity::Keyless {
            identity: identity.clone(),
            issuer: issuer.clone(),
        },
        _ => return Err(String::from("nothing says whose signature is looked for")),
    };
    Ok(gate_plan::Signatures {
        enforced: true,
        trusted_root: options.trusted_root.clone(),
        signers: vec![Signer {
            name: String::from("signer"),
            by,
            capabilities: None,
            images: None,
        }],
    })
}

fn policy(file: &Path) -> Result<gate_plan::Signatures, String> {
    let text = crate::text::read_text(file)?;
    let mut plan = gate_plan::check(&text, &file.display().to_string()).map_err(|findings| findings.to_string())?;
    crate::anchor::anchor(&mut plan, file.parent().unwrap_or(Path::new(".")));
    plan.signatures
        .ok_or_else(|| format!("`{}` has no `signatures`", file.display()))
}

fn file(path: &Path) -> Result<Had, String> {
    let module = read_file(path, MODULE_BYTES_MAX).map_err(|why| why.to_string())?;
    Ok(with_signatures_beside(Had {
        digest: Digest::of(&module).hex(),
        bytes: module.into(),
        path: path.to_owned(),
        looks: None,
        image: None,
        made: None,
        documents: Vec::new(),
        unasked: None,
    }))
}

fn image(options: &Options) -> Result<Had, String> {
    let reference = Reference::parse(&options.what).map_err(|why| why.to_string())?;
    let folder =
        crate::sources::default_store().ok_or("there is no folder to pull into; hint: set `XDG_CACHE_HOME`")?;
    let store = Store::open(&folder).map_err(|why| why.to_string())?;
    let client = Client::new(Credentials::of_user(), options.plain_http).map_err(|why| why.to_string())?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let runtime = runtime.map_err(|why| format!("no event queue: {why}"))?;
    let had = runtime.block_on(pulled(&client, &reference, &store));
    runtime.shutdown_background();
    had.map_err(|why| format!("`{reference}` is not verified: {why}"))
}

async fn pulled(client: &Client, reference: &Reference, store: &Store) -> Result<Had, String> {
    let wanted = Wanted {
        origin: Origin::Oci(reference.clone()),
        sha256: None,
        pull: Pull::Always,
        time_max: TIME_MAX,
    };
    let fetched = plug_package::fetch(client, &wanted, store)
        .await
        .map_err(|why| why.to_string())?;
    if let Way::Older { why, .. } = fetched.way {
        return Err(why);
    }
    let image = fetched.image.ok_or("it came from no image")?;
    let documents = Signatures::Image(reference, image)
        .fetch(client, store, TIME_MAX)
        .await
        .map_err(|why| why.to_string())?;
    Ok(Had {
        digest: fetched.digest.hex(),
        bytes: fetched.module,
        path: fetched.file,
        looks: None,
        image: Some((reference.clone(), image)),
        made: fetched.created,
        documents,
        unasked: None,
    })
}

fn text(had: &Had, outcomes: &[Outcome]) -> String {
    let mut text = String::new();
    if let Some((_, image)) = &had.image {
        text += &format!("image {image}\n");
    }
    text += &format!("module sha256:{}\n", had.digest);
    for outcome in outcomes {
        text += &match &outcome.signed {
            Ok(signed) if outcome.is_enough() => {
                format!(
                    "signed by `{}`: {}, {}\n",
                    outcome.signer,
                    signed.by,
                    signed.form.said()
                )
            }
            _ => format!("not verified: {}\n", outcome.reason()),
        };
    }
    text
}

fn json(had: &Had, outcomes: &[Outcome]) -> Value {
    let signer = |outcome: &Outcome| {
        let beyond: Vec<&str> = outcome.beyond.iter().map(|word| word.word()).collect();
        let (form, by, reasons) = match &outcome.signed {
            Ok(signed) => (Some(signed.form.word()), Some(signed.by.clone()), Vec::new()),
            Err(reasons) => (None, None, reasons.clone()),
        };
        json!({
            "name": outcome.signer,
            "verified": outcome.is_enough(),
            "form": form,
            "by": by,
            "reasons": reasons,
            "beyond": if outcome.signed.is_ok() { beyond } else { Vec::new() },
        })
    };
    json!({
        "verified": outcomes.iter().any(Outcome::is_enough),
        "image": had.image.as_ref().map(|(_, image)| image.to_string()),
        "module_sha256": had.digest,
        "signers": outcomes.iter().map(signer).collect::<Vec<_>>(),
    })
}
