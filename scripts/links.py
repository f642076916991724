#!/usr/bin/env python3
"""Relative links of the Markdown pages that lead nowhere, and pages of docs/ that the book (docs/SUMMARY.md) does not have
or has twice. Prints each; fails when there is one."""

import pathlib
import re
import subprocess
import sys

ROOT = pathlib.Path(__file__).resolve().parents[1]
LINK = re.compile(r"\]\(([^)\s]+)\)")


def anchors(page):
    """What GitHub makes of the headings."""
    text = re.sub(r"```.*?```", "", page.read_text("utf-8"), flags=re.DOTALL)
    heads = re.findall(r"^#+\s+(.*)$", text, re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", h.lower()).strip().replace(" ", "-") for h in heads}


def main():
    listed = subprocess.run(["git", "ls-files", "*.md"], cwd=ROOT, capture_output=True, text=True, check=True)
    broken = 0
    for name in listed.stdout.split():
        page = ROOT / name
        if not page.exists():
            continue
        text = re.sub(r"```.*?```", "", page.read_text("utf-8"), flags=re.DOTALL)
        for link in LINK.findall(text):
            if re.match(r"[a-z]+:", link):
                continue
            path, _, anchor = link.partition("#")
            target = (page.parent / path).resolve() if path else page
            if not target.exists():
                print(f"{name}: {link} is not there")
            elif anchor and target.suffix == ".md" and anchor not in anchors(target):
                print(f"{name}: {link} has no such heading")
            else:
                continue
            broken += 1
    sys.exit(1 if broken + out_of_book(listed.stdout.split()) else 0)


def out_of_book(names):
    """How many pages are not in the book exactly once. What SUMMARY.md names is looked at as a link."""
    summary = ROOT / "docs" / "SUMMARY.md"
    found = LINK.findall(summary.read_text("utf-8"))
    wrong = 0
    for name in names:
        path = pathlib.PurePosixPath(name)
        if path.parts[0] == "docs" and path.name != "SUMMARY.md" and (ROOT / name).exists():
            times = found.count(str(path.relative_to("docs")))
            if times != 1:
                print(f"{name} is {times} times in docs/SUMMARY.md, and should be once")
                wrong += 1
    return wrong


if __name__ == "__main__":
    main()
