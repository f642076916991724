"""Breaks what each assertion is about and looks whether that assertion, by its name, fails.

One `terraform test` for each of some eighty mutations would take minutes. So every mutation is made in several of a few trees, by a code in which none
covers another (as many trees for each, a different choice): an assertion that fails in exactly the trees of its mutation fails because of
it and of no other. Conditions of variables are all made true at once: every variable that should have been refused must be missed, by name.
"""

import itertools
import json
import math
import re
import shutil

import harness
import mutations
import plan


def codes(count):
    """As many different choices of trees, all of one size, and of how many trees."""
    trees = next(n for n in itertools.count(1) if math.comb(n, n // 2) >= count)
    size = max(1, trees // 2)
    return trees, list(itertools.combinations(range(trees), size))[:count]


def edit(tree, folder, edits):
    # Two may break the same thing in the same way.
    for name, old, new in dict.fromkeys(edits):
        path = tree / (name[1:] if name.startswith("/") else f"{folder}/{name}")
        text = path.read_text("utf-8")
        if text.count(old) != 1:
            raise SystemExit(f"{path.relative_to(tree)} has {text.count(old)} times: {old!r}")
        path.write_text(text.replace(old, new), "utf-8")


def keep(tree, folder, run):
    """Leaves one run of the tests, so that no time goes into the others."""
    for path in (tree / folder / "tests").glob("*.tftest.hcl"):
        head, runs = harness.run_blocks(path.read_text("utf-8"))
        path.write_text(head + runs.get(run, ""), "utf-8")
        if run not in runs:
            path.unlink()


def asserted(tree, folder):
    """Run -> the names of its assertions, and the variables and resources that it expects to refuse."""
    found = {}
    for path in (tree.folder / folder / "tests").glob("*.tftest.hcl"):
        for run, text in harness.run_blocks(path.read_text("utf-8"))[1].items():
            names = set(re.findall(r'error_message = "([a-z0-9-]+): ', text))
            refused = re.search(r"expect_failures = \[(.*?)\]", text, re.DOTALL)
            found[run] = names, set(re.findall(r"[a-z_]+(?:\.[a-z_]+)+", refused.group(1))) if refused else set()
    return found


def complete(tree):
    """Assertions without a mutation, and mutations without an assertion."""
    for folder in harness.MODULES + harness.ROOTS:
        for run, (names, _) in asserted(tree, folder).items():
            made = set(mutations.MUTATIONS.get(folder, {}).get(run, {}))
            for name in sorted(names ^ made):
                yield f"{folder}, {run}, {name}: {'nothing breaks it' if name in names else 'there is no such assertion'}"
    for rule in sorted(set(plan.RULES) ^ set(mutations.WHOLE)):
        yield f"{rule}: a rule of plan.py without a mutation, or the reverse"


def batch(tree, folder, run, edits, judge):
    """One tree with these edits; what fails in it."""
    copy = tree.copied()
    try:
        edit(copy, folder, [one for part in edits for one in part])
        keep(copy, folder, run)
        return judge(copy)
    finally:
        shutil.rmtree(copy, ignore_errors=True)


def coded(tree, folder, run, table, judge):
    """Jobs for these mutations, and what makes lines of their results: (name, whether it failed as it should, what was seen)."""
    trees, chosen = codes(len(table))
    names = list(table)
    jobs = [lambda i=i: batch(tree, folder, run, [table[n] for n, code in zip(names, chosen) if i in code], judge) for i in range(trees)]

    def verdicts(results):
        for name, code in zip(names, chosen):
            seen = tuple(i for i, (failed, _) in enumerate(results) if name in failed)
            trouble = [t for i in code for t in results[i][1]]
            yield f"{folder}: {name}", seen == code, f"failed in the trees {seen}, broken in {code}" + "".join(f"\n  {t}" for t in trouble[:2])

    return jobs, verdicts


def refusals(tree, folder, run, expected):
    """All conditions are true: whatever should be refused is not."""
    def open_doors(copy):
        for path in (copy / folder).glob("*.tf"):
            text = path.read_text("utf-8")
            path.write_text(re.sub(r"(validation|precondition) \{.*?error_message =", r"\1 {\n    condition     = length(var.@@) >= 0\n    error_message =", text, flags=re.DOTALL), "utf-8")
            # A condition has to name its own variable, one of a resource any object.
            out, name = [], ""
            for line in path.read_text("utf-8").splitlines():
                started = re.match(r'variable "(\w+)"', line)
                name = started.group(1) if started else name
                out.append(line.replace("length(var.@@) >= 0", f"can(var.{name if path.name == 'variables.tf' else 'name'})"))
            path.write_text("\n".join(out) + "\n", "utf-8")
        keep(copy, folder, run)
        result = harness.test(copy / folder, tree.env)
        return result.failed, result.trouble

    def job():
        copy = tree.copied()
        try:
            return open_doors(copy)
        finally:
            shutil.rmtree(copy, ignore_errors=True)

    def verdicts(results):
        failed, trouble = results[0]
        for name in sorted(expected):
            yield f"{folder}, {run}: {name}", name in failed, "accepted once its condition is gone, and nobody missed it" + "".join(f"\n  {t}" for t in trouble[:2])

    return [job], verdicts


def plan_judge(tree, settings):
    def judge(copy):
        result = harness.test(copy / "environments/small", tree.env, verbose=True)
        if "whole" not in result.plans:
            return set(), result.trouble or ["no plan"]
        metrics = json.loads((copy / "metrics.json").read_text("utf-8"))
        rules = {rule for rule, _ in plan.problems(plan.Plan(result.plans["whole"]), metrics, settings, public_tasks=True)}
        return rules | result.failed, result.trouble
    return judge


def work(tree, settings, only=None):
    """All jobs with what reads their results."""
    def judge(folder):
        def run(copy):
            result = harness.test(copy / folder, tree.env)
            return result.failed, result.trouble
        return run

    for folder in harness.MODULES + harness.ROOTS:
        if only and only not in folder:
            continue
        for run, (_, refused) in asserted(tree, folder).items():
            table = mutations.MUTATIONS.get(folder, {}).get(run, {})
            if table and (folder, run) == ("environments/small", "whole"):
                # The rules of whole plans are broken in the same trees.
                yield coded(tree, folder, run, {**table, **mutations.WHOLE}, plan_judge(tree, settings))
            elif table:
                yield coded(tree, folder, run, table, judge(folder))
            if refused:
                yield refusals(tree, folder, run, refused)
