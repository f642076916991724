#!/usr/bin/env python3
"""Runs the fault runs, each and all of a set bounded in time, and sums up their counts.

    e2e/run.py [--quick] [--redis] [NAME ...]

Without arguments it runs those of the embedded store, with `--redis` those of the store that processes
share. A set has 15 minutes: what runs when they are over is ended, what is left does not begin, and each
of these is a failure. `--quick` is the scale of `make check`: both sets, and of the second, whose runs
mostly wait for leases to end, three at a time. The last line is
`N passed, N failed[, N skipped]`.
"""

import argparse
import concurrent.futures
import os
import pathlib
import re
import signal
import subprocess
import sys
import threading
import time

HERE = pathlib.Path(__file__).resolve().parent
# name -> most seconds it may take (quick, full); quick 0 leaves it out of `make check`.
RUNS = {
    "docs": (240, 240),
    "keys": (120, 120),
    "smtp_delivery": (60, 60),
    "bad_requests": (90, 90),
    "smtp_answers": (120, 120),
    "webhooks": (60, 60),
    "abuse": (60, 60),
    "clients": (120, 120),
    "fairness": (60, 180),
    "sigterm": (120, 120),
    "kill9": (180, 300),
    "disk_full": (120, 150),
    "api_schema": (150, 600),
}
REDIS_RUNS = {
    "redis_away": (120, 240),
    "redis_frozen": (120, 120),
    "redis_kill9": (150, 600),
    "redis_failover": (150, 300),
    "redis_links": (150, 240),
    "redis_full": (120, 180),
    "redis_mismatch": (90, 90),
    "redis_emf": (60, 60),
    "redis_webhooks": (90, 60),
    "redis_abuse": (90, 60),
    "redis_clients": (120, 120),
    "redis_fairness": (120, 240),
}
# Runs of the first set that do the same on Redis, there under a name of their own.
ON_BOTH = {f"redis_{name}": name for name in ("webhooks", "abuse", "clients", "fairness")}
AT_ONCE = 3
# What one set may take, whatever its runs may.
SET_SECONDS = 15 * 60


def run(name, quick, deadline, say):
    """Counts of one run; whatever keeps it from printing them is a failure. `say` takes its lines."""
    left = deadline - time.monotonic()
    if left <= 0:
        say(f"FAIL  {name} did not begin: the {SET_SECONDS // 60} minutes of its set are over\n")
        return [0, 1, 0]
    own = limit_of(name, quick)
    limit, whose = (own, "") if own <= left else (left, f", when the {SET_SECONDS // 60} minutes of its set were over")
    program, more = (ON_BOTH[name], ["--redis"]) if name in ON_BOTH else (name, [])
    command = [sys.executable, str(HERE / f"{program}.py"), *more] + (["--quick"] if quick else [])
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
                               start_new_session=True)
    last, timed_out = None, threading.Event()

    def end():
        timed_out.set()
        # The run leads a group of its own: its servers and sinks go with it.
        os.killpg(process.pid, signal.SIGKILL)

    timer = threading.Timer(limit, end)
    timer.start()
    for line in process.stdout:
        found = re.match(r"(\d+) passed, (\d+) failed(?:, (\d+) skipped)?$", line.strip())
        if found:
            last = [int(found.group(1)), int(found.group(2)), int(found.group(3) or 0)]
        else:
            say(line.rstrip("\n"))
    code = process.wait()
    timer.cancel()
    if timed_out.is_set():
        say(f"FAIL  {name} did not end within {limit:.0f} s{whose}")
    if last is None:
        last = [0, 0, 0]
    if last[1] == 0 and (code != 0 or timed_out.is_set()):
        last[1] = 1
    say(f"      {name}: {last[0]} passed, {last[1]} failed, {last[2]} skipped\n")
    return last


def say_now(line):
    print(line, flush=True)


def at_once(names, quick, deadline):
    """Several at a time; the lines of each are printed together when it has ended."""
    lock = threading.Lock()

    def one(name):
        lines = []
        counts = run(name, quick, deadline, lines.append)
        with lock:
            say_now("\n".join(lines))
        return counts

    with concurrent.futures.ThreadPoolExecutor(AT_ONCE) as pool:
        return list(pool.map(one, names))


def limit_of(name, quick):
    return {**RUNS, **REDIS_RUNS}[name][0 if quick else 1]


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--redis", action="store_true")
    parser.add_argument("names", nargs="*")
    arguments = parser.parse_args()
    known, quick = {**RUNS, **REDIS_RUNS}, arguments.quick
    unknown = set(arguments.names) - set(known)
    if unknown:
        parser.error(f"no such run: {', '.join(sorted(unknown))}; there are {', '.join(known)}")
    sets = REDIS_RUNS if arguments.redis else known if quick or arguments.names else RUNS
    names = [n for n in sets if limit_of(n, quick) and (not arguments.names or n in arguments.names)]
    together = [n for n in names if quick and n in REDIS_RUNS]
    started = time.monotonic()
    counts = []
    for each in (RUNS, REDIS_RUNS):
        deadline = time.monotonic() + SET_SECONDS
        counts += [run(n, quick, deadline, say_now) for n in names if n in each and n not in together]
        counts += at_once([n for n in together if n in each], quick, deadline)
    total = [sum(column) for column in zip([0, 0, 0], *counts)]
    print(f"all fault runs took {time.monotonic() - started:.0f} s")
    print(f"{total[0]} passed, {total[1]} failed" + (f", {total[2]} skipped" if total[2] else ""), flush=True)
    sys.exit(1 if total[1] else 0)


if __name__ == "__main__":
    main()
