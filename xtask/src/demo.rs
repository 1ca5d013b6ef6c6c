//! Starts the gateway with an echo upstream and two sample plugins, and says what to try.

use std::fs;
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::path::PathBuf;
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use clap::Args;

use crate::command::{cargo, run as run_command};
use crate::process::{Server, free_ports};
use crate::{guests, http, place};

/// How long the gateway may take to be ready.
const READY_WAIT: Duration = Duration::from_secs(30);

/// Opens `request-debug`, on this machine only.
const DEBUG_KEY: &str = "key-of-the-demonstration";

/// Where the demo listens.
#[derive(Args)]
pub(crate) struct Options {
    /// Port on 127.0.0.1
    #[arg(long, default_value_t = 8080)]
    port: u16,
}

/// Builds, starts, waits for Ctrl-C and stops.
pub(crate) fn run(options: &Options) -> Result<()> {
    let web = SocketAddr::from((Ipv4Addr::LOCALHOST, options.port));
    if TcpListener::bind(web).is_err() {
        let other = if options.port == 8080 { 8081 } else { 8080 };
        bail!(
            "port {} of 127.0.0.1 is taken\nhint: stop what listens there, or `cargo xtask demo --port {other}`",
            web.port()
        );
    }
    println!("building the gateway (release) and the sample plugins; the first time takes some minutes");
    run_command(cargo().args(["build", "--release", "--package", "cofferdam"]))?;
    guests::run(&guests::Options::default())?;
    let admin = admin_address()?;
    let configuration = write_configuration(web, admin)?;
    // Asked for before the gateway runs, so that no Ctrl-C is lost in between.
    let stop = Arc::new(AtomicBool::new(false));
    for signal in [signal_hook::consts::SIGINT, signal_hook::consts::SIGTERM] {
        signal_hook::flag::register(signal, Arc::clone(&stop)).context("cannot watch for Ctrl-C")?;
    }
    let binary = place::cargo_target().join("release").join("cofferdam");
    let mut gateway = Server::start(Command::new(binary).arg("run").arg(&configuration))?;
    gateway.wait_until(READY_WAIT, || {
        http::get(admin, "/readyz").is_some_and(|answer| answer.status == 200) || stop.load(Ordering::Relaxed)
    })?;
    println!("{}", what_to_try(web, admin, &configuration.display().to_string()));
    while !stop.load(Ordering::Relaxed) {
        if let Some(status) = gateway.ended()? {
            bail!("the gateway ended by itself ({status})");
        }
        thread::sleep(Duration::from_millis(100));
    }
    println!("stopping: exchanges in flight are finished first");
    gateway.stop()
}

/// The usual admin address, or another when it is taken: nobody types it before we have said it.
fn admin_address() -> Result<SocketAddr> {
    let usual = SocketAddr::from((Ipv4Addr::LOCALHOST, 9901));
    if TcpListener::bind(usual).is_ok() {
        return Ok(usual);
    }
    let [other] = free_ports()?;
    Ok(other)
}

fn write_configuration(web: SocketAddr, admin: SocketAddr) -> Result<PathBuf> {
    let folder = place::cargo_target().join("demo");
    fs::create_dir_all(&folder).with_context(|| format!("cannot make `{}`", folder.display()))?;
    let file = folder.join("gateway.yaml");
    let text = format!(
        "\
# Written by `cargo xtask demo`; change it while the gateway runs and see what it says.
admin: {{ listen: {admin} }}
listeners:
  - {{ name: web, listen: {web}, protocol: http }}
plugins:
  - name: hello
    source: {{ file: ../guests/hello.wasm }}
    config: {{ greeting: hi }}
  - name: request-debug
    source: {{ file: ../guests/request-debug.wasm }}
    config: {{ key: {DEBUG_KEY}, server_timing: true }}
routes:
  - name: echo
    match: {{ path: {{ prefix: / }} }}
    echo: true
    plugins: [hello, request-debug]
"
    );
    fs::write(&file, text).with_context(|| format!("cannot write `{}`", file.display()))?;
    Ok(file)
}

fn what_to_try(web: SocketAddr, admin: SocketAddr, configuration: &str) -> String {
    format!(
        "
The gateway listens on http://{web}; its configuration is {configuration}. Ctrl-C stops it.
Each request leaves one JSON line here. In another terminal:

  curl -i http://{web}/anything
      200; the body shows the request as the upstream got it, with `x-hello: hi` from the plugin;
      the response bears `x-served-by: cofferdam-hello`

  curl -i -H 'x-name: Ada' http://{web}/anything
      the upstream gets `x-hello: hi, Ada`

  curl -i -H 'x-debug-key: {DEBUG_KEY}' http://{web}/anything
      lines here say what a plugin sees of the request, and the response bears `server-timing`

  curl http://{admin}/plugins
      the plugin in each worker: state, generation, memory, faults

  curl http://{admin}/metrics
      everything counted, for Prometheus
"
    )
}
