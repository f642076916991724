#!/usr/bin/env python3
"""A worker that stands still past its leases (SIGSTOP), whose tasks run elsewhere, and that wakes up again.

It holds three groups when it is stopped: *marked* (the point of no return is behind them) and *waiting*
(it is not), whose leases end while it stands still, and *young*, whose leases are a few seconds younger.
It is woken when the first two groups are done elsewhere and the leases of the third still hold: what it
then says about the first two is refused one by one, what it says about the third is taken, and its log
says so. No mail of *waiting* or *young* leaves twice; each of *marked* leaves twice, as it must.
"""

import argparse
import asyncio
import collections
import itertools
import threading

from lib.checks import main
from lib.redis_layout import LEASE_MS, Shard, audit
from lib.redis_server import RedisServer, needs_redis
from lib.server import Scratch, wait_until
from lib.sink import Sink
from lib.split import Api, Providers, Worker, submit

FULL = {"marked": 60, "waiting": 20, "young": 40}
QUICK = {"marked": 12, "waiting": 4, "young": 8}
# How much younger the leases of the third group are: what the worker's awakening has to happen in.
AHEAD_MS = 3_000
TRIES = 5


class Gate:
    """Holds the first conversation about each recipient: before DATA, or before the answer to the mail."""

    def __init__(self):
        self.open = threading.Event()
        self.held, self.released = set(), set()

    async def __call__(self, stage, session):
        to = session.recipients[-1] if session.recipients else ""
        if stage != ("rcpt" if to.startswith("waiting") else "body") or to in self.held:
            return None
        self.held.add(to)
        while not self.open.is_set():
            await asyncio.sleep(0.01)
        # The answer is written before anything else has its turn.
        self.released.add(to)
        return None

    def count(self, group):
        return sum(to.startswith(group) for to in list(self.held))


def run(checks):
    parser = argparse.ArgumentParser()
    parser.add_argument("--quick", action="store_true")
    scale = QUICK if parser.parse_args().quick else FULL
    if not needs_redis(checks):
        return
    gate = Gate()
    sink = Sink(behave=gate)
    with Scratch() as directory, RedisServer(directory) as redis:
        providers = Providers(directory, sink.start_thread(), sum(scale.values()) + TRIES * scale["young"])
        env = {"POSTHASTE_CONCURRENCY": "500"}
        api, frozen, other = Api(directory, redis.url, env), Worker(directory, redis.url, env), \
            Worker(directory, redis.url, env)
        # Time goes on in the store all the while; otherwise its standing still would be a gap.
        ticker = Worker(directory, redis.url, {**env, "POSTHASTE_QUEUES": "idle"})
        with api, frozen, other, ticker:
            for process in (api, ticker, frozen):
                process.start()
            shard = Shard(redis.client())
            client = api.client()
            numbers = itertools.count()

            def some(group, count):
                return [submit(client, f"{group}{next(numbers)}@example.com", providers.next()) for _ in range(count)]

            groups = {group: some(group, scale[group]) for group in ("marked", "waiting")}
            wait_until("all are held", lambda: all(gate.count(g) == len(groups[g]) for g in groups), 20)
            me, settled = frozen.name(shard), frozen.settled()
            groups["young"], aged = freeze(checks, shard, gate, frozen, lambda: some("young", scale["young"]))
            groups["marked"] += aged
            stopped = shard.redis.now_ms()
            at_rest(checks, shard.runs(me), groups)
            other.start()
            elsewhere(checks, shard, client, groups, me)
            # Everything it has waited for is there the moment it wakes, so late and timely outcomes come together.
            gate.open.set()
            wait_until("all answers are on their way", lambda: gate.released == gate.held, 10, every=0.01)
            late = min(r.lease_until for r in shard.runs(me)) - shard.redis.now_ms()
            checks.at_least("ms left of the young leases when it wakes", late, 1)
            checks.note(f"stood still for {shard.redis.now_ms() - stopped} ms")
            frozen.thaw()
            awake(checks, client, sink, frozen, groups, me, settled)
            checks.equal("the store contradicts itself", audit([shard])[:5], [])
            goes_on(checks, client, frozen, other, providers)


def freeze(checks, shard, gate, worker, enqueue):
    """Takes young tasks as late as it can and stops the worker; their ids, and those of earlier tries."""
    me = worker.name(shard)
    before, aged = {r.task for r in shard.runs(me)}, []
    for n in range(TRIES):
        def ahead(old=before):
            ends = [r.lease_until for r in shard.runs(me) if r.task in old]
            return max(ends) - LEASE_MS + AHEAD_MS + 500 <= shard.redis.now_ms()

        wait_until("the leases are some seconds old", ahead, 15, every=0.01)
        young = enqueue()
        wait_until("the young are held", lambda: gate.count("young") == len(aged) + len(young), 20, every=0.01)
        worker.freeze()
        ends = {r.task: r.lease_until for r in shard.runs(me)}
        if min(ends[i] for i in young) - max(ends[i] for i in before) >= AHEAD_MS:
            checks.note(f"stopped with {len(ends)} leases at try {n + 1}")
            return young, aged
        worker.thaw()
        aged += young
        before |= set(young)
    raise AssertionError("the worker always extended its leases before it was stopped")


def at_rest(checks, runs, groups):
    by_task = {r.task: r for r in runs}
    flags = collections.Counter((g, by_task[i].marked) for g in groups for i in groups[g] if i in by_task)
    checks.equal("held when it was stopped, by mark", dict(flags), {
        ("marked", True): len(groups["marked"]), ("waiting", False): len(groups["waiting"]),
        ("young", True): len(groups["young"])})


def elsewhere(checks, shard, client, groups, me):
    """The old groups are taken away and done by the other worker, the young stay."""
    old = groups["marked"] + groups["waiting"]
    state = {}

    def done():
        state.update({i: client.task(i) for i in old if (state.get(i) or {}).get("state") != "succeeded"})
        return all(task["state"] == "succeeded" for task in state.values())

    wait_until("the old ones ran elsewhere", done, 30, every=0.05)
    checks.equal("ran elsewhere as their second attempt",
                 {(t["attempt"], by(t) == me) for t in state.values()}, {(2, False)})
    left = {r.task for r in shard.runs(me)}
    checks.check("the young are held still", set(groups["young"]) <= left, len(left))


def by(task):
    """Who ran its last attempt."""
    return task["attempts"][-1]["worker"]


def awake(checks, client, sink, worker, groups, me, settled):
    """What it says of the old is refused, one by one; what it says of the young is taken."""
    wait_until("the young are settled", lambda: all(
        client.task(i)["state"] == "succeeded" for i in groups["young"]), 20)
    young = [client.task(i) for i in groups["young"]]
    checks.equal("the young: attempt and worker", {(t["attempt"], by(t) == me) for t in young}, {(1, True)})
    wait_until("it holds nothing any more", lambda: not worker.metric("posthaste_worker_running")
               and not worker.metric("posthaste_worker_unsettled"), 20)
    outcomes = collections.Counter()
    for group in ("marked", "waiting"):
        for i in groups[group]:
            task = client.task(i)
            outcomes[group, task["state"], by(task) == me,
                     tuple((a["attempt"], a["outcome"]) for a in task["attempts"])] += 1
    history = ((1, "lease_expired"), (2, "succeeded"))
    checks.equal("the old: what the other worker stored stands", dict(outcomes), {
        (group, "succeeded", False, history): len(groups[group]) for group in ("marked", "waiting")})
    delivered = collections.Counter(sink.ids())
    for group, times in (("marked", 2), ("waiting", 1), ("young", 1)):
        checks.equal(f"mails of each of {group}", {delivered[i] for i in groups[group]}, {times})
    old = groups["marked"] + groups["waiting"]

    def told_of(what):
        """A number of each call of the store that refused something, by the log."""
        lines = worker.logged("outcomes were refused: the leases were lost")
        return [int(part.removeprefix(what)) for line in lines for part in line.split() if part.startswith(what)]

    # Whether the keeper of the leases told a handler to stop or not, its outcome is sent, and refused.
    wait_until("the log tells of the refused", lambda: sum(told_of("count=")) >= len(old), 10)
    refused = told_of("count=")
    checks.equal("late outcomes refused, by its log", sum(refused), len(old))
    checks.check("a call that refused some took others", max(told_of("settled=")) > 0,
                 f"refused {refused}, taken {told_of('settled=')}")
    checks.equal("late outcomes refused, by its metrics", int(worker.lost()), len(old))
    checks.equal("timely outcomes of the same worker that were taken", int(worker.settled() - settled),
                 len(groups["young"]))
    told = sum(bool(worker.logged(["lease was lost", i])) for i in old)
    checks.note(f"{told} handlers told to stop, outcomes refused by call: {refused}, {len(young)} settled")


def goes_on(checks, client, worker, other, providers):
    """It is as good as any other."""
    code, _ = other.terminate()
    checks.equal("the other ends on SIGTERM", code, 0)
    ids = [submit(client, f"after{n}@example.com", providers.next()) for n in range(10)]
    wait_until("new ones run", lambda: all(client.task(i)["state"] == "succeeded" for i in ids), 20)
    checks.check("the woken worker runs new tasks", worker.alive(), f"{len(ids)} of {len(ids)}")


if __name__ == "__main__":
    main("redis_frozen", run)
