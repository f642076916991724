#!/usr/bin/env python3
"""Webhooks: signatures that the Python package `standardwebhooks` verifies, receivers that misbehave, and addresses
that must not be reached. With `--redis` on Redis, by an API and a worker of their own."""

import datetime
import email.utils
import json
import threading
import time

from standardwebhooks import Webhook, WebhookVerificationError

from lib import stores
from lib.checks import main
from lib.http_sink import HttpSink, Request, answer
from lib.net_watch import NetWatch, why_not
from lib.server import wait_until

# A quick schedule, so that tries that count follow one another at once.
QUICK = {"max_failures": 2, "backoff": {"type": "listed", "delays_ms": [10]}, "timeout_ms": 3000}
BIG = 100 * 1024 * 1024
# What may be on its way of it when the reader has enough: buffers of both ends.
BUFFERED = 16 * 1024 * 1024
# A date that a receiver asks for is so far away.
LATER_S = 90


class Big:
    """100 MB of answer, and how much of it was asked for."""

    def __init__(self):
        self.given = 0

    def __call__(self, _request):
        yield f"HTTP/1.1 200 OK\r\nContent-Length: {BIG}\r\n\r\n".encode()
        piece = b"x" * 65536
        for _ in range(BIG // len(piece)):
            self.given += len(piece)
            yield piece


class Drip:
    """An answer that begins with `first` and then comes a byte at a time and never ends."""

    closed = threading.Event()

    def __init__(self, first):
        self.first = first

    def __call__(self, _request):
        yield self.first
        while not self.closed.wait(0.2):
            yield b"x"


def later(_request):
    date = datetime.datetime.now(datetime.timezone.utc) + datetime.timedelta(seconds=LATER_S)
    return answer(429, headers={"Retry-After": email.utils.format_datetime(date, usegmt=True)})


BIG_BODY = Big()
BEHAVIOUR = {
    "/ok": lambda r: answer(204),
    "/500": lambda r: answer(500, b"broken"),
    "/429": lambda r: answer(429, headers={"Retry-After": "120"}),
    "/429-date": later,
    "/410": lambda r: answer(410),
    "/301": lambda r: answer(301, headers={"Location": "/ok"}),
    "/silent": lambda r: None,
    "/cut": lambda r: iter(()),
    "/big": BIG_BODY,
    "/drip-head": Drip(b"HTTP/1.1 200 OK\r\nX-Slow: "),
    "/drip-body": Drip(b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n"),
    "/drip-500": Drip(b"HTTP/1.1 500 Oh\r\nContent-Length: 1000\r\n\r\n"),
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
    changed = Request(got.method, got.path, got.headers, got.body.replace(b"7", b"8"), got.nth)
    checks.check("a changed body does not verify", changed.body != got.body and not verifies(secret, changed))
    checks.check("nor does another secret verify", not verifies("whsec_" + "A" * 32, got))
    checks.check("nor what is an hour old", not verifies(secret, got, {"webhook-timestamp": str(int(time.time()) - 3600)}))
    checks.check("nor another message's signature", not verifies(secret, got, {"webhook-id": "msg_other"}))
    rotated = client.post("/v1/endpoints/shop/rotate", {}).json()
    checks.check("rotation makes another secret", rotated["secret"] != secret)
    old = []

    def signed_by_both():
        task_when(client, send(client, "shop").json()["id"], ended)
        got = sink.to("/ok")[-1]
        old.append(verifies(secret, got))
        return verifies(rotated["secret"], got)

    # A worker believes for a second what it read of an endpoint.
    checks.check("soon after, the new secret verifies", wait_until("the new secret signs", signed_by_both, 10))
    checks.check("and the old one all the while", all(old), f"{len(old)} webhooks")
    client.post("/v1/endpoints/shop/rotate", {"overlap_ms": 0})
    wait_until("a rotation without overlap", lambda: not signed_by_both(), 10)
    checks.check("without overlap the secrets before it verify nothing", not verifies(secret, sink.to("/ok")[-1]))


def verifies(secret, got, instead=None):
    """Whether the package of Standard Webhooks takes a request, with other headers if any."""
    try:
        Webhook(secret).verify(got.body, {**got.headers, **(instead or {})})
        return True
    except WebhookVerificationError:
        return False


def misbehaviour(checks, client, sink):
    for name in BEHAVIOUR:
        if name != "/ok":
            endpoint(client, name[1:], sink.url + name)
    task = task_when(client, send(client, "500").json()["id"], ended)
    checks.equal("500: tried until its failures are used up", (task["state"], task["error"]["reason"]),
                 ("failed", "max_failures"))
    checks.equal("500: class", task["error"]["class"], "transient")
    checks.equal("500: as often as allowed", len(sink.to("/500")), 2)
    checks.equal("500: both under one id", {r.headers["webhook-id"] for r in sink.to("/500")}, {task["id"]})
    task = task_when(client, send(client, "then-fine").json()["id"], ended)
    checks.equal("500, then 200", (task["state"], task["attempt"]), ("succeeded", 2))
    for name, least, most in (("429", 119, 121), ("429-date", LATER_S - 3, LATER_S + 1)):
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
    # These take the whole time of an attempt each, so they go together.
    ids = {name: send(client, name).json()["id"] for name in ("silent", "cut", "drip-head", "drip-500", "drip-body", "big")}
    for name, task_id in ids.items():
        ids[name] = task_when(client, task_id, ended)
    for name in ("silent", "cut", "drip-head"):
        error = ids[name].get("error", {})
        checks.equal(f"{name}: sent, answer unknown, tried again",
                     (ids[name]["state"], error.get("class"), ids[name]["failures"]), ("failed", "ambiguous", 2))
    checks.equal("a 500 whose body drips: the first line decides", (ids["drip-500"]["state"], ids["drip-500"].get("error", {}).get("class")),
                 ("failed", "transient"))
    for name in ("drip-body", "big"):
        checks.equal(f"{name}: a success all the same, at the first try", (ids[name]["state"], ids[name]["attempt"]), ("succeeded", 1))
    for name, task in ids.items():
        for tried_at in task["attempts"]:
            took = moment(tried_at["ended_at"]) - moment(tried_at["started_at"])
            if not checks.at_most(f"{name}: an attempt's seconds", took.total_seconds(), QUICK["timeout_ms"] / 1000 + 1):
                break
    checks.at_most("of 100 MB of answer at most 4 KiB are kept", len(json.dumps(ids["big"].get("result"))), 4096 + 1024)
    checks.at_most("and not much more is read", BIG_BODY.given, BUFFERED)


def moment(text):
    return datetime.datetime.fromisoformat(text.replace("Z", "+00:00"))


FORBIDDEN = [
    "http://127.0.0.1:{port}/x", "http://localhost:{port}/x", "http://169.254.169.254/latest/meta-data/",
    "http://[::ffff:10.0.0.1]/x", "http://[64:ff9b::a9fe:a9fe]/x", "http://2130706433:{port}/x",
    "http://0177.0.0.1:{port}/x", "http://0x7f.1:{port}/x", "http://127.1:{port}/x", "http://[::1]:{port}/x",
    "http://user:pass@127.0.0.1:{port}/x", "http://example.com@127.0.0.1:{port}/x", "http://0.0.0.0:{port}/x",
    "http://[::]:{port}/x", "http://10.0.0.1/x", "http://192.168.1.1/x", "http://100.64.0.1/x", "http://[fd00::1]/x",
    "http://[fe80::1]/x", "http://[2002:7f00:1::]/x", "http://127.0.0.1.:{port}/x", "file:///etc/passwd",
    "gopher://127.0.0.1:{port}/x",
]


# Names whose addresses are nobody's public host.
PRIVATE_NAMES = {
    "loop.test": "127.0.0.1", "loop6.test": "::1", "metadata.test": "169.254.169.254", "mapped.test": "::ffff:10.0.0.1",
    "nat64.test": "64:ff9b::a9fe:a9fe", "private.test": "192.168.1.1", "unique-local.test": "fd00::1",
}


def blocked(checks, client, what, url, kind="notify"):
    """A URL that leads to what is private is refused, at once or at the first attempt."""
    if kind == "http":
        reply = client.post("/v1/tasks", {"kind": "http", "payload": {"url": url}})
    else:
        reply = send(client, url)
    if 400 <= reply.status < 500:
        checks.equal(f"{what}: refused at once", reply.status, 422)
        return
    task = task_when(client, reply.json()["id"], ended)
    checks.equal(f"{what}: failed at once, not retried",
                 (task["state"], task.get("error", {}).get("class"), task["attempt"]), ("failed", "permanent", 1))


def forbidden(checks, client, sink, watch):
    before = sink.connections
    for pattern in FORBIDDEN:
        blocked(checks, client, pattern, pattern.format(port=sink.port))
    blocked(checks, client, "a task of kind http", f"http://127.0.0.1:{sink.port}/x", kind="http")
    endpoint(client, "inside", f"http://127.0.0.1:{sink.port}/x")
    blocked(checks, client, "a registered endpoint", "inside")
    checks.equal("nothing came to this machine", sink.connections, before)
    if watch is None:
        checks.skip("names that lead to private addresses, and what was connected to", why_not())
        return
    for host, address in PRIVATE_NAMES.items():
        watch.name(host, [address])
        blocked(checks, client, f"a name for {address}", f"http://{host}:{sink.port}/x")
        checks.at_least("  which was looked up", watch.looked_up(host), 1)
    checks.equal("no connection was begun to anywhere", watch.connections(), [])


def moving(checks, client, good, bad, watch):
    """Names that answer differently from one look-up to the next: 127.0.0.2 and .3 may be called here, 127.0.0.1 not."""
    port = good.port
    watch.name("moves.test", ["127.0.0.2"], ["127.0.0.1"])
    task = task_when(client, send(client, f"http://moves.test:{port}/close").json()["id"], ended)
    checks.equal("a name that changes its address after the check: delivered", task["state"], "succeeded")
    checks.equal("  by one look-up", watch.looked_up("moves.test"), 1)
    checks.equal("  to the address that was checked", watch.connections(), [("127.0.0.2", port)])
    blocked(checks, client, "  and once it has moved", f"http://moves.test:{port}/close")
    watch.name("both.test", ["127.0.0.1", "127.0.0.2"])
    task = task_when(client, send(client, f"http://both.test:{port}/close").json()["id"], ended)
    checks.equal("a name with a private and a public address: delivered", task["state"], "succeeded")
    watch.name("dead.test", ["127.0.0.3", "127.0.0.1"])
    task_id = send(client, f"http://dead.test:{port}/close").json()["id"]
    task = task_when(client, task_id, lambda t: any("ended_at" in a for a in t["attempts"]))
    checks.equal("whose public address does not answer: unavailable, uncounted",
                 (task["attempts"][0].get("class"), task["failures"]), ("unavailable", 0))
    client.post(f"/v1/tasks/{task_id}/cancel")
    checks.equal("only what may be called was", {address for address, _ in watch.connections()}, {"127.0.0.2", "127.0.0.3"})
    checks.equal("nothing came to 127.0.0.1", bad.connections, 0)
    checks.equal("two webhooks came to 127.0.0.2", len(good.requests), 2)


def close(_request):
    """Each webhook needs a connection of its own, and so a look-up."""
    return answer(204, headers={"Connection": "close"})


def run(checks):
    store = stores.store(checks, stores.parser().parse_args())
    if store is None:
        return
    with HttpSink(behave) as sink, store:
        with store.server("allowed", env={"POSTHASTE_ALLOW_CIDRS": "127.0.0.0/8"}) as server:
            server.start()
            signatures(checks, server.client(), sink)
            misbehaviour(checks, server.client(), sink)
            checks.check("no secret in the log", "whsec_" not in server.log())
        Drip.closed.set()
        watch = None if why_not() else NetWatch(store.directory / "guarded-net", but=store.redis_port)
        with store.server("guarded", env=watch and watch.env) as server:
            server.start()
            forbidden(checks, server.client(), sink, watch)
        if watch is None:
            checks.skip("a name that changes its address", why_not())
            return
        watch = NetWatch(store.directory / "moving-net", but=store.redis_port)
        env = {"POSTHASTE_ALLOW_CIDRS": "127.0.0.2/31", **watch.env}
        with store.server("moving", env=env) as server, \
                HttpSink(close, host="127.0.0.2") as good, HttpSink(close, port=good.port) as bad:
            server.start()
            moving(checks, server.client(), good, bad, watch)


if __name__ == "__main__":
    main("webhooks", run)
