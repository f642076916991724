#!/usr/bin/env python3
"""Another Redis takes over under load: planned by a sentinel, after a standstill, and after a kill in a Cluster of 3 + 3.

Half of the clients give each request a key and repeat it until it is accepted, as clients are told to do; the other
half forget what is refused. Whatever is answered with a 2xx in the course of a planned failover is there afterwards,
and a request that was repeated is stored once. After a kill only what the replica had not got yet may be missing.
Within two seconds of the promotion tasks of the node that was lost are accepted and run again; those of the other
nodes never stop for longer.
"""

import argparse
import collections
import itertools
import threading
import time

from lib.checks import main
from lib.client import Client, unfinished
from lib.redis_layout import shard_of_lane
from lib.redis_server import RedisCluster, Sentinels, needs_redis, promoted, slot_of
from lib.server import Scratch, wait_until
from lib.sink import Sink
from lib.split import Api, Providers, Worker, mail, millis

# How a master is lost, and whether it is the one with the first shard, where records, the bell and the turns are.
FULL = {"planned": 3, "lost": (("kill", True), ("freeze", False), ("kill", False), ("freeze", True))}
QUICK = {"planned": 1, "lost": (("kill", True), ("freeze", False))}
RESUMES_MS = 2_000
LANES = 12
# As a client that heeds Retry-After would wait, only shorter.
AGAIN = 0.05


def run(checks):
    parser = argparse.ArgumentParser()
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--only", choices=("planned", "cluster"))
    arguments = parser.parse_args()
    scale = QUICK if arguments.quick else FULL
    if not needs_redis(checks):
        return
    if arguments.only != "cluster":
        with Scratch() as directory, Sentinels(directory) as servers:
            with System(checks, directory, servers.url) as system:
                planned(checks, servers, system, scale["planned"])
        with Scratch() as directory, Sentinels(directory) as servers:
            with System(checks, directory, servers.url) as system:
                frozen(checks, servers, system)
    if arguments.only != "planned":
        for how, with_the_first in scale["lost"]:
            with Scratch() as directory, RedisCluster(directory, replicas=1) as servers:
                with System(checks, directory, servers.url) as system:
                    lost(checks, servers, system, how, with_the_first)


Accepted = collections.namedtuple("Accepted", "lane keyed task at tries")


class System:
    """An API, two workers, and two clients for each lane: one with keys, one without."""

    def __init__(self, checks, directory, url):
        self.checks = checks
        self.sink = Sink()
        self.providers = Providers(directory, self.sink.start_thread(), LANES * Providers.PER_PROVIDER)
        self.processes = [Api(directory, url), Worker(directory, url), Worker(directory, url)]
        self.api = self.processes[0]
        self.stopping = False
        self.accepted = []
        self.refused = collections.Counter()
        self.numbers = itertools.count()

    def __enter__(self):
        for process in self.processes:
            process.start()
        self.client = self.api.client()
        self.threads = [threading.Thread(target=self._post, args=(n, keyed), daemon=True)
                        for n in range(LANES) for keyed in (True, False)]
        for thread in self.threads:
            thread.start()
        self.flows("at the start")
        return self

    def _post(self, lane, keyed):
        client = Client(self.api.port)
        while not self.stopping:
            number, tries = next(self.numbers), 0
            # What has a key is told from the rest by its priority.
            body = mail(f"n{number}@example.com", f"p{lane}", priority="high" if keyed else "normal")
            headers = {"Idempotency-Key": f"key-{number}"} if keyed else {}
            while not self._accepted(client, lane, keyed, body, headers, tries):
                tries += 1
                time.sleep(AGAIN)
                if not keyed:
                    break
            time.sleep(0.01)
        client.close()

    def _accepted(self, client, lane, keyed, body, headers, tries):
        try:
            reply = client.post("/v1/tasks", body, headers=headers)
        except OSError:
            self.refused["no answer", keyed] += 1
            return False
        if reply.status not in (200, 202):
            self.refused[reply.status, keyed] += 1
            return False
        self.accepted.append(Accepted(lane, keyed, reply.json()["id"], time.time() * 1000, tries))
        return True

    def flows(self, what):
        accepted, delivered = len(self.accepted), len(self.sink.messages)
        wait_until(f"{what}: the load flows", lambda: len(self.accepted) >= accepted + 100
                   and len(self.sink.messages) >= delivered + 100, 30)

    def first_accepted(self, lanes, since):
        """When the first request of these lanes was accepted after `since`."""
        return wait_until("a request is accepted", lambda: min(
            (a.at for a in list(self.accepted) if a.lane in lanes and not a.keyed and a.at > since), default=None), 30)

    def stop(self):
        """Ends the load and waits until everything has ended; every task by its id."""
        self.stopping = True
        for thread in self.threads:
            thread.join(40)
        self.checks.equal("clients that did not end", sum(thread.is_alive() for thread in self.threads), 0)
        wait_until("all are final", lambda: unfinished(self.client.counts()) == 0, 60, every=0.2)
        return self.client.all_tasks()

    def __exit__(self, *problem):
        self.stopping = True
        for process in reversed(self.processes):
            process.__exit__(*problem)


def accounted(checks, what, system, found, may_lose):
    """Who was accepted and is gone, and what was stored twice."""
    accepted = {a.task for a in system.accepted}
    missing, beyond = sorted(accepted - set(found)), sorted(set(found) - accepted)
    twice = [task for task in beyond if found[task]["priority"] == "high"]
    repeated = sum(a.tries > 0 for a in system.accepted)
    refused = {f"{status}, {'with' if keyed else 'without'} a key": n for (status, keyed), n in system.refused.items()}
    checks.note(f"{what}: {len(accepted)} accepted, {repeated} of them repeated, refused {refused}, "
                f"{len(missing)} missing, {len(twice)} stored twice, {len(beyond) - len(twice)} without a key refused and stored")
    if may_lose:
        # What was accepted a moment before the master went: its replica had not got it yet.
        checks.at_most(f"{what}: accepted and lost", len(missing), may_lose)
    else:
        checks.equal(f"{what}: accepted and lost", missing[:5], [])
    # With a key all were accepted in the end, under the id that they have: what is there beside that is there again.
    checks.equal(f"{what}: stored twice", twice[:5], [])
    checks.equal(f"{what}: refused with anything but 503", {status for status, _ in system.refused} - {503}, set())
    checks.equal(f"{what}: states", {task["state"] for task in found.values()}, {"succeeded"})


def ran(system, found, lanes, since):
    """When tasks of these lanes had run, after `since`, in order. A key has a shard of its own, so they have none."""
    of = {a.task for a in system.accepted if a.lane in lanes and not a.keyed}
    times = (millis(task["finished_at"]) for task in found.values() if task["id"] in of)
    return sorted(at for at in times if at > since)


# --- Sentinel ----------------------------------------------------------------------------------


def planned(checks, servers, system, times):
    switches, lanes = [], range(LANES)
    for n in range(times):
        what = f"planned failover {n + 1}"
        _, replica = servers.settled()
        began = time.time() * 1000
        servers.fail_over(leader=n % len(servers.sentinels))
        since = promoted(replica)
        checks.note(f"{what}: promoted after {since - began:.0f} ms")
        took = system.first_accepted(lanes, since) - since
        checks.at_most(f"{what}: ms until a request is accepted", round(took), RESUMES_MS)
        switches.append((what, since))
        system.flows(what)
        # The old master learns after some ten seconds that it is a replica.
        servers.settled()
        system.flows(f"{what}, when all is settled")
    checks.check("the log tells of the failover", system.api.logged("a failover"), "a line of the API")
    for line in system.api.logged("failover")[:4]:
        checks.note(line.split("  ", 1)[-1])
    found = system.stop()
    for what, since in switches:
        took = ran(system, found, lanes, since)[0] - since
        checks.at_most(f"{what}: ms until a task runs", round(took), RESUMES_MS)
    accounted(checks, "planned", system, found, may_lose=0)


def frozen(checks, servers, system):
    """A master that stands still is replaced, wakes up and still believes that it is one."""
    what, lanes = "frozen master", range(LANES)
    master, replica = servers.settled()
    began = time.time() * 1000
    master.freeze()
    since = promoted(replica)
    checks.note(f"{what}: promoted after {since - began:.0f} ms")
    took = system.first_accepted(lanes, since) - since
    checks.at_most(f"{what}: ms until a request is accepted", round(took), RESUMES_MS)
    system.flows(what)
    master.thaw()
    servers.settled()
    system.flows(f"{what}, when all is settled")
    found = system.stop()
    checks.at_most(f"{what}: ms until a task runs", round(ran(system, found, lanes, since)[0] - since), RESUMES_MS)
    accounted(checks, what, system, found, may_lose=2 * LANES)


# --- a Cluster ---------------------------------------------------------------------------------


def lost(checks, servers, system, how, with_the_first):
    """One master is lost; the others have work all the time."""
    for node in (*servers.nodes, *servers.replicas):
        link = node.client()
        # Otherwise Redis itself refuses everything from the moment in which it calls a master lost.
        link("CONFIG", "SET", "cluster-require-full-coverage", "no")
        link.close()
    nodes = [servers.owner(slot_of(f"ph:{{posthaste:{shard_of_lane('default', f'email:p{n}', 64)}}}:m"))
             for n in range(LANES)]
    first = servers.owner(slot_of("ph:{posthaste:0}:m"))
    gone = first if with_the_first else next(n for n in nodes if n != first)
    actor, how = how, f"{how} of {'the first' if with_the_first else 'another'} master"
    own = {n for n in range(LANES) if nodes[n] == gone}
    others = set(range(LANES)) - own
    checks.check(f"{how}: the lanes are spread", own and others, f"{len(own)} and {len(others)}")
    began = time.time() * 1000
    if actor == "kill":
        servers.nodes[gone].kill9()
    else:
        servers.nodes[gone].freeze()
    since = promoted(servers.replicas[gone])
    checks.note(f"{how}: promoted after {since - began:.0f} ms")
    took = system.first_accepted(own, since) - since
    checks.at_most(f"{how}: ms from the promotion to a request accepted", round(took), RESUMES_MS)
    system.flows(f"{how}: afterwards")
    until = time.time() * 1000
    if actor == "freeze":
        servers.nodes[gone].thaw()
        system.flows(f"{how}: when the old master is back")
    found = system.stop()
    runs = ran(system, found, own, since)
    checks.at_most(f"{how}: ms from the promotion to a task of the lost node running", round(runs[0] - since), RESUMES_MS)
    times = [began, *(at for at in ran(system, found, others, began) if at < until), until]
    longest = round(max(b - a for a, b in itertools.pairwise(times)))
    if with_the_first:
        # Who enqueues asks it for records: nothing new comes until another has taken over.
        checks.note(f"{how}: the others stood still for {longest} ms")
    else:
        checks.at_most(f"{how}: ms that the others stood still", longest, RESUMES_MS)
    # Some hundred requests a second, and a replica that lags by milliseconds.
    accounted(checks, how, system, found, may_lose=LANES)


if __name__ == "__main__":
    main("redis_failover", run)
