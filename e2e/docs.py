#!/usr/bin/env python3
"""The commands of README.md and docs/, run as they stand there.

Each page has a fresh directory and a `posthaste up` of its own, on a free port that takes the place of 8000 (and others
that of any port of 127.0.0.1 that the page names). What a page may say, and how its output is compared: lib/pages.py.

    e2e/docs.py [PAGE ...]      for example docs/learn/lanes.md
"""

import os
import pathlib
import re
import shutil
import signal
import socket
import subprocess
import sys
import time

from lib.checks import main
from lib.client import FINAL
from lib.pages import Block, Page, fill, output_differs
from lib.redis_server import RedisServer
from lib.server import BINARY, ROOT, Posthaste, Scratch, environment, free_port, wait_until
from lib.sink import Sink

BLOCK_SECONDS = 60
# Records, not instructions; and pages that are generated.
NOT_RUN = ("docs/adr/",)


class Reader:
    """One page being followed: its directory, its ports, what it has printed so far."""

    def __init__(self, page, directory):
        self.page, self.directory = page, directory
        self.ports = {port: free_port() for port in {"8000", "8001", *page.ports}}
        self.seen, self.running, self.server = "", [], None
        (directory / "bin").mkdir()
        (directory / "bin" / "posthaste").symlink_to(BINARY.resolve())
        # A reader's terminal puts the prompt on a line of its own; here the next answer would follow at once.
        (directory / ".curlrc").write_text('silent\nshow-error\nwrite-out = "\\n"\nmax-time = 40\n')
        self.redis = None

    # --- surroundings -------------------------------------------------------------------------

    def environment(self):
        path = f"{self.directory / 'bin'}:{ROOT / '.venv' / 'bin'}:{os.environ['PATH']}"
        settings = dict(s[4:].split("=", 1) for s in self.page.settings if s.startswith("env "))
        return environment({
            **{name: self.here(value) for name, value in settings.items()},
            "PATH": path, "HOME": str(self.directory), "CURL_HOME": str(self.directory),
            "POSTHASTE_ADDR": f"127.0.0.1:{self.ports['8000']}",
            "POSTHASTE_WORKER_ADDR": f"127.0.0.1:{self.ports['8001']}",
            "PYTHONUNBUFFERED": "1", "NO_COLOR": "1",
        })

    def here(self, text):
        """The text with our ports in place of the page's."""
        pattern = r"\b(" + "|".join(sorted(self.ports, key=len, reverse=True)) + r")\b"
        return re.sub(pattern, lambda m: str(self.ports[m.group(1)]), text)

    def there(self, text):
        """And back."""
        for written, ours in self.ports.items():
            text = re.sub(rf"\b{ours}\b", written, text)
        return text

    def prepare(self):
        for setting in self.page.settings:
            words = setting.split()
            if words[0] == "smtp":
                Sink().start_thread(self.ports[words[1]])
            elif words[0] == "redis":
                self.redis = RedisServer(self.directory)
                self.redis.start()
                self.ports[words[1]] = self.redis.port
        if "no server" in self.page.settings or self.page.brings_its_server():
            return
        self.server = Posthaste(self.directory, env=self.environment(), port=self.ports["8000"])
        self.server.start()

    def leave(self):
        for process, log in self.running:
            if process.poll() is None:
                os.killpg(process.pid, signal.SIGTERM)
        for process, log in self.running:
            try:
                process.wait(10)
            except subprocess.TimeoutExpired:
                os.killpg(process.pid, signal.SIGKILL)
                process.wait(10)
            log.close()
        if self.redis:
            self.redis.kill9()

    # --- blocks -------------------------------------------------------------------------------

    def write(self, block):
        path = self.directory / block.options["file"]
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(self.here(block.text))

    def command(self, block):
        text = fill(self.here(block.text), self.seen)
        if block.language in ("python", "py"):
            return [sys.executable, "-c", text]
        if block.language in ("js", "javascript"):
            return ["node", "--input-type=module", "-e", text]
        if "background" in block.words:
            return ["bash", "-c", f"[ ! -f .vars ] || . ./.vars\n{text}"]
        return ["bash", "-c", f"set -a; [ ! -f .vars ] || . ./.vars\nset -eo pipefail\n{text}\nexport -p >.vars"]

    def wait_final(self):
        """Until the task that was printed last is final."""
        task_id = fill("<task_id>", self.seen)
        client = (self.server or Posthaste(self.directory, port=self.ports["8000"])).client()
        wait_until("the task ends", lambda: (client.task(task_id) or {}).get("state") in FINAL, 20)

    def run(self, block):
        """(exit code, output) with the page's ports in it."""
        if "when-final" in block.words:
            self.wait_final()
        done = subprocess.run(self.command(block), cwd=self.directory, env=self.environment(), text=True,
                              stdin=subprocess.DEVNULL, capture_output=True, timeout=BLOCK_SECONDS)
        self.seen += done.stdout
        return done.returncode, self.there(done.stdout), self.there(done.stderr)

    def start(self, block):
        """Starts what a page leaves running in another terminal; waits until it answers."""
        log = open(self.directory / f"background-{block.line}.log", "w+b")
        process = subprocess.Popen(self.command(block), cwd=self.directory, env=self.environment(),
                                   stdin=subprocess.DEVNULL, stdout=log, stderr=subprocess.STDOUT,
                                   start_new_session=True)
        self.running.append((process, log))
        port = block.options.get("port") or ("8000" if re.search(r"posthaste (up|api)\b", block.text) else None)
        if port:
            wait_until(f"port {port} answers", lambda: self._answers(port, process), 30)
        if re.search(r"posthaste (up|api|worker)\b", block.text):
            wait_until("the ready line", lambda: "is ready: http" in self.printed(block), 30)

    def _answers(self, port, process):
        if process.poll() is not None:
            raise RuntimeError(f"it ended with {process.returncode}")
        with socket.socket() as s:
            return s.connect_ex(("127.0.0.1", self.ports[port])) == 0

    def printed(self, block):
        return self.there((self.directory / f"background-{block.line}.log").read_text("utf-8", "replace"))


def missing(block):
    if block.language in ("js", "javascript"):
        return None if shutil.which("node") else "node"
    return None if "curl " not in block.text or shutil.which("curl") else "curl"


def follow(checks, page, directory):
    reader = Reader(page, directory)
    pending, last, failed = [], (None, ""), checks.failed
    try:
        for block in page.blocks:
            if "file" in block.options:
                reader.write(block)
        reader.prepare()
        for block in page.blocks:
            if "run" in block.words:
                last = (block, one(checks, reader, block))
            elif block.is_output():
                ran, printed = last
                if ran is not None and "background" in ran.words:
                    pending.append((block, ran))
                else:
                    compare(checks, page, block, printed)
        for block, ran in pending:
            until = time.monotonic() + 10
            while output_differs(block, reader.printed(ran)) and time.monotonic() < until:
                time.sleep(0.1)
            compare(checks, page, block, reader.printed(ran))
        if reader.server:
            checks.equal(f"{page.name}: the ready line", reader.server.ready_line,
                         f"Posthaste is ready: {reader.server.url}")
            checks.equal(f"{page.name}: exit on SIGTERM", reader.server.terminate()[0], 0)
    finally:
        if reader.server:
            reader.server.end_now()
        if checks.failed > failed and reader.server:
            for line in reader.server.log().splitlines()[-15:]:
                print("      | " + line)
        reader.leave()


def one(checks, reader, block):
    """Runs one block; returns what it printed, None when there is nothing to compare."""
    what = f"{reader.page.name}:{block.line} {first_line(block)}"
    if missing(block):
        checks.skip(what, f"{missing(block)} is not installed")
        return None
    try:
        if "background" in block.words:
            reader.start(block)
            checks.check(what, True)
            return ""
        code, out, err = reader.run(block)
    except (subprocess.TimeoutExpired, TimeoutError, RuntimeError) as error:
        checks.check(what, False, f"{error}\n{reader.printed(block) if 'background' in block.words else ''}")
        return None
    want = int(block.options.get("exit", 0))
    checks.check(what, code == want, "" if code == want else f"exit {code}\n{out}{err}")
    # What a program says about its failure is on the error output, and a terminal shows both.
    return out + err if want else out


def first_line(block):
    lines = [line.strip() for line in block.text.splitlines() if line.strip() and not line.strip().startswith("#")]
    return lines[0][:70] if lines else ""


def compare(checks, page, block, printed):
    if printed is None:
        return
    differs = output_differs(block, printed)
    checks.check(f"{page.name}:{block.line} the output", differs is None, differs or "")


def pages(names):
    listed = names or subprocess.run(["git", "ls-files", "README.md", "docs/*.md"], cwd=ROOT, capture_output=True,
                                     text=True, check=True).stdout.split()
    for name in listed:
        if (ROOT / name).exists() and not name.startswith(NOT_RUN):
            yield Page(name, (ROOT / name).read_text("utf-8"))


def quoted(checks, page, block):
    """A piece of a file that is compiled elsewhere stands there like this."""
    source = (ROOT / block.options["from"])
    squeezed = re.sub(r"\s+", " ", block.text).strip()
    whole = re.sub(r"\s+", " ", source.read_text("utf-8")) if source.exists() else ""
    checks.check(f"{page.name}:{block.line} stands in {block.options['from']}", squeezed in whole)


# A page shows (language, output), a program prints, and whether that is the same.
SHOWN = [
    ("text", "id 01…\n…\nend\n", "id 01ab\none\ntwo\nend\n", True),
    ("text", "id 01…\nend\n", "id 01ab\none\nend\n", False),
    ("text", "held\n", "sent\n", False),
    ("json", '{"state": "queued", "…": "…"}', '{"state":"queued","id":"7"}', True),
    ("json", '{"state": "queued"}', '{"state":"queued","id":"7"}', False),
    ("json", '{"data": [{"n": 1}, "…"]}', '{"data":[{"n":1},{"n":2}]}', True),
    ("json", '{"data": [{"n": 1}]}', '{"data":[{"n":1},{"n":2}]}', False),
    ("json", '{"n": 1}', '{"n":true}', False),
    ("json", '{"n": 1}', "<html>", False),
    ("json", '{"n": 1}\n{"n": 2}', '{"n":1}', False),
]
# Fences that are mistakes.
WRONG = ["sh", "python", "sh no-run:", "sh runn", "js when-final"]


def can_fail(checks):
    """What is looked at below would be found."""
    for language, shown, printed, same in SHOWN:
        differs = output_differs(Block(1, f"{language} output", shown), printed)
        checks.check(f"{shown!r} {'is' if same else 'is not'} {printed!r}", (differs is None) == same)
    for info in WRONG:
        checks.check(f"a fence of `{info}` is a mistake", Page("page", f"```{info}\nls\n```\n").problems != [])
    checks.check("an open fence is a mistake", Page("page", "```sh run\nls\n").problems != [])


def run(checks):
    can_fail(checks)
    names = [a for a in sys.argv[1:] if not a.startswith("-")]
    for page in pages([str(pathlib.Path(n)) for n in names]):
        for line, problem in page.problems:
            checks.check(f"{page.name}:{line}", False, problem)
        for block in page.blocks:
            if "from" in block.options:
                quoted(checks, page, block)
        later = [s[len("not yet:"):].strip() for s in page.settings if s.startswith("not yet:")]
        if page.runs() and later:
            checks.skip(page.name, f"not yet: {later[0]}")
        elif page.runs():
            with Scratch() as directory:
                try:
                    follow(checks, page, directory)
                except Exception as error:  # One page never keeps the others from being followed.
                    checks.check(f"{page.name} was followed to its end", False, f"{type(error).__name__}: {error}")


if __name__ == "__main__":
    main("docs", run)
