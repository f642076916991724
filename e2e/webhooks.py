#!/usr/bin/env python3
"""Webhooks: signatures that the Python package `standardwebhooks` verifies, receivers that misbehave, and addresses
that must not be reached."""

import datetime
import email.utils
import json
import threading

from standardwebhooks import Webhook, WebhookVerificationError

from lib.checks import main
from lib.http_sink import HttpSink, answer
from lib.server import Posthaste, Scratch, wait_until

# A quick schedule, so that tries that count follow one another at once.
QUICK = {"max_failures": 2, "backoff": {"type": "listed", "delays_ms": [10]}, "timeout_ms": 3000}
BIG = 100 * 1024 * 1024


def big_body():
    yield f"HTTP/1.1 200 OK\r\nContent-Length: {BIG}\r\n\r\n".encode()
    piece = b"x" * 65536
    for _ in range(BIG // len(piece)):
        yield piece


class Drip:
    """An answer that comes a byte at a time, each when the test run asks for it, which it never does."""

    def __init__(self):
        self.closed = threading.Event()

    def __iter__(self):
        yield b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n"
        while not self.closed.wait(0.2):
            yield b"."


DRIP = Drip()
LATER = datetime.datetime.now(datetime.timezone.utc) + datetime.timedelta(seconds=90)
BEHAVIOUR = {
    "/ok": lambda r: answer(204),
    "/500": lambda r: answer(500, b"broken"),
    "/429": lambda r: answer(429, headers={"Retry-After": "120"}),
    "/429-date": lambda r: answer(429, headers={"Retry-After": email.utils.format_datetime(LATER, usegmt=True)}),
    "/410": lambda r: answer(410),
    "/301": lambda r: answer(301, headers={"Location": "/ok"}),
    "/silent": lambda r: None,
    "/cut": lambda r: b"",
    "/big": lambda r: big_body(),
    "/drip": lambda r: iter(DRIP),
    "/then-fine": lambda r: answer(500) if r.nth == 0 else answer(200, b"thanks"),
}


def behave(request):
    return BEHAVIOUR.get(request.path, BEHAVIOUR["/ok"])(request)


def endpoint(client, name, url):
    reply = client.post("/v1/endpoints", {"name": name, "url": url})
    assert reply.status == 201, reply
    return reply.json()


def send(client, to, **more):
    body = {"channel": "webhook", "to": to, "event": "order.shipped", "data": {"order": 7}, "retry": QUICK, **more}
    return client.post("/v1/notifications", body)


def task_when(client, task_id, condition, timeout=30):
    return wait_until(f"task {task_id}", lambda: (t := client.task(task_id)) and condition(t) and t, timeout)


def ended(task):
    return "finished_at" in task


def tried(task):
    return task["attempt"] > 0 and task["state"] not in ("running",)


def signatures(checks, client, sink):
    made = endpoint(client, "shop", f"{sink.url}/ok")
    secret = made["secret"]
    checks.check("the secret is shown once", secret.startswith("whsec_"))
    shown = client.get("/v1/endpoints/shop").text()
    checks.check("and not again in the endpoint", secret not in shown)
    task = task_when(client, send(client, "shop").json()["id"], ended)
    checks.equal("a webhook is delivered", task["state"], "succeeded")
    got = sink.to("/ok")[-1]
    checks.equal("webhook-id is the task's id", got.headers["webhook-id"], task["id"])
    verified = Webhook(secret).verify(got.body, got.headers)
    checks.equal("standardwebhooks verifies it", verified["data"], {"order": 7})
    checks.equal("type", verified["type"], "order.shipped")
    try:
        Webhook(secret).verify(got.body + b" ", got.headers)
        checks.check("a changed body does not verify", False)
    except WebhookVerificationError:
        checks.check("a changed body does not verify", True)
    rotated = client.post("/v1/endpoints/shop/rotate", {}).json()
    checks.check("rotation makes another secret", rotated["secret"] != secret)
    task_when(client, send(client, "shop").json()["id"], ended)
    got = sink.to("/ok")[-1]
    for what, key in (("the old", secret), ("the new", rotated["secret"])):
        try:
            Webhook(key).verify(got.body, got.headers)
            checks.check(f"after rotation {what} secret verifies", True)
        except WebhookVerificationError as error:
            checks.check(f"after rotation {what} secret verifies", False, error)


def misbehaviour(checks, client, sink):
    for name in BEHAVIOUR:
        if name != "/ok":
            endpoint(client, name[1:], sink.url + name)
    task = task_when(client, send(client, "500").json()["id"], ended)
    checks.equal("500: tried until its failures are used up", (task["state"], task["error"]["reason"]),
                 ("failed", "max_failures"))
    checks.equal("500: class", task["error"]["class"], "transient")
    checks.equal("500: as often as allowed", len(sink.to("/500")), 2)
    task = task_when(client, send(client, "then-fine").json()["id"], ended)
    checks.equal("500, then 200", (task["state"], task["attempt"]), ("succeeded", 2))
    for name, least, most in (("429", 110, 121), ("429-date", 60, 91)):
        task = task_when(client, send(client, name).json()["id"], tried)
        checks.equal(f"{name}: waits uncounted", (task["state"], task["failures"]), ("queued", 0))
        lanes = {lane["lane"]: lane for lane in client.get("/v1/lanes").json()["data"]}
        pause = next((l["paused"] for k, l in lanes.items() if k and name == k.split(":", 1)[1] and l.get("paused")), None)
        if checks.check(f"{name}: its lane is paused as throttled", pause and pause["reason"] == "throttled", lanes):
            until = datetime.datetime.fromisoformat(pause["until"].replace("Z", "+00:00"))
            since = datetime.datetime.fromisoformat(pause["since"].replace("Z", "+00:00"))
            seconds = (until - since).total_seconds()
            checks.check(f"{name}: until the time that was asked for", least <= seconds <= most, f"{seconds} s")
    task = task_when(client, send(client, "410").json()["id"], ended)
    checks.equal("410: failed at once", (task["state"], task["error"]["class"], task["attempt"]), ("failed", "permanent", 1))
    checks.check("410: the endpoint is disabled", client.get("/v1/endpoints/410").json().get("disabled") is not None)
    before = len(sink.to("/410"))
    task = task_when(client, send(client, "410").json()["id"], ended)
    checks.equal("410: nothing is sent to it any more", (task["state"], len(sink.to("/410"))), ("failed", before))
    task = task_when(client, send(client, "301").json()["id"], ended)
    checks.equal("301: failed, not followed", (task["state"], task["error"]["class"]), ("failed", "permanent"))
    checks.check("301: nothing came to its target", all(r.headers.get("webhook-id") != task["id"] for r in sink.to("/ok")))
    for name in ("silent", "cut", "drip"):
        task = task_when(client, send(client, name).json()["id"], ended)
        checks.equal(f"{name}: sent, answer unknown", (task["state"], task["error"]["class"]), ("failed", "ambiguous"))
    task = task_when(client, send(client, "big").json()["id"], ended)
    checks.equal("100 MB of answer: a success all the same", task["state"], "succeeded")
    kept = len(json.dumps(task))
    checks.at_most("of which at most 4 KiB are kept", kept, 4096 + 4096)


FORBIDDEN = [
    "http://127.0.0.1:{port}/x", "http://localhost:{port}/x", "http://169.254.169.254/latest/meta-data/",
    "http://[::ffff:10.0.0.1]/x", "http://[64:ff9b::a9fe:a9fe]/x", "http://2130706433:{port}/x",
    "http://0177.0.0.1:{port}/x", "http://0x7f.1:{port}/x", "http://127.1:{port}/x", "http://[::1]:{port}/x",
    "http://user:pass@127.0.0.1:{port}/x", "http://example.com@127.0.0.1:{port}/x", "http://0.0.0.0:{port}/x",
    "http://[::]:{port}/x", "http://10.0.0.1/x", "http://192.168.1.1/x", "http://100.64.0.1/x", "http://[fd00::1]/x",
    "http://[fe80::1]/x", "http://[2002:7f00:1::]/x", "http://127.0.0.1.:{port}/x", "file:///etc/passwd",
    "gopher://127.0.0.1:{port}/x",
]


def forbidden(checks, client, sink):
    before = len(sink.requests)
    for pattern in FORBIDDEN:
        url = pattern.format(port=sink.port)
        reply = send(client, url)
        if 400 <= reply.status < 500:
            checks.check(f"{pattern}: refused at once", reply.status == 422, reply)
            continue
        task = task_when(client, reply.json()["id"], ended)
        checks.equal(f"{pattern}: failed at once, not retried",
                     (task["state"], task["error"].get("class"), task["attempt"]), ("failed", "permanent", 1))
    checks.equal("nothing private was reached", len(sink.requests), before)


def run(checks):
    with HttpSink(behave) as sink, Scratch() as directory:
        with Posthaste(directory, env={"POSTHASTE_ALLOW_CIDRS": "127.0.0.0/8"}) as server:
            server.start()
            signatures(checks, server.client(), sink)
            misbehaviour(checks, server.client(), sink)
            checks.check("no secret in the log", "whsec_" not in server.log())
            server.terminate()
        DRIP.closed.set()
        with Posthaste(directory, data_dir=directory / "guarded") as server:
            server.start()
            forbidden(checks, server.client(), sink)
            server.terminate()


if __name__ == "__main__":
    main("webhooks", run)
