//! The five layouts of plugins in images, told apart as Istio tells its three, with those added that it cannot read.

use std::fmt;

use super::manifest::{Descriptor, Manifest};
use super::media;
use crate::fault::{PackageFault, Result};

/// How a plugin lies in an image.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Layout {
    /// An OCI image whose last layer has `plugin.wasm`; what Istio, Envoy Gateway and Higress read.
    Compat,
    /// The same as a docker image.
    Docker,
    /// The same with Higress's specification and documents in front.
    Higress,
    /// Solo's: the module as one layer, its configuration as another.
    Solo,
    /// The CNCF's: the module as the one layer.
    Cncf,
}

impl Layout {
    /// Its word.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Compat => "compat",
            Self::Docker => "docker",
            Self::Higress => "higress",
            Self::Solo => "solo",
            Self::Cncf => "cncf",
        }
    }

    /// How the module lies in its layer.
    pub(crate) fn form(self) -> Form {
        match self {
            Self::Compat | Self::Docker | Self::Higress => Form::TarGzip,
            Self::Solo | Self::Cncf => Form::Module,
        }
    }
}

impl fmt::Display for Layout {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(self.word())
    }
}

/// How a module lies in a layer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Form {
    /// As it is.
    Module,
    /// As `plugin.wasm` in a tar archive, compressed with gzip.
    TarGzip,
}

/// The layout of an image and the layer that has the module.
pub(crate) fn choose(manifest: &Manifest) -> Result<(Layout, &Descriptor)> {
    let none = |why: String| Err(PackageFault::Layout(why));
    let Some(last) = manifest.layers.last() else {
        return none(String::from("it has no layers"));
    };
    if manifest.kind() == media::DOCKER_MANIFEST {
        return match last.media_type.as_str() {
            media::DOCKER_LAYER => Ok((Layout::Docker, last)),
            other => none(format!("the last layer of a docker image is `{}`", short(other))),
        };
    }
    if last.media_type == media::OCI_LAYER {
        let is_higress = manifest.layers.iter().any(is_of_higress);
        return Ok((if is_higress { Layout::Higress } else { Layout::Compat }, last));
    }
    let only = |kind: &str| {
        let mut found = manifest.layers.iter().filter(|layer| layer.media_type == kind);
        found.next().filter(|_| found.next().is_none())
    };
    if let Some(layer) = only(media::SOLO_CONTENT) {
        return Ok((Layout::Solo, layer));
    }
    if let Some(layer) = only(media::CNCF_CONTENT) {
        return Ok((Layout::Cncf, layer));
    }
    none(format!(
        "its last layer is `{}`, and no layer is a module",
        short(&last.media_type)
    ))
}

fn is_of_higress(layer: &Descriptor) -> bool {
    media::HIGRESS_BEGINNINGS
        .iter()
        .any(|beginning| layer.media_type.starts_with(beginning))
}

fn short(text: &str) -> String {
    text.chars().take(100).collect()
}
