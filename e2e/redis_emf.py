#!/usr/bin/env python3
"""What a worker and an API print for CloudWatch, held against the rules of its Embedded Metric Format and against the
metrics that the alarms ask for (infra/metrics.json), on a Redis whose password is a setting of its own.

    e2e/redis_emf.py [--quick]
"""

import argparse
import json
import os
import pathlib
import select
import subprocess
import sys
import time

from lib.checks import main
from lib.redis_server import RedisServer, needs_redis
from lib.server import NotReady, Scratch
from lib.split import Api, Worker

CHECKER = pathlib.Path(__file__).resolve().parents[1] / "infra/tests/emf.py"
PASSWORD = "p@ss:/?#%w0rd"
WAITING = 7


def first_metrics(process, timeout=20):
    """The first line for CloudWatch that a process has printed; it comes right behind the one that says it is ready."""
    deadline, text = time.monotonic() + timeout, process.ready_line + "\n"
    fd = process.process.stdout.fileno()
    while True:
        for line in text.splitlines():
            if '"_aws"' in line and line.endswith("}"):
                return line
        left = deadline - time.monotonic()
        if left <= 0 or not select.select([fd], [], [], left)[0]:
            raise TimeoutError(f"no line with _aws, but {text!r}")
        text += os.read(fd, 65_536).decode("utf-8", "replace")


def held_against_the_rules(checks, what, line, by):
    done = subprocess.run([sys.executable, str(CHECKER), "--by", by], input=line, text=True, capture_output=True)
    checks.check(f"{what}: the line is as CloudWatch and the alarms want it", done.returncode == 0,
                 done.stdout + done.stderr + line)


def run(checks):
    parser = argparse.ArgumentParser()
    parser.add_argument("--quick", action="store_true")
    parser.parse_args()
    if not needs_redis(checks):
        return
    with Scratch() as directory, RedisServer(directory) as redis:
        redis.client()("CONFIG", "SET", "requirepass", PASSWORD)
        env = {"POSTHASTE_METRICS_EMF": "on", "POSTHASTE_NAMESPACE": "shop", "POSTHASTE_SANDBOX": "on",
               "POSTHASTE_REDIS_PASSWORD": PASSWORD}
        with Api(directory, redis.url, env) as api:
            api.start()
            client = api.client()
            for n in range(WAITING):
                checks.equal("a task is accepted", client.post("/v1/notifications", {"to": f"r{n}@example.com", "message": "x"}).status, 202)
            nobody = json.loads(first_metrics(api))
            checks.equal("an API says that there is no worker", nobody["Workers"], 0)
        with Api(directory, redis.url, env) as api:
            api.start()
            line = first_metrics(api)
            held_against_the_rules(checks, "API", line, "api")
            said = json.loads(line)
            checks.equal("an API tells what waits", (said["Namespace"], said["Backlog"], said["Workers"]), ("shop", WAITING, 0))
            checks.check("and for how long", 0 <= said["BacklogAge"] < 600, said)
            with Worker(directory, redis.url, env) as worker:
                worker.start()
                line = first_metrics(worker)
                held_against_the_rules(checks, "worker", line, "worker")
                said = json.loads(line)
                checks.equal("a worker tells of itself", (said["Namespace"], said["Role"], said["Workers"]), ("shop", "worker", 1))
                checks.check("and of what each worker has before it", 0 <= said["BacklogPerWorker"] <= WAITING, said)
        wrong = Worker(directory, redis.url, {**env, "POSTHASTE_REDIS_PASSWORD": "wrong"})
        refused(checks, "another password", wrong)
        twice = Worker(directory, redis.url.replace("://", "://:own@"), env)
        refused(checks, "a password in the URL and beside it", twice, "POSTHASTE_REDIS_PASSWORD")


def refused(checks, what, process, word=None):
    """Must not say that it is ready; nothing that it says holds a password."""
    try:
        process.start(timeout=5)
        checks.check(f"{what}: refused", False, "it is ready")
    except NotReady as refusal:
        text = refusal.output
        checks.check(f"{what}: refused", word is None or word in text, text[-300:])
        checks.check(f"{what}: no password is told", PASSWORD not in text and "own@" not in text, text[-300:])
    finally:
        process.end_now()


if __name__ == "__main__":
    main("redis_emf", run)
