#!/usr/bin/env python3
"""Runs the fault runs one after another, each bounded in time, and sums up their counts.

    e2e/run.py [--quick] [NAME ...]

`--quick` is the scale of `make check`; without it, all together stay within 15 minutes. The last
line is `N passed, N failed[, N skipped]`.
"""

import argparse
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
    "quickstart": (60, 60),
    "smtp_delivery": (60, 60),
    "bad_requests": (90, 90),
    "smtp_answers": (120, 120),
    "sigterm": (120, 120),
    "kill9": (180, 300),
    "disk_full": (120, 150),
    "api_schema": (150, 600),
}


def run(name, quick, limit):
    """Counts of one run; whatever keeps it from printing them is a failure."""
    command = [sys.executable, str(HERE / f"{name}.py")] + (["--quick"] if quick else [])
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
            print(line, end="", flush=True)
    code = process.wait()
    timer.cancel()
    if timed_out.is_set():
        print(f"FAIL  {name} did not end within {limit} s", flush=True)
    if last is None:
        last = [0, 0, 0]
    if last[1] == 0 and (code != 0 or timed_out.is_set()):
        last[1] = 1
    print(f"      {name}: {last[0]} passed, {last[1]} failed, {last[2]} skipped\n", flush=True)
    return last


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("names", nargs="*")
    arguments = parser.parse_args()
    unknown = set(arguments.names) - set(RUNS)
    if unknown:
        parser.error(f"no such run: {', '.join(sorted(unknown))}; there are {', '.join(RUNS)}")
    total = [0, 0, 0]
    started = time.monotonic()
    for name, (quick_limit, full_limit) in RUNS.items():
        limit = quick_limit if arguments.quick else full_limit
        if (arguments.names and name not in arguments.names) or not limit:
            continue
        total = [a + b for a, b in zip(total, run(name, arguments.quick, limit))]
    print(f"all fault runs took {time.monotonic() - started:.0f} s")
    print(f"{total[0]} passed, {total[1]} failed" + (f", {total[2]} skipped" if total[2] else ""), flush=True)
    sys.exit(1 if total[1] else 0)


if __name__ == "__main__":
    main()
