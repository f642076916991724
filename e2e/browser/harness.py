"""A server, a browser and a mail sink for one test each."""

import contextlib
import http.server
import os
import pathlib
import shutil
import signal
import socket
import socketserver
import subprocess
import sys
import tempfile
import threading
import time
import traceback

from playwright.sync_api import Error, sync_playwright

FLAGS = [
    "--no-sandbox",  # CI runs as root in a container, where Chromium's own sandbox cannot start
    "--disable-dev-shm-usage",  # nor is /dev/shm there larger than 64 MB, and a page that fills it dies
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
# What Playwright says when there is nothing left to talk to.
CLOSED = "Target page, context or browser has been closed"
READY = "Posthaste is ready: "
START_S = 30
WAIT_MS = 15_000


class Browser:
    """Headless Chromium of the machine; another is started when it has died."""

    def __init__(self, playwright, path):
        self.playwright, self.path = playwright, path
        self.chromium = None

    def start(self):
        """Sees to it that it runs. Contexts of one that has died are gone with it."""
        if self.chromium is None or self.has_died():
            self.chromium = self.playwright.chromium.launch(executable_path=self.path, args=FLAGS, headless=True)

    def has_died(self):
        """Whether the process itself is gone, not just a page of it."""
        try:
            # That it is gone may be told after the error that it led to; a question is answered in order.
            self.chromium.new_context().close()
        except Error:
            return not self.chromium.is_connected()
        return False

    def crash(self):
        """Has the process die as it does by itself: at once, without a word."""
        with contextlib.suppress(Error):
            self.chromium.new_browser_cdp_session().send("Browser.crash")

    def close(self):
        if self.chromium:
            self.chromium.close()


@contextlib.contextmanager
def browser():
    """The browser of a run."""
    path = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    if not path:
        print("no chromium on the PATH", file=sys.stderr)
        sys.exit(2)
    with sync_playwright() as playwright:
        chromium = Browser(playwright, path)
        try:
            yield chromium
        finally:
            chromium.close()


def saw_no_page(error):
    """Whether it is about the browser, not about what a page shows. `expect` tells that as a failed assertion, too: in
    Playwright's words where the browser went while it looked, without a log of its looking where there was none."""
    text = str(error)
    return isinstance(error, Error) or CLOSED in text or "\nActual value: " in text and "Call log:" not in text


def run_test(chromium, name, test, binary, shots=None):
    """Runs one test and prints what came of it; whether it passed.

    A test that failed because Chromium itself died says nothing about the pages, so it is run once more, on a fresh
    one. A failed assertion is what it is, whatever became of Chromium.
    """
    for again in (False, True):
        started = time.monotonic()
        try:
            chromium.start()
            with Case(chromium, binary, name, shots) as case:
                test(case)
        except Exception as error:
            if not again and saw_no_page(error) and chromium.has_died():
                print(f"again {name}: Chromium itself died; once more on a fresh one", flush=True)
                continue
            traceback.print_exc()
            print(f"FAIL {name}", flush=True)
            return False
        print(f"ok   {name} ({time.monotonic() - started:.1f} s)", flush=True)
        return True


class Server:
    """`posthaste up` on a free port with a data directory of its own; ended by its process id."""

    def __init__(self, binary, data_dir, env=None, args=()):
        own = {k: v for k, v in os.environ.items() if not k.startswith("POSTHASTE_") and k != "REDIS_URL"}
        command = [str(pathlib.Path(binary).resolve()), "up", "--addr", "127.0.0.1:0", "--data-dir", str(data_dir), *args]
        self.log = open(pathlib.Path(data_dir).parent / "log", "ab")
        self.process = subprocess.Popen(
            command, env={**own, **(env or {})}, cwd=pathlib.Path(data_dir).parent,
            stdout=subprocess.PIPE, stderr=self.log, text=True,
        )
        timer = threading.Timer(START_S, self.process.kill)
        timer.start()
        line = self.process.stdout.readline()
        timer.cancel()
        if not line.startswith(READY):
            self.stop()
            log = pathlib.Path(self.log.name).read_text(errors="replace")
            raise RuntimeError(f"posthaste did not start: {line!r}\n{log[-4000:]}")
        self.url = line[len(READY):].strip().rstrip("/")

    def stop(self):
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
            try:
                self.process.wait(40)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()
        self.process.stdout.close()
        self.log.close()


class MailSink:
    """An SMTP server that answers each recipient as `rcpt` says; `{}` accepts all."""

    def __init__(self, rcpt):
        self.rcpt = rcpt
        self.messages = []
        sink = self

        class Handler(socketserver.StreamRequestHandler):
            def say(self, text):
                self.wfile.write(text.encode() + b"\r\n")

            def handle(self):
                self.say("220 sink ESMTP")
                for raw in self.rfile:
                    line = raw.decode(errors="replace").strip()
                    verb = line.split(" ")[0].split(":")[0].upper()
                    if verb == "EHLO":
                        self.say("250-sink\r\n250-ENHANCEDSTATUSCODES\r\n250 8BITMIME")
                    elif verb == "RCPT":
                        address = line.partition("<")[2].partition(">")[0]
                        self.say(sink.rcpt.get(address, "250 2.1.5 OK"))
                    elif verb == "DATA":
                        self.say("354 go on")
                        body = []
                        for part in self.rfile:
                            if part == b".\r\n":
                                break
                            body.append(part)
                        sink.messages.append(b"".join(body).decode(errors="replace"))
                        self.say("250 2.0.0 queued")
                    elif verb == "QUIT":
                        self.say("221 bye")
                        return
                    else:
                        self.say("250 2.0.0 OK")

        self.server = _serve(socketserver.ThreadingTCPServer, Handler)
        self.url = f"smtp://127.0.0.1:{self.server.server_address[1]}"

    def stop(self):
        _end(self.server)


class StaticSite:
    """A page of another origin."""

    def __init__(self, html):
        body = html.encode()

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_GET(self):
                found = self.path.split("?")[0] == "/"
                self.send_response(200 if found else 204)  # browsers ask for an icon
                self.send_header("content-type", "text/html; charset=utf-8")
                self.end_headers()
                self.wfile.write(body if found else b"")

            def log_message(self, *_):
                pass

        self.server = _serve(http.server.ThreadingHTTPServer, Handler)
        self.url = f"http://127.0.0.1:{self.server.server_address[1]}/"

    def stop(self):
        _end(self.server)


def _serve(kind, handler):
    server = kind(("127.0.0.1", 0), handler)
    server.daemon_threads = True
    threading.Thread(target=server.serve_forever, daemon=True).start()
    return server


def _end(server):
    server.shutdown()
    server.server_close()


class Case:
    """What one test needs. On the way out it fails the test for whatever the console complained of:
    script errors, violations of the content security policy, failed requests."""

    def __init__(self, browser, binary, name, shots):
        self.browser, self.binary, self.name, self.shots = browser, binary, name, shots
        self.stack = contextlib.ExitStack()
        self.complaints = []
        self.tolerated = []
        self.base_path = ""

    def __enter__(self):
        self.dir = pathlib.Path(self.stack.enter_context(tempfile.TemporaryDirectory(prefix="posthaste-page-")))
        return self

    def __exit__(self, kind, *_):
        if kind and self.shots and getattr(self, "last_page", None):
            with contextlib.suppress(Exception):
                self.last_page.screenshot(path=f"{self.shots}/{self.name}-failed.png", full_page=True)
        self.stack.close()
        left = [c for c in self.complaints if not any(t in c for t in self.tolerated)]
        if not kind and left:
            raise AssertionError("the console complained:\n" + "\n".join(left))

    def _close(self, context):
        # Of one that has died nothing is left to close; an error about that would hide the test's own.
        with contextlib.suppress(Error):
            context.close()

    def server(self, env=None, args=()):
        server = Server(self.binary, self.dir / "data", {"POSTHASTE_BASE_PATH": self.base_path, **(env or {})}, args)
        self.stack.callback(server.stop)
        return server

    def mail(self, rcpt=None):
        sink = MailSink(rcpt or {})
        self.stack.callback(sink.stop)
        return sink

    def silence(self):
        """The URL of a mail server that takes connections and never says a word: what is sent to it runs and runs."""
        listening = socket.create_server(("127.0.0.1", 0), backlog=64)
        self.stack.callback(listening.close)
        return f"smtp://127.0.0.1:{listening.getsockname()[1]}"

    def site(self, html):
        site = StaticSite(html)
        self.stack.callback(site.stop)
        return site

    def page(self, width=1280, height=900, dark=False, script=True):
        context = self.browser.chromium.new_context(
            viewport={"width": width, "height": height},
            color_scheme="dark" if dark else "light",
            java_script_enabled=script,
            locale="en-GB",
            timezone_id="Europe/Berlin",
        )
        self.stack.callback(self._close, context)
        page = context.new_page()
        page.set_default_timeout(WAIT_MS)
        page.on("console", lambda m: m.type in ("error", "warning") and self.complaints.append(f"{m.type}: {m.text}"))
        page.on("pageerror", lambda e: self.complaints.append(f"script: {e}"))
        self.last_page = page
        return page

    def tolerate(self, text):
        """Chromium logs every answer of 400 and above as an error; a test that provokes one says so."""
        self.tolerated.append(text)

    def shot(self, page, name):
        if self.shots:
            pathlib.Path(self.shots).mkdir(parents=True, exist_ok=True)
            page.screenshot(path=f"{self.shots}/{name}.png", full_page=True)
