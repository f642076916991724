#!/usr/bin/env python3
"""Checks of infra/ on plans alone; nothing is ever applied.

    infra/tests/run.py all                what follows, but for `settings`
    infra/tests/run.py tests              formatting, every test (which validates first), the rules of whole plans, generated pages
    infra/tests/run.py mutate [PART]      breaks each asserted thing and looks whether its assertion fails
    infra/tests/run.py settings BINARY    the containers' settings against those that the program lists
    infra/tests/run.py write              the generated pages: docs/operate/aws-resources.md, aws-cost.md

Without terraform, or where its providers cannot be had, it says so and exits 3. The last line is `N passed, N failed`.
"""

import concurrent.futures
import json
import os
import re
import subprocess
import sys
import time

import harness
import mutate
import pages as made_pages
import plan
import static

passed, failed = 0, []


def check(name, ok, why=""):
    global passed
    if ok:
        passed += 1
    else:
        failed.append(name)
        print(f"FAIL  {name}" + "".join(f"\n      {line}" for line in str(why).strip().splitlines()), flush=True)


def side_by_side(jobs):
    """Results in order. Two at a time: terraform and its providers keep one processor busy each."""
    with concurrent.futures.ThreadPoolExecutor(max(2, (os.cpu_count() or 2))) as pool:
        return [future.result() for future in [pool.submit(job) for job in jobs]]


def metrics():
    return json.loads((harness.ROOT / "infra" / "metrics.json").read_text("utf-8"))


def settings_of_page():
    """The names in docs/CONFIGURATION.md, which a test of the program keeps true; which of them are secret, the program alone says."""
    page = (harness.ROOT / "docs" / "CONFIGURATION.md").read_text("utf-8")
    return dict.fromkeys(re.findall(r"^\| `\w+` \| `([A-Z_]+)`", page, re.MULTILINE), False)


def settings_of(binary):
    clean = {k: v for k, v in os.environ.items() if not k.startswith(("POSTHASTE_", "REDIS_"))}
    done = subprocess.run([binary, "config", "--list", "--json"], capture_output=True, text=True, check=True, env=clean)
    return {s["env"]: s["secret"] for s in json.loads(done.stdout) if s["env"]}


def tests(tree):
    done = harness.terraform(harness.ROOT / "infra", "fmt", "-check", "-recursive", "-diff", env=tree.env)
    check("terraform fmt", done.returncode == 0, done.stdout + done.stderr)
    for name, why in static.problems(harness.ROOT / "infra"):
        check(name, not why, "\n".join(why))
    folders = harness.MODULES + harness.ROOTS
    plans = {}
    order = sorted(folders, key=lambda f: f.startswith("modules/") and not f.endswith(("redis", "service")))
    for folder, result in zip(order, side_by_side([lambda f=f: harness.test(tree.folder / f, tree.env, verbose=f.startswith("environments/")) for f in order])):
        for run, status in result.runs.items():
            check(f"{folder}: {run}", status == "pass", "\n".join(sorted(result.failed) + result.trouble))
        check(f"{folder} has tests that pass", result.ok, "\n".join(sorted(result.failed) + result.trouble))
        if "whole" in result.plans:
            plans[folder.split("/")[1]] = plan.Plan(result.plans["whole"])
    for profile, found in plans.items():
        wrong = list(plan.problems(found, metrics(), settings_of_page(), public_tasks=profile == "small"))
        for rule in plan.RULES:
            check(f"{profile}: {rule}", not any(r == rule for r, _ in wrong), "\n".join(text for r, text in wrong if r == rule))
    return plans


def mutations(tree, only):
    for problem in mutate.complete(tree):
        check("every assertion has its mutation", False, problem)
    folders = list(mutate.work(tree, settings_of_page(), only))
    results = iter(side_by_side([job for folder in folders for job in folder.jobs()]))
    count = 0
    for folder in folders:
        for name, ok, why in folder.verdicts([next(results) for _ in folder.trees]):
            count += 1
            check(f"mutation of {name}", ok, why)
    print(f"{count} mutations, in {sum(len(folder.trees) for folder in folders)} trees", flush=True)


def settings(tree, binary):
    for profile in ("small", "production"):
        mutate.keep(tree.folder, f"environments/{profile}", "whole")
        result = harness.test(tree.folder / "environments" / profile, tree.env, verbose=True)
        if "whole" not in result.plans:
            check(f"{profile} can be planned", False, "\n".join(result.trouble))
            continue
        wrong = [text for rule, text in plan.problems(plan.Plan(result.plans["whole"]), metrics(), settings_of(binary), public_tasks=profile == "small")
                 if rule in ("settings-known", "plain-secrets")]
        check(f"{profile}: the containers' settings are the program's", not wrong, "\n".join(wrong))


def main():
    words = sys.argv[1:]
    if not words or words[0] not in ("all", "tests", "mutate", "settings", "write") or (words[0] == "settings") != (len(words) == 2 and words[0] != "mutate"):
        print(__doc__, file=sys.stderr)
        sys.exit(2)
    started = time.monotonic()
    try:
        tree = harness.Tree()
    except harness.Unavailable as why:
        print(f"skip  the tests of infra/: {why}")
        sys.exit(3)
    try:
        if words[0] in ("all", "tests", "write"):
            plans = tests(tree)
            pages(plans, write=words[0] == "write")
        if words[0] in ("all", "mutate"):
            mutations(tree, words[1] if len(words) > 1 else None)
        if words[0] == "settings":
            settings(tree, words[1])
    finally:
        tree.remove()
    print(f"{passed} passed, {len(failed)} failed")
    print(f"({time.monotonic() - started:.0f} s)", file=sys.stderr)
    sys.exit(1 if failed else 0)


def pages(plans, write):
    for name, text in made_pages.generated(plans):
        path = harness.ROOT / name
        if write:
            path.write_text(text, "utf-8")
        check(f"{name} is up to date", path.exists() and path.read_text("utf-8") == text, "run: make infra-docs")


if __name__ == "__main__":
    main()
