#!/usr/bin/env python3
"""The README's commands, as they stand there, against a server on a port of its own.

Every `curl` line of the blocks marked `quickstart` in README.md is run by a shell; what follows is
what a reader would do next: poll the id until it is done.
"""

import json
import re
import shutil
import subprocess

from lib.checks import main
from lib.server import ROOT, Posthaste, Scratch, wait_until


def commands():
    text = (ROOT / "README.md").read_text("utf-8")
    blocks = re.findall(r"<!-- quickstart -->\n+```sh\n(.*?)```", text, re.DOTALL)
    if not blocks:
        raise AssertionError("README.md has no block marked <!-- quickstart -->")
    lines = "\n".join(blocks).replace("\\\n", " ").splitlines()
    return [line for line in lines if line.startswith("curl ")]


def run(checks):
    curls = commands()
    checks.at_least("curl commands in the README", len(curls), 3)
    with Scratch() as directory, Posthaste(directory) as server:
        took = server.start()
        checks.equal("the ready line", server.ready_line, f"Posthaste is ready: {server.url}")
        checks.note(f"ready after {took * 1000:.0f} ms")
        if shutil.which("curl") is None:
            checks.skip("the README's curl commands", "curl is not installed")
            return
        task_id = ""
        for command in curls:
            # The port and the id are the reader's own; everything else is as printed.
            real = command.replace("127.0.0.1:8000", f"127.0.0.1:{server.port}").replace("<task_id>", task_id)
            if "/task_status/" in real or "/v1/tasks/" in real:
                client = server.client()
                wait_until("the task ends", lambda: (client.task(task_id) or {}).get("finished_at"), 15)
            done = subprocess.run(["bash", "-c", real], capture_output=True, text=True, timeout=30)
            checks.equal(f"{command[:100]}: exit", done.returncode, 0)
            try:
                answer = json.loads(done.stdout)
            except ValueError:
                checks.check(f"{command[:100]}: answers JSON", False, done.stdout[:200])
                continue
            task_id = answer.get("task_id") or answer.get("id") or task_id
            look(checks, real, answer)
        page = server.client().get("/")
        checks.equal("the page is there", (page.status, page.headers.get("content-type", "").split(";")[0]),
                     (200, "text/html"))
        checks.equal("exit on SIGTERM", server.terminate()[0], 0)


def look(checks, command, answer):
    if "/notify/?email=dev@example.com" in command:
        checks.equal("POST /notify/: message", answer.get("message"), "Email will be sent to dev@example.com")
        checks.equal("POST /notify/: fields", sorted(answer), ["message", "task_id"])
    elif "/task_status/" in command:
        checks.equal("/task_status: status", answer.get("status"), "completed")
        checks.equal("/task_status: result", answer.get("result"),
                     "Notification held in the sandbox for dev@example.com: no e-mail provider is configured")
    elif "/health" in command:
        checks.equal("/health", answer, {"status": "OK"})
    else:
        checks.check("the answer is no error", "detail" not in answer and "errors" not in answer, str(answer)[:200])


if __name__ == "__main__":
    main("quickstart", run)
