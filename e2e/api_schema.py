#!/usr/bin/env python3
"""schemathesis against a running server with a key of every scope: every built-in check, at least 200 examples
per operation, three seeds, judged by /openapi.json; on the embedded store and on Redis.
"""

import argparse
import pathlib
import subprocess
import sys

from lib.checks import main
from lib.redis_server import RedisServer, why_not
from lib.server import Posthaste, Scratch

# Streams never end by themselves, so no generated request may wait for one.
STREAMS = "/events$"


def one_run(checks, server, directory, seed, examples, seconds):
    command = [
        str(pathlib.Path(sys.executable).with_name("schemathesis")),
        "--config-file", str(pathlib.Path(__file__).with_name("schemathesis.toml")), "--no-color", "run",
        f"{server.url}/openapi.json",
        "--checks", "all", "--max-examples", str(examples), "--seed", str(seed),
        "--exclude-path-regex", STREAMS, "--request-timeout", "10", "--workers", "1",
        "--generation-database", "none", "--suppress-health-check", "all", "--continue-on-failure",
    ]
    try:
        done = subprocess.run(command, cwd=directory, capture_output=True, text=True, timeout=seconds)
    except subprocess.TimeoutExpired as late:
        checks.check(f"seed {seed} ends within {seconds} s", False, str(late.stdout)[-500:])
        return
    lines = done.stdout.splitlines()
    summary = next((line.strip() for line in reversed(lines) if "===" in line and line.strip("= ")), "")
    if not checks.check(f"seed {seed}, {examples} examples per operation", done.returncode == 0, summary):
        print("\n".join("      | " + line for line in lines[-200:]))


def run(checks):
    parser = argparse.ArgumentParser()
    parser.add_argument("--quick", action="store_true")
    quick = parser.parse_args().quick
    with Scratch() as directory, Posthaste(directory) as server:
        server.start()
        for seed in (1,) if quick else (1, 2, 3):
            one_run(checks, server, directory, seed, 20 if quick else 200, 120 if quick else 240)
        checks.equal("the server lives on", server.client().get("/readyz").status, 200)
        checks.check("no panic in the log", "panicked" not in server.log())
        server.terminate()


if __name__ == "__main__":
    main("api_schema", run)
