#!/usr/bin/env python3
"""`kill -9` of workers, APIs and Redis, again and again, while notifications are accepted and delivered.

Three workers and two APIs share a Redis that writes everything down (`appendfsync always`). Every two
seconds one of the five, drawn at random, is killed and started again: a worker with at least 50 leases
held, either with at least 1,000 settles since its last start; Redis itself is killed twice. At the end every id that got
a 2xx is final, none was settled twice, and only what a killed worker held was delivered twice. What it
held ran elsewhere within the lease and two seconds, by the times that the store has.
"""

import argparse
import collections
import itertools
import random
import statistics
import time

from lib.checks import main
from lib.client import FINAL, unfinished
from lib.load import Load
from lib.redis_layout import LEASE_MS, Shard, audit
from lib.redis_server import RedisServer, needs_redis
from lib.server import Scratch, wait_until
from lib.sink import SinkProcess
from lib.split import Api, Worker, millis

FULL = {"total": 100_000, "settles": 1_000, "kills": 20, "redis": 2, "away": 3.0, "every": 2.0, "delay": 10}
QUICK = {"total": 4_000, "settles": 200, "kills": 3, "redis": 1, "away": 0.5, "every": 1.0, "delay": 40}
LEASES = 50
WITHIN_MS = LEASE_MS + 2_000


def notification(n):
    """One in four through the old route with the e-mail policy, the others tried again soon."""
    to = f"user{n}@example.com"
    if n % 4 == 0:
        return "/notify/", {"email": to, "message": f"Number {n}", "subject": "kill -9"}
    return "/v1/tasks", {
        "kind": "notify",
        "payload": {"channel": "email", "to": to, "subject": "kill -9", "message": f"Number {n}"},
        "retry": {"backoff": {"type": "listed", "delays_ms": [1000]}},
    }


def soon(n):
    """All tried again soon, for a run that must be short."""
    return notification(n * 4 + 1)


class Killed:
    """A worker that was killed: when, by the store's time, and what it held."""

    def __init__(self, worker, at, runs):
        self.worker, self.at, self.runs = worker, at, runs


class Field:
    """The processes, and what was done to them."""

    def __init__(self, checks, scale, redis, apis, workers, loads, seed):
        self.checks, self.scale, self.redis, self.random = checks, scale, redis, random.Random(seed)
        self.apis, self.workers, self.loads = apis, workers, loads
        self.shard = Shard(redis.client())
        self.kills, self.gaps, self.times = [], [], []
        self.victims = collections.Counter()
        self.accepts = {api: 0 for api in apis}
        self.order = []

    def done(self):
        return int(self.shard("HGET", "m", "dn") or 0)

    def accepted(self):
        return sum(len(load.accepted) for load in self.loads)

    def ready_to_die(self, process):
        """Whether killing it now proves something; says what it held back."""
        if process in self.workers:
            held = len(self.shard.runs(process.name(self.shard)))
            settles = process.settled()
        else:
            load = self.loads[self.apis.index(process)]
            if not load.in_flight:
                return None
            held, settles = len(self.shard.runs()), len(load.accepted) - self.accepts[process]
        return (held, settles) if held >= LEASES and settles >= self.scale["settles"] else None

    def kill_one(self):
        """Kills one of them as soon as it is worth it; in each round of five, each has its turn at random."""
        if not self.order:
            self.order = self.workers + self.apis
            self.random.shuffle(self.order)
        victim = self.order.pop(0)
        wait_until(f"{victim.VERB} is worth a kill", lambda: self.ready_to_die(victim), 60, every=0.02)
        if victim in self.workers:
            self.kill_worker(victim)
        else:
            victim.kill9()
            self.times.append(time.monotonic())
            self.accepts[victim] = len(self.loads[self.apis.index(victim)].accepted)
            self.victims["api"] += 1
        victim.start()

    def kill_worker(self, victim):
        name = victim.name(self.shard)

        def held():
            # It must not settle between the count and the kill.
            victim.freeze()
            runs = self.shard.runs(name)
            if len(runs) < LEASES:
                victim.thaw()
            return len(runs) >= LEASES and runs

        runs = wait_until("leases", held, 60, every=0.02)
        victim.kill9()
        self.times.append(time.monotonic())
        self.kills.append(Killed(name, self.shard.redis.now_ms(), runs))
        self.victims["worker"] += 1

    def kill_redis(self):
        held = len(self.shard.runs())
        flying = sum(load.in_flight for load in self.loads)
        began = self.shard.redis.now_ms()
        self.redis.kill9()
        self.times.append(time.monotonic())
        self.shard.redis.close()
        time.sleep(self.scale["away"])      # Away this long; nothing is concluded from it.
        ended = self.redis.start()
        self.gaps.append((began, ended))
        self.victims["redis"] += 1
        self.checks.check("Redis was killed under load", held >= LEASES and flying > 0,
                          f"{held} leases held, {flying} requests in flight, away for {ended - began} ms")


def run(checks):
    parser = argparse.ArgumentParser()
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--seed", type=int, help="of the order in which the processes are killed")
    arguments = parser.parse_args()
    quick, seed = arguments.quick, arguments.seed
    if seed is None:
        seed = random.randrange(1 << 32)
    if not needs_redis(checks):
        return
    checks.note(f"seed {seed}")
    scale = QUICK if quick else FULL
    with Scratch() as directory, RedisServer(directory, fsync="always") as redis, \
            SinkProcess(directory, delay_ms=scale["delay"]) as sink:
        env = {
            "POSTHASTE_SMTP_URL": f"smtp://127.0.0.1:{sink.port}",
            "POSTHASTE_EMAIL_FROM": "Posthaste <noreply@example.com>",
            # One target may hold three quarters of the slots: 96 leases.
            "POSTHASTE_CONCURRENCY": "128",
        }
        apis = [Api(directory, redis.url, env) for _ in range(2)]
        workers = [Worker(directory, redis.url, env) for _ in range(3)]
        with apis[0], apis[1], workers[0], workers[1], workers[2]:
            for process in apis + workers:
                process.start()
            make = soon if quick else notification
            loads = [Load(api.port, make, connections=24, trickle=200, rest=0.2) for api in apis]
            field = Field(checks, scale, redis, apis, workers, loads, seed)
            for load in loads:
                load.start()
            disturb(field, scale)
            finish(checks, field, scale)
            account(checks, field, sink)
            for process in workers + apis:
                code, took = process.terminate()
                checks.equal(f"{process.VERB} ends on SIGTERM (in {took:.1f} s)", code, 0)


def disturb(field, scale):
    """Kills until there were enough of each, all through the load."""
    total, loads = scale["total"], field.loads
    steps = scale["kills"] + scale["redis"]
    away = {steps * (n + 1) // (scale["redis"] + 1) for n in range(scale["redis"])}
    for step in range(steps):
        next_at = time.monotonic() + scale["every"]
        # Each life gets its part, so that there is a backlog at every kill.
        for load in loads:
            load.allow(round(total * 0.9 * (step + 2) / (steps + 1) / len(loads)))
        if step in away:
            wait_until("leases", lambda: len(field.shard.runs()) >= LEASES, 60, every=0.02)
            field.kill_redis()
        else:
            field.kill_one()
        time.sleep(max(0, next_at - time.monotonic()))
    field.checks.note(f"killed: {dict(field.victims)}, then {field.accepted()} accepted, {field.done()} done")
    between = [after - before for before, after in itertools.pairwise(field.times)]
    field.checks.note(f"seconds between two kills: at least {min(between):.1f}, median {statistics.median(between):.1f}, "
                      f"at most {max(between):.1f}")


def finish(checks, field, scale):
    """Lets the rest be accepted and delivered."""
    loads = field.loads
    for load in loads:
        load.trickle = 0

    def enough():
        missing = scale["total"] - field.accepted()
        for load in loads:
            if missing > 0 and load.sent >= load.budget and not load.in_flight:
                load.allow(load.sent + -(-missing // len(loads)))
        return missing <= 0

    wait_until("all are accepted", enough, 300, every=0.1)
    for load in loads:
        checks.check("the load ended", load.stop(60))
    sent, refused = sum(load.sent for load in loads), collections.Counter()
    for load in loads:
        refused.update(load.refused)
    checks.note(f"{sent} sent, {field.accepted()} accepted, {sum(load.unanswered for load in loads)} without an "
                f"answer, refused {dict(refused) or 'none'}")
    checks.equal("refused with anything but 503, while Redis was away", set(refused) - {503}, set())
    client = field.apis[0].client()
    began = time.monotonic()
    try:
        wait_until("every task is final", lambda: unfinished(client.counts()) == 0, 300, every=0.25)
    except TimeoutError as error:
        checks.note(f"{error}: {client.counts()}")
    checks.note(f"the rest was delivered in {time.monotonic() - began:.0f} s")


def account(checks, field, sink):
    """Every accepted id against the store and the sink."""
    client, shard = field.apis[0].client(), field.shard
    accepted = [i for load in field.loads for i in load.accepted]
    checks.equal("no id was given twice", len(set(accepted)), len(accepted))
    checks.at_least("accepted", len(accepted), field.scale["total"])
    tasks = client.all_tasks()
    checks.equal("accepted ids that the store does not know", [i for i in accepted if i not in tasks][:5], [])
    states = collections.Counter(tasks[i]["state"] for i in accepted if i in tasks)
    checks.equal("accepted ids that are not final", sum(n for s, n in states.items() if s not in FINAL), 0)
    checks.equal("states of the accepted", dict(states), {"succeeded": len(accepted)})
    unsure = sum(load.unanswered + sum(load.refused.values()) for load in field.loads)
    checks.at_most("stored without a 2xx that reached the client", len(set(tasks) - set(accepted)), unsure)

    checks.equal("the store contradicts itself", audit([shard])[:5], [])
    checks.equal("settled as often as there are tasks", shard.series("suc"), len(tasks))
    again = [i for i, task in tasks.items() if task["attempt"] > 1]
    histories = {i: client.task(i)["attempts"] for i in again}
    twice = [i for i, log in histories.items() if sum(a["outcome"] == "succeeded" for a in log) != 1]
    checks.equal("tasks settled twice, by their log", twice[:5], [])

    delivered = collections.Counter(sink.ids())
    checks.equal("succeeded ids missing in the sink", [i for i in accepted if i not in delivered][:5], [])
    checks.equal("delivered ids that the store does not know", [i for i in delivered if i not in tasks][:5], [])
    held = collections.Counter(run.task for kill in field.kills for run in kill.runs)
    duplicates = {i: n - 1 for i, n in delivered.items() if n > 1}
    checks.at_most("duplicates in the sink (leases held at the kills of workers)",
                   sum(duplicates.values()), sum(held.values()))
    checks.equal("delivered more often than a killed worker held it",
                 [i for i, n in duplicates.items() if n > held[i]][:5], [])
    lost = [i for i, t in tasks.items() if (t.get("error") or {}).get("reason") == "worker_lost"]
    checks.equal("ended as worker_lost", lost[:5], [])
    takeover(checks, field, histories)
    checks.note(f"accepted {len(accepted)}, delivered {sum(delivered.values())}, duplicates "
                f"{sum(duplicates.values())}, attempts that were not the first {len(again)}, leases held at the "
                f"kills {[len(kill.runs) for kill in field.kills]}")


def takeover(checks, field, histories):
    """When what a killed worker held ran elsewhere, by the times that the store has."""
    slowest, unlogged, late = 0, [], []
    for kill in field.kills:
        # While the store is away nobody can take over, and a worker that lives gets one lease after it.
        base = kill.at
        for began, ended in field.gaps:
            if began <= base + WITHIN_MS and ended >= base:
                base = ended
        for run in kill.runs:
            log = {a["attempt"]: a for a in histories.get(run.task, [])}
            mine, following = log.get(run.attempt), log.get(run.attempt + 1)
            if not mine or mine["outcome"] != "lease_expired" or not following:
                unlogged.append((run.task, run.attempt, run.marked, mine))
                continue
            # After the mark it waits for its backoff, too: what counts is when it was taken away.
            ran = millis(mine["ended_at"]) if run.marked else millis(following["started_at"])
            slowest = max(slowest, ran - base)
            if ran - base > WITHIN_MS:
                late.append({
                    "task": run.task, "late": ran - base, "marked": run.marked, "lease left": run.lease_until - kill.at,
                    "taken away": millis(mine["ended_at"]) - kill.at, "killed": kill.at, "gaps": field.gaps,
                    "next": following["started_at"]})
    checks.equal("held at a kill, and no other attempt in the log", unlogged[:3], [])
    checks.equal(f"taken over later than {WITHIN_MS} ms after the kill, or the store's return", late[:5], [])
    checks.note(f"slowest takeover {slowest} ms, store away {[end - began for began, end in field.gaps]} ms")


if __name__ == "__main__":
    main("redis_kill9", run)
