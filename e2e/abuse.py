#!/usr/bin/env python3
"""What comes in to do harm: injected headers and templates, loops that never end, HTML in every field, too large
attachments, callbacks that are forged, late or said twice. Refused or harmless, and never in the log."""

import json
import time

from lib.checks import main
from lib.http_sink import HttpSink, answer
from lib.server import Posthaste, Scratch, wait_until

SCRIPT = "<script>alert(1)</script><img src=x onerror=alert(2)>"
LINE = "x\r\nBcc: victim@example.com"
MIB = 1024 * 1024


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


BOMBS = {
    "a loop in a loop": "{% for a in range(100000) %}{% for b in range(100000) %}x{% endfor %}{% endfor %}",
    "a string that doubles": "{% set ns = namespace(s='x') %}{% for i in range(64) %}{% set ns.s = ns.s ~ ns.s %}{% endfor %}{{ ns.s }}",
    "a product of strings": "{{ 'x' * 1000000000 }}",
    "recursion": "{% macro f() %}{{ f() }}{% endmacro %}{{ f() }}",
    "padding": "{{ '%1000000000d' | format(1) }}",
    "an endless loop over a letter": "{% for a in 'x' * 10000000 %}{{ a }}{% endfor %}",
}


def templates(checks, client):
    for what, text in BOMBS.items():
        began = time.monotonic()
        reply = client.post("/v1/templates/preview", {"text": text, "data": {}})
        checks.check(f"a template with {what} is refused", 400 <= reply.status < 500, reply)
        checks.at_most(f"{what}: seconds", round(time.monotonic() - began, 2), 5)
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


def html(checks, client):
    """Nothing that a caller wrote is markup on our pages."""
    reply = client.post("/v1/notifications", {
        "to": "dev@example.com", "subject": SCRIPT, "message": SCRIPT, "html": SCRIPT, "headers": {"X-Note": SCRIPT}})
    held = ended(client, reply.json()["id"])["id"]
    failing = client.post("/v1/tasks", {"kind": "notify", "payload": {"channel": SCRIPT, "to": SCRIPT}}).json()["id"]
    ended(client, failing)
    for path in ("/", f"/tasks/{held}", f"/tasks/{failing}", f"/tasks/{held}/message", "/workers"):
        page = client.get(path)
        if page.status == 404:
            continue
        checks.check(f"{path.replace(held, '{held}').replace(failing, '{failing}')}: nobody's script",
                     "<script>alert" not in page.text() and "onerror=alert(2)>" not in page.text(), page.status)
        checks.check("  and a policy that runs none", "script-src 'self'" in page.headers.get("content-security-policy", "")
                     or "script-src 'none'" in page.headers.get("content-security-policy", "")
                     or "default-src 'none'" in page.headers.get("content-security-policy", ""))


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
    unknown = client.post("/v1/notifications", {"to": "dev@example.com", "attachments": [
        {"filename": "x", "id": "00000000-0000-7000-8000-000000000000"}]})
    checks.equal("an attachment that nobody uploaded", unknown.status, 422)


def callbacks(checks, client, sink):
    """A handler elsewhere takes a task (202) and says later what came of it, by the token of its lease."""
    def take():
        task = client.post("/v1/tasks", {"kind": "http", "payload": {"url": f"{sink.url}/take", "body": {"n": 1}}}).json()["id"]
        request = wait_until("it is handed over", lambda: next(
            (r for r in sink.to("/take") if r.headers.get("posthaste-task-id") == task), None), 20)
        return task, request.headers["posthaste-lease-token"]

    def say(task, verb, **body):
        return client.post(f"/v1/tasks/{task}/{verb}", body)

    task, token = take()
    wait_until("it is detached", lambda: say(task, "heartbeat", lease_token=token).status == 200, 10)
    forged = ("0" * 32 if token[0] != "0" else "1" * 32)
    for verb in ("heartbeat", "complete", "fail"):
        checks.equal(f"{verb} with a forged token", say(task, verb, lease_token=forged).status, 409)
    checks.check("a token that is none", say(task, "complete", lease_token="zz").status == 422)
    checks.equal("the task runs on", client.task(task)["state"], "running")
    checks.equal("complete with the right one", say(task, "complete", lease_token=token, result={"sum": 3}).status, 200)
    done = client.task(task)
    checks.equal("it has its result", (done["state"], done.get("result")), ("succeeded", {"sum": 3}))
    again = say(task, "complete", lease_token=token, result={"sum": 4})
    checks.check("said twice: nothing changes", again.status in (200, 409) and client.task(task)["result"] == {"sum": 3}, again)
    checks.check("and cannot fail afterwards", say(task, "fail", lease_token=token, error={"message": "no"}).status == 409
                 or client.task(task)["state"] == "succeeded")
    task, token = take()
    client.post(f"/v1/tasks/{task}/cancel")
    checks.check("an old token of another task", say(task, "complete", lease_token=forged).status == 409)
    say(task, "fail", lease_token=token, error={"message": "stopped"})
    ended_as = ended(client, task)["state"]
    checks.equal("a cancelled one that fails is cancelled", ended_as, "cancelled")
    late = say(task, "complete", lease_token=token, result=1)
    checks.check("too late: nothing changes", late.status in (200, 409) and client.task(task)["state"] == "cancelled", late)
    return token


def run(checks):
    with HttpSink(lambda r: answer(202) if r.path == "/take" else answer(204)) as sink, Scratch() as directory:
        with Posthaste(directory, env={"POSTHASTE_ALLOW_CIDRS": "127.0.0.0/8"}) as server:
            server.start()
            client = server.client()
            headers(checks, client)
            templates(checks, client)
            html(checks, client)
            attachments(checks, client)
            token = callbacks(checks, client, sink)
            log = server.log()
            checks.check("no lease token in the log", token not in log)
            checks.check("no panic in the log", "panicked" not in log)
            checks.check("no line of the log has a body in it", "victim@example.com" not in log and json.dumps(SCRIPT) not in log)
            checks.equal("the server lives on", client.get("/readyz").status, 200)
            server.terminate()


if __name__ == "__main__":
    main("abuse", run)
