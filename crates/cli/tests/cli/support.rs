//! Runs the real binary in a directory of its own.

use std::io::{BufRead, BufReader, Read};
use std::path::Path;
use std::process::{Child, Command, Output, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::time::Duration;

/// A start or stop that takes longer has hung.
pub(crate) const PATIENCE: Duration = Duration::from_secs(60);

/// The system chooses one that nobody has.
const ANY_PORT: &str = "127.0.0.1:0";

/// The binary in `dir`, with nothing of the caller's environment that it reads. Unless it is told where to listen it takes a
/// free port: a server of the developer's may have the one of the defaults.
pub(crate) fn posthaste(dir: &Path, args: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_posthaste"));
    for (name, _) in std::env::vars_os() {
        if name.to_string_lossy().starts_with("POSTHASTE_")
            || name.to_string_lossy().starts_with("OTEL_")
            || name == "RUST_LOG"
            || name == "REDIS_URL"
        {
            command.env_remove(name);
        }
    }
    command.envs([("POSTHASTE_ADDR", ANY_PORT), ("POSTHASTE_WORKER_ADDR", ANY_PORT)]);
    command.current_dir(dir).args(args).stdin(Stdio::null());
    command
}

/// Runs it to its end.
pub(crate) fn run(dir: &Path, args: &[&str]) -> Output {
    posthaste(dir, args).output().expect("the binary runs")
}

pub(crate) fn stdout(output: &Output) -> String {
    String::from_utf8_lossy(&output.stdout).into_owned()
}

pub(crate) fn stderr(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

/// A running server; killed when dropped.
pub(crate) struct Up {
    child: Option<Child>,
    pub(crate) url: String,
}

impl Up {
    /// Starts one on a free port with its store in `dir`, and waits for its ready line.
    pub(crate) fn start(dir: &Path, args: &[&str]) -> Self {
        Self::start_at(dir, ANY_PORT, args)
    }

    /// The same at an address of one's own.
    pub(crate) fn start_at(dir: &Path, addr: &str, args: &[&str]) -> Self {
        let mut command = posthaste(dir, &["up", "--addr", addr]);
        command.args(args).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().expect("the binary runs");
        let lines = lines(child.stdout.take().expect("piped"));
        let line = lines.recv_timeout(PATIENCE).expect("a ready line");
        let url = line.strip_prefix("Posthaste is ready: ").expect("the ready line").to_owned();
        Self { child: Some(child), url }
    }

    /// The port of its address.
    pub(crate) fn addr(&self) -> &str {
        self.url.trim_start_matches("http://")
    }

    /// SIGTERM; its output once it has ended.
    pub(crate) fn terminate(mut self) -> Output {
        let child = self.child.take().expect("stopped once");
        let pid = rustix::process::Pid::from_child(&child);
        rustix::process::kill_process(pid, rustix::process::Signal::TERM).expect("it lives");
        child.wait_with_output().expect("it ends")
    }
}

impl Drop for Up {
    fn drop(&mut self) {
        if let Some(child) = &mut self.child {
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}

/// A process whose log is read while it runs; killed when dropped.
pub(crate) struct Process {
    child: Option<Child>,
    stdout: Receiver<String>,
    stderr: Receiver<String>,
    /// What it has logged so far.
    pub(crate) log: String,
}

impl Process {
    /// Starts one in `dir`.
    pub(crate) fn start(dir: &Path, args: &[&str], env: &[(&str, &str)]) -> Self {
        let mut command = posthaste(dir, args);
        command.envs(env.iter().copied()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().expect("the binary runs");
        let stdout = lines(child.stdout.take().expect("piped"));
        let stderr = lines(child.stderr.take().expect("piped"));
        Self { child: Some(child), stdout, stderr, log: String::new() }
    }

    /// Waits for its ready line, which begins with `what`; the rest of it.
    pub(crate) fn ready(&mut self, what: &str) -> String {
        match self.stdout.recv_timeout(PATIENCE) {
            Ok(line) => {
                let rest = line.strip_prefix(what).and_then(|r| r.strip_prefix(" is ready: "));
                rest.unwrap_or_else(|| panic!("{line}")).to_owned()
            }
            Err(_) => panic!("it is not ready: {}", self.rest_of_log()),
        }
    }

    /// Waits for a line of the log that holds `text`.
    pub(crate) fn logged(&mut self, text: &str) -> String {
        loop {
            let Ok(line) = self.stderr.recv_timeout(PATIENCE) else {
                panic!("{text:?} was not logged: {}", self.log)
            };
            self.log.push_str(&line);
            self.log.push('\n');
            if line.contains(text) {
                return line;
            }
        }
    }

    /// SIGTERM; its exit code once it has ended, and its whole log.
    pub(crate) fn terminate(mut self) -> (Option<i32>, String) {
        let mut child = self.child.take().expect("stopped once");
        let pid = rustix::process::Pid::from_child(&child);
        rustix::process::kill_process(pid, rustix::process::Signal::TERM).expect("it lives");
        let code = child.wait().expect("it ends").code();
        (code, self.rest_of_log())
    }

    fn rest_of_log(&mut self) -> String {
        self.log.extend(self.stderr.try_iter().flat_map(|line| [line, "\n".to_owned()]));
        self.log.clone()
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        if let Some(child) = &mut self.child {
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}

/// Lines as they come, on a thread of their own, so that a test can wait with a limit.
fn lines(stream: impl Read + Send + 'static) -> Receiver<String> {
    let (tx, rx) = channel();
    std::thread::spawn(move || {
        for line in BufReader::new(stream).lines().map_while(Result::ok) {
            if tx.send(line).is_err() {
                return;
            }
        }
    });
    rx
}
