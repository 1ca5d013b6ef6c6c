//! Media types of manifests, configurations and layers.

pub(crate) const OCI_MANIFEST: &str = "application/vnd.oci.image.manifest.v1+json";
pub(crate) const OCI_INDEX: &str = "application/vnd.oci.image.index.v1+json";
pub(crate) const DOCKER_MANIFEST: &str = "application/vnd.docker.distribution.manifest.v2+json";
pub(crate) const DOCKER_LIST: &str = "application/vnd.docker.distribution.manifest.list.v2+json";

/// What a registry may answer with.
pub(crate) const ACCEPTED: &str = "application/vnd.oci.image.manifest.v1+json, application/vnd.oci.image.index.v1+json, \
     application/vnd.docker.distribution.manifest.v2+json, application/vnd.docker.distribution.manifest.list.v2+json";

pub(crate) const OCI_CONFIG: &str = "application/vnd.oci.image.config.v1+json";
pub(crate) const OCI_EMPTY: &str = "application/vnd.oci.empty.v1+json";
pub(crate) const OCI_LAYER: &str = "application/vnd.oci.image.layer.v1.tar+gzip";
pub(crate) const DOCKER_LAYER: &str = "application/vnd.docker.image.rootfs.diff.tar.gzip";

pub(crate) const SOLO_CONFIG: &str = "application/vnd.module.wasm.config.v1+json";
pub(crate) const SOLO_CONTENT: &str = "application/vnd.module.wasm.content.layer.v1+wasm";

pub(crate) const CNCF_CONFIG: &str = "application/vnd.wasm.config.v0+json";
pub(crate) const CNCF_CONTENT: &str = "application/wasm";

/// What Higress's further layers begin with: its specification, documents in several languages, an icon.
pub(crate) const HIGRESS_BEGINNINGS: [&str; 3] = [
    "application/vnd.module.wasm.spec.",
    "application/vnd.module.wasm.doc.",
    "application/vnd.module.wasm.icon.",
];

pub(crate) const SPDX: &str = "application/spdx+json";
pub(crate) const CYCLONEDX: &str = "application/vnd.cyclonedx+json";
pub(crate) const IN_TOTO: &str = "application/vnd.in-toto+json";
pub(crate) const DSSE: &str = "application/vnd.dsse.envelope.v1+json";
pub(crate) const SIGSTORE_BUNDLE: &str = "application/vnd.dev.sigstore.bundle";
/// A module with debug information, whose code is that of the image's.
pub(crate) const DEBUG_FILE: &str = "application/vnd.cofferdam.debug.v1+wasm";
/// What `cofferdam plugin check` says, as JSON.
pub(crate) const CHECK_REPORT: &str = "application/vnd.cofferdam.check.v1+json";
/// What cosign's older form signs.
pub(crate) const SIMPLE_SIGNING: &str = "application/vnd.dev.cosign.simplesigning.v1+json";
/// An envelope of DSSE that SM2 signed: ours, as Sigstore has no word for SM2.
pub(crate) const SM2_SIGNATURE: &str = "application/vnd.cofferdam.signature.sm2.v1+json";
