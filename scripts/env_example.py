#!/usr/bin/env python3
"""Compares .env.example with `posthaste config --list` and compose.yaml; says what drifted.

    scripts/env_example.py target/debug/posthaste

Every setting and every variable of compose.yaml is in .env.example, once, with the default that
holds under Compose, and so is the name of the configuration file; nothing else is; and compose.yaml hands every setting through to a container.
"""

import json
import pathlib
import re
import subprocess
import sys

ROOT = pathlib.Path(__file__).resolve().parent.parent
# Settings that compose.yaml leaves to the images, each with why.
NOT_HANDED_THROUGH = {
    "POSTHASTE_ADDR": "the image's, for the port is mapped to it",
    "POSTHASTE_WORKER_ADDR": "the image's, for the health check asks there",
    "POSTHASTE_DATA_DIR": "of the embedded store, which `up` alone uses",
    "POSTHASTE_STORE": "REDIS_URL says it in a container",
    "POSTHASTE_SERVER": "of the commands that talk to a running server",
    "POSTHASTE_KEY": "of the commands that talk to a running server",
    "POSTHASTE_KEY_FILE": "of the commands that talk to a running server",
}
# What the program reads beside its settings, with its default.
NOT_A_SETTING = {"POSTHASTE_CONFIG": "./posthaste.toml"}


def settings(binary):
    """Name in the environment -> default, of every setting."""
    done = subprocess.run([binary, "config", "--list", "--json"], capture_output=True, text=True, check=True)
    return {s["env"]: s["default"] for s in json.loads(done.stdout) if s["env"]}


def documented(text):
    """(name, value) of each line `NAME=value`, commented out or not."""
    return re.findall(r"^(?:# )?([A-Z][A-Z0-9_]*)=(.*)$", text, re.MULTILINE)


def compose_variables(text):
    """Name -> default of each `${NAME:-default}`."""
    return dict(re.findall(r"\$\{([A-Z][A-Z0-9_]*):-([^}]*)\}", text))


def problems(binary):
    known = settings(binary)
    compose_text = (ROOT / "compose.yaml").read_text("utf-8")
    compose = compose_variables(compose_text)
    lines = documented((ROOT / ".env.example").read_text("utf-8"))
    names = [name for name, _ in lines]
    for name in sorted({*known, *compose, *NOT_A_SETTING}):
        if names.count(name) != 1:
            yield f".env.example names {name} {names.count(name)} times; it should once"
    for name, value in lines:
        if name not in {*known, *compose, *NOT_A_SETTING}:
            yield f".env.example names {name}, which is neither a setting nor in compose.yaml"
            continue
        default = compose.get(name) or known.get(name) or NOT_A_SETTING.get(name, "")
        if value != default:
            yield f".env.example shows {name}={value}; the default is {name}={default}"
    handed = set(re.findall(r"^ +([A-Z][A-Z0-9_]*): \$\{", compose_text, re.MULTILINE))
    for name in sorted(set(known) - handed - set(NOT_HANDED_THROUGH)):
        yield f"compose.yaml hands {name} to no container"
    for name in sorted(handed - set(known)):
        yield f"compose.yaml hands {name} to a container, and there is no such setting"


def main():
    if len(sys.argv) != 2:
        sys.exit(f"usage: {sys.argv[0]} BINARY")
    found = list(problems(sys.argv[1]))
    for problem in found:
        print(problem)
    sys.exit(1 if found else 0)


if __name__ == "__main__":
    main()
