//! `cofferdam plugin pack`, `push` and `pull` beside the tools of others: a real registry, skopeo, and ORAS for Python.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, ensure};
use serde_json::{Value, json};
use tempfile::TempDir;
use testkit::place;
use testkit::registry::{Registry, oras, registry, skopeo};

use crate::setting::{Ended, finish, golden};

/// A folder of one user, who has caches and credentials in it.
pub(crate) struct Desk {
    pub(crate) folder: TempDir,
    pub(crate) module: PathBuf,
}

impl Desk {
    pub(crate) fn new() -> Result<Self> {
        let folder = tempfile::tempdir()?;
        // A copy, so that its name says nothing of this machine.
        let module = folder.path().join("hello.wasm");
        fs::copy(place::guest("hello")?, &module)?;
        Ok(Self { folder, module })
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    pub(crate) fn sha256(&self) -> Result<String> {
        let mut command = Command::new("sha256sum");
        let output = command.arg(&self.module).output()?;
        let text = String::from_utf8(output.stdout)?;
        Ok(text.split(' ').next().unwrap_or_default().to_owned())
    }

    /// Runs `cofferdam plugin WORDS`.
    pub(crate) async fn plugin(&self, words: &[&str]) -> Result<Ended> {
        let mut command = Command::new(place::cofferdam().await?);
        let folder = self.folder.path();
        command.arg("plugin").args(words).current_dir(folder);
        command
            .env("XDG_CACHE_HOME", self.path("cache"))
            .env("DOCKER_CONFIG", folder);
        command.env_remove("REGISTRY_AUTH_FILE").env_remove("XDG_RUNTIME_DIR");
        let path = std::env::var("PATH").unwrap_or_default();
        command.env("PATH", format!("{}:{path}", folder.display()));
        finish(&mut command, folder).await
    }

    /// Runs it, and it must go well; its answer as JSON.
    pub(crate) async fn told(&self, words: &[&str]) -> Result<Value> {
        let ended = self.plugin(&[words, &["--format", "json"]].concat()).await?;
        ensure!(ended.code == Some(0), "{words:?}: {ended:?}");
        serde_json::from_str(&ended.out).with_context(|| ended.out.clone())
    }

    /// Pulls into `pulled.wasm`, which must be the module.
    async fn pull(&self, reference: &str) -> Result<Value> {
        let output = self.path("pulled.wasm");
        fs::remove_file(&output).ok();
        fs::remove_dir_all(self.path("cache")).ok();
        let told = self.told(&["pull", reference, "-o", "pulled.wasm"]).await?;
        ensure!(
            fs::read(&output)? == fs::read(&self.module)?,
            "another module came back"
        );
        ensure!(told["module_sha256"] == self.sha256()?, "{told}");
        Ok(told)
    }
}

fn text(path: &Path) -> String {
    path.display().to_string()
}

#[tokio::test]
async fn what_is_pushed_in_each_layout_is_read_by_skopeo_and_oras_and_by_us() -> Result<()> {
    let (desk, registry) = (Desk::new()?, registry(None).await?);
    for layout in ["compat", "cncf", "solo"] {
        let name = registry.name(&format!("team/{layout}:1"));
        let pushed = desk.told(&["push", "hello.wasm", &name, "--layout", layout]).await?;
        assert_eq!(
            (&pushed["layout"], &pushed["module_sha256"]),
            (&json!(layout), &json!(desk.sha256()?))
        );
        let seen = skopeo(&[
            "inspect",
            "--tls-verify=false",
            "--format",
            "{{.Digest}}",
            &format!("docker://{name}"),
        ]);
        // Older skopeos look into a configuration that only images for docker have.
        if layout == "compat" {
            assert_eq!(seen?.trim(), pushed["digest"]);
        }
        let raw = skopeo(&["inspect", "--tls-verify=false", "--raw", &format!("docker://{name}")])?;
        let manifest: Value = serde_json::from_str(&raw)?;
        assert_eq!(manifest["annotations"]["dev.cofferdam.module.sha256"], desk.sha256()?);
        let folder = desk.path(&format!("by-oras-{layout}"));
        let script = format!(
            "import oras.client as c\nfor f in c.OrasClient(insecure=True).pull('{name}', outdir='.'): print(f)"
        );
        fs::create_dir(&folder)?;
        let files = oras(&script, &folder)?;
        // ORAS unpacks what is an archive.
        let file = match layout {
            "compat" => "plugin.wasm",
            _ => files.lines().last().context("oras pulled nothing")?,
        };
        let read = fs::read(folder.join(file))?;
        ensure!(read == fs::read(&desk.module)?, "{layout}: ORAS has another module");
        let pulled = desk.pull(&name).await?;
        assert_eq!(
            (&pulled["layout"], &pulled["digest"]),
            (&json!(layout), &pushed["digest"])
        );
        let pinned = format!("{name}@{}", pushed["digest"].as_str().unwrap_or_default());
        desk.pull(&pinned).await?;
    }
    Ok(())
}

#[tokio::test]
async fn what_skopeo_and_oras_write_is_read() -> Result<()> {
    let (desk, registry) = (Desk::new()?, registry(None).await?);
    let packed = desk.told(&["pack", "hello.wasm", "-o", "packed"]).await?;
    let from = format!("oci:{}:latest", text(&desk.path("packed")));
    for (name, format, layout) in [("oci", "oci", "compat"), ("docker", "v2s2", "docker")] {
        let name = registry.name(&format!("skopeo/{name}:1"));
        let to = format!("docker://{name}");
        skopeo(&["copy", "--dest-tls-verify=false", "--format", format, &from, &to])?;
        let pulled = desk.pull(&name).await?;
        assert_eq!(pulled["layout"], layout);
        if format == "oci" {
            assert_eq!(pulled["digest"], packed["digest"]);
        }
    }
    // As Higress's own build pushes its plugins.
    let folder = desk.path("higress");
    fs::create_dir(&folder)?;
    fs::write(folder.join("spec.yaml"), "apiVersion: 1.0.0\n")?;
    fs::write(folder.join("README.md"), "# hello\n")?;
    fs::copy(&desk.module, folder.join("plugin.wasm"))?;
    let tar = Command::new("tar")
        .args(["-czf", "plugin.tar.gz", "plugin.wasm"])
        .current_dir(&folder)
        .status()?;
    ensure!(tar.success(), "tar failed");
    let name = registry.name("oras/higress:1");
    let files = "['spec.yaml:application/vnd.module.wasm.spec.v1+yaml', 'README.md:application/vnd.module.wasm.doc.v1+markdown', \
                 'plugin.tar.gz:application/vnd.oci.image.layer.v1.tar+gzip']";
    oras(
        &format!("import oras.client as c\nc.OrasClient(insecure=True).push(target='{name}', files={files})"),
        &folder,
    )?;
    assert_eq!(desk.pull(&name).await?["layout"], "higress");
    let name = registry.name("oras/solo:1");
    fs::write(folder.join("config.json"), r#"{"type":"envoy_proxy"}"#)?;
    let files = "['config.json:application/vnd.module.wasm.config.v1+json', 'plugin.wasm:application/vnd.module.wasm.content.layer.v1+wasm']";
    oras(
        &format!("import oras.client as c\nc.OrasClient(insecure=True).push(target='{name}', files={files})"),
        &folder,
    )?;
    assert_eq!(desk.pull(&name).await?["layout"], "solo");
    Ok(())
}

#[tokio::test]
async fn what_is_attached_travels_with_the_image() -> Result<()> {
    let (desk, registry) = (Desk::new()?, registry(None).await?);
    fs::copy(place::guest("hello.debug")?, desk.path("hello.debug.wasm"))?;
    fs::write(desk.path("sbom.json"), r#"{"spdxVersion":"SPDX-2.3"}"#)?;
    fs::write(
        desk.path("provenance.json"),
        r#"{"_type":"https://in-toto.io/Statement/v1"}"#,
    )?;
    fs::write(desk.path("report.json"), r#"{"good":true}"#)?;
    let attached = [
        "--debug-file",
        "hello.debug.wasm",
        "--sbom",
        "sbom.json",
        "--provenance",
        "provenance.json",
        "--check-report",
        "report.json",
    ];
    let name = registry.name("team/hello:1");
    let pushed = desk
        .told(&[&["push", "hello.wasm", &name][..], &attached].concat())
        .await?;
    assert_eq!(pushed["attached"].as_array().map(Vec::len), Some(4));
    let kinds = |told: &Value| -> Vec<String> {
        let attached = told["attached"].as_array().into_iter().flatten();
        attached
            .map(|one| one["kind"].as_str().unwrap_or_default().to_owned())
            .collect()
    };
    let pulled = desk.told(&["pull", &name, "--attached", "attached"]).await?;
    let wanted = [
        "application/vnd.cofferdam.debug.v1+wasm",
        "application/spdx+json",
        "application/vnd.in-toto+json",
        "application/vnd.cofferdam.check.v1+json",
    ];
    assert_eq!(kinds(&pulled), wanted);
    let debug_file = pulled["attached"][0]["file"].as_str().context("no file")?;
    let debug_file = fs::read(desk.path(debug_file))?;
    ensure!(
        debug_file == fs::read(desk.path("hello.debug.wasm"))?,
        "another debug file came back"
    );
    // Skopeo finds the list where a registry has no API for it.
    let tag = pushed["digest"].as_str().unwrap_or_default().replace(':', "-");
    let list = format!("docker://{}", registry.name(&format!("team/hello:{tag}")));
    let list: Value = serde_json::from_str(&skopeo(&["inspect", "--tls-verify=false", "--raw", &list])?)?;
    assert_eq!(list["manifests"].as_array().map(Vec::len), Some(4));
    // Pushed once more, nothing is listed twice; and through a folder it is all the same.
    desk.told(&[&["pack", "hello.wasm", "-o", "packed"][..], &attached].concat())
        .await?;
    let again = desk.told(&["push", "packed", &name]).await?;
    assert_eq!(again["digest"], pushed["digest"]);
    assert_eq!(
        kinds(&desk.told(&["pull", &name, "--attached", "attached"]).await?),
        wanted
    );
    fs::copy(place::guest("die")?, desk.path("die.wasm"))?;
    let other = desk
        .plugin(&["push", "hello.wasm", &name, "--debug-file", "die.wasm"])
        .await?;
    assert_eq!(other.code, Some(1));
    assert!(other.err.contains("is of another build"), "{}", other.err);
    Ok(())
}

/// A user of a registry: `tester` with a password that the bcrypt test vectors of OpenBSD know.
const USER: &str = "tester:$2a$05$CCCCCCCCCCCCCCCCCCCCC.E5YPO9kmyuRGyh0XouQYb4YMJKvyOeW";
const PASSWORD: &str = "U*U";

#[tokio::test]
async fn a_registry_that_wants_to_know_us_is_told_by_file_or_by_helper() -> Result<()> {
    let (desk, registry) = (Desk::new()?, registry(Some(USER)).await?);
    let name = registry.name("team/hello:1");
    let nobody = desk.plugin(&["push", "hello.wasm", &name]).await?;
    assert_eq!(nobody.code, Some(1));
    assert!(nobody.err.contains("docker login"), "{}", nobody.err);
    let host = registry.address.to_string();
    let configure = |config: &Value| fs::write(desk.path("config.json"), config.to_string());
    configure(&json!({ "auths": { host.clone(): { "username": "tester", "password": "wrong" } } }))?;
    let wrong = desk.plugin(&["push", "hello.wasm", &name]).await?;
    assert_eq!(wrong.code, Some(1));
    assert!(
        wrong.err.contains("401") && !wrong.err.contains("wrong"),
        "{}",
        wrong.err
    );
    // The base64 of the name, a colon and the password.
    configure(&json!({ "auths": { host.clone(): { "auth": "dGVzdGVyOlUqVQ==" } } }))?;
    desk.told(&["push", "hello.wasm", &name]).await?;
    desk.pull(&name).await?;
    let helper = desk.path("docker-credential-test");
    let said = json!({ "ServerURL": host, "Username": "tester", "Secret": PASSWORD });
    fs::write(
        &helper,
        format!("#!/bin/sh\n[ \"$1\" = get ] && [ \"$(cat)\" = \"{host}\" ] && echo '{said}'\n"),
    )?;
    fs::set_permissions(&helper, fs::Permissions::from_mode(0o755))?;
    for config in [
        json!({ "credHelpers": { host.clone(): "test" } }),
        json!({ "credsStore": "test", "auths": { host.clone(): {} } }),
    ] {
        configure(&config)?;
        desk.pull(&name).await?;
    }
    Ok(())
}

#[tokio::test]
async fn bytes_that_were_changed_in_the_registry_are_refused() -> Result<()> {
    let (desk, registry) = (Desk::new()?, registry(None).await?);
    let name = registry.name("team/hello:1");
    let pushed = desk.told(&["push", "hello.wasm", &name, "--layout", "cncf"]).await?;
    let blob = registry.blob(&desk.sha256()?);
    let whole = fs::read(&blob)?;
    let mut changed = whole.clone();
    *changed.last_mut().context("an empty module")? ^= 1;
    fs::write(&blob, &changed)?;
    refused(&desk, &registry, "has the digest").await?;
    fs::write(&blob, [&whole[..], b"more"].concat())?;
    refused(&desk, &registry, "has more than").await?;
    let digest = pushed["digest"]
        .as_str()
        .unwrap_or_default()
        .trim_start_matches("sha256:");
    let manifest = registry.blob(digest);
    let text = fs::read_to_string(&manifest)?.replace("application/wasm", "application/wasp");
    fs::write(&manifest, text)?;
    fs::write(&blob, &whole)?;
    let ended = desk.plugin(&["pull", &name]).await?;
    assert_eq!(ended.code, Some(1), "{ended:?}");
    assert!(!desk.path("pulled.wasm").exists());
    Ok(())
}

async fn refused(desk: &Desk, registry: &Registry, why: &str) -> Result<()> {
    let ended = desk
        .plugin(&["pull", &registry.name("team/hello:1"), "-o", "pulled.wasm"])
        .await?;
    ensure!(ended.code == Some(1) && ended.err.contains(why), "{ended:?}");
    ensure!(!desk.path("pulled.wasm").exists(), "a refused module was written");
    Ok(())
}

#[tokio::test]
async fn what_they_say_to_people_and_of_mistakes() -> Result<()> {
    let (desk, registry) = (Desk::new()?, registry(None).await?);
    // A module whose bytes no compiler changes.
    fs::write(desk.path("small.wasm"), small()?)?;
    fs::write(desk.path("sbom.json"), r#"{"spdxVersion":"SPDX-2.3"}"#)?;
    fs::write(desk.path("not.wasm"), "#!/bin/sh\n")?;
    let name = registry.name("team/small:1");
    let mut shown = String::new();
    for words in [
        &["pack", "small.wasm", "-o", "packed", "--sbom", "sbom.json"][..],
        &["pack", "small.wasm", "-o", "packed"],
        &["pack", "not.wasm", "-o", "other"],
        &["pack", "missing.wasm", "-o", "other"],
        &[
            "push",
            "small.wasm",
            &name,
            "--annotation",
            "org.opencontainers.image.version=1",
        ],
        &["push", "packed", &name],
        &["push", "small.wasm", "https://registry.example/a"],
        &["push", "small.wasm", &name, "--sbom", "small.wasm"],
        &["pull", &name],
        &["pull", &registry.name("team/none:1")],
        &["pull", "127.0.0.1:1/team/none:1@sha256:00"],
    ] {
        let ended = desk.plugin(words).await?;
        let line = format!(
            "$ cofferdam plugin {}\n{}{}exit {}\n\n",
            words.join(" "),
            ended.out,
            ended.err,
            ended.code.context("a signal ended it")?
        );
        shown += &line.replace(&registry.address.to_string(), "REGISTRY");
    }
    golden().expect("packages.txt", &shown)
}

fn small() -> Result<Vec<u8>> {
    let text = r#"(module
        (memory (export "memory") 1)
        (func (export "proxy_abi_version_0_2_1"))
        (func (export "proxy_on_memory_allocate") (param i32) (result i32) i32.const 0)
        (func (export "_initialize")))"#;
    wat::parse_str(text).context("no module")
}
