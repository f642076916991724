#!/usr/bin/env python3
"""`kill -9` of `posthaste up`, again and again, while notifications are accepted and delivered.

Each kill comes after 1,000 settles since the last start, with at least 50 leases held and accepts
in progress; a kill without these does not count and fails the run. At the end every id that got a
2xx is final, none that succeeded is missing in the SMTP sink, and there are at most as many
duplicates as leases were held at the kills. An id that ended as `worker_lost` is reported, not missing.
"""

import argparse
import collections
import time

from lib.checks import main
from lib.client import FINAL, unfinished
from lib.load import Load
from lib.server import Posthaste, Scratch, wait_until
from lib.sink import SinkProcess

FULL = {"total": 20_000, "kills": 10, "settles": 1_000}
QUICK = {"total": 3_000, "kills": 3, "settles": 300}
LEASES = 50


def notification(n):
    """Half through the old route with the e-mail policy, half with a policy that retries soon."""
    to = f"user{n}@example.com"
    if n % 2:
        return "/notify/", {"email": to, "message": f"Number {n}", "subject": "kill -9"}
    return "/v1/tasks", {
        "kind": "notify",
        "lane": "email:default",
        "payload": {"channel": "email", "to": to, "subject": "kill -9", "message": f"Number {n}"},
        "retry": {"backoff": {"type": "listed", "delays_ms": [1000]}},
    }


def settled(counts):
    return sum(counts.get(s, 0) for s in FINAL)


def kill_once(checks, number, server, load, scale):
    """Waits for the conditions, kills, and returns how many leases were held."""
    client = server.client()
    base = settled(client.counts())
    accepted_base = len(load.accepted)
    seen = {}

    def ready():
        before = len(load.accepted)
        counts = client.counts()
        seen.update(
            settles=settled(counts) - base, leases=counts["running"],
            accepts=len(load.accepted) - accepted_base, in_flight=load.in_flight, before=before)
        return seen["settles"] >= scale["settles"] and seen["leases"] >= LEASES and seen["in_flight"] > 0

    try:
        wait_until("the conditions of the kill", ready, 90, every=0.002)
    except TimeoutError:
        pass
    server.kill9()
    client.close()
    good = seen["settles"] >= scale["settles"] and seen["leases"] >= LEASES and seen["in_flight"] > 0
    checks.check(
        f"kill {number} met its conditions", good,
        f"{seen['settles']} settles and {seen['accepts']} accepts since the start, "
        f"{seen['leases']} leases held, {seen['in_flight']} requests in flight")
    return seen["leases"]


def run(checks):
    parser = argparse.ArgumentParser()
    parser.add_argument("--quick", action="store_true")
    scale = QUICK if parser.parse_args().quick else FULL
    # What each life may accept at once; the rest of the time a trickle keeps accepts in progress.
    burst = int(scale["total"] * 0.6 / (scale["kills"] + 1))

    with Scratch() as directory, SinkProcess(directory, delay_ms=5) as sink:
        server = Posthaste(directory, env={
            "POSTHASTE_SMTP_URL": f"smtp://127.0.0.1:{sink.port}",
            "POSTHASTE_EMAIL_FROM": "Posthaste <noreply@example.com>",
            # One target may hold three quarters of the slots: 96 leases.
            "POSTHASTE_CONCURRENCY": "128",
        })
        with server:
            server.start()
            load = Load(server.port, notification, connections=48, trickle=600)
            load.start()
            held, slowest_start = [], 0.0
            for number in range(1, scale["kills"] + 1):
                load.allow(burst * number)
                held.append(kill_once(checks, number, server, load, scale))
                slowest_start = max(slowest_start, server.start())
            load.trickle = 0

            def enough():
                # What got no answer may be stored or not: others are sent for it.
                load.allow(scale["total"] + load.unanswered)
                return len(load.accepted) + sum(load.refused.values()) >= scale["total"]

            wait_until("all are accepted", enough, 120)
            checks.check("the load ended", load.stop(60))
            accepted = load.accepted
            checks.note(f"{load.sent} sent, {len(accepted)} accepted, {load.unanswered} without an answer, "
                        f"refused {load.refused or 'none'}; slowest start after a kill {slowest_start:.2f} s")
            checks.equal("no request was refused", load.refused, {})
            checks.equal("no id was given twice", len(set(accepted)), len(accepted))
            checks.at_least("accepted", len(accepted), scale["total"])

            client = server.client()
            began = time.monotonic()
            try:
                wait_until("every task is final", lambda: unfinished(client.counts()) == 0, 240, every=0.25)
            except TimeoutError as error:
                checks.note(str(error) + f": {client.counts()}")
            checks.note(f"the rest was delivered in {time.monotonic() - began:.0f} s")
            account(checks, client, accepted, collections.Counter(sink.ids()), held, load)
            code, took = server.terminate()
            checks.equal(f"it ends on SIGTERM (in {took:.1f} s)", code, 0)


def account(checks, client, accepted, delivered, held, load):
    """Every accepted id against the store and the sink."""
    tasks = client.all_tasks()
    missing = [i for i in accepted if i not in tasks]
    checks.equal("accepted ids that the store does not know", missing[:5], [])
    states = collections.Counter(tasks[i]["state"] for i in accepted if i in tasks)
    checks.note(f"states of the accepted: {dict(states)}")
    checks.equal("accepted ids that are not final", sum(n for s, n in states.items() if s not in FINAL), 0)

    lost = [i for i in accepted if i in tasks and tasks[i]["state"] == "failed"]
    reasons = collections.Counter((tasks[i].get("error") or {}).get("reason") for i in lost)
    if reasons:
        checks.note(f"failed, by reason: {dict(reasons)}")
    checks.equal("failures other than worker_lost", {r: n for r, n in reasons.items() if r != "worker_lost"}, {})
    checks.equal("accepted ids missing in the sink",
                 [i for i in accepted if i not in delivered and i in tasks
                  and tasks[i]["state"] == "succeeded"][:5], [])
    unknown = [i for i in delivered if i not in tasks]
    checks.equal("delivered ids that the store does not know", unknown[:5], [])
    extra = set(tasks) - set(accepted)
    checks.at_most("stored without an answer that reached the client", len(extra), load.unanswered)
    duplicates = sum(n - 1 for n in delivered.values())
    checks.at_most("duplicates in the sink (leases held at the kills)", duplicates, sum(held))
    checks.note(f"accepted {len(accepted)}, delivered {len(delivered)}, duplicates {duplicates}, "
                f"worker_lost {reasons.get('worker_lost', 0)}, leases held at the kills {held}")


if __name__ == "__main__":
    main("kill9", run)
