#!/usr/bin/env python3
"""Every kind of answer a mail server gives, and the state, class and counters each must lead to.

One server with several providers: an SMTP sink that answers by recipient, one that refuses the
credentials, one that throttles, one that says nothing, one where nobody listens.
"""

import argparse
import collections

from lib.checks import main
from lib.server import Posthaste, Scratch, free_port, wait_until
from lib.sink import Cut, Hang, Sink

HANGING, FLOWING = 80, 200


# The code decides, whatever the text is. Each taken once, though the server says so in one of many ways.
ODD = {
    ("alone", "dot"): b"250",
    ("latin1", "dot"): b"250 2.0.0 Message accept\xe9",
    ("gbk", "dot"): b"250 Mail OK \xc7\xeb\xca\xb9",
    ("long", "dot"): b"250 " + b"x" * 600,
    ("many", "dot"): b"250-and so on\r\n" * 10 + b"250\t2.0.0 taken",
    ("alonercpt", "rcpt"): b"250",
    ("lfrcpt", "rcpt"): b"250-2.1.5\n250 ok",
    ("alonedata", "data"): "354",
    ("nolatin1", "rcpt"): b"550 5.1.1 Direcci\xf3n desconocida",
}


class ByRecipient:
    """Misbehaves as the local part of the recipient says, counting per recipient and stage."""

    def __init__(self):
        self.seen = collections.Counter()

    def times(self, stage, session):
        key = (stage, session.recipients[-1])
        self.seen[key] += 1
        return self.seen[key]

    def __call__(self, stage, session):
        if not session.recipients:
            return None
        who = session.recipients[-1].split("@")[0]
        if (who, stage) in ODD:
            return ODD[who, stage]
        match (who, stage):
            case ("twice451", "rcpt"):
                return "451 4.3.0 Try again later" if self.times(stage, session) <= 2 else None
            case ("nouser", "rcpt"):
                return "550 5.1.1 No such user"
            case ("refused", "body"):
                return "554 5.7.0 Refused by policy"
            case ("busy421", "rcpt"):
                if self.times(stage, session) == 1:
                    return "421 4.3.2 Shutting down"
            case ("cutrcpt", "rcpt"):
                if self.times(stage, session) == 1:
                    raise Cut
            case ("cutdata", "data"):
                if self.times(stage, session) == 1:
                    raise Cut
            case ("cutbody", "body"):
                if self.times(stage, session) == 1:
                    raise Cut
            case ("cutafter", "dot"):
                if self.times(stage, session) == 1:
                    raise Cut
        return None


def refuse_auth(stage, _session):
    return "535 5.7.8 Authentication credentials invalid" if stage == "auth" else None


def throttle(stage, _session):
    return "451 4.7.1 Too many messages, slow down" if stage == "mail" else None


def hang(stage, _session):
    if stage == "connect":
        raise Hang
    return None


def post(client, who, provider=None, delay_ms=200):
    payload = {"channel": "email", "to": f"{who}@example.com", "subject": who, "message": who}
    if provider:
        payload["provider"] = provider
    reply = client.post("/v1/tasks", {
        "kind": "notify", "payload": payload,
        "retry": {"backoff": {"type": "listed", "delays_ms": [delay_ms]}},
    })
    if reply.status != 202:
        raise AssertionError(f"POST /v1/tasks answered {reply!r}")
    return reply.json()["id"]


def ended(client, task_id):
    return lambda: (t := client.task(task_id)) and t.get("finished_at") and t


def failed_once(client, task_id):
    return lambda: (t := client.task(task_id)) and t.get("error") and t["state"] != "running" and t


def classes(task):
    return [(a["outcome"], a.get("class"), a.get("counted", False)) for a in task.get("attempts", [])]


def run(checks):
    argparse.ArgumentParser().parse_known_args()
    sinks = {
        "default": Sink(behave=ByRecipient()),
        "locked": Sink(behave=refuse_auth, auth=True),
        "busy": Sink(behave=throttle),
        "silent": Sink(behave=hang),
    }
    ports = {name: sink.start_thread() for name, sink in sinks.items()}
    ports["absent"] = free_port()
    config = "".join(
        f'[providers.{name}]\nurl = "smtp://{"user:secret@" if name == "locked" else ""}127.0.0.1:{port}"\n'
        f'from = "noreply@example.com"\n'
        for name, port in ports.items())
    with Scratch() as directory, Posthaste(directory, config=config) as server:
        server.start()
        client = server.client()
        answers(checks, client, sinks["default"])
        lanes(checks, client, sinks)
        one_hangs(checks, client, sinks)
        checks.check("no password in the log", "secret" not in server.log())
        code, took = server.terminate()
        checks.equal(f"exit on SIGTERM with sends that hang (in {took:.1f} s)", code, 0)


# What each recipient must end in: state, reason, class and code of the error, counted failures, the
# (outcome, class, counted) of its attempts, and how often the sink took the message.
TRANSIENT = ("failed", "transient", True)
AMBIGUOUS = ("failed", "ambiguous", True)
SUCCEEDED = ("succeeded", None, False)
EXPECTED = {
    "well": ("succeeded", None, 0, [SUCCEEDED], 1),
    "twice451": ("succeeded", None, 2, [TRANSIENT, TRANSIENT, SUCCEEDED], 1),
    "nouser": ("failed", "suppress", 1, [("failed", "suppress", True)], 0),
    **{who: ("succeeded", None, 0, [SUCCEEDED], 1) for who, _ in ODD if who != "nolatin1"},
    "nolatin1": ("failed", "suppress", 1, [("failed", "suppress", True)], 0),
    "refused": ("failed", "permanent", 1, [("failed", "permanent", True)], 0),
    # From RCPT on it is about the message, until three recipients in a row meet it.
    "busy421": ("succeeded", None, 1, [TRANSIENT, SUCCEEDED], 1),
    "cutrcpt": ("succeeded", None, 1, [TRANSIENT, SUCCEEDED], 1),
    # Cut in answer to DATA: not a byte of the message had been sent.
    "cutdata": ("succeeded", None, 1, [TRANSIENT, SUCCEEDED], 1),
    # Cut after the message: whether it was taken cannot be known, so it is tried again and counted.
    "cutbody": ("succeeded", None, 1, [AMBIGUOUS, SUCCEEDED], 1),
    "cutafter": ("succeeded", None, 1, [AMBIGUOUS, SUCCEEDED], 2),
}


def answers(checks, client, sink):
    # Each of these waits until the one before has ended: together they would be what three recipients in a row meet.
    alone = {"busy421", "cutrcpt", "cutdata"}
    ids = {who: post(client, who) for who in EXPECTED if who not in alone}
    for who, (state, cls, failures, attempts, taken) in EXPECTED.items():
        if who in alone:
            ids[who] = post(client, who)
        try:
            task = wait_until(f"{who} ends", ended(client, ids[who]), 30)
        except TimeoutError as error:
            checks.check(f"{who} ends", False, f"{error}: {client.task(ids[who])}")
            continue
        checks.equal(f"{who}: state", task["state"], state)
        if cls:
            checks.equal(f"{who}: class", (task.get("error") or {}).get("class"), cls)
        checks.equal(f"{who}: counted failures", task["failures"], failures)
        checks.equal(f"{who}: attempts", classes(task), attempts)
        checks.equal(f"{who}: messages taken by the server", sink.ids().count(ids[who]), taken)
    nouser = client.task(ids["nouser"])
    checks.check("nouser: the server's answer is told", "550" in str(nouser["error"].get("code")), nouser["error"])
    reply = client.get(f"/task_status/{ids['nouser']}").json()
    checks.check("nouser: /task_status says failed and why", reply["status"] == "failed" and reply.get("error"), reply)


def lanes(checks, client, sinks):
    """Failures that stop a whole lane, and one that opens nothing yet."""
    first = post(client, "first", "locked")
    task = wait_until("535 is answered", failed_once(client, first), 20)
    checks.equal("535: state, class, counted failures",
                 (task["state"], task["error"].get("class"), task["failures"]), ("queued", "misconfigured", 0))
    before = sinks["locked"].connections
    second = post(client, "second", "locked")

    first = post(client, "slow", "busy")
    task = wait_until("4.7.1 is answered", failed_once(client, first), 20)
    checks.equal("451 4.7.1: state, class, counted failures",
                 (task["state"], task["error"].get("class"), task["failures"]), ("queued", "throttled", 0))

    absent = post(client, "nobody", "absent", delay_ms=60_000)
    task = wait_until("nobody listens", failed_once(client, absent), 20)
    checks.equal("connection refused: state, class, counted failures",
                 (task["state"], task["error"].get("class"), task["failures"]), ("retrying", "unavailable", 0))

    # Everything above went on for seconds meanwhile: the second task must not have been tried.
    task = client.task(second)
    checks.equal("535: the lane is paused, the next task waits untried", (task["state"], task["attempt"]),
                 ("queued", 0))
    checks.equal("535: connections meanwhile", sinks["locked"].connections - before, 0)
    reply = client.get("/v1/lanes")
    if reply.status == 200:
        paused = {lane.get("lane"): (lane.get("paused") or {}).get("reason") for lane in reply.json()["data"]}
        checks.equal("535: the pause is shown", paused.get("email:locked"), "misconfigured")
        checks.equal("4.7.1: the pause is shown", paused.get("email:busy"), "throttled")
    else:
        checks.note("no /v1/lanes here: the pauses are not looked at")
    delivered = post(client, "well", "default")
    task = wait_until("another provider delivers", ended(client, delivered), 20)
    checks.equal("another provider is not held up", task["state"], "succeeded")


def one_hangs(checks, client, sinks):
    """More sends to a silent server than there are slots, and mail through another one."""
    for n in range(HANGING):
        post(client, f"hang{n}", "silent")
    wait_until("the silent server is connected to", lambda: sinks["silent"].connections > 0, 20)
    flowing = [post(client, f"flow{n}", "default") for n in range(FLOWING)]
    try:
        wait_until("the other mail", lambda: set(flowing) <= set(sinks["default"].ids()), 30, every=0.1)
    except TimeoutError:
        pass
    arrived = set(flowing) & set(sinks["default"].ids())
    checks.equal("mail of the other provider that flowed past the silent one", len(arrived), FLOWING)
    held = sum(q["counts"]["running"] for q in client.get("/v1/queues").json()["data"])
    checks.at_most("slots that the silent server holds (three quarters of 64)", held, 48)
    checks.at_least("slots that the silent server holds", held, 1)


if __name__ == "__main__":
    main("smtp_answers", run)
