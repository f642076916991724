#!/usr/bin/env python3
"""schemathesis against a running server with a key of every scope: every built-in check, at least 200 examples per
operation, three seeds, judged by /openapi.json; on the embedded store and on Redis.

`--quick` is one seed with a few examples on each store, for every change.
"""

import argparse
import pathlib
import subprocess
import sys

from lib.checks import main
from lib.redis_server import RedisServer, why_not
from lib.server import Posthaste, Scratch

SECRET = "schema-0123456789abcdef0123456789abcdef"
# Streams never end by themselves, so no generated request may wait for one.
STREAMS = "/events$"


def one_run(checks, what, server, directory, seed, examples, seconds):
    command = [
        str(pathlib.Path(sys.executable).with_name("schemathesis")),
        "--config-file", str(pathlib.Path(__file__).with_name("schemathesis.toml")), "--no-color", "run",
        f"{server.url}/openapi.json", "--header", f"Authorization: Bearer {SECRET}",
        "--checks", "all", "--max-examples", str(examples), "--seed", str(seed),
        "--exclude-path-regex", STREAMS, "--request-timeout", "10", "--workers", "1",
        "--generation-database", "none", "--suppress-health-check", "all", "--continue-on-failure",
    ]
    try:
        done = subprocess.run(command, cwd=directory, capture_output=True, text=True, timeout=seconds)
    except subprocess.TimeoutExpired as late:
        checks.check(f"{what}: seed {seed} ends within {seconds} s", False, str(late.stdout)[-500:])
        return
    lines = done.stdout.splitlines()
    for line in lines:
        if line.strip().startswith("Operations:") or " generated, " in line:
            checks.note(f"{what}: {' '.join(line.split())}")
    summary = next((line.strip() for line in reversed(lines) if "===" in line and line.strip("= ")), "")
    if not checks.check(f"{what}: seed {seed}, {examples} examples per operation", done.returncode == 0, summary):
        print("\n".join("      | " + line for line in lines[-1500:]))


def on_store(checks, what, directory, env, quick, seeds):
    # Bad keys are part of the examples; slowing them down has tests of its own.
    env = {"POSTHASTE_API_KEYS": f"schema:send+read+admin:{SECRET}", "POSTHASTE_SIGN_IN_LIMIT": "0", **env}
    with Posthaste(directory, env=env) as server:
        server.start()
        for seed in seeds:
            one_run(checks, what, server, directory, seed, 5 if quick else 200, 150 if quick else 1_800)
        checks.equal(f"{what}: the server lives on",
                     server.client().get("/readyz", headers={"Authorization": f"Bearer {SECRET}"}).status, 200)
        log = server.log()
        checks.check(f"{what}: no panic in the log", "panicked" not in log)
        checks.check(f"{what}: no key in the log", SECRET not in log)
        server.terminate()


def run(checks):
    parser = argparse.ArgumentParser()
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--store", choices=["embedded", "redis"], help="only this one")
    parser.add_argument("--seed", type=int, action="append", help="only these seeds")
    arguments = parser.parse_args()
    seeds = arguments.seed or ((1,) if arguments.quick else (1, 2, 3))
    if arguments.store != "redis":
        with Scratch() as directory:
            on_store(checks, "embedded store", directory, {}, arguments.quick, seeds)
    if arguments.store != "embedded":
        if why_not():
            checks.skip("the same on Redis", why_not())
            return
        with Scratch() as directory, RedisServer(directory) as redis:
            on_store(checks, "Redis", directory, {"REDIS_URL": redis.url}, arguments.quick, seeds)


if __name__ == "__main__":
    main("api_schema", run)
