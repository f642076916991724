#!/usr/bin/env python3
"""API keys against real servers: revoked, expired and guessed ones, scopes, tenants, sessions of the pages, with the
embedded store and with two APIs on one Redis. No token appears in any log or store.

    e2e/keys.py [--quick] [--redis]
"""

import argparse
import datetime
import http.client
import pathlib
import time
import urllib.parse

from lib.checks import main
from lib.redis_server import RedisServer, needs_redis
from lib.server import NotReady, Posthaste, Scratch, free_port, wait_until
from lib.split import Api

SECRET = "0123456789abcdef0123456789abcdef-e2e"


class Caller:
    """Asks one server with one key."""

    def __init__(self, server, token=None):
        self.client, self.token = server.client(), token

    def __call__(self, method, path, json_body=None, headers=None, body=None):
        auth = {"Authorization": f"Bearer {self.token}"} if self.token else {}
        return self.client.request(method, path, body=body, headers={**auth, **(headers or {})}, json_body=json_body)

    def key(self, **new):
        made = self("POST", "/v1/keys", {"name": "e2e", **new})
        assert made.status == 201, made
        return made.json()["id"], made.json()["token"]


def slug(reply):
    return reply.json()["type"].rsplit(":", 1)[1]


def scopes(checks, server, admin):
    nobody = Caller(server)
    send = Caller(server, Caller(server, admin).key(scopes=["send"])[1])
    read = Caller(server, Caller(server, admin).key(scopes=["read"])[1])
    for who, name, method, path, want in [
        (nobody, "nobody", "GET", "/v1/tasks", 401), (nobody, "nobody", "POST", "/notify/?email=a@example.com", 401),
        (nobody, "nobody", "GET", "/metrics", 401), (nobody, "nobody", "GET", "/healthz", 200),
        (nobody, "nobody", "GET", "/openapi.json", 200), (nobody, "nobody", "GET", "/nothing", 401),
        (send, "send", "POST", "/notify/?email=a@example.com", 200), (send, "send", "GET", "/v1/tasks", 403),
        (send, "send", "POST", "/v1/queues/default/pause", 403), (read, "read", "GET", "/v1/tasks", 200),
        (read, "read", "POST", "/notify/?email=a@example.com", 403), (read, "read", "GET", "/v1/keys", 403),
        (read, "read", "GET", "/v1/audit", 403), (read, "read", "GET", "/metrics", 200),
    ]:
        checks.equal(f"{name}: {method} {path}", who(method, path).status, want)
    missing = nobody("GET", "/v1/tasks")
    checks.check("401 says how", missing.headers.get("www-authenticate", "").startswith("Bearer"), missing.headers)
    checks.equal("403 says which scope", slug(send("GET", "/v1/tasks")), "forbidden-scope")


def tenants(checks, server, admin):
    boss = Caller(server, admin)
    acme = Caller(server, boss.key(scopes=["send", "read"], tenant="acme")[1])
    other = Caller(server, boss.key(scopes=["send", "read"], tenant="other")[1])
    work = {"kind": "e2e", "payload": {}, "lane": "target", "delay_ms": 3_600_000}
    own, foreign = (c("POST", "/v1/tasks", work).json()["id"] for c in (acme, other))
    task = boss("GET", f"/v1/tasks/{own}").json()
    checks.equal("a tenant's task is its own", (task.get("tenant"), task.get("lane")), ("acme", "x:target/acme"))
    forced = acme("POST", "/v1/tasks", {**work, "tenant": "other"})
    checks.equal("it cannot make another's", (forced.status, slug(forced)), (403, "forbidden"))
    for method, path in [("GET", ""), ("GET", "/attempts"), ("GET", "/events"), ("POST", "/cancel"), ("POST", "/retry")]:
        checks.equal(f"another's task is not there: {method} …{path}", acme(method, f"/v1/tasks/{foreign}{path}").status, 404)
    checks.equal("nor by the old route", acme("GET", f"/task_status/{foreign}").status, 404)
    checks.equal("nothing was done to it", boss("GET", f"/v1/tasks/{foreign}").json()["state"], "scheduled")
    listed = {t["id"] for t in acme("GET", "/v1/tasks?limit=200").json()["data"]}
    checks.check("its list holds its own alone", own in listed and foreign not in listed, listed)
    checks.equal("nor by asking for it", acme("GET", "/v1/tasks?tenant=other").status, 403)
    for path in ("/v1/queues", "/v1/workers", "/metrics"):
        checks.equal(f"what is the installation's is not a tenant's: {path}", acme("GET", path).status, 403)


def ending(checks, servers, admin):
    """Keys that end while they are used; the last server is another process than the one that is asked to end them."""
    here, there = servers[0], servers[-1]
    boss = Caller(here, admin)
    key_id, token = boss.key(scopes=["read"])
    checks.equal("a key counts everywhere", [Caller(s, token)("GET", "/v1/tasks").status for s in servers], [200] * len(servers))
    stream = http.client.HTTPConnection("127.0.0.1", there.port, timeout=40)
    stream.request("GET", "/v1/events", headers={"Authorization": f"Bearer {token}"})
    events = stream.getresponse()
    checks.equal("revoked", boss("DELETE", f"/v1/keys/{key_id}").status, 200)
    checks.equal("the process that was asked refuses it at once", Caller(here, token)("GET", "/v1/tasks").status, 401)
    started = time.monotonic()
    wait_until("another one refuses it, too", lambda: Caller(there, token)("GET", "/v1/tasks").status == 401, 10)
    checks.at_most("another one, soon", round(time.monotonic() - started, 1), 5)
    try:
        events.read()
        ended = True
    except TimeoutError:
        ended = False
    checks.check("its event stream ends", ended)
    stream.close()
    soon = datetime.datetime.now(datetime.timezone.utc) + datetime.timedelta(seconds=2)
    _, token = boss.key(scopes=["read"], expires_at=soon.strftime("%Y-%m-%dT%H:%M:%SZ"))
    wait_until("the key expires", lambda: Caller(here, token)("GET", "/v1/tasks").status == 401, 15)
    checks.check("an expired key is refused", True)


def guessing(checks, server, admin):
    seen = []
    for n in range(40):
        seen.append(Caller(server, f"ph_{n:012}_{'g' * 43}")("GET", "/v1/tasks"))
    codes = [r.status for r in seen]
    checks.check("guesses are refused, then stopped", codes[0] == 401 and codes[-1] == 429, codes)
    checks.check("and told when to come back", int(seen[-1].headers.get("retry-after", 0)) >= 1, seen[-1].headers)
    checks.equal("a forged address does not help", Caller(server, "ph_" + "h" * 12 + "_" + "g" * 43)(
        "GET", "/v1/tasks", headers={"X-Forwarded-For": "203.0.113.9"}).status, 429)
    checks.equal("who has a key goes on", Caller(server, admin)("GET", "/v1/tasks").status, 200)
    told = Caller(server, admin)("GET", "/v1/audit?action=auth.refused&limit=200").json()["data"]
    checks.check("the audit log tells of some of them", 1 <= len(told) <= 30, len(told))


def sessions(checks, servers, admin):
    """The cookie of one process is good for the other, and for nobody else's page."""
    form = {"Content-Type": "application/x-www-form-urlencoded", "Sec-Fetch-Site": "same-origin"}
    here, there = Caller(servers[0]), Caller(servers[-1])
    asked = there("GET", "/workers")
    checks.equal("a page asks to sign in", (asked.status, asked.headers.get("location")), (303, "/sign-in?next=%2Fworkers"))
    body = urllib.parse.urlencode({"key": admin, "next": "/workers"}).encode()
    entered = here("POST", "/sign-in", body=body, headers=form)
    checks.equal("and then shows itself", (entered.status, entered.headers.get("location")), (303, "/workers"))
    cookie = entered.headers.get("set-cookie", "")
    checks.check("HttpOnly, SameSite=Strict", "HttpOnly" in cookie and "SameSite=Strict" in cookie, cookie.split(";", 1)[-1])
    jar = {"Cookie": cookie.split(";")[0]}
    page = there("GET", "/", headers=jar)
    checks.equal("the other process takes it", page.status, 200)
    forged = there("POST", "/send", body=b"email=a%40example.com", headers={**form, **jar})
    checks.equal("a form without its token is refused", forged.status, 403)
    near = {**jar, "Content-Type": form["Content-Type"], "Sec-Fetch-Site": "same-site"}
    checks.check("a page of another port is nobody", there("POST", "/v1/queues/default/pause", headers=near).status == 401)
    token = page.text().split('name="csrf" content="')[1].split('"')[0]
    sent = there("POST", "/send", body=f"email=a%40example.com&csrf={token}".encode(), headers={**form, **jar})
    checks.equal("with it, it is done", sent.status, 303)


def configured(checks, scratch):
    server = Posthaste(scratch / "env", env={"POSTHASTE_API_KEYS": f"ops:admin:{SECRET}"})
    server.directory.mkdir()
    server.start()
    try:
        checks.equal("a key of the configuration is a key", Caller(server, SECRET)("GET", "/v1/keys").status, 200)
        checks.equal("and nobody is let in without", Caller(server)("GET", "/v1/tasks").status, 401)
        checks.check("its secret is not in the log", SECRET not in server.log())
    finally:
        server.terminate()


class Wide(Posthaste):
    """Listens beyond loopback."""

    def command(self):
        return ["up", "--addr", f"0.0.0.0:{self.port}", "--data-dir", str(self.data_dir)]


def beyond_loopback(checks, scratch):
    directory = scratch / "wide"
    directory.mkdir()
    wide = Wide(directory)
    try:
        wide.start()
        checks.check("it does not start beyond loopback without a key", False)
        wide.terminate()
    except NotReady as refused:
        checks.check("it does not start beyond loopback without a key, and says how",
                     refused.code == 2 and "posthaste keys create" in refused.output, refused)
    local = Posthaste(directory)
    local.start()
    _, token = Caller(local).key(scopes=["admin"])
    local.terminate()
    wide.start()
    checks.equal("with one in its store it does", Caller(wide, token)("GET", "/v1/tasks").status, 200)
    checks.equal("and asks for it", Caller(wide)("GET", "/v1/tasks").status, 401)
    wide.terminate()


def everything(checks, servers, tokens):
    checks.equal("without keys this machine is admin", Caller(servers[0])("GET", "/v1/whoami").json()["name"], "local")
    narrow = Caller(servers[0])("POST", "/v1/keys", {"name": "x", "scopes": ["send"]})
    checks.equal("the first key must be admin", narrow.status, 422)
    _, admin = Caller(servers[0]).key(scopes=["admin"])
    tokens.append(admin)
    for server in servers:
        wait_until("it asks for a key", lambda s=server: Caller(s)("GET", "/v1/tasks").status == 401, 10)
    checks.check("from the first key on every process asks for one", True)
    scopes(checks, servers[-1], admin)
    tenants(checks, servers[-1], admin)
    sessions(checks, servers, admin)
    ending(checks, servers, admin)
    guessing(checks, servers[0], admin)
    secret = admin.rsplit("_", 1)[1]
    for server in servers:
        checks.check("no token is in the log", secret not in server.log() and "g" * 43 not in server.log())
    return secret


def embedded(checks):
    with Scratch() as scratch:
        scratch = pathlib.Path(scratch)
        server = Posthaste(scratch, env={"RUST_LOG": "debug"})
        server.start()
        secret = everything(checks, [server], [])
        server.terminate()
        kept = b"".join(p.read_bytes() for p in server.data_dir.rglob("*") if p.is_file())
        checks.check("nor in the store", secret.encode() not in kept)
        configured(checks, scratch)
        beyond_loopback(checks, scratch)


def shared(checks):
    if not needs_redis(checks):
        return
    with Scratch() as scratch:
        scratch = pathlib.Path(scratch)
        with RedisServer(scratch) as redis:
            apis = []
            for name in ("one", "two"):
                (scratch / name).mkdir()
                apis.append(Api(scratch / name, redis.url, env={"RUST_LOG": "debug"}, port=free_port()))
                apis[-1].start()
            try:
                secret = everything(checks, apis, [])
                client = redis.client()
                values = client("KEYS", "*")
                checks.check("the store has keys of ours", len(values) > 0, len(values))
                dump = b"".join(client("DUMP", k) or b"" for k in values)
                checks.check("nor in the store", secret.encode() not in dump)
                client.close()
                redis.kill9()
                checks.equal("without the store nobody is let in", Caller(apis[0])("GET", "/v1/tasks").status, 401)
                unknown = Caller(apis[1], f"ph_{1:012}_{'u' * 43}")("GET", "/v1/tasks")
                checks.equal("nor with a key that is not known", unknown.status, 503)
            finally:
                for api in apis:
                    api.end_now()


def run(checks):
    parser = argparse.ArgumentParser()
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--redis", action="store_true", help="with the shared store alone")
    args = parser.parse_args()
    if not args.redis:
        embedded(checks)
    shared(checks)


if __name__ == "__main__":
    main("keys", run)
