//! Debian's packages: installed when we may, named when we may not.

use std::process::Command;

use anyhow::{Context, Result, bail};

use crate::command::{find, run};

/// How we become root: already, by `sudo` without a password, or not at all.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Root {
    Already,
    Sudo,
    No,
}

/// Installs Debian packages without ever removing one, and without starting the services they bring.
pub(crate) fn install(packages: &[&str]) -> Result<()> {
    let names = packages.join(" ");
    if find("apt-get").is_none() {
        bail!("this is not a Debian or Ubuntu machine; install what these packages hold: {names}");
    }
    let root = root();
    if root == Root::No {
        bail!("no right to install packages; run: sudo apt-get install {names}");
    }
    println!("    apt-get install {names}");
    if apt(root, &[&["install"], packages].concat()).is_ok() {
        return Ok(());
    }
    // A fresh machine has no lists, or old ones.
    apt(root, &["update"]).context("the package lists cannot be had")?;
    apt(root, &[&["install"], packages].concat()).with_context(|| format!("try by hand: apt-get install {names}"))
}

fn apt(root: Root, arguments: &[&str]) -> Result<()> {
    let mut command = Command::new(if root == Root::Sudo { "sudo" } else { "env" });
    if root == Root::Sudo {
        command.args(["-n", "env"]);
    }
    // Run level 1 keeps a freshly installed nginx or Redis from taking a port.
    command.args(["DEBIAN_FRONTEND=noninteractive", "RUNLEVEL=1", "apt-get", "-qq"]);
    let (verb, packages) = arguments.split_first().context("apt-get needs a verb")?;
    command.arg(verb);
    if *verb == "install" {
        command.args(["--yes", "--no-install-recommends", "--no-remove"]);
    }
    run(command.args(packages))
}

fn root() -> Root {
    let said = |program: &str, arguments: &[&str]| Command::new(program).args(arguments).output().ok();
    if said("id", &["-u"]).is_some_and(|output| output.stdout.trim_ascii() == b"0") {
        return Root::Already;
    }
    match said("sudo", &["-n", "true"]) {
        Some(output) if output.status.success() => Root::Sudo,
        _ => Root::No,
    }
}
