#!/usr/bin/env python3
"""One provider that hangs and one tenant that floods: what others wait, by stored times.

Measured twice on one server, without and with the trouble, under the same gentle load of other tenants and another
provider. From enqueue to start is `started_at` of the first attempt less `created_at` of the task."""

import argparse
import datetime
import threading

from lib.checks import main
from lib.server import Posthaste, Scratch, wait_until
from lib.sink import Hang, Sink

# What others may wait is at least this, whatever the factor says: below it the clock of the machine decides.
GRAIN_MS = 5


def at(text):
    return datetime.datetime.fromisoformat(text.replace("Z", "+00:00"))


def p99(values):
    values = sorted(values)
    return values[max(0, -(-len(values) * 99 // 100) - 1)]


def others(client, n, tag):
    """Sends a gentle load as other tenants over the other provider; their waits in milliseconds."""
    ids = []
    for i in range(n):
        body = {"to": f"{tag}{i}@example.com", "provider": "good", "message": "hello", "tenant": f"other{i % 5}"}
        reply = client.post("/v1/notifications", body)
        assert reply.status == 202, reply
        ids.append(reply.json()["id"])
        threading.Event().wait(0.01)    # about a hundred a second: load, not a wait for something
    waits = []
    for task_id in ids:
        task = wait_until("an other's task ends", lambda: (t := client.task(task_id)) and "finished_at" in t and t, 60)
        assert task["state"] == "succeeded", task
        attempts = client.get(f"/v1/tasks/{task_id}/attempts").json()["data"]
        waits.append((at(attempts[0]["started_at"]) - at(task["created_at"])).total_seconds() * 1000)
    return waits


def flood(client, n):
    """`n` tasks of one tenant, in batches."""
    for start in range(0, n, 1000):
        items = [{"to": f"flood{start + i}@example.com", "provider": "good", "message": "flood", "tenant": "flooder"}
                 for i in range(min(1000, n - start))]
        reply = client.post("/v1/notifications/batch", {"notifications": items})
        assert reply.status == 202, reply


def hang(_stage, _session):
    raise Hang


def run(checks):
    parser = argparse.ArgumentParser()
    parser.add_argument("--quick", action="store_true")
    quick = parser.parse_args().quick
    n, many = (150, 5_000) if quick else (500, 100_000)
    with Sink() as good, Sink(behave=hang) as stuck, Scratch() as directory:
        config = "".join(f'[providers.{name}]\nurl = "smtp://127.0.0.1:{sink.port}"\nfrom = "a@example.com"\n'
                         for name, sink in (("good", good), ("stuck", stuck)))
        with Posthaste(directory, config=config) as server:
            server.start()
            client = server.client()
            others(client, 20, "warm")
            quiet = p99(others(client, n, "quiet"))
            for i in range(200):
                client.post("/v1/notifications", {"to": f"stuck{i}@example.com", "provider": "stuck", "message": "x"})
            hanging = p99(others(client, n, "hanging"))
            allowed = 2 * max(quiet, GRAIN_MS)
            checks.note(f"p99 enqueue to start: {quiet:.1f} ms alone, {hanging:.1f} ms beside a provider that hangs")
            checks.at_most("a hanging provider: others' p99 in ms", hanging, allowed)
            flooding = threading.Thread(target=flood, args=(server.client(), many))
            flooding.start()
            flooded = p99(others(client, n, "flooded"))
            flooding.join()
            checks.note(f"{flooded:.1f} ms beside a flood of {many} tasks of one tenant")
            checks.at_most("a flooding tenant: others' p99 in ms", flooded, allowed)
            server.terminate()


if __name__ == "__main__":
    main("fairness", run)
