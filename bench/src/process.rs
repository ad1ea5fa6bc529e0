//! Servers as processes of their own, started, measured and ended.

use anyhow::Context;
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::path::Path;
use std::time::{Duration, Instant};
use tokio::net::TcpStream;
use tokio::process::{Child, Command};

/// A server that runs until it is dropped.
pub(crate) struct Server {
    child: Child,
    pub(crate) address: SocketAddr,
    /// From the start of the process to its first answer.
    pub(crate) start_up: Duration,
}

impl Server {
    /// `relatch serve` on a database, with these settings.
    pub(crate) async fn relatch(
        binary: &Path,
        database: &Path,
        settings: &[(&str, &str)],
    ) -> anyhow::Result<Self> {
        let address = free_address()?;
        let mut command = Command::new(binary);
        command.arg("serve").env("RELATCH_MASTER_KEY", crate::fill::MASTER_KEY);
        let (listen, store) = (address.to_string(), format!("sqlite:{}", database.display()));
        let usual =
            [("server.listen", listen.as_str()), ("store.url", &store), ("telemetry.log_filter", "warn")];
        for (key, value) in usual.iter().chain(settings) {
            command.args(["--set", &format!("{key}={value}")]);
        }
        Self::start(command, address).await
    }

    /// The alternative, which is this very program.
    pub(crate) async fn alternative(database: &Path, sessions: usize) -> anyhow::Result<Self> {
        let address = free_address()?;
        let mut command = Command::new(std::env::current_exe()?);
        command.arg("alternative").arg("--database").arg(database);
        command.args(["--listen", &address.to_string(), "--sessions", &sessions.to_string()]);
        Self::start(command, address).await
    }

    async fn start(mut command: Command, address: SocketAddr) -> anyhow::Result<Self> {
        let begun = Instant::now();
        let child = command.kill_on_drop(true).spawn().context("the server can't be started")?;
        let mut server = Self { child, address, start_up: Duration::ZERO };
        while TcpStream::connect(address).await.is_err() {
            anyhow::ensure!(begun.elapsed() < START_UP_MAX, "the server did not start in {START_UP_MAX:?}");
            anyhow::ensure!(server.child.try_wait()?.is_none(), "the server ended at once");
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        server.start_up = begun.elapsed();
        Ok(server)
    }

    /// Resident memory, in MB of a million bytes.
    pub(crate) fn memory_mb(&self) -> anyhow::Result<f64> {
        let id = self.child.id().context("the server has ended")?;
        let status = std::fs::read_to_string(format!("/proc/{id}/status"))?;
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).context("no VmRSS")?;
        let kib: f64 = line.trim().trim_end_matches("kB").trim().parse()?;
        Ok(kib * 1024.0 / 1e6)
    }

    /// Ends it as an operator would, and waits.
    pub(crate) async fn stop(mut self) -> anyhow::Result<()> {
        let id = self.child.id().context("the server has ended")?;
        let ended = std::process::Command::new("kill").arg(id.to_string()).status()?;
        anyhow::ensure!(ended.success(), "the server could not be told to stop");
        tokio::time::timeout(START_UP_MAX, self.child.wait()).await??;
        Ok(())
    }
}

fn free_address() -> anyhow::Result<SocketAddr> {
    Ok(TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?.local_addr()?)
}

const START_UP_MAX: Duration = Duration::from_secs(60);
