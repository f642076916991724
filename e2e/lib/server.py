"""Starts and ends the server under test: the built binary, `posthaste up`."""

import fcntl
import itertools
import os
import pathlib
import random
import re
import select
import shutil
import signal
import socket
import subprocess
import tempfile
import time

from .client import Client

ROOT = pathlib.Path(__file__).resolve().parents[2]
BINARY = pathlib.Path(os.environ.get("POSTHASTE_BIN") or ROOT / "target" / "debug" / "posthaste")


_LOGS = itertools.count(1)
# Below the ports that systems give to outgoing connections: one of those could be taken, between the look and the start of
# a server, by any connection of a process beside it.
_PORTS = range(11_000, 21_000)
# Locked files, one for each port that was given; the tests in Rust go by the same (crates/testkit/src/redis/ports.rs).
_RESERVED = []
_LOCKS = pathlib.Path(tempfile.gettempdir()) / f"posthaste-test-ports-{os.getuid()}"


def free_port():
    """A port that nobody has, nor the one 10,000 above it, which a Cluster node takes as well. Until this process ends no
    other test of ours on this machine takes it, also while a server on it is being started again."""
    for port in random.sample(_PORTS, 1_000):
        if _reserve(port) and is_free(port) and is_free(port + 10_000):
            return port
    raise AssertionError(f"no port of {_PORTS} is free")


def _reserve(port):
    """Whether the port's file could be locked. A port that turns out to be taken stays locked: it is not looked at twice."""
    try:
        _LOCKS.mkdir(exist_ok=True)
        lock = open(_LOCKS / str(port), "a")
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    _RESERVED.append(lock)
    return True


def is_free(port):
    with socket.socket() as s:
        # As servers do: what an earlier one has left in TIME_WAIT is in nobody's way.
        s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            s.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True


def environment(extra=None):
    """Ours without anything that would configure the server under test."""
    env = {k: v for k, v in os.environ.items() if not k.startswith(("POSTHASTE_", "REDIS_", "OTEL_"))}
    env.pop("RUST_LOG", None)
    env.update(extra or {})
    return env


class Scratch:
    """A directory that goes away at the end."""

    def __init__(self):
        self.path = pathlib.Path(tempfile.mkdtemp(prefix="posthaste-e2e-"))

    def __enter__(self):
        return self.path

    def __exit__(self, *_):
        shutil.rmtree(self.path, ignore_errors=True)


class NotReady(Exception):
    """The process ended or stayed silent instead of saying that it is ready."""

    def __init__(self, code, output):
        super().__init__(f"exit {code}: {output[-500:]}")
        self.code, self.output = code, output


class Posthaste:
    """One `posthaste up`, in a working directory of its own; may be started any number of times."""

    def __init__(self, directory, env=None, args=(), config=None, data_dir=None, port=None):
        self.directory = pathlib.Path(directory)
        self.data_dir = pathlib.Path(data_dir) if data_dir else self.directory / "data"
        self.port = port or free_port()
        self.env, self.args = dict(env or {}), list(args)
        self.process = None
        self.log_path = self.directory / f"posthaste-{next(_LOGS)}.log"
        self.ready_line = None
        if config is not None:
            (self.directory / "posthaste.toml").write_text(config)

    def command(self):
        """The verb and where it listens; a process with another role says otherwise."""
        return ["up", "--addr", f"127.0.0.1:{self.port}", "--data-dir", str(self.data_dir)]

    def spawn(self):
        """Starts it and waits for nothing."""
        with open(self.log_path, "ab") as log:
            self.process = subprocess.Popen(
                [str(BINARY), *self.command(), *self.args], cwd=self.directory, env=environment(self.env),
                stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=log)

    def start(self, timeout=30):
        """Returns how long it took to be ready; raises NotReady with what it printed."""
        started = time.monotonic()
        self.spawn()
        line = self._first_line(timeout)
        if not re.match(r"Posthaste( API| worker)? is ready: http://", line):
            code = self.end_now()
            raise NotReady(code, line + self.log())
        self.ready_line = line.strip()
        return time.monotonic() - started

    def _first_line(self, timeout):
        """The first line of its standard output, or what there was when it ended."""
        deadline, data = time.monotonic() + timeout, b""
        fd = self.process.stdout.fileno()
        while b"\n" not in data:
            left = deadline - time.monotonic()
            if left <= 0 or not select.select([fd], [], [], left)[0]:
                break
            part = os.read(fd, 4096)
            if not part:
                try:
                    self.process.wait(5)
                except subprocess.TimeoutExpired:
                    pass
                break
            data += part
        return data.decode("utf-8", "replace")

    def client(self, timeout=30):
        return Client(self.port, timeout)

    @property
    def url(self):
        return f"http://127.0.0.1:{self.port}"

    def alive(self):
        return self.process is not None and self.process.poll() is None

    def kill9(self):
        self.process.send_signal(signal.SIGKILL)
        code = self.process.wait(30)
        self.process.stdout.close()
        return code

    def terminate(self, timeout=40):
        """SIGTERM; returns (exit code, seconds), the code being None when it did not end."""
        started = time.monotonic()
        self.process.send_signal(signal.SIGTERM)
        try:
            code = self.process.wait(timeout)
        except subprocess.TimeoutExpired:
            self.end_now()
            return None, time.monotonic() - started
        self.process.stdout.close()
        return code, time.monotonic() - started

    def end_now(self):
        """Makes sure that it is gone; returns its exit code."""
        if self.process is None:
            return None
        if self.process.poll() is None:
            self.process.kill()
        code = self.process.wait(30)
        if not self.process.stdout.closed:
            self.process.stdout.close()
        return code

    def log(self):
        try:
            return self.log_path.read_text("utf-8", "replace")
        except OSError:
            return ""

    def __enter__(self):
        return self

    def __exit__(self, kind, *_):
        self.end_now()
        if kind is not None:
            print("      the end of the server's log:")
            for line in self.log().splitlines()[-30:]:
                print("      | " + line)


def wait_until(what, condition, timeout, every=0.05):
    """Polls another process, which has no signal to wait on; the last value, or a TimeoutError."""
    deadline = time.monotonic() + timeout
    while True:
        value = condition()
        if value:
            return value
        if time.monotonic() > deadline:
            raise TimeoutError(f"{what}: not within {timeout} s")
        time.sleep(every)
