//! `cargo xtask mutants`: breaks the refresh rule in small ways, one at a time, and sees that a test notices.
//!
//! The breakages are a table (`table`), each an exact text of one file and what to put in its place. They are
//! made in a copy of `relatch-token` and `relatch-core` under `build/mutants`, with a target directory of its own,
//! and without a network once the workspace has been built.

mod table;

use crate::run::{Job, Output, root};
use crate::tally::Tally;
use anyhow::{Context, Result, bail, ensure};
use std::fs;
use std::path::{Path, PathBuf};
use std::time::Instant;

/// A small breakage of the rule.
struct Mutant {
    name: &'static str,
    /// The file, from the folder of the crates.
    file: &'static str,
    /// What stands there, exactly once.
    text: &'static str,
    replacement: &'static str,
}

/// Which breakages to try, and on what.
#[derive(clap::Args)]
pub(crate) struct Options {
    /// Only those whose name holds this text.
    #[arg(long)]
    only: Option<String>,
    /// With this layer of tests alone; by default the three in turn, until one notices.
    #[arg(long, value_enum)]
    by: Option<Layer>,
}

/// A layer of tests, the quickest first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
enum Layer {
    /// Unit tests and the verdict table.
    Verdicts,
    /// The scenario table, on few seeds.
    Scenarios,
    /// The exhaustive walk, less deep.
    Walk,
}

/// What became of a breakage.
enum Fate {
    Caught {
        layer: Layer,
        test: String,
    },
    Survived,
    /// It is no breakage: the compiler refuses it.
    DoesNotCompile,
}

/// Tries them all, prints a table, and fails where one survives.
pub(crate) fn run(options: &Options) -> Result<()> {
    let chosen: Vec<&Mutant> = table::MUTANTS
        .iter()
        .filter(|mutant| options.only.as_ref().is_none_or(|text| mutant.name.contains(text.as_str())))
        .collect();
    ensure!(!chosen.is_empty(), "no mutant has that in its name; see xtask/src/mutants/table.rs");
    let layers = options.by.map_or(LAYERS.to_vec(), |layer| vec![layer]);
    let tally = try_each(&chosen, &layers)?;
    println!("{} passed, {} failed", tally.passed, tally.failed);
    if tally.failed > 0 {
        bail!("a breakage that no test notices needs a test; it is named above");
    }
    Ok(())
}

/// The suite: the breakages of the verdict table and of the decision around it, by the quickest layer alone. All of
/// them, by all layers, are for `cargo xtask mutants`, which takes some minutes.
pub(crate) fn suite() -> Result<Tally> {
    let is_of_the_rule = |mutant: &&Mutant| [table::PLACE, table::REFRESH].contains(&mutant.file);
    let chosen: Vec<&Mutant> = table::MUTANTS.iter().filter(is_of_the_rule).collect();
    try_each(&chosen, &[Layer::Verdicts])
}

/// Breaks one thing after the other, and counts what was noticed.
fn try_each(chosen: &[&Mutant], layers: &[Layer]) -> Result<Tally> {
    let mut copy = Copy::make()?;
    for mutant in chosen {
        copy.mutated(mutant)?;
    }
    let mut tally = Tally::default();
    for (i, mutant) in chosen.iter().enumerate() {
        let begun = Instant::now();
        let fate = copy.fate(mutant, layers)?;
        tally += Tally::one(matches!(fate, Fate::Caught { .. }));
        let verdict = match fate {
            Fate::Caught { layer, test } => format!("caught by {layer:?}: {test}").to_lowercase(),
            Fate::Survived => "SURVIVED".to_owned(),
            Fate::DoesNotCompile => "DOES NOT COMPILE".to_owned(),
        };
        let seconds = begun.elapsed().as_secs_f32();
        println!("{:>2}/{} {:<52} {verdict} ({seconds:.1} s)", i + 1, chosen.len(), mutant.name);
    }
    Ok(tally)
}

/// A copy of the two crates that hold the rule, as a workspace of their own.
struct Copy {
    root: PathBuf,
    /// The layers that the rule itself is known to pass.
    passed: Vec<Layer>,
}

impl Copy {
    fn make() -> Result<Self> {
        let copy = Self { root: root().join("build/mutants"), passed: Vec::new() };
        let manifest = fs::read_to_string(root().join("Cargo.toml"))?;
        write_if_changed(&copy.root.join("Cargo.toml"), &own_manifest(&manifest))?;
        let lock = copy.root.join("Cargo.lock");
        fs::copy(root().join("Cargo.lock"), lock)
            .context("build the workspace first, it makes Cargo.lock")?;
        for name in CRATES {
            copy_folder(&root().join("crates").join(name), &copy.root.join("crates").join(name))?;
        }
        Ok(copy)
    }

    /// Where the mutant's file is, as it was and as it will be.
    fn mutated(&self, mutant: &Mutant) -> Result<(PathBuf, String, String)> {
        let path = self.root.join("crates").join(mutant.file);
        let text = fs::read_to_string(&path).with_context(|| format!("reading {}", path.display()))?;
        let count = text.matches(mutant.text).count();
        let Mutant { name, file, .. } = mutant;
        ensure!(count == 1, "`{name}`: its text is {count} times in {file}; see xtask/src/mutants/table.rs");
        let changed = text.replacen(mutant.text, mutant.replacement, 1);
        Ok((path, text, changed))
    }

    fn fate(&mut self, mutant: &Mutant, layers: &[Layer]) -> Result<Fate> {
        for layer in layers {
            self.check_rule_passes(*layer)?;
            let (path, text, changed) = self.mutated(mutant)?;
            fs::write(&path, changed)?;
            let output = self.test(*layer);
            fs::write(&path, text)?;
            let output = output?;
            if output.text.contains("could not compile") {
                return Ok(Fate::DoesNotCompile);
            }
            if !output.success {
                let test = failed_test(&output.text).unwrap_or("a test that did not end in time").to_owned();
                return Ok(Fate::Caught { layer: *layer, test });
            }
        }
        Ok(Fate::Survived)
    }

    /// A test that fails anyway notices nothing.
    fn check_rule_passes(&mut self, layer: Layer) -> Result<()> {
        if !self.passed.contains(&layer) {
            let output = self.test(layer)?;
            ensure!(output.success, "the rule itself fails its {layer:?}:\n{}", output.text);
            self.passed.push(layer);
        }
        Ok(())
    }

    fn test(&self, layer: Layer) -> Result<Output> {
        let arguments: &[&str] = match layer {
            Layer::Verdicts => &["--lib", "--test", "verdicts"],
            Layer::Scenarios => &["--test", "scenarios"],
            Layer::Walk => &["--test", "walk", "--config", "profile.dev.package.relatch-core.opt-level=2"],
        };
        Job::cargo(&[&["test", "--offline"], arguments].concat())
            .within(&self.root)
            .with("CARGO_TARGET_DIR", "target")
            .with("RUSTFLAGS", "--allow warnings")
            .with("RELATCH_SEEDS", "20")
            .with("RELATCH_WALK_DEEPER", "-3")
            .quietly()
            .minutes(5)
            .run()
    }
}

/// The manifest of the workspace less its members and profiles: the mutants have their own.
fn own_manifest(manifest: &str) -> String {
    let mut own = String::from(OWN_MANIFEST);
    let mut is_kept = false;
    for line in manifest.lines() {
        if line.starts_with('[') {
            is_kept = line.starts_with("[workspace.");
        }
        if is_kept {
            own.push_str(line);
            own.push('\n');
        }
    }
    own
}

/// Copies sources, leaving alone what is the same so that cargo need not build it again.
fn copy_folder(from: &Path, to: &Path) -> Result<()> {
    for entry in fs::read_dir(from)? {
        let entry = entry?;
        let target = to.join(entry.file_name());
        if entry.file_type()?.is_dir() {
            copy_folder(&entry.path(), &target)?;
        } else {
            write_if_changed(&target, &fs::read_to_string(entry.path())?)?;
        }
    }
    Ok(())
}

fn write_if_changed(path: &Path, text: &str) -> Result<()> {
    if fs::read_to_string(path).is_ok_and(|present| present == text) {
        return Ok(());
    }
    fs::create_dir_all(path.parent().context("a file has a folder")?)?;
    fs::write(path, text).with_context(|| format!("writing {}", path.display()))
}

/// The first test that libtest calls failed.
fn failed_test(output: &str) -> Option<&str> {
    output.lines().find_map(|line| line.strip_prefix("test ")?.strip_suffix(" ... FAILED"))
}

const LAYERS: [Layer; 3] = [Layer::Verdicts, Layer::Scenarios, Layer::Walk];
const CRATES: [&str; 2] = ["relatch-token", "relatch-core"];
const OWN_MANIFEST: &str = r#"[workspace]
resolver = "3"
members = ["crates/*"]

[profile.dev]
debug = false

[profile.dev.package.sha2]
opt-level = 3

"#;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_breakage_has_its_text_exactly_once_and_a_name_of_its_own() {
        let here = Copy { root: root(), passed: Vec::new() };
        for mutant in table::MUTANTS {
            here.mutated(mutant).unwrap();
            assert_ne!(mutant.text, mutant.replacement, "{}", mutant.name);
            assert_eq!(table::MUTANTS.iter().filter(|other| other.name == mutant.name).count(), 1);
        }
    }

    #[test]
    fn the_first_failed_test_is_named() {
        let output = "test a::good ... ok\ntest a::bad ... FAILED\ntest a::worse ... FAILED\n";
        assert_eq!(failed_test(output), Some("a::bad"));
        assert_eq!(failed_test("test a::good ... ok\n"), None);
    }
}
