//! The programs that a run starts, each ended by its own handle, whatever happens to the run.

use std::ffi::OsString;
use std::io::{BufRead, BufReader};
use std::net::SocketAddr;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context as _, bail, ensure};

/// This very program, as it is started for a run.
pub(crate) struct Posthaste<'a> {
    /// The file; a copy for runs that measure memory.
    pub(crate) file: &'a Path,
    /// `up`, `api` or `worker`, with its flags.
    pub(crate) arguments: Vec<OsString>,
    /// `REDIS_URL`, if it works on Redis.
    pub(crate) redis: Option<&'a str>,
    /// Where it runs.
    pub(crate) dir: &'a Path,
    /// Settings that are given in the environment.
    pub(crate) env: Vec<(&'static str, String)>,
}

/// A running `posthaste`; killed when it is dropped.
pub(crate) struct Running {
    child: Child,
    /// Where it listens.
    pub(crate) addr: SocketAddr,
}

impl Posthaste<'_> {
    /// Starts it with every default but its arguments, and waits for its ready line.
    ///
    /// # Errors
    /// When it ends or says something else.
    pub(crate) fn start(&self) -> anyhow::Result<Running> {
        let mut command = tied(self.file);
        // Defaults are what is measured: nothing of our own environment may change them.
        for (name, _) in std::env::vars_os() {
            if name.to_string_lossy().starts_with("POSTHASTE_") || name == "RUST_LOG" || name == "REDIS_URL" {
                command.env_remove(name);
            }
        }
        command.args(&self.arguments).current_dir(self.dir).stdout(Stdio::piped()).stderr(Stdio::null());
        command.envs(self.env.iter().map(|(name, value)| (name, value)));
        if let Some(url) = self.redis {
            command.env("REDIS_URL", url);
        }
        let mut child = command.spawn()?;
        let stdout = child.stdout.take().context("stdout was piped")?;
        let mut line = String::new();
        let read = BufReader::new(stdout).read_line(&mut line);
        let addr = line.trim().rsplit_once("http://").and_then(|(_, addr)| addr.parse().ok());
        match (read, addr) {
            (Ok(_), Some(addr)) => Ok(Running { child, addr }),
            _ => {
                let _ = child.kill();
                let status = child.wait()?;
                bail!("posthaste {:?} did not start ({status}): {line:?}", self.arguments)
            }
        }
    }
}

/// A command whose process dies with this one where `setpriv` is there, even if this one is killed.
pub(crate) fn tied(program: &Path) -> Command {
    let path = std::env::var_os("PATH").unwrap_or_default();
    if !std::env::split_paths(&path).any(|dir| dir.join("setpriv").is_file()) {
        return Command::new(program);
    }
    let mut command = Command::new("setpriv");
    command.args(["--pdeathsig", "KILL", "--"]).arg(program);
    command
}

impl Running {
    /// SIGTERM, and waits for a clean end.
    ///
    /// # Errors
    /// When it does not end, or not well.
    pub(crate) fn stop(mut self) -> anyhow::Result<()> {
        let pid = rustix::process::Pid::from_child(&self.child);
        rustix::process::kill_process(pid, rustix::process::Signal::TERM)?;
        let deadline = Instant::now() + Duration::from_secs(60);
        loop {
            if let Some(status) = self.child.try_wait()? {
                ensure!(status.success(), "posthaste ended with {status}");
                return Ok(());
            }
            ensure!(Instant::now() < deadline, "posthaste does not stop");
            std::thread::sleep(Duration::from_millis(5));
        }
    }

    /// Its proportional set size in MiB.
    ///
    /// # Errors
    /// When the kernel does not tell.
    pub(crate) fn pss_mib(&self) -> anyhow::Result<f64> {
        let text = std::fs::read_to_string(format!("/proc/{}/smaps_rollup", self.child.id()))?;
        let line = text.lines().find(|l| l.starts_with("Pss:")).context("no Pss in smaps_rollup")?;
        let kib: f64 = line.split_whitespace().nth(1).context("no number")?.parse()?;
        Ok(kib / 1_024.0)
    }

    /// What its threads have used of the processors so far.
    ///
    /// # Errors
    /// When the kernel does not tell.
    pub(crate) fn cpu(&self) -> anyhow::Result<Cpu> {
        Cpu::of(self.child.id())
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // After a clean stop this finds nobody.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Processor time of a process, all threads, in user and system mode.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Cpu {
    /// Its own.
    pub(crate) own: Duration,
    /// Of the children that it has waited for.
    pub(crate) children: Duration,
}

impl Cpu {
    /// Reads `/proc/<pid>/stat`.
    ///
    /// # Errors
    /// When the process is gone.
    pub(crate) fn of(pid: u32) -> anyhow::Result<Self> {
        let stat = std::fs::read_to_string(format!("/proc/{pid}/stat"))?;
        Self::parse(&stat).with_context(|| format!("/proc/{pid}/stat cannot be read"))
    }

    /// Of this process.
    ///
    /// # Errors
    /// When the kernel does not tell.
    pub(crate) fn here() -> anyhow::Result<Self> {
        Self::of(std::process::id())
    }

    fn parse(stat: &str) -> Option<Self> {
        // The name in brackets may hold anything, also brackets. Behind it comes field 3.
        let (_, rest) = stat.rsplit_once(')')?;
        let fields: Vec<&str> = rest.split_whitespace().collect();
        let ticks = |field: usize| fields.get(field - 3)?.parse::<u64>().ok();
        // The kernel tells these in hundredths of a second, whatever its own clock is.
        let time = |a: u64, b: u64| Duration::from_millis((a + b) * 10);
        Some(Self { own: time(ticks(14)?, ticks(15)?), children: time(ticks(16)?, ticks(17)?) })
    }

    /// What was used since `earlier`, per task, in microseconds.
    pub(crate) fn since(self, earlier: Self, tasks: u64) -> f64 {
        (self.own - earlier.own).as_secs_f64() * 1e6 / tasks as f64
    }

    /// What the children used since `earlier`.
    pub(crate) fn children_since(self, earlier: Self) -> Duration {
        self.children - earlier.children
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn processor_time_is_read_behind_the_name() {
        let stat = "4711 (redis ) (x) S 1 4711 4711 0 -1 4194304 100 0 0 0 250 31 7 5 20 0 4 0 100 0 0";
        let cpu = Cpu::parse(stat).expect("it is well formed");
        assert_eq!((cpu.own, cpu.children), (Duration::from_millis(2_810), Duration::from_millis(120)));
    }
}
