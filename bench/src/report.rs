//! The table: medians, with the spread beside them, and the machine they were taken on.

use std::fmt;
use std::path::Path;

/// A table of figures, one row after the other.
pub(crate) struct Report {
    machine: String,
    rows: Vec<(String, String)>,
}

/// Several runs of one measurement.
#[derive(Clone, Debug)]
pub(crate) struct Runs(Vec<f64>);

impl Runs {
    pub(crate) fn new(mut runs: Vec<f64>) -> Self {
        runs.sort_by(f64::total_cmp);
        Self(runs)
    }

    pub(crate) fn median(&self) -> f64 {
        self.0.get(self.0.len() / 2).copied().unwrap_or(f64::NAN)
    }
}

impl fmt::Display for Runs {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (first, last) =
            (self.0.first().copied().unwrap_or(f64::NAN), self.0.last().copied().unwrap_or(f64::NAN));
        write!(f, "{} ({} – {})", round(self.median()), round(first), round(last))
    }
}

impl Report {
    pub(crate) fn begin(folder: &Path) -> anyhow::Result<Self> {
        let cpu = std::fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
        let model = cpu.lines().find_map(|line| line.strip_prefix("model name")).unwrap_or_default();
        let cores = std::thread::available_parallelism()?;
        let sync = fdatasync_millis(folder)?;
        let machine = format!(
            "{cores} cores of {}, fdatasync {:.2} ms, client and server on the same cores",
            model.trim_start_matches([' ', '\t', ':']),
            sync.median(),
        );
        Ok(Self { machine, rows: Vec::new() })
    }

    /// Adds a row, and shows it at once: the whole takes minutes.
    pub(crate) fn row(&mut self, what: impl Into<String>, figure: impl fmt::Display) {
        let (what, figure) = (what.into(), figure.to_string());
        println!("{what}: {figure}");
        self.rows.push((what, figure));
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "\n{}\n\n| what | median (lowest – highest) |\n| --- | --- |", self.machine)?;
        for (what, figure) in &self.rows {
            writeln!(f, "| {what} | {figure} |")?;
        }
        Ok(())
    }
}

/// Enough digits to compare by, and no more.
pub(crate) fn round(figure: f64) -> String {
    match figure.abs() {
        size if size >= 100.0 => format!("{figure:.0}"),
        size if size >= 10.0 => format!("{figure:.1}"),
        _ => format!("{figure:.2}"),
    }
}

/// What every durable commit pays.
fn fdatasync_millis(folder: &Path) -> anyhow::Result<Runs> {
    let path = folder.join("fdatasync");
    let mut file = std::fs::File::create(&path)?;
    let mut runs = Vec::new();
    for _ in 0..100 {
        std::io::Write::write_all(&mut file, &[0; 4096])?;
        let start = std::time::Instant::now();
        file.sync_data()?;
        runs.push(start.elapsed().as_secs_f64() * 1000.0);
    }
    std::fs::remove_file(path)?;
    Ok(Runs::new(runs))
}
