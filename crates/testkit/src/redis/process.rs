//! One `redis-server` process.

use std::io::{BufRead as _, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc;
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};

use super::ports::{Reserved, reserve};

/// What a server, and what a sentinel, says when it is ready.
const READY: [&str; 2] = ["Ready to accept connections", "Sentinel ID is"];
const STARTS_WITHIN: Duration = Duration::from_secs(30);

/// A running server. It ends when this is dropped.
pub(super) struct Process {
    child: Child,
}

/// Why a server did not come up.
#[derive(Debug)]
pub(super) struct NotUp(pub(super) String);

impl Process {
    pub(super) fn signal(&self, signal: Signal) {
        let pid = Pid::from_child(&self.child);
        kill_process(pid, signal).expect("a child that was not waited for can be signalled");
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // Either fails only if the process is gone, which is what is wanted.
        let _gone = self.child.kill();
        let _gone = self.child.wait();
    }
}

/// The server to start: `POSTHASTE_TEST_REDIS_SERVER` names another than `redis-server`, for example `valkey-server`.
fn program() -> String {
    std::env::var("POSTHASTE_TEST_REDIS_SERVER").unwrap_or_else(|_| "redis-server".to_owned())
}

/// Starts a server on a port that nobody has.
pub(super) fn start_on_a_free_port(dir: &Path, arguments: &[String]) -> (Reserved, Process) {
    let mut last = String::new();
    for _ in 0..50 {
        let reserved = reserve();
        // A program that is no test of ours may have taken the port since; then the next one.
        match start(dir, reserved.port, arguments) {
            Ok(process) => return (reserved, process),
            Err(NotUp(why)) => last = why,
        }
    }
    panic!("{} did not start on any of 50 ports; the last said: {last}", program());
}

/// Starts a server and waits until it says that it is ready. A file `redis.conf` in its directory is read first, and
/// written by a sentinel.
pub(super) fn start(dir: &Path, port: u16, arguments: &[String]) -> Result<Process, NotUp> {
    let mut command = command();
    let file = dir.join("redis.conf");
    if file.exists() {
        command.arg(file);
    }
    command.args(["--port", &port.to_string(), "--bind", "127.0.0.1", "--dir"]).arg(dir).args(arguments);
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::null());
    let (up_tx, up_rx) = mpsc::channel();
    // The thread starts the server and stays with it: the death signal of a child follows the thread that began it.
    let _thread = std::thread::Builder::new()
        .name("redis-server".to_owned())
        .spawn(move || watch(command, &up_tx))
        .expect("a thread can be started");
    up_rx.recv_timeout(STARTS_WITHIN).unwrap_or_else(|_| Err(NotUp("it was not ready in time".to_owned())))
}

/// The server's command, under `setpriv` where it is there, so that the server never outlives its test.
fn command() -> Command {
    let program = program();
    let path = std::env::var_os("PATH").unwrap_or_default();
    let has_setpriv = std::env::split_paths(&path).any(|dir| dir.join("setpriv").is_file());
    if !has_setpriv {
        return Command::new(program);
    }
    let mut command = Command::new("setpriv");
    command.args(["--pdeathsig", "KILL", "--"]).arg(program);
    command
}

fn watch(mut command: Command, up: &mpsc::Sender<Result<Process, NotUp>>) {
    let missing = format!("{} is not installed: run `make setup`, which installs it", program());
    let mut child = match command.spawn() {
        Ok(child) => child,
        Err(_) => {
            let _nobody_waits = up.send(Err(NotUp(missing)));
            return;
        }
    };
    let lines = BufReader::new(child.stdout.take().expect("its output is piped")).lines();
    let mut process = Some(Process { child });
    let mut said = String::new();
    // Reading goes on to the end, or the server would one day wait for its output to be read.
    for line in lines.map_while(Result::ok) {
        if process.is_none() {
            continue;
        }
        if READY.iter().any(|ready| line.contains(ready)) {
            let _nobody_waits = up.send(Ok(process.take().expect("it was just there")));
        } else {
            said.push_str(&line);
            said.push('\n');
        }
    }
    if process.is_some() {
        let what = if said.is_empty() { missing } else { said };
        let _nobody_waits = up.send(Err(NotUp(what)));
    }
}
