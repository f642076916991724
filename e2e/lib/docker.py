"""Docker and Compose from the outside: a project of its own, started from compose.yaml."""

import ipaddress
import json
import os
import re
import shutil
import subprocess

from .client import Client
from .server import ROOT, environment, free_port


class Failed(Exception):
    """A docker command that did not end with 0."""


def docker(*arguments, timeout=60, check=True, env=None, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE):
    """Runs `docker …`; its result, the streams as text unless they go to or come from a file."""
    done = subprocess.run(["docker", *map(str, arguments)], stdin=stdin, stdout=stdout, stderr=subprocess.PIPE,
                          text=True, timeout=timeout, cwd=ROOT, env=env)
    if check and done.returncode != 0:
        raise Failed(f"docker {' '.join(map(str, arguments))}: exit {done.returncode}\n{done.stdout}{done.stderr}")
    return done


def why_not():
    """What keeps containers from running here, or None."""
    if shutil.which("docker") is None:
        return "docker is not installed"
    if docker("version", check=False).returncode != 0:
        return "no Docker engine answers"
    if docker("compose", "version", check=False).returncode != 0:
        return "the Compose plugin of Docker is not installed"
    return None


def inspect(container):
    return json.loads(docker("inspect", container).stdout)[0]


def gateway():
    """This machine as containers on any bridge reach it."""
    config = json.loads(docker("network", "inspect", "bridge").stdout)[0]["IPAM"]["Config"][0]
    # An engine that has just made the network does not name the gateway, which is the first address.
    return config.get("Gateway") or str(next(ipaddress.ip_network(config["Subnet"]).hosts()))


class Project:
    """One Compose project with images that are built already; gone, volumes too, at the end."""

    def __init__(self, name=None):
        self.name = name or f"posthaste-e2e-{os.getpid()}"
        self.port = free_port()
        self.settings = {}

    def compose(self, *arguments, timeout=120, check=True, **streams):
        env = environment({"BACKEND_PORT": str(self.port), **self.settings})
        # The `.env` of whoever works in this directory is not for these runs.
        return docker("compose", "--project-name", self.name, "--env-file", "/dev/null", *arguments,
                      timeout=timeout, check=check, env=env, **streams)

    def up(self, workers=1, timeout=120, *more):
        """Starts what is not running as it should be, and waits until all are healthy."""
        return self.compose("up", "--detach", "--no-build", "--wait", "--wait-timeout", timeout, "--quiet-pull",
                            "--scale", f"worker={workers}", *more, timeout=timeout + 30)

    def containers(self, service):
        """Container ids of a service, stopped ones too."""
        return self.compose("ps", "--all", "--quiet", service).stdout.split()

    def container(self, service):
        return self.containers(service)[0]

    def client(self, timeout=30):
        return Client(self.port, timeout)

    def logs(self, lines=40):
        done = self.compose("logs", "--no-color", "--tail", lines, check=False)
        return re.sub(r"\x1b\[[0-9;]*m", "", done.stdout)

    def down(self, *more, timeout=120, check=True):
        return self.compose("down", *more, timeout=timeout, check=check)

    def left_behind(self):
        """What carries the project's label and is still there."""
        label = f"label=com.docker.compose.project={self.name}"
        found = docker("ps", "--all", "--quiet", "--filter", label).stdout.split()
        found += docker("volume", "ls", "--quiet", "--filter", label).stdout.split()
        found += docker("network", "ls", "--quiet", "--filter", label).stdout.split()
        return found

    def __enter__(self):
        return self

    def __exit__(self, kind, *_):
        if kind is not None:
            print("      the end of the containers' logs:")
            for line in self.logs().splitlines():
                print("      | " + line)
        self.down("--volumes", "--remove-orphans", "--timeout", "5", check=False)
