#!/usr/bin/env python3
"""SIGTERM under load: it ends with 0 within its grace, loses nothing and counts nothing.

The store is then opened by a server that serves another queue, so that what the first one left
behind can be looked at before anything touches it, and at last by one that delivers the rest.
"""

import argparse
import collections

from lib.checks import main
from lib.client import unfinished
from lib.load import Load
from lib.server import Posthaste, Scratch, wait_until
from lib.sink import Hang, Sink, SinkProcess

GRACE = 8
HANGING = 12


def notification(n):
    return "/notify/", {"email": f"user{n}@example.com", "message": f"Number {n}"}


def hang(stage, _session):
    if stage == "rcpt":
        raise Hang
    return None


def run(checks):
    parser = argparse.ArgumentParser()
    parser.add_argument("--quick", action="store_true")
    total = 1_000 if parser.parse_args().quick else 3_000
    # Slow enough that much is in the middle of its delivery when the signal comes.
    with Scratch() as directory, SinkProcess(directory, delay_ms=100) as sink:
        silent = Sink(behave=hang)
        config = f'[providers.silent]\nurl = "smtp://127.0.0.1:{silent.start_thread()}"\n'
        env = {
            "POSTHASTE_SHUTDOWN_GRACE": f"{GRACE}s",
            "POSTHASTE_SMTP_URL": f"smtp://127.0.0.1:{sink.port}",
            "POSTHASTE_EMAIL_FROM": "noreply@example.com",
        }
        server = Posthaste(directory, env=env, config=config)
        with server:
            server.start()
            stuck = [hanging_task(server.client(), n) for n in range(HANGING)]
            load = Load(server.port, notification, connections=16, trickle=200)
            load.start()
            load.allow(total)
            client = server.client()
            seen = {}

            def under_load():
                seen.update(client.counts(), in_flight=load.in_flight, sent=load.sent)
                return seen["succeeded"] >= total // 10 and seen["running"] >= 20 and seen["in_flight"] > 0

            wait_until("the load", under_load, 60, every=0.005)
            code, took = server.terminate(GRACE + 15)
            checks.note(f"at the signal: {seen}")
            checks.equal("it ends with 0", code, 0)
            checks.at_most("seconds it took (the grace, and one to end)", round(took, 1), GRACE + 1)
            load.stop()
            accepted = list(load.accepted)
            at_rest(checks, directory, env, accepted, stuck, collections.Counter(sink.ids()))
        silent.behave = None
        rest(checks, directory, env, accepted + stuck, sink, silent)


def hanging_task(client, n):
    reply = client.post("/v1/tasks", {"kind": "notify", "payload": {
        "channel": "email", "to": f"stuck{n}@example.com", "message": "x", "provider": "silent"}})
    if reply.status != 202:
        raise AssertionError(f"POST /v1/tasks answered {reply!r}")
    return reply.json()["id"]


def at_rest(checks, directory, env, accepted, stuck, delivered):
    """What the first server left behind, looked at by one that does not consume it."""
    with Posthaste(directory, env={**env, "POSTHASTE_QUEUES": "idle"}) as observer:
        observer.start()
        client = observer.client()
        tasks = client.all_tasks()
        states = collections.Counter(t["state"] for t in tasks.values())
        checks.note(f"left behind: {dict(states)}")
        checks.equal("accepted ids that are not stored", [i for i in accepted if i not in tasks][:5], [])
        checks.equal("tasks left running", states.get("running", 0), 0)
        checks.at_least("tasks left for later", states.get("queued", 0), 1)
        checks.equal("tasks neither queued nor succeeded",
                     {s: n for s, n in states.items() if s not in ("queued", "succeeded")}, {})
        checks.equal("tasks with a failure counted", [i for i, t in tasks.items() if t["failures"]][:5], [])
        succeeded = {i for i, t in tasks.items() if t["state"] == "succeeded"}
        checks.equal("delivered, and not succeeded", sorted(set(delivered) - succeeded)[:5], [])
        checks.equal("succeeded, and not delivered", sorted(succeeded - set(delivered))[:5], [])
        checks.equal("delivered more than once", [i for i, n in delivered.items() if n > 1][:5], [])
        released = [i for i, t in tasks.items() if t["state"] == "queued" and t.get("attempt", 0) > 0]
        checks.equal("given back at the end of the grace: those that hung", sorted(set(stuck) - set(released)), [])
        for task_id in released[:50]:
            attempts = client.task(task_id).get("attempts") or []
            if any(a["outcome"] != "released" or a.get("counted") for a in attempts):
                checks.check("a released attempt is logged as released, uncounted", False, attempts)
                break
        else:
            checks.check("released attempts are logged as released, uncounted", True, len(released))
        code, _ = observer.terminate()
        checks.equal("an idle server ends with 0", code, 0)


def rest(checks, directory, env, accepted, sink, silent):
    with Posthaste(directory, env=env) as server:
        server.start()
        client = server.client()
        wait_until("the rest is delivered", lambda: unfinished(client.counts()) == 0, 90, every=0.2)
        tasks = client.all_tasks()
        checks.equal("accepted ids that did not succeed",
                     [i for i in accepted if tasks.get(i, {}).get("state") != "succeeded"][:5], [])
        delivered = collections.Counter(sink.ids() + silent.ids())
        checks.equal("accepted ids missing in the sink", [i for i in accepted if i not in delivered][:5], [])
        checks.equal("duplicates in the sink", sum(n - 1 for n in delivered.values()), 0)
        checks.note(f"{len(accepted)} accepted, {len(delivered)} delivered")
        server.terminate()


if __name__ == "__main__":
    main("sigterm", run)
