#!/usr/bin/env python3
"""The service as compose.yaml starts it: the flow, three workers, kills, restarts, and the way down.

    e2e/compose.py            with the images posthaste-backend and posthaste-worker, built already

Needs Docker with Compose and nothing else; says what it skips where that is missing, or fails with
REQUIRE_ALL=1. Every project, volume and container of a run carries its name and is removed at the end.
"""

import collections
import os
import pathlib
import signal
import time

from lib.checks import main
from lib.client import unfinished
from lib.docker import Project, docker, gateway, inspect, why_not
from lib.load import Load
from lib.server import Scratch, free_port, wait_until
from lib.sink import SinkProcess

IMAGES = ("posthaste-backend", "posthaste-worker")
# What compose.yaml grants to a container that is told to end.
STOP_GRACE = 35
# A lease is 15 s; the rest is for a loaded machine.
TAKEOVER = 60


def notification(n):
    return "/notify/", {"email": f"user{n}@example.com", "message": f"Number {n}"}


def run(checks):
    missing = why_not()
    if missing and os.environ.get("REQUIRE_ALL") == "1":
        raise AssertionError(f"{missing} (REQUIRE_ALL is set)")
    if missing:
        checks.skip("everything in containers", missing)
        return
    absent = [i for i in IMAGES if docker("image", "inspect", i, check=False).returncode != 0]
    if absent:
        raise AssertionError(f"no image {', '.join(absent)}: run make images first")
    images(checks)
    wrong_url(checks)
    with Scratch() as directory, Project() as project:
        project.up()
        flow(checks, project)
        hardening(checks, project)
        # From here on a provider takes the messages, slowly enough that much is in flight.
        with SinkProcess(directory, delay_ms=300, host=gateway()) as sink:
            project.settings = {
                "POSTHASTE_SANDBOX": "off",
                "POSTHASTE_SMTP_URL": f"smtp+plain://{gateway()}:{sink.port}",
                "POSTHASTE_EMAIL_FROM": "noreply@example.com",
            }
            scaled(checks, project)
            worker_killed(checks, project, sink)
            redis_restarted(checks, project, sink)
            way_down(checks, project, sink)
            backup(checks, project, directory)
            checks.equal("nothing is left behind", project.left_behind(), [])


# --- the images --------------------------------------------------------------------------------


def images(checks):
    for name in IMAGES:
        config = inspect(name)["Config"]
        checks.equal(f"{name}: user", config["User"], "65532:65532")
        checks.equal(f"{name}: health check without a shell", config["Healthcheck"]["Test"][:2],
                     ["CMD", "/usr/local/bin/posthaste"])
        for shell in ("/bin/sh", "/bin/bash", "/busybox/sh"):
            done = docker("run", "--rm", "--network", "none", "--entrypoint", shell, name, "-c", "true", check=False)
            checks.check(f"{name}: no {shell}", done.returncode == 127, f"exit {done.returncode}")
        done = docker("run", "--rm", "--network", "none", name, "--version", check=False)
        checks.check(f"{name}: the binary runs", done.returncode == 0, done.stdout.strip() + done.stderr[-200:])


def wrong_url(checks):
    """The mistake everyone makes first: localhost, inside a container."""
    for name, extra in (("posthaste-worker", ()), ("posthaste-backend", ("--env", "POSTHASTE_AUTH=off"))):
        started = docker("run", "--detach", "--env", "REDIS_URL=redis://localhost:6379/0", *extra, name)
        container = started.stdout.strip()

        def told(container=container):
            done = docker("logs", container)
            text = done.stdout + done.stderr
            return text if "redis://redis:6379" in text else None

        try:
            text = wait_until("the helpful error", told, 20, every=0.25)
            line = next(one for one in text.splitlines() if "redis://redis:6379" in one)
            checks.check(f"{name}: localhost in REDIS_URL is explained",
                         "localhost" in line and "container" in line, line)
        except TimeoutError:
            done = docker("logs", container)
            checks.check(f"{name}: localhost in REDIS_URL is explained", False, (done.stdout + done.stderr)[-600:])
        checks.equal(f"{name}: it goes on trying", inspect(container)["State"]["Running"], True)
        health = docker("exec", container, "/usr/local/bin/posthaste", "health",
                        *(["--worker"] if name == "posthaste-worker" else []), check=False)
        checks.check(f"{name}: it is not healthy meanwhile", health.returncode != 0, f"exit {health.returncode}")
        docker("rm", "--force", container)


# --- the flow ----------------------------------------------------------------------------------


def flow(checks, project):
    """Post, worker, status, with nothing set by us but the port."""
    client = project.client()
    reply = client.post("/notify/", {"email": "dev@example.com", "message": "Hello", "subject": "Compose"})
    if not checks.equal("POST /notify/", reply.status, 200):
        raise AssertionError(repr(reply))
    task_id = reply.json()["task_id"]
    started = time.monotonic()
    status = wait_until("the task is completed", lambda: completed(client, task_id), 30)
    checks.note(f"completed {time.monotonic() - started:.2f} s after the answer: {status.get('result')}")
    hosts = [w["host"] for w in client.get("/v1/workers").json()["data"]]
    worker = project.container("worker")
    checks.equal("the one worker is the worker's container", hosts, [inspect(worker)["Config"]["Hostname"]])
    checks.equal("GET /health", client.get("/health").json(), {"status": "OK"})
    checks.equal("GET / shows the page", client.get("/").status, 200)


def completed(client, task_id):
    reply = client.get(f"/task_status/{task_id}")
    body = reply.json()
    return body if reply.status == 200 and body.get("status") == "completed" else None


def hardening(checks, project):
    bindings = inspect(project.container("backend"))["NetworkSettings"]["Ports"]
    hosts = {b["HostIp"] for found in bindings.values() for b in found or []}
    checks.equal("the backend is published on 127.0.0.1 only", hosts, {"127.0.0.1"})
    for service in ("worker", "redis"):
        ports = inspect(project.container(service))["NetworkSettings"]["Ports"]
        checks.equal(f"{service}: nothing is published", [b for b in ports.values() if b], [])
    for service in ("backend", "worker", "redis"):
        found = inspect(project.container(service))
        host = found["HostConfig"]
        checks.check(f"{service}: read-only, without capabilities, no new privileges",
                     host["ReadonlyRootfs"] and host["CapDrop"] == ["ALL"] and not host["CapAdd"]
                     and "no-new-privileges:true" in host["SecurityOpt"], host["SecurityOpt"])
        owner = docker("top", found["Id"], "-eo", "uid,pid").stdout.split()[2]
        if service == "redis":
            checks.check("redis: the process is not root's", owner != "0", owner)
        else:
            checks.equal(f"{service}: the process runs as", owner, "65532")


# --- three workers -----------------------------------------------------------------------------


def scaled(checks, project, total=600):
    project.up(3)
    client = project.client()
    hosts = wait_until("three workers are known", lambda: three(client), 30)
    load = posted(checks, project, total)
    settle(checks, "with three workers", client, load.accepted)
    ran = collections.Counter(worker_of(client, i) for i in load.accepted)
    checks.note(f"tasks by worker: {sorted(ran.values(), reverse=True)} on {sorted(hosts)}")
    checks.equal("workers that ran some of them", len(ran), 3)
    checks.at_least("tasks of the one that ran fewest", min(ran.values()), total // 20)


def three(client):
    hosts = {w["host"] for w in client.get("/v1/workers").json()["data"] if not w["stopping"]}
    return hosts if len(hosts) >= 3 else None


def worker_of(client, task_id):
    attempts = (client.task(task_id) or {}).get("attempts") or []
    return attempts[-1]["worker"] if attempts else None


def posted(checks, project, total, wait=True):
    load = Load(project.port, notification, connections=16)
    load.start()
    load.allow(total)
    if wait:
        wait_until("the load is accepted", lambda: len(load.accepted) >= total, 60)
        load.stop()
        checks.equal(f"refused or unanswered of {total}", (load.refused, load.unanswered), ({}, 0))
    return load


def settle(checks, what, client, accepted, timeout=TAKEOVER):
    """Waits until nothing is unfinished, then looks at every accepted id."""
    started = time.monotonic()
    try:
        wait_until("every task is final", lambda: unfinished(counts(client)) == 0, timeout, every=0.2)
    except TimeoutError as error:
        checks.note(f"{error}: {counts(client)}")
    tasks = client.all_tasks()
    states = collections.Counter(tasks[i]["state"] if i in tasks else "unknown" for i in accepted)
    checks.equal(f"{what}: accepted tasks by state", dict(states), {"succeeded": len(accepted)})
    checks.note(f"{what}: all final after {time.monotonic() - started:.1f} s")
    again = [i for i in accepted if i in tasks and tasks[i]["attempt"] > 1]
    why = collections.Counter(first_try(client, i) for i in again[:100])
    if again:
        checks.note(f"{what}: {len(again)} were tried again, after {dict(why)}")


def first_try(client, task_id):
    """How the first attempt of a task ended."""
    first = client.task(task_id)["attempts"][0]
    return " ".join(str(first[name]) for name in ("outcome", "class", "message") if first.get(name))


def counts(client):
    """Tasks by state; while the store is away, something unfinished."""
    try:
        return client.counts()
    except OSError:
        return {"queued": 1}


# --- faults ------------------------------------------------------------------------------------


def worker_killed(checks, project, sink, total=900):
    """SIGKILL for the busiest of three workers while it runs tasks."""
    client = project.client()
    load = posted(checks, project, total)

    def busiest():
        workers = client.get("/v1/workers").json()["data"]
        return max((w for w in workers if w["running"] >= 5), key=lambda w: w["running"], default=None)

    victim = wait_until("a worker with tasks in flight", busiest, 20, every=0.02)
    container = next(c for c in project.containers("worker") if c.startswith(victim["host"]))
    pid = inspect(container)["State"]["Pid"]
    # It must not settle between the count and the kill.
    ours = signalled(pid, signal.SIGSTOP)
    if not ours:
        docker("pause", container)
    running = client.get("/v1/tasks?state=running&limit=200").json()["data"]
    held = {t["id"] for t in running if t.get("worker") == victim["id"]}
    if not (ours and signalled(pid, signal.SIGKILL)):
        docker("kill", "--signal", "KILL", container)
    checks.note(f"killed a worker with {len(held)} leases, {len(running)} held in all")
    settle(checks, "a worker killed", client, load.accepted)
    lost = {i for i in held if any(a["worker"] == victim["id"] and a["outcome"] == "lease_expired"
                                   for a in client.task(i)["attempts"])}
    checks.at_least("a worker killed: its attempts that ended because the lease was lost", len(lost), 1)
    delivered = collections.Counter(sink.ids())
    missing = [i for i in load.accepted if i not in delivered]
    checks.equal("a worker killed: accepted ids that were not delivered", missing[:5], [])
    checks.at_most("a worker killed: duplicates (leases that it held)",
                   sum(delivered[i] - 1 for i in load.accepted), len(held))
    checks.equal("a worker killed: duplicates of what it did not hold",
                 [i for i in load.accepted if delivered[i] > 1 and i not in held][:5], [])
    if ours:
        again = wait_until("it is started again", lambda: (c := inspect(container))["RestartCount"] and c, 30)
        checks.equal("the restart policy starts it again", again["RestartCount"], 1)
    else:
        # Docker starts nothing again that Docker was told to kill.
        checks.skip("the restart policy starts it again", "its process may not be signalled from here")
    project.up(3)
    checks.equal("three workers are running again", len(wait_until("three workers", lambda: three(client), 60)), 3)


def signalled(pid, number):
    """Signals the process itself, so that the restart policy acts; only where it is ours to see."""
    try:
        if b"posthaste" not in pathlib.Path(f"/proc/{pid}/cmdline").read_bytes():
            return False
        os.kill(pid, number)
        return True
    except OSError:
        return False


def redis_restarted(checks, project, sink, total=600):
    """Restarted, killed, and replaced by a new container on the same volume, each under load.

    A server that is killed has everything on disk only with `appendfsync always`: with `everysec` it may have
    put off its write for up to two seconds, while an earlier one was still on its way to the disk.
    """
    project.settings["REDIS_APPENDFSYNC"] = "always"
    project.up(3)
    client = project.client()
    redis = project.container("redis")
    policy = project.compose("exec", "-T", "redis", "redis-cli", "config", "get", "appendfsync").stdout.split()
    checks.equal("REDIS_APPENDFSYNC reaches Redis", policy, ["appendfsync", "always"])
    before = {c: inspect(c)["State"]["StartedAt"] for s in ("backend", "worker") for c in project.containers(s)}

    def killed():
        docker("kill", "--signal", "KILL", redis)
        docker("start", redis)

    def replaced():
        project.compose("up", "--detach", "--no-build", "--no-deps", "--force-recreate", "redis")

    faults = {"restarted": lambda: docker("restart", redis, timeout=90), "killed": killed, "replaced": replaced}
    for what, fault in faults.items():
        load = posted(checks, project, total, wait=False)
        wait_until("half of the load is accepted", lambda load=load: len(load.accepted) >= total // 2, 60)
        running = client.counts()["running"]
        fault()
        started = time.monotonic()
        wait_until("it is ready again", lambda: client.get("/readyz").status == 200, 60, every=0.1)
        ready = time.monotonic() - started
        # Those that were refused or got no answer meanwhile do not count as accepted.
        load.allow(total + sum(load.refused.values()) + load.unanswered)
        wait_until("the load goes on", lambda load=load: len(load.accepted) >= total, 60)
        load.stop()
        checks.note(f"Redis {what} with {running} tasks running: ready again after {ready:.1f} s, meanwhile refused "
                    f"{load.refused or 'none'}, {load.unanswered} without an answer")
        checks.equal(f"Redis {what}: answers other than 200 and 503", sorted(set(load.refused) - {503}), [])
        settle(checks, f"Redis {what}", client, load.accepted)
        delivered = set(sink.ids())
        checks.equal(f"Redis {what}: accepted ids that were not delivered",
                     [i for i in load.accepted if i not in delivered][:5], [])
    after = {c: inspect(c)["State"]["StartedAt"] for c in before}
    checks.equal("backend and workers went on all the while", after, before)


def way_down(checks, project, sink, total=900):
    """Told to end in the middle of its work, it ends in time; what was left is done after the next start."""
    client = project.client()
    load = posted(checks, project, total)
    checks.at_least("tasks unfinished at the end", unfinished(client.counts()), 1)
    mine = [c for s in ("backend", "worker") for c in project.containers(s)]
    project.compose("stop")
    checks.equal("exit codes of backend and workers", [inspect(c)["State"]["ExitCode"] for c in mine], [0] * 4)
    client.close()
    ended(checks, "docker compose down", project)
    checks.check("the volume stays", any("redis-data" in one for one in project.left_behind()))
    project.port = free_port()
    project.up(3)
    settle(checks, "after down and up", project.client(), load.accepted)
    delivered = collections.Counter(sink.ids())
    checks.equal("after down and up: duplicates", sum(delivered[i] - 1 for i in load.accepted), 0)
    project.client().close()
    posted(checks, project, total)
    ended(checks, "docker compose down in the middle of the work", project, "--volumes")


def backup(checks, project, directory, total=200):
    """As docs/operate/containers.md says: a copy while it runs, restored into an empty volume."""
    project.up()
    load = posted(checks, project, total)
    settle(checks, "before the backup", project.client(), load.accepted)

    def redis(*command):
        return project.compose("exec", "-T", "redis", *command)

    redis("redis-cli", "config", "set", "auto-aof-rewrite-percentage", "0")
    idle = "aof_rewrite_in_progress:0"
    wait_until("no rewrite", lambda: idle in redis("redis-cli", "info", "persistence").stdout, 30)
    archive = directory / "backup.tar.gz"
    with open(archive, "wb") as out:
        project.compose("exec", "-T", "redis", "tar", "-czf", "-", "-C", "/data",
                        "appendonlydir", stdout=out)
    project.down("--volumes")
    with open(archive, "rb") as archived:
        project.compose("run", "--rm", "--no-deps", "-T", "--entrypoint", "tar", "redis",
                        "-xzf", "-", "-C", "/data", stdin=archived)
    project.up()
    settle(checks, "restored from a backup", project.client(), load.accepted)
    ended(checks, "docker compose down when idle", project, "--volumes")


def ended(checks, what, project, *more):
    started = time.monotonic()
    done = project.down(*more, check=False)
    checks.equal(f"{what}: exit", done.returncode, 0)
    checks.at_most(f"{what}: seconds", round(time.monotonic() - started, 1), STOP_GRACE)


if __name__ == "__main__":
    main("compose", run)
