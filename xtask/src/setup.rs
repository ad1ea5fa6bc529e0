//! `cargo xtask setup`: installs what the suites need.

use crate::run::{Job, root, succeeds};
use crate::tally::Tally;
use anyhow::{Context, Result, ensure};
use std::ffi::OsStr;
use std::fs;
use std::path::PathBuf;

/// A Debian package, and a command that succeeds once it is installed.
const DEBIAN: [(&str, &str, &[&str]); 5] = [
    ("gdb", "gdb", &["--version"]),
    ("python3", "python3", &["--version"]),
    ("python3-venv", "python3", &["-c", "import ensurepip, venv"]),
    ("nodejs", "node", &["--version"]),
    ("npm", "npm", &["--version"]),
];

/// Installs everything.
pub(crate) fn run() -> Result<()> {
    debian()?;
    python()?;
    Ok(())
}

/// The same as a step of the tests.
pub(crate) fn suite() -> Result<Tally> {
    run().map(|()| Tally::one(true))
}

/// The Python of the test environment, `build/python`, with the packages of `xtask/requirements.txt`.
pub(crate) fn python() -> Result<PathBuf> {
    let folder = root().join("build/python");
    let (python, stamp) = (folder.join("bin/python"), folder.join("requirements.txt"));
    let wanted = fs::read_to_string(root().join(REQUIREMENTS)).context(REQUIREMENTS)?;
    if fs::read_to_string(&stamp).is_ok_and(|installed| installed == wanted) {
        return Ok(python);
    }
    let venv = [OsStr::new("-m"), OsStr::new("venv"), OsStr::new("--clear"), folder.as_os_str()];
    ensure!(Job::new("python3", &venv).run()?.success, "no Python environment could be made");
    let pip = ["-m", "pip", "install", "--quiet", "--disable-pip-version-check", "-r", REQUIREMENTS];
    ensure!(Job::new(&python, &pip).run()?.success, "the packages of {REQUIREMENTS} can't be installed");
    fs::write(&stamp, wanted).context("build/python can't be written")?;
    Ok(python)
}

const REQUIREMENTS: &str = "xtask/requirements.txt";

/// Installs the missing Debian packages as root; else says the one line that does.
fn debian() -> Result<()> {
    let missing = DEBIAN.iter().filter(|(_, program, arguments)| !succeeds(program, arguments));
    let missing: Vec<&str> = missing.map(|(package, ..)| *package).collect();
    if missing.is_empty() {
        return Ok(());
    }
    let by_hand = format!("apt-get install -y --no-install-recommends {}", missing.join(" "));
    let root = rustix::process::geteuid().is_root();
    ensure!(root, "some packages are missing; run this once:\n  sudo {by_hand}");
    let apt =
        |arguments: &[&str]| Job::new("apt-get", arguments).with("DEBIAN_FRONTEND", "noninteractive").run();
    apt(&["update"])?;
    let install: Vec<&str> = by_hand.split(' ').skip(1).collect();
    ensure!(apt(&install)?.success, "`{by_hand}` failed");
    Ok(())
}
