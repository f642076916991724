#!/usr/bin/env python3
"""What comes in to do harm: injected headers and templates, loops that never end, HTML in every field, too large
attachments, callbacks that are forged, late or said twice, keys that are revoked or guessed. Refused or harmless, and
never in the log, which is as talkative as it gets. With `--redis` on Redis, by an API and a worker of their own."""

import base64
import contextlib
import http.client
import json
import socket
import time
from urllib.parse import quote

from standardwebhooks import Webhook, WebhookVerificationError

from lib import stores
from lib.checks import main
from lib.http_sink import HttpSink, answer
from lib.server import wait_until

SCRIPT = "<script>alert(1)</script><img src=x onerror=alert(2)>"
LINE = "x\r\nBcc: victim@example.com"
# What a page would hold if somebody's text were markup on it.
MARKUP = ("<script>alert", "<img src=x")
MIB = 1024 * 1024
SIGNING = "whsec_" + base64.b64encode(b"what the installation signs with").decode()
SECRET = "abuse-0123456789abcdef0123456789abcdef"
GUESS = "g" * 43
# How long a stream believes what it knew of its key, and a little more.
KEY_BELIEVED_S = 1.2


def ended(client, task_id, timeout=30):
    return wait_until("the task ends", lambda: (t := client.task(task_id)) and "finished_at" in t and t, timeout)


def headers(checks, client):
    fine = {"to": "dev@example.com", "subject": "s", "message": "m"}
    bad = {
        "to": {"to": LINE}, "subject": {"subject": LINE}, "reply_to": {"reply_to": f"a@example.com{LINE}"},
        "cc": {"cc": [f"a@example.com{LINE}"]}, "a header's value": {"headers": {"X-A": LINE}},
        "a header's name": {"headers": {"X-A: 1\r\nBcc": "v@example.com"}}, "a header of ours": {"headers": {"Bcc": "v@example.com"}},
        "provider": {"provider": LINE}, "unsubscribe": {"unsubscribe": LINE},
        "an attachment's name": {"attachments": [{"filename": LINE, "content": "eA=="}]},
        "an attachment's type": {"attachments": [{"filename": "a.txt", "content_type": f"text/plain{LINE}", "content": "eA=="}]},
    }
    checks.equal("a good notification is taken", client.post("/v1/notifications", fine).status, 202)
    for what, fields in bad.items():
        reply = client.post("/v1/notifications", fine | fields)
        checks.equal(f"a line break in {what}", reply.status, 422)


# Templates that would not end or would not fit, and the data that they are given.
MANY = {"items": ["x"] * 5_000}
BOMBS = {
    "a loop in a loop in a loop": ("{% for a in items %}{% for b in items %}{% for c in items %}{% endfor %}{% endfor %}{% endfor %}", MANY),
    "{{ loop }} in loops": ("{% for a in items %}{% for b in items %}{{ loop }}{{ loop.index }}{% endfor %}{% endfor %}", MANY),
    "a loop that calls itself": ("{% for a in items recursive %}{{ loop(items) }}{% endfor %}", MANY),
    "a text that is long": ("{% for a in items %}" + "y" * 60_000 + "{% endfor %}", MANY),
    "a text that doubles": ("{% set a = 'xxxxxxxxxxxxxxxx' %}" + "{% set a = a ~ a %}" * 64 + "{{ a }}", {}),
    "a list that doubles": ("{% set a = [1, 2] %}" + "{% set a = [a, a] %}" * 64 + "{{ a }}", {}),
    "a range": ("{% for a in range(100000) %}{% for b in range(100000) %}x{% endfor %}{% endfor %}", {}),
    "a product of strings": ("{{ 'x' * 1000000000 }}", {}),
    "a power": ("{{ 9 ** 9 ** 9 ** 9 }}", {}),
    "a macro that calls itself": ("{% macro f() %}{{ f() }}{% endmacro %}{{ f() }}", {}),
    "padding": ("{{ '%1000000000d' | format(1) }}", {}),
    "blocks in blocks": ("{% if 1 %}" * 2_000 + "{% endif %}" * 2_000, {}),
    "brackets in brackets": ("{{ " + "(" * 20_000 + "1" + ")" * 20_000 + " }}", {}),
}
BOMB_SECONDS = 5


def templates(checks, client):
    fine = client.post("/v1/templates/preview", {"text": "{% for a in items %}{{ loop.index }}{% endfor %}", "data": {"items": [1, 1]}})
    checks.equal("a loop that ends is a template", (fine.status, fine.json().get("text")), (200, "12"))
    for what, (text, data) in BOMBS.items():
        began = time.monotonic()
        reply = client.post("/v1/templates/preview", {"text": text, "data": data})
        checks.check(f"a template with {what} is refused", reply.status in (413, 422), reply)
        put = client.request("PUT", "/v1/templates/bomb", json_body={"text": text})
        if put.status in (200, 201):
            reply = client.post("/v1/notifications", {"to": "dev@example.com", "template": {"name": "bomb"}, "data": data})
            checks.check("  nor is it sent when it is stored", reply.status == 422 and '"data"' in reply.text(), reply)
        else:
            checks.check("  nor is it stored", put.status in (413, 422), put)
        checks.at_most("  seconds", round(time.monotonic() - began, 2), BOMB_SECONDS)
    for text in ("{{ undefined_name }}", "{% include 'x' %}", "{{ data.__class__ }}", "{{", "{% for %}"):
        reply = client.post("/v1/templates/preview", {"text": text, "data": {}})
        checks.equal(f"template {text}", reply.status, 422)
    put = client.request("PUT", "/v1/templates/greet", json_body={
        "subject": "Hi {{ name }}", "text": "Hi {{ name }}", "html": "<p>Hi {{ name }}</p>"})
    checks.check("a template is stored", put.status in (200, 201), put)
    sent = client.post("/v1/notifications", {"to": "dev@example.com", "template": {"name": "greet"},
                                             "data": {"name": "{{ 7 * 7 }}" + SCRIPT}})
    task = ended(client, sent.json()["id"])
    held = client.get(f"/v1/tasks/{task['id']}/message").json()
    checks.check("data is no template", "{{ 7 * 7 }}" in held["text"] and "49" not in held["text"], held["text"])
    checks.check("data is escaped in HTML", "<script>" not in held["html"] and "&lt;script&gt;" in held["html"], held["html"])
    reply = client.post("/v1/notifications", {"to": "dev@example.com", "template": {"name": "greet"},
                                              "data": {"name": "x\r\nBcc: victim@example.com"}})
    checks.equal("data with a line break in a subject", reply.status, 422)


def written_by_callers(checks, client, sink):
    """Tasks and settings with markup in every field that takes a text; the tasks."""
    held = client.post("/v1/notifications", {
        "to": "dev@example.com", "subject": SCRIPT, "message": SCRIPT, "html": SCRIPT, "headers": {"X-Note": SCRIPT},
        "attachments": [{"filename": "<script>alert(1)<script>.txt", "content": "eA=="}]})
    checks.equal("a message of markup is a message", held.status, 202)
    hook = client.post("/v1/notifications", {"channel": "webhook", "to": f"{sink.url}/markup", "event": "x", "data": {SCRIPT: SCRIPT}})
    checks.equal("so are data of markup", hook.status, 202)
    task, token = handed_over(client, sink)
    said = client.post(f"/v1/tasks/{task}/fail", {"lease_token": token, "message": SCRIPT, "class": "permanent"})
    checks.equal("so is a reason of markup", said.status, 200)
    done, token = handed_over(client, sink)
    said = client.post(f"/v1/tasks/{done}/complete", {"lease_token": token, "result": {SCRIPT: SCRIPT}})
    checks.equal("so is a result of markup", said.status, 200)
    paused = client.post("/v1/queues/default/lanes/email:default/pause", {"message": SCRIPT})
    checks.check("so is why a lane is paused", paused.status < 300, paused)
    waiting = client.post("/v1/notifications", {"to": "dev@example.com", "subject": SCRIPT, "message": SCRIPT}).json()["id"]
    return {"held": held.json()["id"], "hook": hook.json()["id"], "failed": task, "done": done, "waiting": waiting}


def html(checks, client, sink):
    """Nothing that a caller wrote is markup on our pages."""
    for field in ("kind", "queue", "tenant", "lane"):
        reply = client.post("/v1/tasks", {"kind": "x", "payload": {}, field: SCRIPT})
        checks.equal(f"markup for a {field} is refused", reply.status, 422)
        checks.check("  and comes back as JSON", "json" in reply.headers.get("content-type", ""), reply.headers)
    for field in ("to", "reply_to", "provider", "unsubscribe", "event", "template"):
        reply = client.post("/v1/notifications", {"to": "dev@example.com", "message": "m", field: SCRIPT})
        checks.equal(f"markup for a notification's {field} is refused", reply.status, 422)
    tasks = written_by_callers(checks, client, sink)
    for name in ("held", "hook", "failed", "done"):
        ended(client, tasks[name])
    pages = ["/", "/workers", "/fragments/overview", "/fragments/workers", f"/?state={quote(SCRIPT)}", f"/?q={quote(SCRIPT)}",
             f"/?cursor={quote(SCRIPT)}", f"/tasks/{quote(SCRIPT)}", f"/sign-in?next={quote(SCRIPT)}", f"/assets/{quote(SCRIPT)}"]
    pages += [f"/tasks/{tasks[n]}" for n in tasks] + [f"/fragments/tasks/{tasks[n]}" for n in tasks]
    pages += [f"/tasks/{tasks['held']}/message"]
    shown = {task_id: "{%s}" % name for name, task_id in tasks.items()}
    for path in pages:
        page = client.get(path, headers={"Accept": "text/html"})
        name = path
        for task_id, word in shown.items():
            name = name.replace(task_id, word)
        found = [mark for mark in MARKUP if mark in page.text()]
        checks.check(f"{name}: nobody's script", not found and page.status < 500, f"{page.status} {found or ''}")
        policy = page.headers.get("content-security-policy", "")
        if "html" in page.headers.get("content-type", "") and not path.startswith("/fragments/"):
            checks.check("  and a policy that runs none", "script-src 'self'" in policy or "default-src 'none'" in policy, policy)
    seen = client.get(f"/tasks/{tasks['failed']}").text()
    checks.check("the reason is there, as text", "&lt;script&gt;" in seen, seen[-2000:])
    # The mail itself, as its recipient would see it, is the one page that has its markup: in a frame that runs nothing.
    mail = client.get(f"/tasks/{tasks['held']}/message/html")
    policy = mail.headers.get("content-security-policy", "")
    checks.check("the mail's own page is shown", mail.status == 200 and "<img" in mail.text(), mail)
    checks.check("in a sandbox, without script", "sandbox" in policy and "allow-scripts" not in policy and "default-src 'none'" in policy, policy)
    raw = client.get(f"/tasks/{tasks['held']}/message/raw")
    checks.check("its source is no page", "html" not in raw.headers.get("content-type", "html")
                 and raw.headers.get("x-content-type-options") == "nosniff", raw.headers)
    client.post("/v1/queues/default/lanes/email:default/resume")
    client.post(f"/v1/tasks/{tasks['waiting']}/cancel")


def attachments(checks, client):
    typed = {"Content-Type": "application/pdf"}
    whole = client.request("POST", "/v1/attachments?filename=whole.pdf", body=b"x" * (10 * MIB), headers=typed)
    if checks.equal("an attachment of 10 MiB is taken", whole.status, 201):
        sent = client.post("/v1/notifications", {"to": "dev@example.com", "attachments": [
            {"filename": "whole.pdf", "id": whole.json()["id"]}]})
        checks.equal("and may be sent", sent.status, 202)
        more = client.request("POST", "/v1/attachments?filename=one.txt", body=b"x", headers={"Content-Type": "text/plain"}).json()
        both = [{"filename": "whole.pdf", "id": whole.json()["id"]}, {"filename": "one.txt", "id": more["id"]}]
        reply = client.post("/v1/notifications", {"to": "dev@example.com", "attachments": both})
        checks.equal("with one byte more it may not", reply.status, 422)
    over = client.request("POST", "/v1/attachments?filename=over.pdf", body=b"x" * (10 * MIB + 1), headers=typed)
    checks.equal("10 MiB and a byte", over.status, 413)
    inline = base64.b64encode(b"x" * (10 * MIB + 1)).decode()
    reply = client.post("/v1/notifications", {"to": "dev@example.com", "attachments": [{"filename": "x", "content": inline}]})
    checks.check("nor within a request", reply.status in (413, 422), reply)
    unknown = client.post("/v1/notifications", {"to": "dev@example.com", "attachments": [
        {"filename": "x", "id": "00000000-0000-7000-8000-000000000000"}]})
    checks.equal("an attachment that nobody uploaded", unknown.status, 422)


RETRY = {"max_failures": 3, "backoff": {"type": "listed", "delays_ms": [10]}}


def taken(sink, task):
    """How often a task was handed over, and the token of each time."""
    return [r.headers["posthaste-lease-token"] for r in sink.to("/take") if r.headers.get("posthaste-task-id") == task]


def handed_over(client, sink, **more):
    """A task that a handler elsewhere has taken (202), and the token of its lease."""
    body = {"kind": "http", "payload": {"url": f"{sink.url}/take", "body": {"n": 1}}, "retry": RETRY, **more}
    task = client.post("/v1/tasks", body).json()["id"]
    wait_until("it is handed over", lambda: taken(sink, task), 20)
    token = taken(sink, task)[-1]
    # The handler was asked; that it said 202 is known to the server a moment later.
    wait_until("it is detached", lambda: say(client, task, "heartbeat", token).status == 200, 10)
    return task, token


def say(client, task, verb, token, **body):
    return client.post(f"/v1/tasks/{task}/{verb}", {"lease_token": token, **body})


def nothing_by(checks, client, what, task, token, heard=()):
    """No word with this token counts. The last word that was heard may be said again: it is answered, and does nothing."""
    before = client.task(task)
    for verb in ("heartbeat", "complete", "fail"):
        status = say(client, task, verb, token).status
        checks.check(f"{what}: {verb}", status == 409 or status == 200 and verb in heard, status)
    after = client.task(task)
    checks.equal("  the task is as it was", [after.get(k) for k in ("state", "attempt", "result", "error")],
                 [before.get(k) for k in ("state", "attempt", "result", "error")])


def forged(checks, client, sink):
    task, token = handed_over(client, sink)
    other, others_token = handed_over(client, sink)
    for what, guess in (("a guessed token", f"{int(token, 16) ^ 1:032x}"), ("another counter", f"{int(token, 16) ^ (1 << 64):032x}"),
                        ("no token at all", "0" * 32), ("the token of another task", others_token)):
        nothing_by(checks, client, what, task, guess)
    for bad in ("zz", "", token + "00", token[:-1], None, 7, [token]):
        checks.equal(f"what is no token: {type(bad).__name__} of {len(str(bad))}", say(client, task, "complete", bad).status, 422)
    checks.equal("a task that is not there", say(client, "00000000-0000-7000-8000-000000000000", "complete", token).status, 409)
    checks.equal("the task runs on", client.task(task)["state"], "running")
    say(client, other, "complete", others_token)
    checks.equal("the right one completes it", say(client, task, "complete", token, result={"sum": 3}).status, 200)
    done = client.task(task)
    checks.equal("with its result", (done["state"], done.get("result")), ("succeeded", {"sum": 3}))
    return task, token


def replayed(checks, client, sink, task, token):
    again = say(client, task, "complete", token, result={"sum": 4})
    checks.check("complete said twice: nothing changes", again.status in (200, 409) and client.task(task)["result"] == {"sum": 3}, again)
    say(client, task, "fail", token, message="no")
    checks.equal("nor by a fail after it", client.task(task)["state"], "succeeded")
    task, token = handed_over(client, sink)
    checks.equal("one that fails for good", say(client, task, "fail", token, **{"class": "permanent"}).json().get("state"), "failed")
    checks.check("is tried again by a person", client.post(f"/v1/tasks/{task}/retry").status in (200, 202))
    new = wait_until("it is handed over again", lambda: next((t for t in taken(sink, task) if t != token), None), 20)
    wait_until("and detached", lambda: say(client, task, "heartbeat", new).status == 200, 10)
    nothing_by(checks, client, "a token of the life before", task, token, heard=("complete", "fail"))
    checks.equal("the new one completes it", say(client, task, "complete", new, result="new").status, 200)
    checks.equal("with the new result", client.task(task).get("result"), "new")
    nothing_by(checks, client, "the one before after that", task, token)


def expired(checks, client, sink):
    task, token = handed_over(client, sink)
    # The shortest lease there is, which nobody extends.
    checks.equal("a lease of a second", say(client, task, "heartbeat", token, within_ms=1_000).status, 200)
    new = wait_until("somebody else has it", lambda: next((t for t in taken(sink, task) if t != token), None), 30)
    wait_until("and detached it", lambda: say(client, task, "heartbeat", new).status == 200, 10)
    nothing_by(checks, client, "an expired token", task, token)
    checks.equal("who has it completes it", say(client, task, "complete", new, result="second").status, 200)
    nothing_by(checks, client, "the expired one after that", task, token)
    task, token = handed_over(client, sink)
    client.post(f"/v1/tasks/{task}/cancel")
    told = say(client, task, "heartbeat", token).json()
    checks.equal("a heartbeat tells of a cancel", told, {"cancel_requested": True})
    say(client, task, "fail", token, message="stopped")
    checks.equal("a cancelled one that fails is cancelled", ended(client, task)["state"], "cancelled")
    late = say(client, task, "complete", token, result=1)
    checks.check("too late: nothing changes", late.status in (200, 409) and client.task(task)["state"] == "cancelled", late)


def callbacks(checks, client, sink):
    """A handler elsewhere takes a task (202) and says later what came of it, by the token of its lease; and what we call
    when a task is final is signed."""
    task, token = forged(checks, client, sink)
    replayed(checks, client, sink, task, token)
    expired(checks, client, sink)
    called = client.post("/v1/tasks", {"kind": "http", "payload": {"url": f"{sink.url}/ok"}, "callback_url": f"{sink.url}/called"})
    got = wait_until("we call when it is final", lambda: sink.to("/called"), 20)[-1]
    checks.check("the call names the task", called.json()["id"] in got.body.decode(), got.body)
    checks.check("it is signed by the installation's secret", verifies(SIGNING, got.body, got.headers))
    checks.check("a forged one is not", not verifies(SIGNING, got.body.replace(b"succeeded", b"failed___"), got.headers))
    checks.check("nor one that is an hour old", not verifies(SIGNING, got.body, {**got.headers, "webhook-timestamp": str(int(time.time()) - 3600)}))
    link = client.get(f"/unsubscribe/{'A' * 40}.{'B' * 43}", headers={"Accept": "text/html"})
    posted = client.request("POST", f"/unsubscribe/{'A' * 40}.{'B' * 43}", body=b"List-Unsubscribe=One-Click",
                            headers={"Content-Type": "application/x-www-form-urlencoded"})
    checks.equal("a forged link to unsubscribe", (link.status, posted.status), (404, 404))
    checks.equal("nobody is suppressed by it", client.get("/v1/suppressions").json()["data"], [])
    return token


def verifies(secret, body, headers):
    try:
        Webhook(secret).verify(body, headers)
        return True
    except WebhookVerificationError:
        return False


def keys(checks, server):
    """A key that is revoked while it is used, and keys that are guessed."""
    def ask(token, path="/v1/tasks", method="GET", **more):
        return server.client().request(method, path, headers={"Authorization": f"Bearer {token}"}, **more)

    made = ask(SECRET, "/v1/keys", "POST", json_body={"name": "used", "scopes": ["send", "read"]}).json()
    client, auth = server.client(), {"Authorization": f"Bearer {made['token']}"}
    checks.equal("a key in use", client.get("/v1/tasks", headers=auth).status, 200)
    events = http.client.HTTPConnection("127.0.0.1", server.port, timeout=20)
    events.request("GET", "/v1/events", headers=auth)
    stream, opened = events.getresponse(), time.monotonic()
    checks.equal("  also on a stream", (stream.status, stream.readline()[:1]), (200, b":"))
    # The check of a stream's key is good for a second.
    wait_until("what the stream knows of its key is old", lambda: time.monotonic() > opened + KEY_BELIEVED_S, 5)
    checks.equal("  is revoked", ask(SECRET, f"/v1/keys/{made['id']}", "DELETE").status, 200)
    checks.equal("  and refused on the connection that it used", client.get("/v1/tasks", headers=auth).status, 401)
    checks.equal("  for sending, too", client.post("/v1/notifications", {"to": "a@example.com"}, headers=auth).status, 401)
    revoked = time.monotonic()
    later = ask(SECRET, "/v1/tasks", "POST", json_body={"kind": "later", "payload": {}, "delay_ms": 3_600_000})
    checks.equal("  what is done after that", later.status, 202)
    try:
        told = stream.read()
        checks.check("  its stream does not tell", later.json()["id"].encode() not in told, told)
        checks.at_most("  but ends, seconds", round(time.monotonic() - revoked, 1), 5)
    except TimeoutError:
        checks.check("  its stream ends", False)
    events.close()
    page = server.client().get(f"/sign-in?next={quote(SCRIPT)}", headers={"Accept": "text/html"})
    checks.check("the page to sign in has nobody's script", page.status == 200 and not any(m in page.text() for m in MARKUP), page)
    form = {"Content-Type": "application/x-www-form-urlencoded", "Sec-Fetch-Site": "same-origin"}
    for away in ("//example.com/", "https://example.com/", "/\\example.com", "javascript:alert(1)"):
        entered = server.client().request("POST", "/sign-in", body=f"key={SECRET}&next={quote(away)}".encode(), headers=form)
        where = entered.headers.get("location", "")
        checks.check(f"who signs in is not sent to {away}", entered.status == 303 and "example.com" not in where and where.startswith("/"), where)
    guesses = [f"ph_{n:012}_{GUESS}" for n in range(30)] + [SECRET[:-1] + c for c in "xyz"] + [made["token"][:-1] + "!"]
    codes = [ask(guess).status for guess in guesses]
    checks.check("no guess is let in", set(codes) <= {401, 429}, codes)
    checks.check("and from some on none is looked at", codes[0] == 401 and codes[-1] == 429, codes)
    checks.equal("who has a key goes on", ask(SECRET).status, 200)
    audit = ask(SECRET, "/v1/audit?limit=200")
    lines = audit.json()["data"]
    checks.check("the audit log tells of them", any(line["action"] == "auth.refused" for line in lines), lines)
    checks.check("and of the key that was revoked", any(line["action"] == "keys.revoke" for line in lines), [l["action"] for l in lines])
    for what, text in (("audit log", audit.text()), ("log", server.log())):
        secrets = [SECRET, made["token"].rsplit("_", 1)[1], GUESS]
        checks.check(f"no key and no guess is in the {what}", text and not any(secret in text for secret in secrets))


def crowds(checks, store):
    """Names by the thousand without a key, and connections that ask much and read nothing."""
    with store.server("crowds", env={"POSTHASTE_MAX_CONNECTIONS": "40"}) as server:
        server.start()
        client = server.client()
        names = json.dumps({f"x{n:06}": 1 for n in range(60_000)}).encode()
        for verb in ("complete", "fail", "heartbeat"):
            path = f"/v1/tasks/00000000-0000-7000-8000-000000000000/{verb}"
            reply = client.request("POST", path, names, {"Content-Type": "application/json"})
            checks.check(f"unknown names by the thousand: {verb}", reply.status in (413, 422) and len(reply.body) < 20_000,
                         (reply.status, len(reply.body)))
        client.close()
        deaf = []
        for _ in range(80):
            try:
                s = socket.create_connection(("127.0.0.1", server.port), timeout=5)
                s.setblocking(False)
                s.send(b"GET /openapi.json HTTP/1.1\r\nHost: localhost\r\n\r\n" * 100)
                deaf.append(s)
            except OSError:
                break
        checks.at_least("connections that read nothing", len(deaf), 40)
        probe = wait_until("a probe is answered", lambda: answered(server, "/readyz"), 20)
        checks.equal("  beside them a probe is answered", probe, 200)
        told = wait_until("everything else is answered, too", lambda: answered(server, "/v1/tasks"), 20)
        checks.equal("  and everything else told that there are too many", told, 503)
        wait_until("they are let go", lambda: answered(server, "/v1/tasks") == 200, 60)
        checks.check("  and after half a minute everybody is", True)
        for s in deaf:
            s.close()


def answered(server, path):
    try:
        with contextlib.closing(http.client.HTTPConnection("127.0.0.1", server.port, timeout=5)) as c:
            c.request("GET", path)
            return c.getresponse().status
    except (OSError, http.client.HTTPException):
        return None


def run(checks):
    env = {"POSTHASTE_ALLOW_CIDRS": "127.0.0.0/8", "POSTHASTE_SIGNING_SECRET": SIGNING, "RUST_LOG": "debug"}
    store = stores.store(checks, stores.parser().parse_args())
    if store is None:
        return
    with HttpSink(lambda r: answer(202) if r.path == "/take" else answer(204)) as sink, store:
        with store.server("open", env=env) as server:
            server.start()
            client = server.client()
            headers(checks, client)
            templates(checks, client)
            html(checks, client, sink)
            attachments(checks, client)
            token = callbacks(checks, client, sink)
            log = server.log()
            checks.check("the log is there", "posthaste started" in log)
            checks.check("no lease token in it", not any(r.headers["posthaste-lease-token"] in log for r in sink.to("/take")), token)
            checks.check("no signing secret", SIGNING not in log and SIGNING.removeprefix("whsec_") not in log)
            checks.check("no panic", "panicked" not in log)
            checks.check("no line has a body in it", "victim@example.com" not in log and "alert(" not in log)
            checks.equal("the server lives on", client.get("/readyz").status, 200)
        keyed = {"POSTHASTE_API_KEYS": f"abuse:admin+send+read:{SECRET}", "RUST_LOG": "debug"}
        with store.server("keyed", env=keyed) as server:
            server.start()
            keys(checks, server)
        crowds(checks, store)


if __name__ == "__main__":
    main("abuse", run)
