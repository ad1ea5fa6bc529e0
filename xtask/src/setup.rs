//! `cargo xtask setup`: installs what the suites need.

use crate::run::{Job, root, succeeds};
use crate::tally::Tally;
use anyhow::{Context, Result, ensure};
use std::ffi::OsStr;
use std::fs;
use std::path::PathBuf;

/// A Debian package, and a command that succeeds once it is installed.
const DEBIAN: [(&str, &str, &[&str]); 7] = [
    ("chromium", "chromium", &["--version"]),
    ("gdb", "gdb", &["--version"]),
    ("g++", "c++", &["--version"]),
    ("python3", "python3", &["--version"]),
    ("python3-venv", "python3", &["-c", "import ensurepip, venv"]),
    ("nodejs", "node", &["--version"]),
    ("npm", "npm", &["--version"]),
];

/// Installs everything.
pub(crate) fn run() -> Result<()> {
    debian()?;
    python()?;
    fastapi()?;
    express()?;
    client()?;
    browser()?;
    react_app()?;
    Ok(())
}

/// The same as a step of the tests.
pub(crate) fn suite() -> Result<Tally> {
    run().map(|()| Tally::one(true))
}

/// The Python of the test environment, `build/python`, with the packages of `xtask/requirements.txt`.
pub(crate) fn python() -> Result<PathBuf> {
    venv("build/python", "xtask/requirements.txt")
}

/// The Python of the FastAPI example, with its packages.
pub(crate) fn fastapi() -> Result<PathBuf> {
    venv("build/fastapi-api", "examples/fastapi-api/requirements.txt")
}

/// A copy of the Express example with its packages, which so stay out of the tree.
pub(crate) fn express() -> Result<PathBuf> {
    let (from, to) = (root().join("examples/express-api"), root().join("build/express-api"));
    fs::create_dir_all(&to)?;
    for file in ["auth.js", "server.js"] {
        fs::copy(from.join(file), to.join(file)).with_context(|| file.to_owned())?;
    }
    let (package, stamp) = (fs::read_to_string(from.join("package.json"))?, to.join("installed.json"));
    if fs::read_to_string(&stamp).is_ok_and(|installed| installed == package) {
        return Ok(to);
    }
    fs::write(to.join("package.json"), &package)?;
    let npm = ["install", "--no-audit", "--no-fund", "--loglevel=error"];
    ensure!(
        Job::new("npm", &npm).within(&to).run()?.success,
        "the packages of the Express example can't be installed"
    );
    fs::write(&stamp, package).context("build/express-api can't be written")?;
    Ok(to)
}

/// The folder of the npm package, with the packages it is built and tested with.
pub(crate) fn client() -> Result<PathBuf> {
    node_modules("client")
}

/// The folder of the tests in the browser, with the packages they use.
pub(crate) fn browser() -> Result<PathBuf> {
    node_modules("tests/browser")
}

/// The folder of the React example, with its packages.
pub(crate) fn react_app() -> Result<PathBuf> {
    node_modules("examples/react-app")
}

/// A folder with exactly the packages of its lock file, installed again when that changes.
fn node_modules(name: &str) -> Result<PathBuf> {
    let folder = root().join(name);
    let (lock, stamp) =
        (fs::read_to_string(folder.join("package-lock.json"))?, folder.join("node_modules/installed.json"));
    if fs::read_to_string(&stamp).is_ok_and(|installed| installed == lock) {
        return Ok(folder);
    }
    let npm = ["ci", "--no-audit", "--no-fund", "--loglevel=error"];
    ensure!(
        Job::new("npm", &npm).within(&folder).run()?.success,
        "the packages of {name} can't be installed"
    );
    fs::write(&stamp, lock).with_context(|| format!("{} can't be written", stamp.display()))?;
    Ok(folder)
}

/// A Python environment in `folder` with the packages of a list, made again when the list changes.
fn venv(folder: &str, requirements: &str) -> Result<PathBuf> {
    let folder = root().join(folder);
    let (python, stamp) = (folder.join("bin/python"), folder.join("requirements.txt"));
    let wanted = fs::read_to_string(root().join(requirements)).with_context(|| requirements.to_owned())?;
    if fs::read_to_string(&stamp).is_ok_and(|installed| installed == wanted) {
        return Ok(python);
    }
    let venv = [OsStr::new("-m"), OsStr::new("venv"), OsStr::new("--clear"), folder.as_os_str()];
    ensure!(Job::new("python3", &venv).run()?.success, "no Python environment could be made");
    let pip = ["-m", "pip", "install", "--quiet", "--disable-pip-version-check", "-r", requirements];
    ensure!(Job::new(&python, &pip).run()?.success, "the packages of {requirements} can't be installed");
    fs::write(&stamp, wanted).with_context(|| format!("{} can't be written", stamp.display()))?;
    Ok(python)
}

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
