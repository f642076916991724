#!/usr/bin/env python3
"""Runs infra/deploy.py and infra/oidc.py against an `aws` that plays ECS: rolls, stalls, and takes deployments back as its circuit breaker does."""

import http.server
import json
import os
import pathlib
import subprocess
import sys
import tempfile
import threading

INFRA = pathlib.Path(__file__).resolve().parents[1]
CLUSTER = "posthaste-small"

# Plays ECS. A service's `plan` says what becomes of a revision with the new image: good, taken-back, failed or stuck.
FAKE = f"#!{sys.executable} -SE\n" + r'''import json, os, sys
path = os.environ["FAKE_AWS"]
world = json.load(open(path))
words = sys.argv[1:]
def option(name):
    return words[words.index(name) + 1]
def done(answer):
    json.dump(world, open(path, "w"))
    print(json.dumps(answer))
    sys.exit(0)
world["calls"].append(words[:2] + ([option("--service")] if "--service" in words else []))
if words[:2] == ["sts", "assume-role-with-web-identity"]:
    if option("--web-identity-token") != "signed-by-github":
        sys.exit("An error occurred (InvalidIdentityToken)")
    done({"Credentials": {"AccessKeyId": "AKIA", "SecretAccessKey": "hidden", "SessionToken": "session"}})
if words[1] == "describe-services":
    s = world["services"].get(option("--services"))
    if s is None:
        done({"services": []})
    if s["looks"] is not None:
        s["looks"] += 1
        new = s["revision"]
        fate = s["plan"] if s["images"][new].endswith(":v2") else "good"
        if s["looks"] >= 3 and fate == "good":
            s["state"] = "COMPLETED"
        elif s["looks"] >= 3 and fate == "taken-back":
            s["revision"], s["state"], s["last_failed"] = s["good"], "COMPLETED", new
        elif s["looks"] >= 3 and fate == "failed":
            s["state"] = "FAILED"
        if s["state"] == "COMPLETED":
            s["good"] = s["revision"]
    deployments = [{"status": "PRIMARY", "taskDefinition": s["revision"], "rolloutState": s["state"], "runningCount": 2 if s["state"] == "COMPLETED" else 1}]
    if s.get("last_failed"):
        deployments.append({"status": "INACTIVE", "taskDefinition": s["last_failed"], "rolloutState": "FAILED", "rolloutStateReason": "tasks failed to start", "runningCount": 0})
    done({"services": [{"status": "ACTIVE", "taskDefinition": s["revision"], "desiredCount": 2, "deployments": deployments}]})
if words[1] == "describe-task-definition":
    name = option("--task-definition")
    s = world["services"][name]
    newest = max(s["images"], key=lambda arn: int(arn.rsplit(":", 1)[1]))
    done({"taskDefinition": {"taskDefinitionArn": newest, "revision": 1, "status": "ACTIVE", "family": name, "cpu": "256",
          "containerDefinitions": [{"name": s["part"], "image": s["images"][newest], "environment": [{"name": "NEW_SETTING", "value": "1"}]}]}, "tags": [{"key": "Project", "value": "posthaste"}]})
if words[1] == "register-task-definition":
    given = json.loads(option("--cli-input-json"))
    bad = {"taskDefinitionArn", "revision", "status"} & set(given)
    if bad or given["containerDefinitions"][0]["environment"] != [{"name": "NEW_SETTING", "value": "1"}] or not given.get("tags"):
        sys.exit("An error occurred (ClientException): %s" % bad)
    s = world["services"][given["family"]]
    if s["plan"] == "unregistered":
        sys.exit("An error occurred (AccessDeniedException)")
    arn = "arn:aws:ecs:x:1:task-definition/%s:%d" % (given["family"], len(s["images"]) + 1)
    s["images"][arn] = given["containerDefinitions"][0]["image"]
    done({"taskDefinition": {"taskDefinitionArn": arn}})
if words[1] == "update-service":
    s = world["services"][option("--service")]
    if s["plan"] == "stuck-for-ever" and s["images"][option("--task-definition")].endswith(":v1"):
        sys.exit("An error occurred (ServiceUnavailable)")
    s.update(revision=option("--task-definition"), state="IN_PROGRESS", looks=0)
    s.pop("last_failed", None)
    done({})
sys.exit("no such call")
'''


def world(**plans):
    services = {}
    for part in ("worker", "backend"):
        name = f"{CLUSTER}-{part}"
        arn = f"arn:aws:ecs:x:1:task-definition/{name}:1"
        services[name] = {"part": part, "revision": arn, "good": arn, "images": {arn: f"registry/posthaste-{part}:v1"}, "state": "COMPLETED", "looks": None,
                          "plan": plans.get(part, "good")}
    return {"services": services, "calls": []}


def run(folder, start, *words, program="deploy.py", **more):
    (folder / "world.json").write_text(json.dumps(start))
    env = dict(os.environ, PATH=f"{folder}:{os.environ['PATH']}", FAKE_AWS=str(folder / "world.json"), **more)
    done = subprocess.run([sys.executable, INFRA / program, *words], capture_output=True, text=True, env=env, timeout=60)
    return done, json.loads((folder / "world.json").read_text())


def runs(after, part):
    service = after["services"][f"{CLUSTER}-{part}"]
    return service["images"][service["revision"]].rsplit(":", 1)[1]


def cases(folder):
    words = ["--cluster", CLUSTER, "--repository", "registry/posthaste", "--tag", "v2", "--pause", "0.01"]

    done, after = run(folder, world(), *words)
    order = [call[2] for call in after["calls"] if call[1] == "update-service"]
    yield "both services run the new tag", done.returncode == 0 and runs(after, "worker") == runs(after, "backend") == "v2", done.stdout + done.stderr
    yield "workers first", order == [f"{CLUSTER}-worker", f"{CLUSTER}-backend"], order

    done, after = run(folder, world(worker="taken-back"), *words)
    yield "a deployment that ECS took back is a failure", done.returncode == 1 and runs(after, "worker") == "v1", done.stdout
    yield "the reason that ECS gave is told", "tasks failed to start" in done.stdout, done.stdout
    yield "the backend is left alone then", runs(after, "backend") == "v1" and not any(call[2:] == [f"{CLUSTER}-backend"] for call in after["calls"]), after["calls"]

    for fate in ("taken-back", "failed"):
        done, after = run(folder, world(backend=fate), *words)
        yield f"the worker goes back with a backend that is {fate}", done.returncode == 1 and runs(after, "worker") == runs(after, "backend") == "v1", done.stdout

    done, after = run(folder, world(backend="stuck"), *words, "--timeout", "4")
    yield "one that does not become stable in time goes back", done.returncode == 1 and runs(after, "worker") == runs(after, "backend") == "v1", done.stdout

    done, after = run(folder, world(backend="stuck-for-ever"), *words, "--timeout", "4")
    yield "going back that fails has a code of its own", done.returncode == 3, done.stdout

    done, after = run(folder, world(backend="unregistered"), *words)
    yield "nothing moves before every revision is there", done.returncode == 1 and not any(call[1] == "update-service" for call in after["calls"]), after["calls"]

    done, after = run(folder, {"services": {}, "calls": []}, *words)
    yield "a cluster without the services is named", done.returncode == 1 and f"{CLUSTER}-worker" in done.stdout, done.stdout


class GitHub(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        good = self.headers.get("Authorization") == "bearer job" and "audience=sts.amazonaws.com" in self.path
        self.send_response(200 if good else 403)
        self.end_headers()
        self.wfile.write(json.dumps({"value": "signed-by-github"}).encode())

    def log_message(self, *_):
        pass


def oidc(folder):
    server = http.server.HTTPServer(("127.0.0.1", 0), GitHub)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    into = folder / "github-env"
    into.write_text("")
    github = {"ACTIONS_ID_TOKEN_REQUEST_URL": f"http://127.0.0.1:{server.server_port}/token?x=1", "ACTIONS_ID_TOKEN_REQUEST_TOKEN": "job",
              "GITHUB_ENV": str(into), "AWS_ROLE_ARN": "arn:aws:iam::1:role/x"}
    done, _ = run(folder, {"services": {}, "calls": []}, program="oidc.py", **github)
    yield "the job's token becomes credentials", done.returncode == 0 and "AWS_SESSION_TOKEN=session" in into.read_text(), done.stderr
    told = [line for line in done.stdout.splitlines() if not line.startswith("::add-mask::")]
    yield "and none of them is in the log", not any(secret in line for line in told for secret in ("hidden", "session", "signed-by-github")), told
    done, _ = run(folder, {"services": {}, "calls": []}, program="oidc.py", **dict(github, AWS_ROLE_ARN=""))
    yield "a role that was not set is named", done.returncode == 1 and "AWS_ROLE_ARN" in done.stderr, done.stderr
    server.shutdown()


def main():
    failed = passed = 0
    with tempfile.TemporaryDirectory() as scratch:
        folder = pathlib.Path(scratch)
        fake = folder / "aws"
        fake.write_text(FAKE)
        fake.chmod(0o755)
        for name, ok, why in [*cases(folder), *oidc(folder)]:
            passed, failed = passed + bool(ok), failed + (not ok)
            if not ok:
                print(f"FAIL  {name}\n      {why}")
    print(f"{passed} passed, {failed} failed")
    sys.exit(1 if failed else 0)


if __name__ == "__main__":
    main()
