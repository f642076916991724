#!/usr/bin/env python3
"""The way to Redis disturbed under load: connections cut (CLIENT KILL), the server paused (CLIENT PAUSE),
its scripts forgotten (SCRIPT FLUSH), everything deleted (FLUSHALL), slots of a Cluster moved.

No process is started again. After each, tasks run within two seconds of the end of the disturbance, by the
times that the store has, and whoever watches `/v1/events` is told of what is accepted from then on; nothing
accepted is lost and nothing leaves twice, except for FLUSHALL, which loses everything and which the log says
clearly.
"""

import argparse
import asyncio
import collections
import threading
import time

from lib.checks import main
from lib.client import unfinished
from lib.events import Events
from lib.load import Load
from lib.redis_layout import Shard, audit, shard_of_id, shard_of_lane
from lib.redis_server import RedisCluster, RedisServer, needs_redis, slot_of
from lib.server import Scratch, wait_until
from lib.sink import Sink
from lib.split import Api, Providers, Worker, mail, millis, submit

FULL = {"times": 5, "pause": 4_000, "rate": 200, "moves": 9}
QUICK = {"times": 1, "pause": 2_500, "rate": 100, "moves": 3}
RESUMES_MS = 2_000


def run(checks):
    parser = argparse.ArgumentParser()
    parser.add_argument("--quick", action="store_true")
    scale = QUICK if parser.parse_args().quick else FULL
    if not needs_redis(checks):
        return
    with Scratch() as directory, RedisServer(directory) as redis:
        with System(checks, directory, redis.url, scale) as system:
            single(checks, redis, system, scale)
    with Scratch() as directory, RedisCluster(directory) as servers:
        with System(checks, directory, servers.url, scale) as system:
            moved(checks, servers, system, scale)


class System:
    """An API, two workers, a load that goes on all the time, and somebody who watches."""

    PROVIDERS = 6

    def __init__(self, checks, directory, url, scale):
        self.checks = checks
        self.sink = Sink()
        self.providers = Providers(directory, self.sink.start_thread(), self.PROVIDERS * Providers.PER_PROVIDER)
        self.api = Api(directory, url)
        self.workers = [Worker(directory, url) for _ in range(2)]
        self.processes = [self.api, *self.workers]
        self.rate = scale["rate"]
        self.ids, self.unsure = [], 0

    def __enter__(self):
        for process in self.processes:
            process.start()
        self.pids = [p.pid for p in self.processes]
        self.client = self.api.client()
        self.events = Events(self.api.port)
        self.load()
        return self

    def load(self):
        self.stream = Load(self.api.port, self.notification, connections=8, trickle=self.rate, rest=0.05)
        self.stream.start()

    def notification(self, n):
        return "/v1/tasks", mail(f"user{n}@example.com", self.providers.next())

    def resumes(self, what, since):
        """A task that is accepted and run after `since`, and how soon, by the store's times."""
        fresh = []

        def accepted():
            reply = self.client.post("/v1/tasks", mail("fresh@example.com", Providers.FREE))
            if reply.status == 202:
                fresh.append(reply.json()["id"])
            else:
                self.unsure += 1
            return fresh

        wait_until(f"{what}: an enqueue is accepted", accepted, 20, every=0.01)
        self.ids += fresh
        wait_until(f"{what}: it runs", lambda: (self.client.task(fresh[0]) or {}).get("state") == "succeeded", 20)
        took = millis(self.client.task(fresh[0])["attempts"][-1]["started_at"]) - since
        self.checks.at_most(f"{what}: ms until a new task runs", took, RESUMES_MS)

    def flows(self, what):
        """The load itself is accepted and delivered again, and events tell of what is new."""
        accepted, delivered = len(self.stream.accepted), len(self.sink.messages)
        wait_until(f"{what}: the load flows", lambda: len(self.stream.accepted) >= accepted + 20
                   and len(self.sink.messages) >= delivered + 20, 20)
        wait_until(f"{what}: events tell of the load", lambda: self.events.succeeded.intersection(
            self.stream.accepted[accepted:]), 20)

    def settle(self, what, shards):
        """Ends the load and looks at everything."""
        checks, stream = self.checks, self.stream
        checks.check(f"{what}: the load ended", stream.stop(40))
        self.unsure += stream.unanswered + sum(stream.refused.values())
        self.ids += stream.accepted
        wait_until(f"{what}: all are final", lambda: unfinished(self.client.counts()) == 0, 60, every=0.2)
        tasks = self.client.all_tasks()
        checks.equal(f"{what}: accepted and lost", [i for i in self.ids if i not in tasks][:5], [])
        states = collections.Counter(tasks[i]["state"] for i in self.ids if i in tasks)
        checks.equal(f"{what}: states of the accepted", dict(states), {"succeeded": len(set(self.ids))})
        checks.at_most(f"{what}: stored without a 2xx", len(set(tasks) - set(self.ids)), self.unsure)
        delivered = collections.Counter(self.sink.ids())
        checks.equal(f"{what}: not delivered", [i for i in self.ids if not delivered[i]][:5], [])
        checks.equal(f"{what}: delivered twice", [i for i, n in delivered.items() if n > 1][:5], [])
        checks.equal(f"{what}: refused with anything but 503", set(stream.refused) - {503}, set())
        checks.equal(f"{what}: the store contradicts itself", audit(shards)[:5], [])
        checks.equal(f"{what}: the processes are the same", [p.pid for p in self.processes if p.alive()], self.pids)
        checks.check(f"{what}: the stream of events never ended", not self.events.ended)
        checks.note(f"{what}: {len(self.ids)} accepted, refused {stream.refused or 'none'}, "
                    f"{stream.unanswered} without an answer")

    def __exit__(self, *problem):
        self.stream.stop()
        for process in reversed(self.processes):
            process.__exit__(*problem)


# --- one server --------------------------------------------------------------------------------


def single(checks, redis, system, scale):
    link = redis.client()
    system.flows("at the start")
    for kind in ("normal", "pubsub"):
        for n in range(scale["times"]):
            missed = system.events.missed
            killed = link("CLIENT", "KILL", "TYPE", kind, "SKIPME", "yes")
            since = link.now_ms()
            checks.at_least(f"cut {kind} {n + 1}: connections", killed, 3 if kind == "normal" else 1)
            system.resumes(f"cut {kind} {n + 1}", since)
            system.flows(f"cut {kind} {n + 1}")
            if kind == "pubsub":
                checks.equal(f"cut {kind} {n + 1}: the watcher is told that it missed something",
                             system.events.missed - missed, 1)
    cut_often(system, link)
    for n in range(scale["times"]):
        link("SCRIPT", "FLUSH")
        system.resumes(f"scripts forgotten {n + 1}", link.now_ms())
        system.flows(f"scripts forgotten {n + 1}")
    for how in ("WRITE", "ALL"):
        ends = link.now_ms() + scale["pause"]
        link("CLIENT", "PAUSE", scale["pause"], how)
        system.resumes(f"paused ({how})", ends)
        system.flows(f"paused ({how})")
    system.settle("one server", [Shard(link)])
    flushed(checks, link, system)


def cut_often(system, link):
    """Every connection cut twenty times in a second."""
    for _ in range(20):
        link("CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes")
        time.sleep(0.05)        # Spreads them; nothing is concluded from it.
    system.resumes("cut often", link.now_ms())
    system.flows("cut often")


def flushed(checks, link, system):
    """Everything is deleted under living processes: they say so, and go on with an empty store."""
    gate = threading.Event()

    async def behave(stage, session):
        while stage == "body" and session.recipients[-1].startswith("running") and not gate.is_set():
            await asyncio.sleep(0.01)

    system.sink.behave = behave
    lost = [submit(system.client, f"lost{n}@example.com", Providers.FREE, delay_ms=60_000) for n in range(20)]
    running = [submit(system.client, f"running{n}@example.com", Providers.FREE) for n in range(5)]
    wait_until("handlers run", lambda: sum(r.marked for r in Shard(link).runs()) == len(running), 20)
    link("FLUSHALL")
    since = link.now_ms()
    system.ids = []
    system.resumes("after FLUSHALL", since)
    checks.equal("after FLUSHALL: what was there is gone",
                 {system.client.get(f"/v1/tasks/{i}").status for i in lost + running}, {404})
    said = [line for p in system.processes for line in p.logged("emptied")]
    checks.at_least("after FLUSHALL: logs that say that the store was emptied", len(said), 1)
    checks.note(said[0].split("  ", 1)[-1] if said else "nobody says so")
    gate.set()
    wait_until("the handlers end", lambda: sum(w.lost() for w in system.workers) == len(running), 20)
    checks.check("after FLUSHALL: what ran is refused when it ends, and the log says so",
                 any(w.logged("lease") for w in system.workers), len(running))
    system.load()
    system.flows("after FLUSHALL")
    system.stream.stop(40)
    wait_until("after FLUSHALL: all are final", lambda: unfinished(system.client.counts()) == 0, 60, every=0.2)
    tasks = system.client.all_tasks()
    checks.equal("after FLUSHALL: accepted and lost", [i for i in system.stream.accepted if i not in tasks][:5], [])
    checks.equal("after FLUSHALL: the store contradicts itself", audit([Shard(link)])[:5], [])
    wait_until("registrations", lambda: len(system.client.get("/v1/workers").json()["data"]) == 2, 20)
    checks.equal("after FLUSHALL: the processes are the same",
                 [p.pid for p in system.processes if p.alive()], system.pids)


# --- a Cluster ---------------------------------------------------------------------------------


def moved(checks, servers, system, scale):
    system.flows("on a Cluster")
    count = int(shard_of(servers, 0).meta("shards"))
    checks.equal("shards of a new store on a Cluster", count, 64)
    # The first holds the bell and the registrations; the others hold the lanes of the load.
    lanes = sorted({shard_of_lane("default", f"email:p{n}", count) for n in range(system.PROVIDERS)})
    checks.equal("the load lies in the shards of its lanes", {shard_of_id(i, count) for i in system.stream.accepted}, set(lanes))
    numbers = [0, *(n for n in lanes if n)]
    keys = 0
    for n in range(scale["moves"]):
        number = numbers[n % len(numbers)]
        what = f"slot of shard {number} moved"
        slot = slot_of(f"ph:{{posthaste:{number}}}:m")
        to = (servers.owner(slot) + 1) % len(servers.nodes)
        halves = []

        def half_moved(number=number, halves=halves):
            """New requests meet a slot of which half is here and half there."""
            sent = system.stream.sent
            wait_until("requests are sent meanwhile", lambda: system.stream.sent >= sent + 2 * system.PROVIDERS
                       and system.stream.in_flight > 0, 10, every=0.001)
            halves.append(number)

        keys += servers.move(slot, to, between=half_moved)
        checks.equal(f"{what}: in two steps", halves, [number])
        before = len(system.stream.accepted)
        system.resumes(what, servers.nodes[to].client().now_ms())
        system.flows(what)
        if number in lanes:
            wait_until(f"{what}: tasks in it are accepted and run", lambda number=number, before=before: any(
                shard_of_id(i, count) == number for i in system.events.succeeded.intersection(
                    system.stream.accepted[before:])), 20)
            checks.at_least(f"{what}: tasks in it", shard_of(servers, number)("HLEN", "t"), 1)
    checks.note(f"{scale['moves']} slots with {keys} keys moved, of shards {numbers[:scale['moves']]}")
    for node in servers.nodes:
        link = node.client()
        link("CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes")
        system.resumes("connections to a node cut", link.now_ms())
        link.close()
    system.flows("on a Cluster whose connections were cut")
    system.settle("a Cluster", [shard_of(servers, n) for n in range(count)])


def shard_of(servers, number):
    return Shard(servers.client_of(f"ph:{{posthaste:{number}}}:m"), number=number)


if __name__ == "__main__":
    main("redis_links", run)
