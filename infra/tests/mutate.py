"""Breaks what each assertion is about and looks whether that assertion, by its name, fails.

One `terraform test` for each of some hundred mutations would take minutes. So every mutation is made in several of a few trees, by a code in which none
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


def keep(tree, folder, *wanted):
    """Leaves these runs of the tests, each in a file of its own: after one that fails, Terraform skips the rest of its file."""
    for path in (tree / folder / "tests").glob("*.tftest.hcl"):
        head, runs = harness.run_blocks(path.read_text("utf-8"))
        path.unlink()
        for run in set(wanted) & set(runs):
            path.with_name(f"{run}.tftest.hcl").write_text(head + runs[run], "utf-8")


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


def open_doors(folder):
    """All conditions are true: whatever should be refused is not. A condition has to name its own variable, one of a resource any object."""
    for path in folder.glob("*.tf"):
        text = re.sub(r"(validation|precondition) \{.*?error_message =", r"\1 {\n    condition     = can(var.@@)\n    error_message =", path.read_text("utf-8"),
                      flags=re.DOTALL)
        out, name = [], "name"
        for line in text.splitlines():
            started = re.match(r'variable "(\w+)"', line)
            name = started.group(1) if started else name
            out.append(line.replace("@@", name))
        path.write_text("\n".join(out) + "\n", "utf-8")


class Folder:
    """The trees of one module or root: what is broken in each, and which runs look at it."""

    def __init__(self, tree, name, settings):
        self.tree, self.name, self.settings = tree, name, settings
        self.trees, self.wanted, self.refused = [], [], []

    def at(self, number):
        while len(self.trees) <= number:
            self.trees.append(([], []))
        return self.trees[number]

    def add(self, run, table, first=0):
        """Mutations of one run, from this tree on; the runs share trees, for a process of Terraform costs more than a run in it."""
        count, chosen = codes(len(table))
        for number in range(count):
            self.at(first + number)[1].append(run)
        for name, code in zip(table, chosen):
            numbers = tuple(first + number for number in code)
            for number in numbers:
                self.at(number)[0].extend(table[name])
            self.wanted.append((run, name, numbers, range(first, first + count)))

    def jobs(self):
        return [lambda n=n: self.run(n) for n in range(len(self.trees))]

    def run(self, number):
        """By run, what fails in one tree; and what went wrong otherwise."""
        edits, runs = self.trees[number]
        copy = self.tree.copied()
        try:
            edit(copy, self.name, edits)
            refusing = [run for run, _ in self.refused] if number == 0 else []
            if refusing:
                open_doors(copy / self.name)
            keep(copy, self.name, *runs, *refusing)
            result = harness.test(copy / self.name, self.tree.env, verbose=self.name == SHARED)
            if self.name == SHARED and "whole" in result.plans:
                metrics = json.loads((copy / "metrics.json").read_text("utf-8"))
                rules = {rule for rule, _ in plan.problems(plan.Plan(result.plans["whole"]), metrics, self.settings, public_tasks=True)}
                result.by_run.setdefault("whole", set()).update(rules)
            return result.by_run, result.trouble
        finally:
            shutil.rmtree(copy, ignore_errors=True)

    def verdicts(self, results):
        """(name, whether it failed as it should, what was seen) of each mutation."""
        for run, name, code, among in self.wanted:
            seen = tuple(n for n in among if name in results[n][0].get(run, ()))
            trouble = [text for n in code for text in results[n][1]]
            yield f"{self.name}: {name}", seen == code, f"failed in the trees {seen}, broken in {code}" + "".join(f"\n  {text}" for text in trouble[:2])
        for run, names in self.refused:
            for name in sorted(names):
                yield (f"{self.name}, {run}: {name}", name in results[0][0].get(run, ()),
                       "accepted once its condition is gone, and nobody missed it" + "".join(f"\n  {text}" for text in results[0][1][:2]))


# The rules of whole plans are broken in the trees of this root's own assertions.
SHARED = "environments/small"


def work(tree, settings, only=None):
    """The folders with all that is to be broken in them."""
    for name in harness.MODULES + harness.ROOTS:
        if only and only not in name:
            continue
        folder = Folder(tree, name, settings)
        for run, (_, refused) in asserted(tree, name).items():
            table = mutations.MUTATIONS.get(name, {}).get(run, {})
            if (name, run) == (SHARED, "whole"):
                table = {**table, **mutations.WHOLE}
            if table:
                folder.add(run, table, first=len(folder.trees) if (name, run) in mutations.ALONE else 0)
            if refused:
                folder.refused.append((run, refused))
        if folder.refused:
            folder.at(0)
        yield folder
