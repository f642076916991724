#!/usr/bin/env python3
"""Rolls the services of an installation on AWS to another image, and back if that does not become healthy.

    infra/deploy.py --cluster posthaste-small --repository 123456789012.dkr.ecr.eu-central-1.amazonaws.com/posthaste --tag v1.2.0

Workers first, then backends, as docs/operate/upgrade.md says. Of each service the newest revision of its task definition is taken, which is
Terraform's if that changed something since the last deployment, and registered again with the image of that tag; then ECS rolls it. A
deployment that ECS takes back by itself (its circuit breaker), that fails or that takes too long fails this command, and whatever it
rolled before goes back to what ran. Needs the `aws` command and credentials of the role that infra/modules/ci makes.

Exit codes: 0 both run the tag; 1 not, and everything runs what it ran before; 2 usage; 3 not, and going back failed as well: look at once.
"""

import argparse
import json
import subprocess
import sys
import time

ORDER = ["worker", "backend"]
# What RegisterTaskDefinition does not take of what DescribeTaskDefinition tells.
TOLD_ONLY = {"taskDefinitionArn", "revision", "status", "requiresAttributes", "compatibilities", "registeredAt", "registeredBy", "deregisteredAt"}


class Failed(Exception):
    """Why a service does not run what it should."""


def aws(*words):
    done = subprocess.run(["aws", *words, "--output", "json"], capture_output=True, text=True)
    if done.returncode:
        raise Failed(f"aws {' '.join(words[:2])}: {done.stderr.strip()}")
    return json.loads(done.stdout) if done.stdout.strip() else {}


def say(text):
    print(text, flush=True)


class Service:
    def __init__(self, options, name):
        self.cluster, self.name, self.part = options.cluster, f"{options.cluster}-{name}", name
        self.image = f"{options.repository}-{name}:{options.tag}"
        self.seconds, self.pause = options.timeout, options.pause
        self.before = self.look()["taskDefinition"]

    def look(self):
        found = aws("ecs", "describe-services", "--cluster", self.cluster, "--services", self.name)["services"]
        if not found or found[0]["status"] != "ACTIVE":
            raise Failed(f"{self.name} is not a service of {self.cluster}")
        return found[0]

    def register(self):
        """The newest revision with the image of the tag."""
        told = aws("ecs", "describe-task-definition", "--task-definition", self.name, "--include", "TAGS")
        definition = {k: v for k, v in told["taskDefinition"].items() if k not in TOLD_ONLY}
        container, = [c for c in definition["containerDefinitions"] if c["name"] == self.part]
        container["image"] = self.image
        if told.get("tags"):
            definition["tags"] = told["tags"]
        return aws("ecs", "register-task-definition", "--cli-input-json", json.dumps(definition))["taskDefinition"]["taskDefinitionArn"]

    def roll(self, revision):
        """Rolls to a revision and waits until ECS says that it is done."""
        say(f"{self.name}: to {revision.rsplit('/', 1)[-1]}")
        aws("ecs", "update-service", "--cluster", self.cluster, "--service", self.name, "--task-definition", revision)
        until = time.monotonic() + self.seconds
        while True:
            service = self.look()
            primary, = [d for d in service["deployments"] if d["status"] == "PRIMARY"]
            # A circuit breaker that takes a deployment back makes another one of what ran before: stable, and not what was asked for.
            if primary["taskDefinition"] != revision:
                raise Failed(f"{self.name}: ECS took the deployment back: {failures(service, revision)}")
            if primary["rolloutState"] == "COMPLETED" and primary["runningCount"] >= service["desiredCount"]:
                return
            if primary["rolloutState"] == "FAILED":
                raise Failed(f"{self.name}: {primary.get('rolloutStateReason', 'the deployment failed')}")
            if time.monotonic() > until:
                raise Failed(f"{self.name}: not stable after {self.seconds} s: {primary['runningCount']} of {service['desiredCount']} tasks run")
            time.sleep(self.pause)


def failures(service, revision):
    for deployment in service["deployments"]:
        if deployment["taskDefinition"] == revision and deployment.get("rolloutStateReason"):
            return deployment["rolloutStateReason"]
    return service["events"][0]["message"] if service.get("events") else "no reason given"


def deploy(services):
    rolled = []
    try:
        # All revisions are there before anything moves.
        revisions = [(service, service.register()) for service in services]
        for service, revision in revisions:
            rolled.append(service)
            service.roll(revision)
    except Failed as why:
        say(f"failed: {why}")
        return go_back(rolled)
    say(f"done: {', '.join(service.image.rsplit('/', 1)[-1] for service in services)}")
    return 0


def go_back(rolled):
    lost = False
    for service in reversed(rolled):
        try:
            say(f"{service.name}: back to what ran")
            service.roll(service.before)
        except Failed as why:
            lost = True
            say(f"going back failed, too: {why}")
    return 3 if lost else 1


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--cluster", required=True, help="ECS cluster; its services are <cluster>-worker and <cluster>-backend")
    parser.add_argument("--repository", required=True, help="registry and what the repositories' names begin with")
    parser.add_argument("--tag", required=True, help="tag of both images")
    parser.add_argument("--timeout", type=int, default=780, help="seconds for each service (default 780: four times that is less than the hour of a role)")
    parser.add_argument("--pause", type=float, default=10, help="seconds between two looks (default 10)")
    options = parser.parse_args()
    try:
        services = [Service(options, name) for name in ORDER]
    except Failed as why:
        say(f"failed: {why}")
        sys.exit(1)
    sys.exit(deploy(services))


if __name__ == "__main__":
    main()
