//! What a worker must not do: reading certificates and the resolver's files, and setting TLS up, before a configuration is applied.

use std::hash::{DefaultHasher, Hash, Hasher};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use gate_plan::{CertificateFiles, ClientTls, EndpointSpec, Upstream as UpstreamSpec};
use hickory_resolver::config::{LookupIpStrategy, ResolveHosts, ResolverConfig, ResolverOpts};
use hickory_resolver::net::runtime::TokioRuntimeProvider;
use hickory_resolver::{Hosts, Resolver, system_conf};
use rustls::{ClientConfig, RootCertStore};
use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use thiserror::Error;

use crate::resolve::Dns;

/// Upstreams ready for [`crate::Upstreams::apply`]; cheap to clone, one for each worker.
#[derive(Clone)]
pub struct Prepared(Arc<Inner>);

struct Inner {
    upstreams: Vec<PreparedUpstream>,
    resolver: Option<ResolverFiles>,
}

pub(crate) struct PreparedUpstream {
    pub(crate) spec: Arc<UpstreamSpec>,
    pub(crate) tls: Option<PreparedTls>,
}

pub(crate) struct PreparedTls {
    pub(crate) config: Arc<ClientConfig>,
    /// Ours, for upstreams that ask for one.
    pub(crate) certificate: Option<CertificateDer<'static>>,
    fingerprint: u64,
}

struct ResolverFiles {
    config: ResolverConfig,
    options: ResolverOpts,
    hosts: Arc<Hosts>,
}

/// Why an upstream cannot be set up.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum UpstreamSetupFault {
    /// A file cannot be read.
    #[error("upstream `{upstream}`: `{}` cannot be read: {cause}", path.display())]
    Unreadable {
        /// Name of the upstream.
        upstream: String,
        /// The file.
        path: PathBuf,
        /// What the system said.
        cause: io::Error,
    },
    /// A file holds no certificate.
    #[error("upstream `{upstream}`: `{}` holds no PEM certificate; hint: it begins with `-----BEGIN CERTIFICATE-----`", path.display())]
    NoCertificate {
        /// Name of the upstream.
        upstream: String,
        /// The file.
        path: PathBuf,
    },
    /// A file holds no private key.
    #[error("upstream `{upstream}`: `{}` holds no PEM private key: {cause}", path.display())]
    NoKey {
        /// Name of the upstream.
        upstream: String,
        /// The file.
        path: PathBuf,
        /// What the parser said.
        cause: rustls_pki_types::pem::Error,
    },
    /// A file is not PEM.
    #[error("upstream `{upstream}`: `{}` is not PEM: {cause}", path.display())]
    NotPem {
        /// Name of the upstream.
        upstream: String,
        /// The file.
        path: PathBuf,
        /// What the parser said.
        cause: rustls_pki_types::pem::Error,
    },
    /// The system has no trusted authorities.
    #[error(
        "upstream `{upstream}`: the system has no trusted authorities; hint: install `ca-certificates` or set `tls.authorities`"
    )]
    NoSystemAuthorities {
        /// Name of the upstream.
        upstream: String,
    },
    /// A name cannot be one of a certificate.
    #[error(
        "upstream `{upstream}`: no certificate can be checked against the name `{name}`; hint: set `tls.server_name`"
    )]
    ServerName {
        /// Name of the upstream.
        upstream: String,
        /// The name.
        name: String,
    },
    /// rustls refuses certificate, key or authorities.
    #[error("upstream `{upstream}`: its TLS cannot be set up: {cause}")]
    Tls {
        /// Name of the upstream.
        upstream: String,
        /// What rustls said.
        cause: rustls::Error,
    },
}

impl Prepared {
    pub(crate) fn read(specs: &[Arc<UpstreamSpec>]) -> Result<Self, Vec<UpstreamSetupFault>> {
        let mut faults = Vec::new();
        let mut upstreams = Vec::with_capacity(specs.len());
        let mut system = None;
        for spec in specs {
            let tls = spec
                .tls
                .as_ref()
                .map(|tls| PreparedTls::read(spec, tls, &mut system))
                .transpose();
            match tls {
                Ok(tls) => upstreams.push(PreparedUpstream {
                    spec: Arc::clone(spec),
                    tls,
                }),
                Err(fault) => faults.push(fault),
            }
        }
        if !faults.is_empty() {
            return Err(faults);
        }
        let named = specs
            .iter()
            .flat_map(|spec| &spec.endpoints)
            .any(|endpoint| matches!(endpoint, EndpointSpec::Named { .. }));
        let resolver = named.then(ResolverFiles::read);
        Ok(Self(Arc::new(Inner { upstreams, resolver })))
    }

    pub(crate) fn upstreams(&self) -> &[PreparedUpstream] {
        &self.0.upstreams
    }

    /// A resolver of the calling worker's own.
    pub(crate) fn resolver(&self) -> Dns {
        let files = self.0.resolver.as_ref().ok_or("no endpoint is a name")?;
        let builder = Resolver::builder_with_config(files.config.clone(), TokioRuntimeProvider::default());
        let built = builder.with_options(files.options.clone()).build();
        let mut resolver = built.map_err(|error| Arc::<str>::from(error.to_string()))?;
        resolver.set_hosts(Arc::clone(&files.hosts));
        Ok(resolver)
    }

    /// The same with another name server, and without the system's files.
    #[cfg(test)]
    pub(crate) fn with_name_server(&self, config: ResolverConfig) -> Self {
        let resolver = ResolverFiles {
            config,
            options: ResolverFiles::options(ResolverOpts::default()),
            hosts: Arc::default(),
        };
        let upstreams = self.0.upstreams.iter().map(|upstream| PreparedUpstream {
            spec: Arc::clone(&upstream.spec),
            tls: None,
        });
        Self(Arc::new(Inner {
            upstreams: upstreams.collect(),
            resolver: Some(resolver),
        }))
    }
}

impl PreparedUpstream {
    /// Differs when the TLS files differ.
    pub(crate) fn tls_fingerprint(&self) -> u64 {
        self.tls.as_ref().map_or(0, |tls| tls.fingerprint)
    }
}

impl ResolverFiles {
    /// The system's. Without a readable `/etc/resolv.conf` only `/etc/hosts` and `localhost` have addresses.
    fn read() -> Self {
        let (config, options) = system_conf::read_system_conf().unwrap_or_default();
        let hosts = Arc::new(Hosts::from_system().unwrap_or_default());
        Self {
            config,
            options: Self::options(options),
            hosts,
        }
    }

    fn options(mut options: ResolverOpts) -> ResolverOpts {
        // A name that has both is reached as its IPv4 addresses: nobody listens on half of them by mistake.
        options.ip_strategy = LookupIpStrategy::Ipv4thenIpv6;
        // We ask again when an answer's time is over; a cache below would only make it older.
        options.cache_size = 0;
        options.use_hosts_file = ResolveHosts::Never;
        options
    }
}

/// The system's authorities, read at the first need.
type SystemAuthorities = Option<Arc<RootCertStore>>;

impl PreparedTls {
    fn read(spec: &UpstreamSpec, tls: &ClientTls, system: &mut SystemAuthorities) -> Result<Self, UpstreamSetupFault> {
        check_names(spec, tls)?;
        let mut files = Files {
            upstream: &spec.name,
            hasher: DefaultHasher::new(),
        };
        let roots = match &tls.authorities {
            Some(path) => Arc::new(files.authorities(path)?),
            None => files.system(system)?,
        };
        let refused = |cause| UpstreamSetupFault::Tls {
            upstream: spec.name.clone(),
            cause,
        };
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let builder = ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions();
        let builder = builder.map_err(refused)?.with_root_certificates(roots);
        let (config, certificate) = match &tls.certificate {
            None => (builder.with_no_client_auth(), None),
            Some(certificate) => {
                let (chain, key) = files.certificate(certificate)?;
                let leaf = chain.first().cloned();
                (builder.with_client_auth_cert(chain, key).map_err(refused)?, leaf)
            }
        };
        Ok(Self {
            config: Arc::new(config),
            certificate,
            fingerprint: files.hasher.finish(),
        })
    }
}

fn check_names(spec: &UpstreamSpec, tls: &ClientTls) -> Result<(), UpstreamSetupFault> {
    let hosts = spec.endpoints.iter().filter_map(|endpoint| match endpoint {
        EndpointSpec::Named { host, .. } if tls.server_name.is_none() => Some(host.as_str()),
        _ => None,
    });
    for name in hosts.chain(tls.server_name.as_deref()) {
        if ServerName::try_from(name).is_err() {
            return Err(UpstreamSetupFault::ServerName {
                upstream: spec.name.clone(),
                name: name.to_owned(),
            });
        }
    }
    Ok(())
}

/// A certificate chain, leaf first, and its key.
type Identity = (Vec<CertificateDer<'static>>, PrivateKeyDer<'static>);

/// Reads PEM files and remembers what they held.
struct Files<'a> {
    upstream: &'a str,
    hasher: DefaultHasher,
}

impl Files<'_> {
    fn read(&mut self, path: &Path) -> Result<Vec<u8>, UpstreamSetupFault> {
        let bytes = std::fs::read(path).map_err(|cause| UpstreamSetupFault::Unreadable {
            upstream: self.upstream.to_owned(),
            path: path.to_owned(),
            cause,
        })?;
        bytes.hash(&mut self.hasher);
        Ok(bytes)
    }

    fn chain(&mut self, path: &Path) -> Result<Vec<CertificateDer<'static>>, UpstreamSetupFault> {
        let bytes = self.read(path)?;
        let parsed: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(&bytes).collect();
        let (upstream, path) = (self.upstream.to_owned(), path.to_owned());
        match parsed {
            Err(cause) => Err(UpstreamSetupFault::NotPem { upstream, path, cause }),
            Ok(chain) if chain.is_empty() => Err(UpstreamSetupFault::NoCertificate { upstream, path }),
            Ok(chain) => Ok(chain),
        }
    }

    fn authorities(&mut self, path: &Path) -> Result<RootCertStore, UpstreamSetupFault> {
        let mut roots = RootCertStore::empty();
        for certificate in self.chain(path)? {
            roots.add(certificate).map_err(|cause| UpstreamSetupFault::Tls {
                upstream: self.upstream.to_owned(),
                cause,
            })?;
        }
        Ok(roots)
    }

    fn system(&mut self, known: &mut SystemAuthorities) -> Result<Arc<RootCertStore>, UpstreamSetupFault> {
        let roots = known.get_or_insert_with(|| {
            let mut roots = RootCertStore::empty();
            roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
            Arc::new(roots)
        });
        if roots.is_empty() {
            return Err(UpstreamSetupFault::NoSystemAuthorities {
                upstream: self.upstream.to_owned(),
            });
        }
        roots
            .roots
            .iter()
            .for_each(|root| root.subject.as_ref().hash(&mut self.hasher));
        Ok(Arc::clone(roots))
    }

    fn certificate(&mut self, files: &CertificateFiles) -> Result<Identity, UpstreamSetupFault> {
        let chain = self.chain(&files.chain)?;
        let bytes = self.read(&files.key)?;
        let key = PrivateKeyDer::from_pem_slice(&bytes).map_err(|cause| UpstreamSetupFault::NoKey {
            upstream: self.upstream.to_owned(),
            path: files.key.clone(),
            cause,
        })?;
        Ok((chain, key))
    }
}
