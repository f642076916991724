#!/usr/bin/env python3
"""The Python and TypeScript clients against a running server with a key: generated halves up to date, tests passed. With
`--redis` on Redis, by an API and a worker of their own."""

import os
import pathlib
import re
import shutil
import subprocess
import sys

from lib import stores
from lib.checks import main
from lib.server import BINARY

ROOT = pathlib.Path(__file__).resolve().parents[1]
CLIENTS = ROOT / "clients"
SECRET = "clients-0123456789abcdef0123456789abcdef"


def command(checks, what, words, **more):
    """Runs a program; its output, told in full when it failed."""
    done = subprocess.run(words, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=240, **more)
    if not checks.check(what, done.returncode == 0, f"exit {done.returncode}"):
        print("\n".join("      | " + line for line in done.stdout.splitlines()[-60:]))
    return done.stdout


def python(checks, env):
    path = {"PYTHONPATH": str(CLIENTS / "python" / "src"), "PYTHONDONTWRITEBYTECODE": "1"}
    said = command(checks, "the Python client's tests pass",
                   [sys.executable, "-m", "unittest", "-v", "tests.test_client"], cwd=CLIENTS / "python", env=env | path)
    ran = re.search(r"Ran (\d+) tests", said)
    checks.check("and there are some", ran and int(ran.group(1)) >= 9, ran and ran.group(0))


def typescript(checks, env):
    directory = CLIENTS / "typescript"
    command(checks, "the TypeScript client compiles", ["npx", "--no-install", "tsc", "--project", "tsconfig.json"],
            cwd=directory, env=env)
    said = command(checks, "the TypeScript client's tests pass",
                   ["node", "--test", "--test-reporter=tap", "dist/tests/client.test.js"], cwd=directory, env=env)
    ran = re.search(r"^# pass (\d+)", said, re.MULTILINE)
    checks.check("and there are some", ran and int(ran.group(1)) >= 8, ran and ran.group(0))


def run(checks):
    env = dict(os.environ, POSTHASTE_BIN=str(BINARY))
    command(checks, "the generated halves are up to date", [str(CLIENTS / "generate.sh"), "check"], env=env)
    store = stores.store(checks, stores.parser().parse_args())
    if store is None:
        return
    with store, store.server("clients", env={"POSTHASTE_API_KEYS": f"clients:send+read+admin:{SECRET}"}) as server:
        server.start()
        env |= {"POSTHASTE_URL": server.url, "POSTHASTE_KEY": SECRET}
        python(checks, env)
        if shutil.which("node") and shutil.which("npm"):
            typescript(checks, env)
        elif os.environ.get("REQUIRE_ALL") == "1":
            checks.check("node and npm are there", False, "run make setup")
        else:
            checks.skip("the TypeScript client", "node or npm is not installed; run make setup")


if __name__ == "__main__":
    main("clients", run)
