#!/usr/bin/env python3
"""Processes that do not fit what is stored, or each other: every one of them is refused with a sentence
that says what to do, or works; nothing is lost and what is stored is left as it was.

Another number of shards, an older and a newer layout, a server that may evict, a URL of the wrong kind;
two namespaces on one server; an API and a worker that are in different ones.
"""

import argparse

from lib.checks import main
from lib.client import unfinished
from lib.redis_layout import Shard, audit
from lib.redis_server import RedisCluster, RedisServer, needs_redis
from lib.server import NotReady, Posthaste, Scratch, wait_until
from lib.split import Api, Worker, submit

UNFIT, USAGE = 78, 2
SANDBOX = {"POSTHASTE_SANDBOX": "on"}


def run(checks):
    parser = argparse.ArgumentParser()
    parser.add_argument("--quick", action="store_true")
    quick = parser.parse_args().quick
    if not needs_redis(checks):
        return
    with Scratch() as directory:
        with RedisServer(directory) as redis:
            namespaces(checks, directory, redis)
            shards(checks, directory, redis)
            layouts(checks, directory, redis)
            one_process(checks, directory, redis)
            configuration(checks, directory, redis)
        if not quick:
            cluster(checks, directory)


def dump(link, pattern):
    """What is stored, but for what every process may renew: time, registrations, the probe of /readyz."""
    cursor, names = b"0", []
    while True:
        cursor, keys = link("SCAN", cursor, "MATCH", pattern, "COUNT", 1_000)
        names += keys
        if cursor == b"0":
            break
    return {name: link("DUMP", name) for name in sorted(names)}


def refuses(checks, what, process, words, code):
    """It must end soon, with a sentence that holds one of `words`."""
    try:
        process.start(timeout=20)
    except NotReady as refusal:
        text = refusal.output
        checks.equal(f"{what}: exit code", refusal.code, code)
        checks.check(f"{what}: the error says what to do",
                     all(w.lower() in text.lower() for w in words) and "panicked" not in text, text.strip()[-400:])
        return
    process.end_now()
    checks.check(f"{what}: it refuses to start", False)


def namespaces(checks, directory, redis):
    """Two on one server, with the same queue, ids, keys and settings, do not meet."""
    def env(name):
        return {**SANDBOX, "POSTHASTE_NAMESPACE": name}

    link = redis.client()
    with Api(directory, redis.url, env("one")) as one, Api(directory, redis.url, env("two")) as two, \
            Worker(directory, redis.url, env("two")) as worker:
        for process in (one, two, worker):
            process.start()
        first, second = one.client(), two.client()
        ids = [submit(first, f"u{n}@example.com") for n in range(50)]
        theirs = [submit(second, f"u{n}@example.com") for n in range(50)]
        wait_until("those of the second run", lambda: unfinished(second.counts()) == 0, 20)
        checks.equal("two namespaces: the first's wait", first.counts()["queued"], 50)
        checks.equal("two namespaces: each has its own",
                     (set(first.all_tasks()) == set(ids), set(second.all_tasks()) == set(theirs)), (True, True))
        checks.equal("two namespaces: one does not know the other's",
                     [second.get(f"/v1/tasks/{i}").status for i in ids[:3]], [404] * 3)
        # An API without a worker in its namespace says that nobody serves its queue.
        checks.equal("no worker in the first: the queue says so",
                     [q["workers"] for q in first.get("/v1/queues").json()["data"]], [0])
        checks.equal("no worker in the first: the list is empty", first.get("/v1/workers").json()["data"], [])
        checks.equal("the second has one", len(second.get("/v1/workers").json()["data"]), 1)
        body = {"kind": "notify", "payload": {"channel": "email", "to": "k@example.com", "message": "x"}}
        answers = [client.post("/v1/tasks", body, headers={"Idempotency-Key": "same"}) for client in (first, second)]
        checks.equal("two namespaces: idempotency keys are their own",
                     [a.headers.get("idempotency-replayed") for a in answers], [None, None])
        checks.equal("two namespaces: pause", first.post("/v1/queues/default/pause").status // 100, 2)
        again = submit(second, "after@example.com")
        wait_until("the second goes on", lambda: second.task(again)["state"] == "succeeded", 20)
        checks.check("two namespaces: a pause holds in one", True)
        checks.equal("two namespaces: the stores contradict themselves",
                     audit([Shard(link, "one"), Shard(link, "two")])[:5], [])
    for name in ("one", "two"):
        keys = dump(link, f"ph:\\{{{name}:*")
        checks.at_least(f"keys of {name} begin with its prefix", len(keys), 10)
    checks.equal("no key is outside the namespaces",
                 len(dump(link, "*")), sum(len(dump(link, f"ph:\\{{{name}:*")) for name in ("one", "two")))
    with Worker(directory, redis.url, env("one")) as late, Api(directory, redis.url, env("one")) as one:
        late.start()
        one.start()
        checks.equal("resume", one.client().post("/v1/queues/default/resume").status // 100, 2)
        wait_until("the first's run, too", lambda: unfinished(one.client().counts()) == 0, 20)
        checks.equal("what waited for a worker was not lost", one.client().counts()["succeeded"], 51)


def stored(directory, redis, namespace, env=None, count=40):
    """A store with tasks in it, at rest; their ids."""
    env = {**SANDBOX, "POSTHASTE_NAMESPACE": namespace, **(env or {})}
    with Api(directory, redis.url, env) as api:
        api.start()
        client = api.client()
        ids = [submit(client, f"u{n}@example.com") for n in range(count)]
        api.terminate()
    return env, ids


def drained(checks, what, directory, redis, env, ids):
    """With the right configuration all is there and runs."""
    with Api(directory, redis.url, env) as api, Worker(directory, redis.url, env) as worker:
        api.start()
        worker.start()
        client = api.client()
        wait_until(f"{what}: all run", lambda: unfinished(client.counts()) == 0, 20)
        tasks = client.all_tasks()
        checks.equal(f"{what}: nothing is lost",
                     [i for i in ids if tasks.get(i, {}).get("state") != "succeeded"][:5], [])
        checks.equal(f"{what}: nothing is more", len(tasks), len(ids))


def shards(checks, directory, redis):
    link = redis.client()
    for kept, asked in ((1, 4), (4, 1), (4, 8)):
        namespace = f"shards-{kept}-{asked}"
        what = f"{kept} shards, told {asked}"
        env, ids = stored(directory, redis, namespace, {"POSTHASTE_SHARDS": str(kept)})
        before = dump(link, f"ph:\\{{{namespace}:*")
        wrong = {**env, "POSTHASTE_SHARDS": str(asked)}
        for role in (Api, Worker):
            refuses(checks, f"{what}: {role.VERB}", role(directory, redis.url, wrong),
                    ("shards", str(kept), "POSTHASTE_SHARDS"), UNFIT)
        checks.check(f"{what}: the store is as it was", dump(link, f"ph:\\{{{namespace}:*") == before)
        del env["POSTHASTE_SHARDS"]
        drained(checks, f"{what}, then not told", directory, redis, env, ids)
        checks.equal(f"{what}: the store contradicts itself",
                     audit([Shard(link, namespace, n) for n in range(kept)])[:5], [])


def layouts(checks, directory, redis):
    """A program that is older or newer than what is stored."""
    link = redis.client()
    for version, word in ((999, "a newer"), (0, "an older")):
        namespace = f"layout-{version}"
        env, ids = stored(directory, redis, namespace)
        shard = Shard(link, namespace)
        mine = shard.meta("schema")
        shard("HSET", "m", "schema", version)
        before = dump(link, f"ph:\\{{{namespace}:*")
        for role in (Api, Worker):
            refuses(checks, f"{word} layout: {role.VERB}", role(directory, redis.url, env),
                    ("version", str(version), mine), UNFIT)
        checks.check(f"{word} layout: the store is as it was", dump(link, f"ph:\\{{{namespace}:*") == before)
        shard("HSET", "m", "schema", mine)
        drained(checks, f"{word} layout, put back", directory, redis, env, ids)
    side_by_side(checks, directory, redis, link)


def side_by_side(checks, directory, redis, link):
    """The layout becomes newer under living processes, as when a newer program migrates it."""
    env = {**SANDBOX, "POSTHASTE_NAMESPACE": "beside"}
    shard = Shard(link, "beside")
    with Api(directory, redis.url, env) as api, Worker(directory, redis.url, env) as worker:
        api.start()
        worker.start()
        client = api.client()
        ids = [submit(client, f"u{n}@example.com") for n in range(20)]
        wait_until("all run", lambda: unfinished(client.counts()) == 0, 20)
        mine = shard.meta("schema")
        shard("HSET", "m", "schema", 999)
        names = [name for name in dump(link, "ph:\\{beside:*") if not name.endswith((b":m", b":w", b":ws"))]
        before = {name: link("DUMP", name) for name in names}
        reply = client.post("/v1/tasks", {"kind": "notify", "payload": {
            "channel": "email", "to": "late@example.com", "message": "x"}})
        checks.equal("a layout that became newer: an enqueue is refused", reply.status, 503)
        # The worker looks for work all the while; it must leave what it cannot read alone.
        wait_until("a layout that became newer: both say so in their logs", lambda: all(
            p.logged(["version", "999"]) for p in (api, worker)), 20)
        checks.check("a layout that became newer: nothing is written",
                     {name: link("DUMP", name) for name in names} == before)
        shard("HSET", "m", "schema", mine)
        more = wait_until("it goes on when the layout fits again", lambda: accepted(client), 30)
        wait_until("it runs", lambda: unfinished(client.counts()) == 0, 30)
        checks.equal("nothing is lost", [i for i in (*ids, more) if client.task(i)["state"] != "succeeded"], [])
        checks.equal("the store contradicts itself", audit([shard])[:5], [])


def accepted(client):
    reply = client.post("/v1/tasks", {"kind": "notify", "payload": {
        "channel": "email", "to": "more@example.com", "message": "x"}})
    return reply.json()["id"] if reply.status == 202 else None


def one_process(checks, directory, redis):
    """`posthaste up` with REDIS_URL is an API and a worker as any others."""
    env = {**SANDBOX, "REDIS_URL": redis.url, "POSTHASTE_NAMESPACE": "up"}
    with Posthaste(directory, env) as up, Api(directory, redis.url, env) as api:
        up.start()
        api.start()
        ids = [submit(one.client(), f"u{n}@example.com") for n, one in enumerate((up, api) * 10)]
        wait_until("all run", lambda: unfinished(api.client().counts()) == 0, 20)
        checks.equal("up with REDIS_URL: both have the same tasks",
                     [set(one.client().all_tasks()) == set(ids) for one in (up, api)], [True, True])
        checks.equal("up with REDIS_URL: it has the queue's worker",
                     [w["pid"] for w in api.client().get("/v1/workers").json()["data"]], [up.process.pid])
        checks.check("up with REDIS_URL: it keeps no file", not up.data_dir.exists(), up.data_dir)


def configuration(checks, directory, redis):
    """What is wrong whatever is stored."""
    link = redis.client()
    for name in ("a b", "{x}", "", "x" * 65):
        # An empty variable is one that is not set.
        if name:
            refuses(checks, f"namespace {name[:5]!r}", Api(directory, redis.url, {"POSTHASTE_NAMESPACE": name}),
                    ("namespace",), USAGE)
    for count in ("0", "5000"):
        refuses(checks, f"{count} shards", Worker(directory, redis.url, {"POSTHASTE_SHARDS": count}),
                ("POSTHASTE_SHARDS",), USAGE)
    for role in (Api, Worker):
        process = role(directory, redis.url, {"POSTHASTE_STORE": "sqlite:"})
        refuses(checks, f"{role.VERB} with the embedded store", process, ("embedded store", "REDIS_URL"), USAGE)
    refuses(checks, "a URL that is none", Api(directory, "http://127.0.0.1:6379"), ("REDIS_URL",), USAGE)
    link("CONFIG", "SET", "maxmemory-policy", "allkeys-lru")
    refuses(checks, "a server that may evict tasks", Worker(directory, redis.url), ("noeviction", "allkeys-lru"), UNFIT)
    with Worker(directory, redis.url, {"POSTHASTE_ALLOW_EVICTION": "on"}) as allowed:
        allowed.start()
        checks.check("a server that may evict tasks, allowed: it starts", True)
        allowed.terminate()
    link("CONFIG", "SET", "maxmemory-policy", "volatile-lru")
    with Worker(directory, redis.url) as volatile:
        volatile.start()
        checks.check("volatile-lru evicts no task: it starts", True)
        volatile.terminate()
    link("CONFIG", "SET", "maxmemory-policy", "noeviction")


def cluster(checks, directory):
    """A URL of one kind and a server of the other."""
    with RedisCluster(directory) as servers, RedisServer(directory) as single:
        for what, url, word in (
            ("redis:// at a Cluster", servers.nodes[0].url, "redis+cluster://"),
            ("redis+cluster:// at a single server", f"redis+cluster://127.0.0.1:{single.port}", "redis://"),
        ):
            with Worker(directory, url) as worker:
                worker.spawn()
                lines = wait_until(f"{what} is explained", lambda w=worker, x=word: w.logged(x) or not w.alive(), 20)
                checks.check(f"{what}: the log names the fix", bool(worker.logged(word)), lines)


if __name__ == "__main__":
    main("redis_mismatch", run)
