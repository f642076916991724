#!/usr/bin/env python3
"""Redis with too little memory: above 80 % of `maxmemory` the oldest succeeded give way; at 100 % an
enqueue is refused whole (503, and says what is full), while what runs and waits is finished. Nothing is
half-written, and everything goes on once there is room.
"""

import argparse
import asyncio
import collections
import threading

from lib.checks import main
from lib.client import unfinished
from lib.load import Load
from lib.redis_layout import Shard, audit
from lib.redis_server import RedisServer, needs_redis
from lib.server import Scratch, wait_until
from lib.sink import Sink
from lib.split import Api, Providers, Worker, millis, submit

FULL = {"succeeded": 20_000, "more": 5_000, "long": 50, "waiting": 500}
# A sweep takes 2,000 at once: that must be a small part of all.
QUICK = {"succeeded": 14_000, "more": 1_000, "long": 10, "waiting": 100}
SWEEP = 2_000
MIB = 1024 * 1024
TEXT, LONG_TEXT = "x" * 1_500, "x" * 40_000


def run(checks):
    parser = argparse.ArgumentParser()
    parser.add_argument("--quick", action="store_true")
    scale = QUICK if parser.parse_args().quick else FULL
    if not needs_redis(checks):
        return
    end = threading.Event()

    async def behave(stage, session):
        if stage == "body" and session.recipients[-1].startswith("long"):
            while not end.is_set():
                await asyncio.sleep(0.02)
        return None

    sink = Sink(behave=behave)
    with Scratch() as directory, RedisServer(directory, fsync="everysec") as redis:
        providers = Providers(directory, sink.start_thread(), scale["long"])
        # Mail to these is held, which is quick and leaves much in the store.
        env = {"POSTHASTE_SANDBOX": "*@held.example", "POSTHASTE_CONCURRENCY": str(4 * scale["long"])}
        api, worker = Api(directory, redis.url, env), Worker(directory, redis.url, env)
        with api, worker:
            api.start()
            worker.start()
            shard = Shard(redis.client())
            kept = gives_way(checks, api, shard, scale)
            full(checks, api, shard, sink, providers, scale, end, kept)
            for process in (api, worker):
                checks.equal(f"{process.VERB} ends on SIGTERM", process.terminate()[0], 0)


def held(n):
    return "/notify/", {"email": f"user{n}@held.example", "message": TEXT}


def parked(_, text=TEXT):
    """A task of a queue that nobody serves."""
    return "/v1/tasks", {"kind": "notify", "queue": "idle",
                         "payload": {"channel": "email", "to": "idle@held.example", "message": text}}


def bulky(n):
    """The same, and large."""
    return parked(n, LONG_TEXT)


def post(api, make, count, connections=16):
    """Posts so many and waits for their ends; the load with what became of them."""
    load = Load(api.port, make, connections=connections)
    load.start()
    load.allow(count)
    wait_until("all are answered", lambda: load.sent >= count and not load.in_flight, 120)
    load.stop()
    return load


def two_ticks(shard):
    """Waits for two sweeps that have begun since."""
    ticks = {shard.meta("tick")}

    def ticked():
        ticks.add(shard.meta("tick"))
        return len(ticks) >= 3

    wait_until("two ticks more", ticked, 10, every=0.01)


def gives_way(checks, api, shard, scale):
    """Succeeded tasks fill the memory to 85 %; the oldest go, and nothing else does."""
    redis, client = shard.redis, api.client()
    idle = post(api, parked, 100).accepted
    failed = [client.post("/v1/tasks", {"kind": "http", "payload": {"url": "http://127.0.0.1:9/"}}).json()["id"]
              for _ in range(20)]
    first = post(api, held, scale["succeeded"] // 2).accepted
    second = post(api, held, scale["succeeded"] // 2).accepted
    wait_until("all are done", lambda: client.counts()["succeeded"] == scale["succeeded"], 60)
    checks.equal("successes counted by the series", shard.series("suc"), scale["succeeded"])
    wait_until("what may not be called has failed", lambda: all(
        client.task(i)["state"] == "failed" for i in failed), 20)
    base = redis.info("used_memory")
    most = int(base / 0.85)
    redis("CONFIG", "SET", "maxmemory", most)
    try:
        wait_until("the memory is below 80 %", lambda: redis.info("used_memory") <= 0.8 * most, 20)
    except TimeoutError as error:
        # What follows would only say the same again.
        checks.check("the oldest give way", False, error)
        redis("CONFIG", "SET", "maxmemory", 0)
        return set(idle) | set(failed)
    # Another tick would take more if that were still wanted.
    two_ticks(shard)
    counts = client.counts()
    checks.at_most("succeeded that are left", counts["succeeded"], scale["succeeded"] - 1)
    used = redis.info("used_memory") * 100 // most
    checks.at_least("percent of maxmemory used: no more went than had to", used, 70)
    # From 85 % to 80 % is one part in seventeen of what was there.
    checks.at_most("succeeded that gave way: one sweep more than had to at the most",
                   scale["succeeded"] - counts["succeeded"], scale["succeeded"] // 15 + SWEEP)
    left = {i for i, t in client.all_tasks().items() if t["state"] == "succeeded"}
    gone = len(first) + len(second) - len(left)
    # Ended in about the order in which they came: what is left are the youngest.
    checks.at_least("of the younger half are left", len(left & set(second)), min(len(second), len(left)) * 9 // 10)
    checks.equal("tasks that wait are all there", [i for i in idle if not client.task(i)][:5], [])
    checks.equal("tasks that failed are all there", [i for i in failed if not client.task(i)][:5], [])
    checks.equal("the store contradicts itself", audit([shard])[:5], [])
    checks.note(f"{gone} of {scale['succeeded']} succeeded gave way, {used} % used")

    # Room enough while the oldest go: nothing is refused although far more is enqueued than fits.
    peak = post(api, held, scale["more"], connections=1)
    checks.equal("while the oldest give way, nothing is refused", (peak.refused, peak.unanswered), ({}, 0))
    wait_until("all are done", lambda: not client.counts()["running"] and client.counts()["queued"] <= 100 + 20, 60)
    redis("CONFIG", "SET", "maxmemory", 0)
    # Now nothing gives way any more, once the tick under way has ended.
    two_ticks(shard)
    checks.equal("the store contradicts itself", audit([shard])[:5], [])
    return set(idle) | set(failed)


def full(checks, api, shard, sink, providers, scale, end, kept):
    """No memory left, with handlers running and tasks waiting."""
    redis, client = shard.redis, api.client()
    long = [submit(client, f"long{n}@example.com", providers.next()) for n in range(scale["long"])]
    wait_until("the long ones run", lambda: len([r for r in shard.runs() if r.marked]) == len(long), 20)
    checks.equal("the queue is paused", client.post("/v1/queues/default/pause").status // 100, 2)
    waiting = [submit(client, f"wait{n}@held.example") for n in range(scale["waiting"])]
    before = set(client.all_tasks())
    # What is added here waits, and gives way to nothing; the succeeded do so, to the last.
    redis("CONFIG", "SET", "maxmemory", redis.info("used_memory") + 3 * MIB)
    load = Load(api.port, bulky, connections=16, rest=0.01)
    load.start()
    load.allow(1_000_000)
    wait_until("no succeeded are left", lambda: not shard("LLEN", "d"), 60, every=0.01)
    soon = sum(load.refused.values()) + 200
    wait_until("the memory is full", lambda: sum(load.refused.values()) >= soon, 60, every=0.01)
    load.budget = load.sent
    # The load's own bound: nothing is sent beyond it.
    checks.check("the load ended", load.stop(60))
    checks.equal("how an enqueue is refused", set(load.refused), {503})
    checks.equal("requests without an answer", load.unanswered, 0)

    late = []

    def refused(path, body, taken):
        reply = client.post(path, body)
        if reply.status == 503:
            return reply
        taken.append(reply.json().get("task_id") or reply.json()["id"])
        return None

    reply = wait_until("the new route refuses", lambda: refused(*parked(0), load.accepted), 20, every=0)
    checks.equal("the new route: problem+json", reply.headers.get("content-type"), "application/problem+json")
    checks.equal("the new route says what it is", reply.json()["type"], "urn:posthaste:error:store-full")
    checks.check("the new route gives Retry-After", "retry-after" in reply.headers, reply)
    reply = wait_until("the old route refuses", lambda: refused(*held(0), late), 20, every=0)
    checks.check("the old route says what it is", "full" in reply.json()["detail"], reply)
    # What the operator must do is for the operator: callers are told no more than that nothing was accepted.
    checks.check("the log names maxmemory", api.logged("maxmemory"), len(api.logged("maxmemory")))
    # At its edge the memory has room for something small now and then, as a probe is.
    def alarmed():
        reply = client.get("/readyz")
        return reply if reply.status == 503 else None

    reply = wait_until("/readyz refuses", alarmed, 20, every=0)
    checks.check("alarms see why (/readyz)", "maxmemory" in reply.text(), reply)
    checks.equal("the process lives on (/healthz)", client.get("/healthz").status, 200)
    checks.equal("reading goes on", client.get(f"/v1/tasks/{long[0]}").status, 200)

    # Memory stays short: what has succeeded may be gone already, but the series count it.
    succeeded = shard.series("suc")
    end.set()
    wait_until("the long ones end", lambda: not client.counts()["running"], 30)
    checks.equal("running tasks succeed while the memory is full", shard.series("suc") - succeeded, len(long))
    ends = collections.Counter(tuple((a["attempt"], a["outcome"]) for a in t["attempts"]) for t in map(client.task, long) if t)
    checks.equal("tried once", set(ends) - {((1, "succeeded"),)}, set())
    succeeded, waited = shard.series("suc"), len(waiting) + len(late)
    reply = client.post("/v1/queues/default/resume")
    checks.equal("the queue can be resumed while the memory is full", reply.status // 100, 2)
    try:
        wait_until("the waiting ones end", lambda: shard.series("suc") - succeeded >= waited, 60)
    except TimeoutError as error:
        checks.note(f"{error}: {client.counts()}")
    checks.equal("waiting tasks succeed while the memory is full", shard.series("suc") - succeeded, waited)
    checks.equal("those that are still stored have succeeded", {t["state"] for t in map(client.task, long + waiting + late) if t}
                 - {"succeeded"}, set())
    delivered = collections.Counter(sink.ids())
    checks.equal("mails of each long one", {delivered[i] for i in long}, {1})

    # Short of memory as it is, these give way as well; then nothing changes any more.
    wait_until("what has succeeded gives way", lambda: not shard("LLEN", "d"), 20)
    two_ticks(shard)
    stored = client.all_tasks()
    expected = kept | set(long) | set(waiting) | set(late) | set(load.accepted)
    known = {i for i, t in stored.items() if t["state"] != "succeeded"}
    checks.equal("accepted, not final, and not stored", [i for i in load.accepted if i not in stored][:5], [])
    checks.equal("stored and not accepted", [i for i in known - expected - before][:5], [])
    checks.equal("the store contradicts itself", audit([shard])[:5], [])
    checks.note(f"{len(load.accepted) + len(late)} accepted until it was full, {sum(load.refused.values())} refused")

    redis("CONFIG", "SET", "maxmemory", 0)
    room = redis.now_ms()

    def accepted():
        reply = client.post("/v1/tasks", {"kind": "notify", "payload": {
            "channel": "email", "to": "after@held.example", "message": "x"}})
        return reply.status == 202 and reply.json()["id"]

    after = wait_until("an enqueue is accepted", accepted, 20, every=0.02)
    wait_until("it runs", lambda: client.task(after)["state"] == "succeeded", 20)
    checks.at_most("ms from room to a new task done", millis(client.task(after)["finished_at"]) - room, 2_000)
    wait_until("ready again", lambda: client.get("/readyz").status == 200, 10)
    unserved = len(kept) + len(load.accepted)
    wait_until("nothing but the unserved waits", lambda: unfinished(client.counts()) <= unserved, 20)


if __name__ == "__main__":
    main("redis_full", run)
