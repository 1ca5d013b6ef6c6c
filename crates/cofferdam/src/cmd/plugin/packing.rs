//! What `pack` and `push` have in common: an image of a module, and what is attached to it.

use std::path::{Path, PathBuf};

use clap::{Args, ValueEnum};
use plug_package::{
    ATTACHMENT_BYTES_MAX, Annotations, Attached, Digest, Layout, MODULE_BYTES_MAX, Package, attach, pack, read_file,
};
use serde_json::{Value, json};

/// What is packed beside the module, and how.
#[derive(Args)]
pub(crate) struct Packing {
    /// How the module lies in the image
    #[arg(long, value_enum, default_value_t = Written::Compat)]
    layout: Written,
    /// Attach the module with its debug information
    #[arg(long, value_name = "FILE")]
    debug_file: Option<PathBuf>,
    /// Attach a bill of materials: SPDX or CycloneDX, as JSON
    #[arg(long, value_name = "FILE")]
    sbom: Option<PathBuf>,
    /// Attach how it was built: an in-toto statement, a DSSE envelope or a Sigstore bundle, as JSON
    #[arg(long, value_name = "FILE")]
    provenance: Option<PathBuf>,
    /// Attach what `cofferdam plugin check --format json` said
    #[arg(long, value_name = "FILE")]
    check_report: Option<PathBuf>,
    /// Say more in the manifest
    #[arg(long, value_name = "KEY=VALUE", value_parser = pair)]
    annotation: Vec<(String, String)>,
}

/// Layouts that are written.
#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Written {
    /// For Istio, Envoy Gateway, Higress, docker and podman
    Compat,
    /// For wkg, wasmCloud and containerd
    Cncf,
    /// For Istio, Envoy Gateway and Gloo
    Solo,
}

fn pair(text: &str) -> Result<(String, String), String> {
    let (key, value) = text.split_once('=').ok_or("there is no `=` in it")?;
    match key.is_empty() {
        true => Err(String::from("there is no key in front of `=`")),
        false => Ok((key.to_owned(), value.to_owned())),
    }
}

impl Packing {
    /// Packs a file.
    pub(crate) fn file(&self, file: &Path) -> Result<Package, String> {
        let module = read_file(file, MODULE_BYTES_MAX).map_err(|why| why.to_string())?;
        if let Err(fault) = plug_audit::audit(&module) {
            return Err(format!(
                "`{}` is not packed, as no gateway loads it: {fault}",
                file.display()
            ));
        }
        let layout = match self.layout {
            Written::Compat => Layout::Compat,
            Written::Cncf => Layout::Cncf,
            Written::Solo => Layout::Solo,
        };
        let annotations: Annotations = self.annotation.iter().cloned().collect();
        let image = pack(&module, layout, annotations).map_err(|why| why.to_string())?;
        let mut package = Package {
            image,
            layout,
            module: Digest::of(&module),
            attached: Vec::new(),
        };
        if let Some(debug_file) = &self.debug_file {
            check_twin(&module, debug_file)?;
        }
        self.attach(&mut package)?;
        Ok(package)
    }

    /// Attaches what was given. A folder brings its own layout and annotations.
    pub(crate) fn attach(&self, package: &mut Package) -> Result<(), String> {
        let files = [
            (Attached::DebugFile, &self.debug_file),
            (Attached::Sbom, &self.sbom),
            (Attached::Provenance, &self.provenance),
            (Attached::CheckReport, &self.check_report),
        ];
        for (what, file) in files {
            let Some(file) = file else { continue };
            let bytes = read_file(file, ATTACHMENT_BYTES_MAX).map_err(|why| why.to_string())?;
            let title = file.file_name().unwrap_or_default().to_string_lossy();
            let image = attach(&package.image, what, bytes.into(), &title).map_err(|why| why.to_string())?;
            package.attached.push(image);
        }
        Ok(())
    }
}

/// Debug information of another build would name lines that are not there.
fn check_twin(module: &[u8], debug_file: &Path) -> Result<(), String> {
    let twin = read_file(debug_file, ATTACHMENT_BYTES_MAX).map_err(|why| why.to_string())?;
    match plug_report::code_sha256(&twin) == plug_report::code_sha256(module) {
        true => Ok(()),
        false => Err(format!(
            "`{}` is of another build: its code is not that of the module",
            debug_file.display()
        )),
    }
}

/// What a program reads of a package.
pub(crate) fn described(package: &Package) -> Value {
    let attached = package.attached.iter().map(|image| image.digest().to_string());
    json!({
        "digest": package.image.digest().to_string(),
        "module_sha256": package.module.hex(),
        "layout": package.layout.word(),
        "bytes": package.image.bytes(),
        "attached": attached.collect::<Vec<_>>(),
    })
}

/// What a person reads of a package.
pub(crate) fn shown(package: &Package) -> String {
    let attached = match package.attached.len() {
        0 => String::new(),
        number => format!(", {number} attached"),
    };
    format!(
        "image {}\nmodule sha256:{}\nlayout {}, {} bytes{attached}\n",
        package.image.digest(),
        package.module.hex(),
        package.layout,
        package.image.bytes(),
    )
}
