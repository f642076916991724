"""Runs Terraform on a copy of infra/, with the real providers or with those that a tool beside the repository offers.

Nothing here ever applies: what is asked of Terraform is fmt, validate, test and plan.
"""

import json
import os
import pathlib
import re
import shutil
import stat
import subprocess
import tempfile

ROOT = pathlib.Path(__file__).resolve().parents[2]
OFFLINE = ROOT.parent / "shared" / "tools" / "terraform-offline.sh"
MODULES = ["modules/key", "modules/network", "modules/redis", "modules/registry", "modules/ci", "modules/observability", "modules/service"]
ROOTS = ["bootstrap", "environments/small", "environments/production"]

# With the real providers a plan asks AWS for nothing but what the tests answer in its place (override_data).
NO_ACCOUNT = """provider "aws" {
  %s
  access_key                  = "none"
  secret_key                  = "none"
  skip_credentials_validation = true
  skip_metadata_api_check     = true
  skip_region_validation      = true
  skip_requesting_account_id  = true
}
"""


class Unavailable(Exception):
    """Why Terraform cannot be run here."""


def terraform(folder, *words, env, check=False):
    done = subprocess.run(["terraform", *words], cwd=folder, env=env, capture_output=True, text=True)
    if check and done.returncode:
        raise RuntimeError(f"terraform {' '.join(words)} in {folder}:\n{done.stdout}{done.stderr}")
    return done


class Tree:
    """A copy of infra/ in which every module and root is initialised."""

    def __init__(self):
        if not shutil.which("terraform"):
            raise Unavailable("terraform is not installed")
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="posthaste-infra-"))
        # GOGC: a tenth less of the processor, for memory that is there.
        self.env = dict(os.environ, GOGC="400", TF_IN_AUTOMATION="1", CHECKPOINT_DISABLE="1", AWS_EC2_METADATA_DISABLED="true")
        self.env.pop("TF_CLI_CONFIG_FILE", None)
        self.real = not OFFLINE.exists()
        try:
            if not self.real:
                self.env["TF_CLI_CONFIG_FILE"] = offline_configuration()
            self.copy()
            self.initialise()
        except BaseException:
            self.remove()
            raise

    def copy(self):
        listed = subprocess.run(["git", "ls-files", "-co", "--exclude-standard", "infra"], cwd=ROOT, capture_output=True, text=True, check=True)
        for name in listed.stdout.splitlines():
            if (ROOT / name).exists():
                target = self.folder / pathlib.Path(name).relative_to("infra")
                target.parent.mkdir(parents=True, exist_ok=True)
                shutil.copy2(ROOT / name, target)

    def initialise(self):
        for name in MODULES + ROOTS:
            folder = self.folder / name
            if name in ROOTS:
                (folder / "zz_local_override.tf").write_text('terraform {\n  backend "local" {}\n}\n')
            if self.real:
                file = "zz_account_override.tf" if name in ROOTS else "zz_account.tf"
                (folder / file).write_text(NO_ACCOUNT % ("" if name in ROOTS else 'region = "eu-central-1"'))
            done = terraform(folder, "init", "-input=false", "-no-color", env=self.env)
            if done.returncode:
                said = done.stdout + done.stderr
                if self.real and re.search(r"could not (connect|query)|Failed to (query|install)|Invalid provider registry host", said):
                    raise Unavailable("the providers cannot be downloaded here")
                raise RuntimeError(f"terraform init in {name}:\n{said}")

    def copied(self):
        """Another copy of it, to break something in."""
        folder = pathlib.Path(tempfile.mkdtemp(prefix="posthaste-infra-"))
        shutil.copytree(self.folder, folder, symlinks=True, dirs_exist_ok=True)
        return folder

    def remove(self):
        shutil.rmtree(self.folder, ignore_errors=True)


def offline_configuration():
    """The tool calls `terraform` with a configuration of its own; a program of that name in front of it tells which."""
    with tempfile.TemporaryDirectory() as scratch:
        said, shim = pathlib.Path(scratch, "said"), pathlib.Path(scratch, "terraform")
        shim.write_text(f'#!/bin/sh\nprintf %s "$TF_CLI_CONFIG_FILE" >{said}\n')
        shim.chmod(shim.stat().st_mode | stat.S_IXUSR)
        env = dict(os.environ, PATH=f"{scratch}:{os.environ['PATH']}")
        done = subprocess.run([OFFLINE, ROOT / "infra" / "modules" / "key", "init"], env=env, capture_output=True, text=True)
        if done.returncode or not said.exists():
            raise RuntimeError(f"{OFFLINE.name} failed:\n{done.stdout}{done.stderr}")
        return said.read_text()


class Result:
    """What `terraform test` found in one folder."""

    def __init__(self):
        self.runs, self.by_run, self.plans, self.trouble = {}, {}, {}, []

    @property
    def failed(self):
        return set().union(*self.by_run.values())

    @property
    def ok(self):
        return bool(self.runs) and not self.failed and not self.trouble and set(self.runs.values()) == {"pass"}


def test(folder, env, verbose=False):
    """By run, the names that the messages of failed assertions begin with, and what should have been refused and was not."""
    done = terraform(folder, "test", "-json", *(["-verbose"] if verbose else []), env=env)
    result = Result()
    for line in done.stdout.splitlines():
        try:
            event = json.loads(line)
        except ValueError:
            continue
        if event.get("type") == "test_run" and event["test_run"].get("progress") == "complete":
            result.runs[event["@testrun"]] = event["test_run"]["status"]
        elif event.get("type") == "test_plan":
            result.plans[event["@testrun"]] = event["test_plan"]
        elif event.get("type") == "diagnostic" and event["diagnostic"]["severity"] == "error":
            diagnostic = event["diagnostic"]
            missing = re.search(r"checkable object,\s+(\S+?),", diagnostic.get("detail", ""))
            name = re.match(r"[a-z0-9-]+(?=: )", diagnostic.get("detail", ""))
            if diagnostic["summary"] == "Missing expected failure" and missing:
                result.by_run.setdefault(event.get("@testrun"), set()).add(missing.group(1))
            elif diagnostic["summary"] == "Test assertion failed" and name:
                result.by_run.setdefault(event.get("@testrun"), set()).add(name.group(0))
            else:
                result.trouble.append(f"{diagnostic['summary']}: {diagnostic.get('detail', '')}")
    if done.returncode and not result.failed and not result.trouble:
        result.trouble.append(done.stdout[-2000:] + done.stderr[-2000:])
    return result


def run_blocks(text):
    """What comes before the first run of a test file, and each run by its name."""
    parts = re.split(r'^(?=run ")', text, flags=re.MULTILINE)
    return parts[0], {re.match(r'run "([^"]+)"', part).group(1): part for part in parts[1:]}
