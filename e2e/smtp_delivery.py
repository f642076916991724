#!/usr/bin/env python3
"""A message through a real SMTP server (aiosmtpd): headers, text and HTML parts as they should be."""

import base64
import email
import email.policy
import threading

from aiosmtpd.controller import Controller

from lib.checks import main
from lib.server import Posthaste, Scratch, free_port, wait_until

TEXT = "Grüße aus Köln,\n\nline two.\n.a line that starts with a dot\n" + "long " * 300
# What header readers trip over: text that looks encoded, spaces that folding eats, names half in quotes.
SUBJECTS = ("=?utf-8?B?SGVsbG8=?=", "=?utf-8?Q?A=0D=0ABcc:_x@example.com?= x", "Grüße  Jörg", "é  é  é", "a  b", "=?x", "x?=",
            "tschüß 🎉 " * 30, "plain and long " * 30, "é" * 200, "\"quoted\" \\ and <bracketed>", "[=?] ünd =?=")
# Python's reader itself puts a space between two encoded words of a name, and makes one space of two in one: none here needs that.
NAMES = ('J. "Q" Public', "Söder, Shop", "=?utf-8?Q?x?=", "back\\slash", "two  spaces", "漢字" * 7, "(paren) ünd; so", "a.b",
         "Müller & Cie. Gesellschaft mit beschränkter")
FILES = ("Größe €.csv", "a'b%41*.txt", "long name " * 15 + ".pdf", "=?utf-8?Q?x?=.txt", "漢字.eml")
CONTENTS = (b"a,b\n1,2\n.\r\nMAIL FROM:<x@example.com>\r\n", b"\r.\r\n.\n", bytes(range(256)), b"", b".")
HTML = "<p>Grüße aus <b>Köln</b></p>"
SUBJECT = "Grüße 🎉 " + "and a subject that must be folded " * 4


class Mailbox:
    def __init__(self):
        self.arrived = threading.Semaphore(0)
        self.envelopes = []

    async def handle_DATA(self, _server, _session, envelope):  # noqa: N802, the library's name
        self.envelopes.append(envelope)
        self.arrived.release()
        return "250 2.0.0 Taken"


def deliver(checks, client, mailbox, how, post):
    """Posts, waits for the message, returns (id, envelope, parsed message, task)."""
    before = len(mailbox.envelopes)
    task_id = post()
    if not checks.check(f"{how}: the message arrived", mailbox.arrived.acquire(timeout=20)):
        raise AssertionError(f"nothing arrived; the task is {client.task(task_id)}")
    envelope = mailbox.envelopes[before]
    task = wait_until("the task ends", lambda: (t := client.task(task_id)) and t.get("finished_at") and t, 10)
    checks.equal(f"{how}: the task", task["state"], "succeeded")
    return task_id, envelope, email.message_from_bytes(envelope.content, policy=email.policy.default), task


def run(checks):
    mailbox = Mailbox()
    controller = Controller(mailbox, hostname="127.0.0.1", port=free_port(), enable_SMTPUTF8=False)
    controller.start()
    try:
        with Scratch() as directory:
            with Posthaste(directory, env={
                "POSTHASTE_SMTP_URL": f"smtp://127.0.0.1:{controller.port}",
                "POSTHASTE_EMAIL_FROM": "Posthaste Ünit <noreply@example.com>",
            }) as server:
                server.start()
                scenarios(checks, server.client(), mailbox)
                checks.equal("exit on SIGTERM", server.terminate()[0], 0)
    finally:
        controller.stop()


def scenarios(checks, client, mailbox):
    def old_route():
        return client.request("POST", "/notify/?email=dev@example.com").json()["task_id"]

    task_id, envelope, message, _ = deliver(checks, client, mailbox, "notify by query", old_route)
    checks.equal("envelope sender", envelope.mail_from, "noreply@example.com")
    checks.equal("envelope recipients", envelope.rcpt_tos, ["dev@example.com"])
    checks.equal("To", str(message["To"]), "dev@example.com")
    checks.check("From carries name and address", "noreply@example.com" in str(message["From"])
                 and "Posthaste Ünit" in str(message["From"]), str(message["From"]))
    checks.check("Message-ID carries the task id", str(message["Message-ID"]).startswith(f"<{task_id}@"),
                 str(message["Message-ID"]))
    checks.check("Date is there", message["Date"] is not None and message["Date"].datetime is not None)
    checks.check("Subject is there", bool(str(message["Subject"] or "")), str(message["Subject"]))
    checks.check("a text part is there", message.get_body(("plain",)) is not None)
    status = client.get(f"/task_status/{task_id}").json()
    checks.equal("/task_status", status, {
        "task_id": task_id, "status": "completed", "result": "Notification sent to dev@example.com"})

    def with_html():
        reply = client.post("/v1/tasks", {
            "kind": "notify",
            "payload": {"channel": "email", "to": "dev@example.com", "subject": SUBJECT, "message": TEXT,
                        "html": HTML},
        })
        if reply.status != 202:
            raise AssertionError(f"POST /v1/tasks answered {reply!r}")
        return reply.json()["id"]

    task_id, envelope, message, _ = deliver(checks, client, mailbox, "text and HTML", with_html)
    checks.equal("content type", message.get_content_type(), "multipart/alternative")
    checks.equal("parts in order", [p.get_content_type() for p in message.iter_parts()],
                 ["text/plain", "text/html"])
    text = message.get_body(("plain",)).get_content()
    html = message.get_body(("html",)).get_content()
    checks.equal("the text survives, dots and umlauts included", text.replace("\r\n", "\n").strip(), TEXT.strip())
    checks.equal("the HTML survives", html.strip(), HTML)
    checks.equal("the subject survives folding", str(message["Subject"]).strip(), SUBJECT.strip())
    checks.equal("MIME-Version", str(message["MIME-Version"]), "1.0")
    content = envelope.content
    checks.at_most("longest line of the message in bytes", max(map(len, content.split(b"\r\n"))), 998)
    bare = content.replace(b"\r\n", b"")
    checks.check("line ends are CRLF only", b"\n" not in bare and b"\r" not in bare)

    nasty(checks, client, mailbox)

    for field in ("subject", "to"):
        payload = {"channel": "email", "to": "dev@example.com", "subject": "x", "message": "y"}
        payload[field] = payload[field] + "\r\nBcc: victim@example.com"
        before = len(mailbox.envelopes)
        reply = client.post("/v1/tasks", {"kind": "notify", "payload": payload})
        if reply.status == 202:
            task = wait_until("the task ends", lambda: (t := client.task(reply.json()["id"]))
                              and t.get("finished_at") and t, 20)
            injected = [e for e in mailbox.envelopes[before:]
                        if b"\r\nBcc:" in e.content or "victim@example.com" in str(e.rcpt_tos)]
            checks.check(f"a line break in {field} injects no header", not injected, task["state"])
        else:
            checks.check(f"a line break in {field} is refused", 400 <= reply.status < 500, reply)


def nasty(checks, client, mailbox):
    """What is written is what Python's own reader finds, and no CR or LF stands alone."""
    def sends(**fields):
        def post():
            reply = client.post("/v1/notifications", {"to": "dev@example.com", "message": "m", **fields})
            if reply.status != 202:
                raise AssertionError(f"{fields} was answered {reply!r}")
            return reply.json()["id"]
        _, envelope, message, _ = deliver(checks, client, mailbox, "nasty", post)
        bare = envelope.content.replace(b"\r\n", b"")
        checks.check(f"line ends of {fields!r:.60}", b"\n" not in bare and b"\r" not in bare)
        return message

    for subject in SUBJECTS:
        checks.equal("subject", str(sends(subject=subject)["Subject"]), subject)
    for name in NAMES:
        quoted = '"' + name.strip().replace("\\", "\\\\").replace('"', '\\"') + '"'
        message = sends(reply_to=f"{quoted} <shop@example.com>", headers={"X-Note": name.strip()},
                        cc=[f"{quoted} <copy@example.com>"])
        for header in ("Reply-To", "Cc"):
            address = message[header].addresses[0]
            checks.equal(f"name in {header}", address.display_name, name.strip())
        checks.equal("a header of one's own", str(message["X-Note"]), name.strip())
    for name in FILES:
        message = sends(attachments=[{"filename": name, "content": base64.b64encode(content).decode()}
                                     for content in CONTENTS])
        files = list(message.iter_attachments())
        checks.equal("names of files", [f.get_filename() for f in files], [name] * len(CONTENTS))
        checks.equal("their bytes", [f.get_payload(decode=True) for f in files], list(CONTENTS))
    for value, want in (('"Ünï list" <news.example.com>', "Ünï list <news.example.com>"),
                        ('"a  b" <news.example.com>', '"a  b" <news.example.com>')):
        checks.equal("List-Id", str(sends(headers={"List-Id": value})["List-Id"]), want)


if __name__ == "__main__":
    main("smtp_delivery", run)
