//! Running a program: its output streamed and kept, bounded in time, and nothing of it left behind.

use anyhow::{Context, Result, ensure};
use rustix::process::{Pid, Signal, kill_process_group};
use std::collections::BTreeSet;
use std::ffi::{OsStr, OsString};
use std::io::{BufRead, BufReader, Read, Write};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::{Arc, Mutex, mpsc};
use std::thread;
use std::time::{Duration, Instant};

/// A program that is about to run.
pub(crate) struct Job {
    command: Command,
    name: String,
    limit: Duration,
    quiet: bool,
}

/// What came of it.
pub(crate) struct Output {
    /// Whether it ended by itself, and well.
    pub(crate) success: bool,
    /// What it wrote to standard output and standard error, as it came.
    pub(crate) text: String,
}

impl Job {
    /// A program and its arguments, in the root of the workspace, for ten minutes at most.
    pub(crate) fn new<S: AsRef<OsStr>>(program: impl AsRef<OsStr>, arguments: &[S]) -> Self {
        let mut command = Command::new(program);
        command.args(arguments).current_dir(root()).stdin(Stdio::null());
        let words = std::iter::once(command.get_program()).chain(command.get_args());
        let name = words.map(OsStr::to_string_lossy).collect::<Vec<_>>().join(" ");
        Self { command, name, limit: Duration::from_secs(600), quiet: false }
    }

    /// The cargo that runs us.
    pub(crate) fn cargo<S: AsRef<OsStr>>(arguments: &[S]) -> Self {
        Self::new(std::env::var_os("CARGO").unwrap_or_else(|| OsString::from("cargo")), arguments)
    }

    /// In another directory than the root of the workspace.
    pub(crate) fn within(mut self, directory: &Path) -> Self {
        self.command.current_dir(directory);
        self
    }

    /// With a variable of the environment.
    pub(crate) fn with(mut self, name: &str, value: &str) -> Self {
        self.command.env(name, value);
        self
    }

    /// For so many minutes at most.
    pub(crate) fn minutes(mut self, minutes: u64) -> Self {
        self.limit = Duration::from_secs(minutes * 60);
        self
    }

    /// Without passing on what it writes.
    pub(crate) fn quietly(mut self) -> Self {
        self.quiet = true;
        self
    }

    /// Runs it, passing on what it writes unless it is to be quiet.
    pub(crate) fn run(mut self) -> Result<Output> {
        self.command.stdout(Stdio::piped()).stderr(Stdio::piped()).process_group(0);
        let mut child = self.command.spawn().with_context(|| format!("`{}` can't be run", self.name))?;
        let group = Group::of(&child)?;
        let text = Arc::new(Mutex::new(String::new()));
        let readers = [
            child.stdout.take().map(|pipe| pass_on(pipe, &text, self.quiet)),
            child.stderr.take().map(|pipe| pass_on(pipe, &text, self.quiet)),
        ];
        let ended = wait(child, self.limit);
        if ended.is_none() {
            let (name, minutes) = (&self.name, self.limit.as_secs() / 60);
            println!("`{name}` was ended after {minutes} minutes");
        }
        // Ends what is left of the group too, which also closes the pipes that the readers wait for.
        drop(group);
        for reader in readers.into_iter().flatten() {
            // A process that left the group may hold a pipe for ever; what it says is not waited for.
            let _ = reader.recv_timeout(READERS_WAIT);
        }
        let success = ended.is_some_and(|status| status.success());
        let text = text.lock().map(|text| text.clone()).unwrap_or_default();
        Ok(Output { success, text })
    }
}

impl Job {
    /// Starts it in the background, without passing on what it writes. It ends when the value goes.
    pub(crate) fn start(mut self) -> Result<Background> {
        self.command.stdout(Stdio::piped()).stderr(Stdio::piped()).process_group(0);
        let mut child = self.command.spawn().with_context(|| format!("`{}` can't be run", self.name))?;
        let group = Group::of(&child)?;
        let text = Arc::new(Mutex::new(String::new()));
        child.stdout.take().map(|pipe| pass_on(pipe, &text, true));
        child.stderr.take().map(|pipe| pass_on(pipe, &text, true));
        Ok(Background { child, group: Some(group), name: self.name, text })
    }
}

/// A program that runs beside us.
pub(crate) struct Background {
    child: Child,
    group: Option<Group>,
    name: String,
    text: Arc<Mutex<String>>,
}

impl Background {
    /// What follows `beginning` on the line where the program says it; waits for that, half a minute at most.
    pub(crate) fn says(&mut self, beginning: &str) -> Result<String> {
        let begun = Instant::now();
        loop {
            let ended = self.child.try_wait()?;
            let text = self.text.lock().map(|text| text.clone()).unwrap_or_default();
            let found = text.split_inclusive('\n').filter(|line| line.ends_with('\n'));
            if let Some(rest) = found.filter_map(|line| line.trim().strip_prefix(beginning)).next() {
                return Ok(rest.trim().to_owned());
            }
            let is_over = ended.is_some() || begun.elapsed() > SAYS_WAIT;
            ensure!(!is_over, "`{}` never said `{beginning}` but:\n{text}", self.name);
            thread::sleep(Duration::from_millis(20));
        }
    }
}

impl Drop for Background {
    fn drop(&mut self) {
        drop(self.group.take());
        // Reaps what was ended; it can't be waited for twice.
        let _ = self.child.wait();
    }
}

/// How long a server may take to say where it listens.
const SAYS_WAIT: Duration = Duration::from_secs(30);

/// How long to wait for the last words of a program that has ended.
const READERS_WAIT: Duration = Duration::from_secs(5);

/// Whether a program can be run and says that all is well; its output is not shown.
pub(crate) fn succeeds(program: &str, arguments: &[&str]) -> bool {
    let silent = Command::new(program)
        .args(arguments)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status();
    silent.is_ok_and(|status| status.success())
}

/// The root of the workspace.
pub(crate) fn root() -> PathBuf {
    let here = PathBuf::from(env!("CARGO_MANIFEST_DIR"));
    here.parent().map_or(here.clone(), PathBuf::from)
}

/// Makes an interrupt end the programs that we run, whose groups the terminal does not reach.
pub(crate) fn end_children_when_interrupted() -> Result<()> {
    ctrlc::set_handler(|| {
        let groups = GROUPS.lock().map(|groups| groups.clone()).unwrap_or_default();
        groups.into_iter().filter_map(Pid::from_raw).for_each(end);
        std::process::exit(130);
    })
    .context("no handler for interrupts could be set")
}

/// The process groups that run now.
static GROUPS: Mutex<BTreeSet<i32>> = Mutex::new(BTreeSet::new());

/// A process group that ends when this value goes.
struct Group(Pid);

impl Group {
    fn of(child: &Child) -> Result<Self> {
        let pid =
            i32::try_from(child.id()).ok().and_then(Pid::from_raw).context("a process without an id")?;
        if let Ok(mut groups) = GROUPS.lock() {
            groups.insert(pid.as_raw_nonzero().get());
        }
        Ok(Self(pid))
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        end(self.0);
        if let Ok(mut groups) = GROUPS.lock() {
            groups.remove(&self.0.as_raw_nonzero().get());
        }
    }
}

fn end(group: Pid) {
    // Fails when nothing of the group is left, which is what we want.
    let _ = kill_process_group(group, Signal::KILL);
}

/// Waits for the end; none when the time is up.
fn wait(mut child: Child, limit: Duration) -> Option<ExitStatus> {
    let (sender, receiver) = mpsc::channel();
    thread::spawn(move || sender.send(child.wait()));
    receiver.recv_timeout(limit).ok()?.ok()
}

/// Copies what comes into `text` and, unless it is to be quiet, to our standard output, line by line; the
/// receiver hears of the end.
fn pass_on(pipe: impl Read + Send + 'static, text: &Arc<Mutex<String>>, quiet: bool) -> mpsc::Receiver<()> {
    let (sender, receiver) = mpsc::channel();
    let text = Arc::clone(text);
    thread::spawn(move || {
        let mut lines = BufReader::new(pipe);
        let mut line = Vec::new();
        while lines.read_until(b'\n', &mut line).is_ok_and(|count| count > 0) {
            if !quiet {
                let _ = std::io::stdout().write_all(&line);
            }
            if let Ok(mut text) = text.lock() {
                text.push_str(&String::from_utf8_lossy(&line));
            }
            line.clear();
        }
        sender.send(())
    });
    receiver
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shell(script: &str) -> Job {
        Job::new("sh", &["-c", script])
    }

    #[test]
    fn output_of_both_kinds_and_the_status_are_kept() {
        let output = shell("echo one; echo two >&2").run().unwrap();
        assert!(output.success && output.text.contains("one\n") && output.text.contains("two\n"));
        assert!(!shell("exit 3").run().unwrap().success);
        assert!(Job::new("no-such-program", &[""; 0]).run().is_err());
    }

    #[test]
    fn a_program_that_hangs_is_ended_with_its_children() {
        let mut job = shell("sleep 300 & sleep 300");
        job.limit = Duration::from_millis(200);
        assert!(!job.run().unwrap().success);
    }

    #[test]
    fn a_program_in_the_background_is_heard_and_ended() {
        let mut job = shell("echo no; echo port 80; sleep 300").start().unwrap();
        assert_eq!(job.says("port ").unwrap(), "80");
        drop(job);
        let error = shell("echo no >&2; sleep 0.1").start().unwrap().says("port").unwrap_err();
        assert!(error.to_string().contains("but:\nno"), "{error}");
    }

    #[test]
    fn a_child_left_behind_is_ended_and_not_waited_for() {
        assert!(shell("sleep 300 & echo done").run().unwrap().success);
    }
}
