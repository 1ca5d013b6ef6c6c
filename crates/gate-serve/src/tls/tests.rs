//! Handshakes with real clients, certificates of every kind, files that are wrong and files that change.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic)]

use std::net::SocketAddr;
use std::path::Path;
use std::sync::mpsc::sync_channel;

use gate_plan::{CertificateFiles, Protocol};
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, DistinguishedName, DnType, IsCa, KeyPair, SanType};
use rustls::{ClientConfig, SupportedProtocolVersion};
use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio_rustls::TlsConnector;

use super::*;
use crate::fixture::{Client, LIMITS, PATIENCE, Stage, listener, until};

mod failures;

/// An authority and a folder of files signed by it.
struct Office {
    folder: tempfile::TempDir,
    authority: CertifiedIssuer<'static, KeyPair>,
}

impl Office {
    fn open() -> Self {
        Self::of("authority")
    }

    fn of(authority: &str) -> Self {
        let mut params = CertificateParams::new(vec![]).unwrap();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.distinguished_name.push(DnType::CommonName, authority);
        let authority = CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap();
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("authority.pem"), authority.pem()).unwrap();
        Self { folder, authority }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Writes `FILE.pem` and `FILE.key`.
    fn issue(&self, file: &str, common_name: &str, names: &[&str]) -> CertificateFiles {
        let mut params =
            CertificateParams::new(names.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>()).unwrap();
        params
            .subject_alt_names
            .push(SanType::URI(format!("spiffe://example/{file}").try_into().unwrap()));
        params.distinguished_name = DistinguishedName::new();
        params.distinguished_name.push(DnType::CountryName, "DE");
        params
            .distinguished_name
            .push(DnType::OrganizationName, "Water, Mud & Co");
        params.distinguished_name.push(DnType::CommonName, common_name);
        let key = KeyPair::generate().unwrap();
        let certificate = params.signed_by(&key, &self.authority).unwrap();
        let files = CertificateFiles {
            chain: self.path(&format!("{file}.pem")),
            key: self.path(&format!("{file}.key")),
        };
        std::fs::write(&files.chain, certificate.pem()).unwrap();
        std::fs::write(&files.key, key.serialize_pem()).unwrap();
        files
    }

    fn tls(&self, certificates: Vec<CertificateFiles>) -> ServerTls {
        ServerTls {
            certificates,
            client_certificates: ClientCertificates::None,
        }
    }

    fn client(&self, versions: &[&'static SupportedProtocolVersion], own: Option<&CertificateFiles>) -> ClientConfig {
        let mut roots = RootCertStore::empty();
        roots.add(self.authority.der().clone()).unwrap();
        let provider = Arc::new(aws_lc_rs::default_provider());
        let builder = ClientConfig::builder_with_provider(provider)
            .with_protocol_versions(versions)
            .unwrap();
        let builder = builder.with_root_certificates(roots);
        match own {
            None => builder.with_no_client_auth(),
            Some(files) => {
                let chain = CertificateDer::pem_file_iter(&files.chain)
                    .unwrap()
                    .map(Result::unwrap)
                    .collect();
                builder
                    .with_client_auth_cert(chain, PrivateKeyDer::from_pem_file(&files.key).unwrap())
                    .unwrap()
            }
        }
    }
}

fn stage(tls: &ServerTls) -> Stage {
    Stage::start(1, &[listener("safe", Protocol::Http, Some(tls.clone()))], LIMITS)
}

struct Shaken {
    subject: String,
    answer: String,
}

/// Shakes hands, asks for `/connection`, and tells which certificate was shown.
fn shake(address: SocketAddr, name: &str, mut config: ClientConfig, alpn: &[&str]) -> io::Result<Shaken> {
    config.alpn_protocols = alpn.iter().map(|protocol| protocol.as_bytes().to_vec()).collect();
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    let name = ServerName::try_from(name.to_owned()).unwrap();
    runtime.block_on(async {
        let stream = TcpStream::connect(address).await?;
        let mut stream = TlsConnector::from(Arc::new(config)).connect(name, stream).await?;
        let leaf = stream.get_ref().1.peer_certificates().unwrap()[0].clone();
        let subject = CertificateFacts::read(&leaf).unwrap().subject.unwrap();
        stream
            .write_all(b"GET /connection HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
            .await?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await?;
        Ok(Shaken { subject, answer })
    })
}

#[test]
fn the_certificate_follows_the_name_and_the_first_is_the_default() {
    let office = Office::open();
    let tls = office.tls(vec![
        office.issue("default", "default", &["default.example"]),
        office.issue("exact", "exact", &["a.example", "B.example"]),
        office.issue("wild", "wild", &["*.wild.example"]),
        office.issue("common", "common.test", &[]),
    ]);
    let stage = stage(&tls);
    let certificates = Certificates::read(&tls.certificates, &aws_lc_rs::default_provider()).unwrap();
    for (name, shown) in [
        ("a.example", "exact"),
        ("b.EXAMPLE", "exact"),
        ("c.wild.example", "wild"),
        ("default.example", "default"),
        ("c.d.wild.example", "default"),
        ("wild.example", "default"),
        ("common.test", "common.test"),
    ] {
        let subject = certificates.facts(Some(name)).subject.clone().unwrap();
        assert!(subject.starts_with(&format!("CN={shown},")), "{name} got {subject}");
        let shaken = shake(stage.address(), name, office.client(rustls::ALL_VERSIONS, None), &[]);
        // The client itself refuses the default certificate where it does not fit.
        if let Ok(shaken) = shaken {
            assert_eq!(shaken.subject, subject);
        } else {
            assert!(
                ["c.d.wild.example", "wild.example", "common.test"].contains(&name),
                "{name}"
            );
        }
    }
}

#[test]
fn both_versions_and_protocols_are_agreed_and_described() {
    let office = Office::open();
    let stage = stage(&office.tls(vec![office.issue("web", "web", &["web.example"])]));
    for (version, said, cipher) in [
        (
            &rustls::version::TLS12,
            "TLSv1.2",
            "TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384",
        ),
        (&rustls::version::TLS13, "TLSv1.3", "TLS_AES_256_GCM_SHA384"),
    ] {
        let config = office.client(&[version], None);
        let answer = shake(stage.address(), "Web.example", config, &["spdy/9", "http/1.1"])
            .unwrap()
            .answer;
        for part in [
            format!("version: \"{said}\""),
            format!("cipher: \"{cipher}\""),
            "server_name: Some(\"web.example\")".to_owned(),
            "alpn: Some(\"http/1.1\")".to_owned(),
            "local: CertificateFacts { subject: Some(\"CN=web,O=Water\\\\, Mud & Co,C=DE\")".to_owned(),
            "uris: [\"spiffe://example/web\"]".to_owned(),
            "names: [\"web.example\"]".to_owned(),
            "peer: None".to_owned(),
        ] {
            assert!(answer.contains(&part), "no {part} in {answer}");
        }
    }
    let answer = shake(
        stage.address(),
        "web.example",
        office.client(rustls::ALL_VERSIONS, None),
        &[],
    )
    .unwrap()
    .answer;
    assert!(answer.contains("alpn: None"), "{answer}");
}

#[test]
fn http2_is_agreed_by_alpn() {
    let office = Office::open();
    let stage = stage(&office.tls(vec![office.issue("web", "web", &["web.example"])]));
    let mut config = office.client(rustls::ALL_VERSIONS, None);
    config.alpn_protocols = vec![b"h2".to_vec()];
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    runtime.block_on(async {
        let stream = TcpStream::connect(stage.address()).await.unwrap();
        let name = ServerName::try_from("web.example").unwrap();
        let stream = TlsConnector::from(Arc::new(config))
            .connect(name, stream)
            .await
            .unwrap();
        let (io, executor) = (
            hyper_util::rt::TokioIo::new(stream),
            hyper_util::rt::TokioExecutor::new(),
        );
        let (mut sender, connection) = hyper::client::conn::http2::handshake(executor, io).await.unwrap();
        tokio::spawn(connection);
        let request = http::Request::get("https://web.example/").body(http_body_util::Empty::<bytes::Bytes>::new());
        assert_eq!(sender.send_request(request.unwrap()).await.unwrap().status(), 200);
    });
}

#[test]
fn client_certificates_are_asked_for_checked_and_described() {
    let office = Office::open();
    let certificates = vec![office.issue("web", "web", &["web.example"])];
    let authorities = office.path("authority.pem");
    let friend = office.issue("friend", "friend", &["friend.example"]);
    let stranger = Office::open().issue_kept();
    let ask = |stage: &Stage, own: Option<&CertificateFiles>| {
        shake(
            stage.address(),
            "web.example",
            office.client(rustls::ALL_VERSIONS, own),
            &[],
        )
        .map(|shaken| shaken.answer)
    };
    let optional = ClientCertificates::Optional {
        authorities: authorities.clone(),
    };
    let optional = stage(&ServerTls {
        certificates: certificates.clone(),
        client_certificates: optional,
    });
    let answer = ask(&optional, Some(&friend)).unwrap();
    let der = CertificateDer::from_pem_file(&friend.chain).unwrap();
    for part in [
        "peer: Some(CertificateFacts { subject: Some(\"CN=friend,O=Water\\\\, Mud & Co,C=DE\")".to_owned(),
        "uris: [\"spiffe://example/friend\"]".to_owned(),
        "names: [\"friend.example\"]".to_owned(),
        format!("sha256: \"{}\"", CertificateFacts::of(&der).sha256),
    ] {
        assert!(answer.contains(&part), "no {part} in {answer}");
    }
    assert!(ask(&optional, None).unwrap().contains("peer: None"));
    assert!(ask(&optional, Some(&stranger.1)).is_err());
    let required = ClientCertificates::Required { authorities };
    let required = stage(&ServerTls {
        certificates,
        client_certificates: required,
    });
    assert!(ask(&required, Some(&friend)).unwrap().contains("peer: Some("));
    assert!(ask(&required, None).is_err());
    until(|| required.workers.listeners()[0].handshakes_failed == 1);
}

impl Office {
    fn issue_kept(self) -> (Self, CertificateFiles) {
        let files = self.issue("stranger", "stranger", &["stranger.example"]);
        (self, files)
    }
}

#[test]
fn a_handshake_that_does_not_come_is_ended() {
    let office = Office::open();
    let tls = office.tls(vec![office.issue("web", "web", &["web.example"])]);
    let limits = gate_plan::Limits {
        header_timeout: Duration::from_millis(100),
        ..LIMITS
    };
    let stage = Stage::start(1, &[listener("safe", Protocol::Http, Some(tls))], limits);
    assert_eq!(stage.client().rest(), "");
    let mut plain: Client = stage.client();
    plain.send("GET / HTTP/1.1\r\nHost: x\r\n\r\n");
    let mut answer = Vec::new();
    let _ = io::Read::read_to_end(&mut plain.0, &mut answer);
    assert!(!answer.starts_with(b"HTTP"));
    until(|| stage.workers.listeners()[0].handshakes_failed == 2);
}

#[test]
fn wrong_files_are_named_with_their_reason() {
    let office = Office::open();
    let (good, other) = (
        office.issue("good", "good", &["x"]),
        office.issue("other", "other", &["x"]),
    );
    let pair = |chain: &Path, key: &Path| CertificateFiles {
        chain: chain.to_owned(),
        key: key.to_owned(),
    };
    let write = |name: &str, text: &str| {
        std::fs::write(office.path(name), text).unwrap();
        office.path(name)
    };
    let folder = office.folder.path().display().to_string();
    let missing = office.path("missing.pem");
    let empty = write("empty.pem", "nothing here\n");
    let cut = write("cut.pem", "-----BEGIN CERTIFICATE-----\nMIIB\n");
    let junk = write(
        "junk.pem",
        "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n",
    );
    let bad_key = write(
        "bad.key",
        "-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n",
    );
    for (pair, text) in [
        (
            pair(&missing, &good.key),
            "TLS file `DIR/missing.pem` is not readable: No such file or directory (os error 2)",
        ),
        (
            pair(&good.chain, &missing),
            "TLS file `DIR/missing.pem` is not readable: No such file or directory (os error 2)",
        ),
        (
            pair(&empty, &good.key),
            "TLS file `DIR/empty.pem` holds no certificate (no `BEGIN CERTIFICATE`)",
        ),
        (
            pair(&good.key, &good.key),
            "TLS file `DIR/good.key` holds no certificate (no `BEGIN CERTIFICATE`)",
        ),
        (
            pair(&good.chain, &good.chain),
            "TLS file `DIR/good.pem` holds no private key (no `BEGIN PRIVATE KEY`, `BEGIN EC PRIVATE KEY` or `BEGIN RSA PRIVATE KEY`)",
        ),
        (
            pair(&good.chain, &other.key),
            "private key in `DIR/other.key` does not belong to the first certificate in `DIR/good.pem`",
        ),
        (pair(&cut, &good.key), "TLS file `DIR/cut.pem` is no valid PEM: "),
        (pair(&junk, &good.key), "certificate in `DIR/junk.pem` is not usable: "),
        (
            pair(&good.chain, &bad_key),
            "private key in `DIR/bad.key` is not usable: ",
        ),
    ] {
        let fault = check_files(&office.tls(vec![pair]))
            .unwrap_err()
            .to_string()
            .replace(&folder, "DIR");
        assert!(fault.starts_with(text), "{fault}\ninstead of\n{text}");
    }
}

#[test]
fn authorities_without_a_certificate_are_named() {
    let office = Office::open();
    let empty = office.path("empty.pem");
    std::fs::write(&empty, "nothing here\n").unwrap();
    let authorities = ClientCertificates::Required { authorities: empty };
    let fault = check_files(&ServerTls {
        certificates: vec![office.issue("good", "good", &["x"])],
        client_certificates: authorities,
    })
    .unwrap_err();
    assert!(fault.to_string().contains("empty.pem` holds no certificate"), "{fault}");
}

#[test]
fn changed_files_are_taken_over_and_bad_ones_are_not() {
    let office = Office::open();
    let tls = office.tls(vec![office.issue("web", "first", &["web.example"])]);
    let stage = stage(&tls);
    let shown = || {
        let shaken = shake(
            stage.address(),
            "web.example",
            office.client(rustls::ALL_VERSIONS, None),
            &[],
        )
        .unwrap();
        shaken.subject.split(',').next().unwrap().to_owned()
    };
    assert!(stage.workers.refresh_certificates().is_empty());
    office.issue("web", "second", &["web.example"]);
    let news = stage.workers.refresh_certificates();
    assert_eq!(
        (news.len(), news[0].listener.as_str(), news[0].result.is_ok()),
        (1, "safe", true)
    );
    assert_eq!(shown(), "CN=second");
    std::fs::write(office.path("web.key"), "broken").unwrap();
    let news = stage.workers.refresh_certificates();
    assert!(matches!(news[0].result, Err(TlsFault::NoKey { .. })), "{news:?}");
    assert!(stage.workers.refresh_certificates().is_empty(), "told twice");
    assert_eq!(shown(), "CN=second");
    office.issue("web", "third", &["web.example"]);
    assert!(stage.workers.refresh_certificates()[0].result.is_ok());
    assert_eq!(shown(), "CN=third");
    let report = stage.workers.listeners().remove(0);
    assert_eq!((report.certificates_applied, report.certificates_refused), (2, 1));
}

#[test]
fn a_listener_tells_each_certificate_that_it_serves_and_when_it_ends() {
    let office = Office::open();
    let one = office.issue("one", "one", &["one.example"]);
    let mut params = CertificateParams::new(vec!["nameless.example".to_owned()]).unwrap();
    params.distinguished_name = DistinguishedName::new();
    params.not_after = rcgen::date_time_ymd(2033, 5, 18);
    let key = KeyPair::generate().unwrap();
    let nameless = CertificateFiles {
        chain: office.path("nameless.pem"),
        key: office.path("nameless.key"),
    };
    std::fs::write(
        &nameless.chain,
        params.signed_by(&key, &office.authority).unwrap().pem(),
    )
    .unwrap();
    std::fs::write(&nameless.key, key.serialize_pem()).unwrap();
    let stage = stage(&office.tls(vec![one, nameless]));
    let certificates = stage.workers.listeners().remove(0).certificates;
    assert_eq!(certificates[0].subject, "CN=one,O=Water\\, Mud & Co,C=DE");
    assert_eq!(
        certificates[1],
        CertificateReport {
            subject: "nameless.example".to_owned(),
            expires_s: 1_999_987_200,
        }
    );
}

#[test]
fn a_swapped_link_is_noticed_by_the_watch() {
    let office = Office::open();
    let link = |version: &str| {
        let new = office.path("data.new");
        std::os::unix::fs::symlink(office.path(version), &new).unwrap();
        std::fs::rename(new, office.path("data")).unwrap();
    };
    for (version, name) in [("v1", "first"), ("v2", "second")] {
        std::fs::create_dir(office.path(version)).unwrap();
        office.issue(&format!("{version}/tls"), name, &["web.example"]);
    }
    link("v1");
    let pair = CertificateFiles {
        chain: office.path("data/tls.pem"),
        key: office.path("data/tls.key"),
    };
    let stage = stage(&office.tls(vec![pair]));
    let (say, heard) = sync_channel(10);
    let report = move |news: CertificateNews| say.send((news.listener, news.result.is_ok())).unwrap();
    let watch = stage
        .workers
        .watch_certificates(Duration::from_millis(10), report)
        .unwrap();
    link("v2");
    assert_eq!(heard.recv_timeout(PATIENCE).unwrap(), ("safe".to_owned(), true));
    let shaken = shake(
        stage.address(),
        "web.example",
        office.client(rustls::ALL_VERSIONS, None),
        &[],
    )
    .unwrap();
    assert!(shaken.subject.starts_with("CN=second,"));
    drop(watch);
}

#[test]
fn bytes_inside_tls_go_to_a_tcp_service() {
    let office = Office::open();
    let tls = office.tls(vec![office.issue("web", "web", &["web.example"])]);
    let protocol = Protocol::Tcp {
        upstream: "u".into(),
        plugins: vec![],
    };
    let stage = Stage::start(1, &[listener("safe", protocol, Some(tls))], LIMITS);
    let config = office.client(rustls::ALL_VERSIONS, None);
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    runtime.block_on(async {
        let stream = TcpStream::connect(stage.address()).await.unwrap();
        let name = ServerName::try_from("web.example").unwrap();
        let mut stream = TlsConnector::from(Arc::new(config))
            .connect(name, stream)
            .await
            .unwrap();
        stream.write_all(b"hello").await.unwrap();
        stream.shutdown().await.unwrap();
        let mut echoed = String::new();
        stream.read_to_string(&mut echoed).await.unwrap();
        assert_eq!(echoed, "hello");
    });
}
