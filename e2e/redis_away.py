#!/usr/bin/env python3
"""Redis away for longer than a lease, again and again, while handlers run for all that time.

Frozen (SIGSTOP) and killed in turn. Meanwhile every enqueue is answered 503 with Retry-After, the
processes live on and say that they are not ready. Within two seconds of Redis answering again, by the
times that the store has, a new task and one that became due meanwhile have run. At the end each of the
long handlers has run once: healthy ones are not run again, none ends as `worker_lost`.
"""

import argparse
import asyncio
import collections
import threading
import time

from lib.checks import main
from lib.client import Client
from lib.redis_layout import Shard, audit
from lib.redis_server import RedisServer, needs_redis
from lib.server import Scratch, wait_until
from lib.sink import Sink
from lib.split import Api, Providers, Worker, mail, millis, submit

FULL = {"outages": ("freeze", "kill", "freeze", "kill", "freeze"), "seconds": 20, "long": 100, "due": 20}
QUICK = {"outages": ("freeze",), "seconds": 17, "long": 20, "due": 5}
RESUMES_MS = 2_000


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
    with Scratch() as directory:
        not_there_yet(checks, directory)
    with Scratch() as directory, RedisServer(directory, fsync="always") as redis:
        providers = Providers(directory, sink.start_thread(), scale["long"])
        env = {"POSTHASTE_CONCURRENCY": str(4 * scale["long"])}
        api = Api(directory, redis.url, env)
        workers = [Worker(directory, redis.url, env) for _ in range(2)]
        with api, workers[0], workers[1]:
            processes = [api, *workers]
            for process in processes:
                process.start()
            shard = Shard(redis.client())
            client = api.client()
            long = [submit(client, f"long{n}@example.com", providers.next()) for n in range(scale["long"])]
            wait_until("all long ones are before their end", lambda: len(
                [r for r in shard.runs() if r.marked]) == len(long), 20)
            pids = [process.pid for process in processes]
            away = Away(checks, redis, shard, processes, scale)
            for number, how in enumerate(scale["outages"], 1):
                away.once(number, how)
            checks.equal("processes that ended", [p.VERB for p in processes if not p.alive()], [])
            checks.equal("processes are the same", [p.pid for p in processes], pids)
            end.set()
            account(checks, client, shard, sink, long, away, workers)
            for process in processes:
                checks.equal(f"{process.VERB} ends on SIGTERM", process.terminate()[0], 0)


def not_there_yet(checks, directory):
    """Started before Redis is: they say why they wait, refuse meanwhile, and go on by themselves."""
    redis = RedisServer(directory)
    env = {"POSTHASTE_SANDBOX": "on"}
    with redis, Api(directory, redis.url, env) as api, Worker(directory, redis.url, env) as worker:
        redis.kill9()
        for process in (api, worker):
            process.spawn()
            wait_until(f"{process.VERB} listens", lambda p=process: listens(p.port), 10)
            wait_until(f"{process.VERB} says why it waits", lambda p=process: p.logged("refused the connection"), 10)
            checks.equal(f"before Redis: {process.VERB} is alive, and neither healthy nor ready",
                         [process.alive(), *(status(process.port, path)[0] for path in ("/healthz", "/readyz"))],
                         [True, 503, 503])
        code, headers = status(api.port, "/notify/", "POST", {"email": "dev@example.com"})
        checks.equal("before Redis: an enqueue is refused", (code, "retry-after" in headers), (503, True))
        answers = redis.start()
        client = api.client()

        def accepted():
            reply = client.post("/notify/", {"email": "dev@example.com"})
            return reply.status == 200 and reply.json()["task_id"]

        task = wait_until("an enqueue is accepted", accepted, 20, every=0.02)
        wait_until("it runs", lambda: client.task(task)["state"] == "succeeded", 20)
        took = millis(client.task(task)["finished_at"]) - answers
        checks.at_most("ms from Redis answering for the first time to a task done", took, RESUMES_MS)
        for process in (api, worker):
            wait_until(f"{process.VERB} is ready", lambda p=process: status(p.port, "/readyz")[0] == 200, 10)


def listens(port):
    try:
        return status(port, "/healthz")[0]
    except OSError:
        return None


class Away:
    """One outage after the other, and what was accepted between them."""

    def __init__(self, checks, redis, shard, processes, scale):
        self.checks, self.redis, self.shard, self.scale = checks, redis, shard, scale
        self.processes, self.api = processes, processes[0]
        self.accepted, self.refused, self.resumed = [], 0, []

    def once(self, number, how):
        checks, what = self.checks, f"outage {number} ({how})"
        client = self.api.client()
        # These become due while Redis is away.
        due = [submit(client, f"due{number}-{n}@example.com", Providers.FREE, delay_ms=3_000)
               for n in range(self.scale["due"])]
        client.close()
        until = time.monotonic() + self.scale["seconds"]
        if how == "freeze":
            self.redis.freeze()
        else:
            self.redis.kill9()
        self.meanwhile(what, until)
        # The rest of the outage; nothing is concluded from it.
        time.sleep(max(0, until - time.monotonic()))
        self.shard.redis.close()
        if how == "freeze":
            self.redis.thaw()
            answers = self.redis.answers()
        else:
            answers = self.redis.start()
        fresh = self.first_accepted(number)
        self.accepted += [*due, fresh]
        client = self.api.client()
        tasks = {}

        def done():
            tasks.update({i: client.task(i) for i in (*due, fresh)})
            return all(t and t["state"] == "succeeded" for t in tasks.values())

        wait_until(f"{what}: new and due tasks run", done, 30)
        after = {i: millis(t["attempts"][-1]["started_at"]) - answers for i, t in tasks.items()}
        checks.at_most(f"{what}: ms from Redis answering to a new task running", after[fresh], RESUMES_MS)
        checks.at_most(f"{what}: ms to all that were due meanwhile running", max(after[i] for i in due), RESUMES_MS)
        tries = [(a["attempt"], a["outcome"]) for i in due for a in tasks[i]["attempts"] if a["outcome"] != "succeeded"]
        checks.note(f"{what}: attempts of the due ones that did not succeed: {collections.Counter(tries) or 'none'}")
        self.resumed.append(after[fresh])
        for process in self.processes:
            port = process.port
            wait_until(f"{process.VERB} is ready", lambda port=port: status(port, "/readyz")[0] == 200, 10)

    def meanwhile(self, what, until):
        """Every answer while Redis is away, by two clients at once so that old and new routes are asked."""
        answers, slowest = collections.Counter(), [0.0]

        def ask(method, path, body=None):
            while time.monotonic() < until - 2:
                began = time.monotonic()
                code, headers = status(self.api.port, path, method, body)
                slowest[0] = max(slowest[0], time.monotonic() - began)
                answers[path, code, "retry-after" in headers] += 1
                # As a client that heeds Retry-After would.
                time.sleep(0.5)

        asked = [threading.Thread(target=ask, args=args) for args in (
            ("POST", "/notify/", {"email": "dev@example.com"}),
            ("POST", "/v1/tasks", mail("dev@example.com", Providers.FREE)), ("GET", "/task_status/" + "0" * 32))]
        for thread in asked:
            thread.start()
        lives = {p: status(p.port, "/healthz")[0] for p in self.processes}
        ready = {p: status(p.port, "/readyz")[0] for p in self.processes}
        for thread in asked:
            thread.join()
        checks = self.checks
        checks.equal(f"{what}: the processes live (/healthz)", set(lives.values()), {200})
        checks.equal(f"{what}: they are not ready (/readyz)", set(ready.values()), {503})
        checks.equal(f"{what}: answers other than 503 with Retry-After",
                     {k: n for k, n in answers.items() if k[1:] != (503, True)}, {})
        checks.equal(f"{what}: every route was asked", len({k[0] for k in answers}), 3)
        checks.at_most(f"{what}: seconds that the slowest answer took", round(slowest[0], 1), 12)
        self.refused += sum(n for k, n in answers.items() if not k[0].startswith("/task_status"))

    def first_accepted(self, number):
        client = self.api.client()

        def accepted():
            reply = client.post("/v1/tasks", mail(f"fresh{number}@example.com", Providers.FREE))
            if reply.status != 202:
                self.refused += 1
                return None
            return reply.json()["id"]

        return wait_until("an enqueue is accepted", accepted, 20, every=0.02)


def status(port, path, method="GET", body=None):
    client = Client(port)
    try:
        reply = client.request(method, path, json_body=body)
        return reply.status, reply.headers
    finally:
        client.close()


def account(checks, client, shard, sink, long, away, workers):
    wait_until("the long ones end", lambda: all(client.task(i)["state"] in ("succeeded", "failed") for i in long), 30)
    ends = collections.Counter()
    for task in map(client.task, long):
        ends[task["state"], tuple((a["attempt"], a["outcome"]) for a in task["attempts"])] += 1
    checks.equal("how the long ones ended", dict(ends), {("succeeded", ((1, "succeeded"),)): len(long)})
    delivered = collections.Counter(sink.ids())
    checks.equal("mails of each long one", {delivered[i] for i in long}, {1})
    checks.equal("outcomes refused because a lease was lost", sum(w.lost() for w in workers), 0)
    wait_until("nothing waits or runs", lambda: not any(
        client.counts()[s] for s in ("queued", "running", "retrying", "scheduled")), 30)
    tasks = client.all_tasks()
    checks.equal("tasks that did not succeed", [i for i, t in tasks.items() if t["state"] != "succeeded"][:5], [])
    checks.equal("mails that left twice", [i for i, n in delivered.items() if n > 1][:5], [])
    # A request whose answer was 503 because none came in time may have been stored: Redis had it in its socket.
    extra = set(tasks) - set(long) - set(away.accepted)
    checks.at_most("stored without a 2xx", len(extra), away.refused)
    checks.equal("the store contradicts itself", audit([shard])[:5], [])
    checks.note(f"resumed after {away.resumed} ms, {away.refused} enqueues refused, {len(extra)} of them stored")


if __name__ == "__main__":
    main("redis_away", run)
