"""Backend and worker as processes of their own, on one Redis."""

import datetime
import re
import signal

from .redis_layout import Shard
from .server import Posthaste, wait_until


class Role(Posthaste):
    """A process of one role. `url` is the store's; what it prints goes to a log of its own."""

    VERB, ADDR = None, None

    def __init__(self, directory, url, env=None, port=None):
        super().__init__(directory, env={"REDIS_URL": url, **(env or {})}, port=port)
        self.env[self.ADDR] = f"127.0.0.1:{self.port}"

    def command(self):
        return [self.VERB]

    @property
    def pid(self):
        return self.process.pid

    def freeze(self):
        self.process.send_signal(signal.SIGSTOP)

    def thaw(self):
        self.process.send_signal(signal.SIGCONT)

    def metric(self, name, label=None):
        """A number of its /metrics, 0 when it is not there."""
        client = self.client()
        try:
            text = client.get("/metrics").text()
        finally:
            client.close()
        for line in text.splitlines():
            found = re.fullmatch(r"(\w+)(?:\{(.*)\})? (\S+)", line)
            if found and found.group(1) == name and (label is None or label in (found.group(2) or "")):
                return float(found.group(3))
        return 0

    def logged(self, words):
        """The lines of its log that hold all of these words."""
        words = [words] if isinstance(words, str) else words
        return [line for line in self.log().splitlines() if all(word in line for word in words)]


class Api(Role):
    VERB, ADDR = "api", "POSTHASTE_ADDR"


class Worker(Role):
    VERB, ADDR = "worker", "POSTHASTE_WORKER_ADDR"

    def settled(self):
        """How many tasks it has settled since its start."""
        return self.metric("posthaste_worker_outcomes_total", 'outcome="succeeded"')

    def lost(self):
        """How many of its outcomes were refused since its start."""
        return self.metric("posthaste_worker_outcomes_total", 'outcome="lease_lost"')

    def name(self, shard: Shard):
        """Its id in the store."""
        return wait_until(f"the registration of process {self.pid}", lambda: shard.worker_of(self.pid), 10)


def millis(text):
    """A stored time as the API shows it, in milliseconds."""
    at = datetime.datetime.fromisoformat(text.replace("Z", "+00:00"))
    return round(at.timestamp() * 1000)


class Providers:
    """E-mail providers `p0`, `p1` … that are one sink, in the posthaste.toml of a directory.

    A worker has ten connections to each: so many of its messages can be on their way at once. One more
    is left to those that must not wait for the others.
    """

    PER_PROVIDER = 10
    FREE = "default"

    def __init__(self, directory, port, messages):
        self.count = -(-messages // self.PER_PROVIDER)
        (directory / "posthaste.toml").write_text("".join(
            f'[providers.p{n}]\nurl = "smtp://127.0.0.1:{port}"\nfrom = "noreply@example.com"\n\n'
            for n in (*range(self.count), "")).replace("[providers.p]", f"[providers.{self.FREE}]"))
        self.given = 0

    def next(self):
        """One after the other."""
        self.given += 1
        return f"p{self.given % self.count}"


def mail(to, provider=None, **more):
    """The body of `POST /v1/tasks` for one e-mail that is tried again soon."""
    payload = {"channel": "email", "to": to, "message": "x"}
    if provider:
        payload["provider"] = provider
    return {"kind": "notify", "payload": payload,
            "retry": {"backoff": {"type": "listed", "delays_ms": [100]}}, **more}


def submit(client, to, provider=None, **more):
    """Enqueues one e-mail; its id."""
    reply = client.post("/v1/tasks", mail(to, provider, **more))
    if reply.status != 202:
        raise AssertionError(f"POST /v1/tasks answered {reply!r}")
    return reply.json()["id"]
