#!/usr/bin/env python3
"""Requests that no decent client sends: each is refused with a 4xx that names the field, never a 5xx.

The three old routes answer `{"detail": …}`, everything under /v1 problem+json.
"""

import argparse
import json
import socket

from lib.checks import main
from lib.server import Posthaste, Scratch

ZERO = "00000000-0000-7000-8000-000000000000"
# What pages of other origins may call.
OLD = ("/notify", "/notify/", "/task_status/{task_id}", "/health")
JSON = {"Content-Type": "application/json"}


def good(**changes):
    body = {"kind": "notify", "payload": {"channel": "email", "to": "dev@example.com", "message": "x"}}
    body.update(changes)
    return {k: v for k, v in body.items() if v is not ...}


def payload(**changes):
    inner = {"channel": "email", "to": "dev@example.com", "message": "x"}
    inner.update(changes)
    return good(payload={k: v for k, v in inner.items() if v is not ...})


# (what, body, a word of the field that the answer must name)
TASKS = [
    ("not an object", [], "body"),
    ("a number", 7, "body"),
    ("null", None, "body"),
    ("nothing given", {}, "kind"),
    ("kind missing", good(kind=...), "kind"),
    ("kind of the wrong type", good(kind=7), "kind"),
    ("kind null", good(kind=None), "kind"),
    ("kind empty", good(kind=""), "kind"),
    ("kind too long", good(kind="k" * 1000), "kind"),
    ("kind with odd characters", good(kind="a b\u0000\n"), "kind"),
    ("queue of the wrong type", good(queue=[]), "queue"),
    ("queue with odd characters", good(queue="../x"), "queue"),
    ("lane of the wrong type", good(kind="other", lane={}), "lane"),
    ("lane too long", good(kind="other", lane="l" * 1000), "lane"),
    ("priority unknown", good(priority="urgent-ish"), "priority"),
    ("priority of the wrong type", good(priority=[1]), "priority"),
    ("due_at no time", good(due_at="tomorrow"), "due_at"),
    ("due_at of the wrong type", good(due_at=12), "due_at"),
    ("due_at far beyond", good(due_at="9999-12-31T23:59:59Z"), "due_at"),
    ("delay_ms negative", good(delay_ms=-1), "delay_ms"),
    ("delay_ms fractional", good(delay_ms=1.5), "delay_ms"),
    ("delay_ms huge", good(delay_ms=10**30), "delay_ms"),
    ("delay_ms too long", good(delay_ms=2**62), "delay_ms"),
    ("expires_at no time", good(expires_at="never"), "expires_at"),
    ("unique of the wrong type", good(unique="x"), "unique"),
    ("unique without key", good(unique={}), "key"),
    ("unique key too long", good(unique={"key": "k" * 10_000}), "key"),
    ("unique hold_ms too long", good(unique={"key": "k", "hold_ms": 10**12}), "hold"),
    ("unique with an unknown field", good(unique={"key": "k", "hodl_ms": 1}), "hodl_ms"),
    ("retry of the wrong type", good(retry=3), "retry"),
    ("retry max_failures 0", good(retry={"max_failures": 0}), "max_failures"),
    ("retry max_failures huge", good(retry={"max_failures": 10**9}), "max_failures"),
    ("retry timeout 0", good(retry={"timeout_ms": 0}), "timeout_ms"),
    ("retry backoff unknown", good(retry={"backoff": {"type": "none"}}), "backoff"),
    ("retry backoff empty", good(retry={"backoff": {"type": "listed", "delays_ms": []}}), "backoff"),
    ("retry with an unknown field", good(retry={"max_failure": 3}), "max_failure"),
    ("on_ambiguous unknown", good(retry={"on_ambiguous": "shrug"}), "on_ambiguous"),
    ("an unknown field", good(pirority="high"), "pirority"),
    ("id no UUID", good(id="seven"), "id"),
    ("payload missing", good(payload=...), ""),
    ("payload of the wrong type", good(payload=[1]), "payload"),
    ("payload too large", payload(message="x" * 300_000), "payload"),
    ("no recipient", payload(to=...), "to"),
    ("recipient of the wrong type", payload(to=7), "to"),
    ("recipient no address", payload(to="nobody"), "to"),
    ("recipient with a line break", payload(to="a@example.com\r\nBcc: b@example.com"), "to"),
    ("recipient too long", payload(to="a" * 5000 + "@example.com"), "to"),
    ("subject with a line break", payload(subject="a\r\nBcc: b@example.com"), "subject"),
    ("subject of the wrong type", payload(subject={}), "subject"),
    ("provider unknown to the shape", payload(provider="no/such provider"), "provider"),
    ("channel unknown", payload(channel="pigeon"), "channel"),
    ("an unknown field of a notification", payload(subjekt="x"), "subjekt"),
]

# Bodies of the small operations: (path, what, body, word)
SMALL = [
    (path, what, body, word)
    for path, cases in {
        f"/v1/tasks/{ZERO}/retry": [("expires_at no time", b'{"expires_at": "soon"}', "expires_at"),
                                    ("expires_at of the wrong type", b'{"expires_at": 7}', "expires_at")],
        "/v1/queues/q/pause": [("for_ms of the wrong type", b'{"for_ms": "1h"}', "for_ms"),
                               ("for_ms negative", b'{"for_ms": -1}', "for_ms"),
                               ("for_ms huge", b'{"for_ms": 1' + b"0" * 40 + b"}", "for_ms"),
                               ("message of the wrong type", b'{"message": []}', "message"),
                               ("message too long", b'{"message": "' + b"x" * 10_000 + b'"}', "message")],
        "/v1/queues/q/lanes/l/pause": [("for_ms of the wrong type", b'{"for_ms": {}}', "for_ms")],
    }.items()
    for what, body, word in cases + [
        ("not an object", b"[1]", "body"), ("an unknown field", b'{"fro_ms": 1}', "fro_ms"),
        ("cut off", b'{"for_ms": 1', "body"), ("not UTF-8", b'{"message": "\xff"}', "body"),
        ("very deep", b'{"a":' + b"[" * 100_000 + b"]" * 100_000 + b"}", "body"),
    ]
]

# (what, path) of lists and reads: the word after the arrow must be named
QUERIES = [
    ("bad cursor", "/v1/tasks?cursor=garbage", "cursor"),
    ("bad cursor of the right alphabet", "/v1/tasks?cursor=AAAAAAAAAAAAAAAA", "cursor"),
    ("very long cursor", "/v1/tasks?cursor=" + "A" * 4000, "cursor"),
    ("limit 0", "/v1/tasks?limit=0", "limit"),
    ("limit negative", "/v1/tasks?limit=-1", "limit"),
    ("limit too large", "/v1/tasks?limit=100000", "limit"),
    ("limit no number", "/v1/tasks?limit=ten", "limit"),
    ("unknown state", "/v1/tasks?state=sleeping", "state"),
    ("unknown parameter", "/v1/tasks?staet=queued", "staet"),
    ("bad queue name", "/v1/tasks?queue=%00", "queue"),
    ("id no UUID", "/v1/tasks/seven", "id"),
    ("id with odd bytes", "/v1/tasks/%ff%fe", "id"),
    ("wait no duration", f"/v1/tasks/{ZERO}?wait=ages", "wait"),
    ("wait negative", f"/v1/tasks/{ZERO}?wait=-1s", "wait"),
    ("wait too long", f"/v1/tasks/{ZERO}?wait=99999h", "wait"),
    ("message of a bad id", "/v1/tasks/seven/message", "id"),
    ("events of a bad id", "/v1/tasks/seven/events", "id"),
]

# (what, how, word); how = (query, headers, body)
NOTIFY = [
    ("nothing", ("", {}, None), "email"),
    ("empty address", ("?email=", {}, None), "email"),
    ("no address", ("?email=nobody", {}, None), "email"),
    ("two at signs", ("?email=a@b@c", {}, None), "email"),
    ("line break", ("?email=a@example.com%0d%0aBcc:b@example.com", {}, None), "email"),
    ("NUL", ("?email=a%00@example.com", {}, None), "email"),
    ("not UTF-8 in the query", ("?email=%ff%fe@example.com", {}, None), "email"),
    ("very long address", ("?email=" + "a" * 3000 + "@example.com", {}, None), "email"),
    ("JSON without email", ("", JSON, b"{}"), "email"),
    ("JSON email of the wrong type", ("", JSON, b'{"email": 7}'), "email"),
    ("JSON email null", ("", JSON, b'{"email": null}'), "email"),
    ("JSON list", ("", JSON, b"[]"), "body"),
    ("JSON message of the wrong type", ("", JSON, b'{"email": "a@example.com", "message": []}'), "message"),
    ("JSON subject with a line break", ("", JSON, b'{"email": "a@example.com", "subject": "a\\r\\nBcc: x"}'), "subject"),
    ("JSON cut off", ("", JSON, b'{"email": "a@exam'), "body"),
    ("JSON not UTF-8", ("", JSON, b'{"email": "a@example.com", "message": "\xff\xfe"}'), "body"),
    ("JSON very deep", ("", JSON, b'{"email":' + b"[" * 100_000 + b"]" * 100_000 + b"}"), ""),
    ("form without email", ("", {"Content-Type": "application/x-www-form-urlencoded"}, b"message=x"), "email"),
    ("form not UTF-8", ("", {"Content-Type": "application/x-www-form-urlencoded"}, b"email=%ff%fe"), "email"),
]


def names(answer, word):
    """Whether the errors of an answer (either shape) name the field."""
    if not word:
        return True
    errors = answer.get("errors") or answer.get("detail") or []
    if not isinstance(errors, list):
        return word in str(errors)
    return any(word in [str(x) for x in e.get("loc", [])] for e in errors) or any(
        word in str(e.get("loc")) for e in errors)


def refused(checks, what, reply, word="", old=False, statuses=None):
    """4xx in the right shape, naming the field."""
    right_status = reply.status in statuses if statuses else 400 <= reply.status < 500
    try:
        answer = reply.json()
    except ValueError:
        checks.check(what, False, f"not JSON: {reply!r}")
        return
    media = reply.headers.get("content-type", "").split(";")[0]
    if old:
        shape = "detail" in answer and media == "application/json"
    else:
        shape = media == "application/problem+json" and {"type", "title", "status"} <= set(answer) \
            and answer["status"] == reply.status
    checks.check(what, right_status and shape and names(answer, word), f"{reply.status} {reply.text()[:160]}")


def bodies(checks, client):
    for what, body, word in TASKS:
        refused(checks, f"POST /v1/tasks, {what}", client.post("/v1/tasks", json_body=body) if body is not None
                else client.request("POST", "/v1/tasks", b"null", JSON), word)
    raw = [
        ("not UTF-8", b'{"kind": "\xff\xfe"}', JSON, None),
        ("cut off", b'{"kind": "not', JSON, None),
        ("empty", b"", JSON, None),
        ("very deep", b'{"kind":"notify","payload":' + b"[" * 100_000 + b"]" * 100_000 + b"}", JSON, None),
        ("deep payload", b'{"kind":"x","payload":' + b'{"a":' * 500 + b"1" + b"}" * 500 + b"}", JSON, None),
        ("two values", b"{} {}", JSON, None),
        ("a key twice", b'{"kind":"notify","kind":"notify","payload":{}}', JSON, None),
        ("too large", b'{"kind":"' + b"x" * 3_000_000 + b'"}', JSON, {413}),
        ("a form", b"kind=notify", {"Content-Type": "application/x-www-form-urlencoded"}, {415}),
        ("no content type", json.dumps(good()).encode(), {}, {415}),
        ("XML", b"<kind/>", {"Content-Type": "application/xml"}, {415}),
    ]
    for what, body, headers, statuses in raw:
        try:
            refused(checks, f"POST /v1/tasks, {what}", client.request("POST", "/v1/tasks", body, headers),
                    statuses=statuses)
        except OSError as error:
            # A server may answer and close before it has read a body that is too large.
            checks.check(f"POST /v1/tasks, {what}", statuses == {413}, f"connection closed: {error}")
    for key in ("", "k" * 1000, "tab\there", "\u00e9"):
        reply = client.request("POST", "/v1/tasks", json.dumps(good()).encode(),
                               {**JSON, "Idempotency-Key": key.encode("utf-8").decode("latin-1")})
        checks.check(f"Idempotency-Key {key[:8]!r}…", 200 <= reply.status < 500, reply)


# URLs that name no host as they are written, or hide which.
URLS = ["http:/127.0.0.1/", "http:example.com/a", "http:\\\\example.com/", "https:" + "é" * 70, "https://", "https:///a", "http://a\tb.example/",
        "https://u:p@example.com/", "https://example.com\\@127.0.0.1/", "ftp://example.com/"]


def urls(checks, client):
    """Whoever names a URL to be called is answered at every door, and nothing is stored."""
    mail = {"to": "dev@example.com", "message": "x"}
    doors = {
        "an http task": ("POST", "/v1/tasks", lambda u: {"kind": "http", "payload": {"url": u}}),
        "the callback of a task": ("POST", "/v1/tasks", lambda u: good(callback_url=u)),
        "the callback of a task with a unique key": ("POST", "/v1/tasks", lambda u: good(callback_url=u, unique={"key": "k"})),
        "the callback of a batch": ("POST", "/v1/tasks/batch", lambda u: {"tasks": [good()], "callback_url": u}),
        "the callback of a notification": ("POST", "/v1/notifications", lambda u: mail | {"callback_url": u}),
        "a webhook": ("POST", "/v1/notifications", lambda u: {"channel": "webhook", "to": u, "message": "x"}),
        "a schedule": ("PUT", "/v1/schedules/urls", lambda u: {"cron": "0 7 * * *", "kind": "http", "payload": {"url": u}}),
        "an endpoint": ("POST", "/v1/endpoints", lambda u: {"name": "urls", "url": u}),
        "an attachment": ("POST", "/v1/notifications", lambda u: mail | {"attachments": [{"filename": "a.txt", "url": u}]}),
    }
    before = len(client.get("/v1/tasks?limit=200").json()["data"])
    for what, (method, path, body) in doors.items():
        statuses = [client.request(method, path, json_body=body(u)).status for u in URLS]
        checks.equal(f"URLs without a host: {what}", statuses, [422] * len(URLS))
    checks.equal("  nothing is stored", len(client.get("/v1/tasks?limit=200").json()["data"]), before)


def small_bodies(checks, client):
    for path, what, body, word in SMALL:
        refused(checks, f"POST {path.replace(ZERO, '…')}, {what}", client.request("POST", path, body, JSON), word)
    for path in ("/v1/queues/a b/pause".replace(" ", "%20"), "/v1/queues/%ff/resume", f"/v1/queues/{'q' * 200}/pause"):
        refused(checks, f"POST {path[:30]}, bad queue", client.request("POST", path), "queue")
    refused(checks, "POST …/lanes/a%2Fb%2Fc/pause, bad lane",
            client.request("POST", "/v1/queues/q/lanes/a%2Fb%2Fc/pause"), "lane")


def old_routes(checks, client):
    for path in ("/notify/", "/notify"):
        for what, (query, headers, body), word in NOTIFY:
            reply = client.request("POST", path + query, body, headers)
            refused(checks, f"POST {path}, {what}", reply, word, old=True)
    reply = client.request("POST", "/notify/")
    checks.equal("POST /notify/ without email: FastAPI's shape",
                 (reply.status, reply.json()["detail"][0]["loc"]), (422, ["query", "email"]))
    reply = client.request("POST", "/notify/", b'{"email": "nobody"}', JSON)
    checks.equal("POST /notify/ with a bad email in the body",
                 (reply.status, reply.json()["detail"][0]["loc"]), (422, ["body", "email"]))
    reply = client.request("POST", "/notify/?email=dev@example.com&colour=red")
    checks.equal("POST /notify/ ignores unknown fields", reply.status, 200)
    try:
        reply = client.request("POST", "/notify/", b'{"email": "' + b"x" * 3_000_000 + b'"}', JSON)
        refused(checks, "POST /notify/, too large", reply, old=True, statuses={413})
    except OSError as error:
        client.close()
        checks.check("POST /notify/, too large", True, f"connection closed: {error}")
    for bad in ("seven", ZERO, "%ff", "x" * 3000):
        refused(checks, f"GET /task_status/{bad[:12]}", client.get(f"/task_status/{bad}"), old=True)
    for method, path in (("GET", "/notify/"), ("DELETE", "/notify"), ("POST", f"/task_status/{ZERO}"), ("POST", "/health")):
        refused(checks, f"{method} {path}", client.request(method, path), old=True, statuses={405})


def methods_hosts_origins(checks, client, operations):
    for path in sorted({p for p, _ in operations}):
        real = path.replace("{task_id}", ZERO).replace("{queue}", "q").replace("{lane}", "l")
        known = {m.upper() for p, m in operations if p == path}
        for method in {"PUT", "PATCH", "DELETE", "POST", "GET"} - known:
            reply = client.request(method, real)
            checks.check(f"{method} {path} is not served", reply.status == 405 and "allow" in reply.headers,
                         f"{reply.status}, Allow: {reply.headers.get('allow')}")
        for method in sorted(known):
            for host in ("evil.example", "127.0.0.1.evil.example", "localhost.evil.example:8000"):
                reply = client.request(method, real, headers={"Host": host})
                checks.check(f"{method} {path} with Host {host}", 400 <= reply.status < 500 and reply.status != 404,
                             f"{reply.status} {reply.text()[:80]}")
            if path not in OLD:
                reply = client.request(method, real, headers={"Origin": "http://evil.example"})
                checks.check(f"{method} {path} from a foreign origin",
                             reply.status == 403 and "access-control-allow-origin" not in reply.headers,
                             reply.status)
    for origin in ("http://evil.example", "null", "http://127.0.0.1.evil.example"):
        reply = client.request("POST", "/v1/tasks", json.dumps(good()).encode(), {**JSON, "Origin": origin})
        refused(checks, f"POST /v1/tasks from origin {origin}", reply, statuses={403})
        reply = client.get("/v1/tasks", headers={"Origin": origin})
        checks.check(f"GET /v1/tasks from origin {origin} is not shared",
                     reply.status == 403 and "access-control-allow-origin" not in reply.headers, reply.status)
        reply = client.request("POST", "/notify/?email=dev@example.com", headers={"Origin": origin})
        checks.check(f"POST /notify/ from origin {origin} is served in the sandbox",
                     reply.status == 200 and reply.headers.get("access-control-allow-origin") in ("*", origin),
                     f"{reply.status} {reply.headers.get('access-control-allow-origin')}")
    preflight = client.request("OPTIONS", "/v1/tasks", headers={
        "Origin": "http://evil.example", "Access-Control-Request-Method": "POST"})
    checks.check("a preflight for /v1 allows nothing", "access-control-allow-origin" not in preflight.headers,
                 preflight.status)


def raw(port, data, limit=5):
    """Bytes as they are; the status that comes back, or None when the connection is just closed."""
    with socket.create_connection(("127.0.0.1", port), timeout=limit) as s:
        try:
            s.sendall(data)
            s.shutdown(socket.SHUT_WR)
            answer = s.recv(4096)
        except OSError:
            return None
    return int(answer.split(b" ")[1]) if answer.startswith(b"HTTP/1.") else None


def wire(checks, port):
    head = b"Host: 127.0.0.1\r\n"
    for what, data in (
        ("no HTTP at all", b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n"),
        ("no Host", b"GET /v1/tasks HTTP/1.1\r\n\r\n"),
        ("two Hosts", b"GET /v1/tasks HTTP/1.1\r\nHost: 127.0.0.1\r\nHost: evil.example\r\n\r\n"),
        ("an absolute URI of another host", b"GET http://evil.example/v1/tasks HTTP/1.1\r\n" + head + b"\r\n"),
        ("a very long path", b"GET /" + b"a" * 200_000 + b" HTTP/1.1\r\n" + head + b"\r\n"),
        ("very long headers", b"GET / HTTP/1.1\r\n" + head + b"X-A: " + b"a" * 900_000 + b"\r\n\r\n"),
        ("very many headers", b"GET / HTTP/1.1\r\n" + head + b"".join(b"X-%d: a\r\n" % n for n in range(5_000)) + b"\r\n"),
        ("length and chunked", b"POST /v1/tasks HTTP/1.1\r\n" + head
         + b"Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"),
        ("a negative length", b"POST /v1/tasks HTTP/1.1\r\n" + head + b"Content-Length: -1\r\n\r\n"),
        ("a body shorter than its length", b"POST /v1/tasks HTTP/1.1\r\n" + head
         + b"Content-Type: application/json\r\nContent-Length: 500\r\n\r\n{"),
    ):
        status = raw(port, data)
        checks.check(f"on the wire: {what}", status is None or 400 <= status < 500, status or "connection closed")


def run(checks):
    argparse.ArgumentParser().parse_known_args()
    with Scratch() as directory, Posthaste(directory) as server:
        server.start()
        client = server.client()
        spec = client.get("/openapi.json").json()
        operations = [(path, method) for path, item in spec["paths"].items() for method in item
                      if method in ("get", "post", "put", "patch", "delete")]
        checks.at_least("operations in /openapi.json", len(operations), 10)
        bodies(checks, client)
        urls(checks, client)
        small_bodies(checks, client)
        for what, path, word in QUERIES:
            refused(checks, f"GET {path[:40]}, {what}", client.get(path), word)
        for verb in ("cancel", "retry"):
            refused(checks, f"POST {verb} of an unknown task", client.post(f"/v1/tasks/{ZERO}/{verb}"), statuses={404})
            refused(checks, f"POST {verb} of a bad id", client.post(f"/v1/tasks/seven/{verb}"), "id")
        refused(checks, "GET an unknown task", client.get(f"/v1/tasks/{ZERO}"), statuses={404})
        refused(checks, "GET an unknown path of /v1", client.get("/v1/nothing"), statuses={404})
        old_routes(checks, client)
        methods_hosts_origins(checks, client, operations)
        wire(checks, server.port)
        checks.equal("the server lives on", client.get("/readyz").status, 200)
        log = server.log()
        checks.check("no panic in the log", "panicked" not in log)
        checks.equal("exit on SIGTERM", server.terminate()[0], 0)


if __name__ == "__main__":
    main("bad_requests", run)
