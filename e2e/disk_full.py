#!/usr/bin/env python3
"""A store that cannot be written or opened: clear errors, 503 while it serves, nothing accepted
that is not stored.

The full and the read-only disk are small file systems in memory, which only root may mount (root
ignores mode bits, so a directory without write permission proves nothing).
"""

import argparse
import contextlib
import os
import shutil
import sqlite3
import subprocess
import time

from lib.checks import main
from lib.client import FINAL
from lib.server import NotReady, Posthaste, Scratch, wait_until

NOTE = "x" * 2_000


@contextlib.contextmanager
def tmpfs(directory, size):
    directory.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", str(directory)], check=True)
    try:
        yield directory
    finally:
        subprocess.run(["umount", "-l", str(directory)], check=False)


def can_mount(directory):
    if os.geteuid() != 0:
        return "only root may mount"
    probe = directory / "probe"
    probe.mkdir()
    done = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=64k", "tmpfs", str(probe)], capture_output=True, text=True)
    if done.returncode != 0:
        return f"mounting is not permitted here: {done.stderr.strip()}"
    subprocess.run(["umount", str(probe)], check=False)
    return None


def refuses(checks, what, server, words, codes):
    """Starting must fail soon, with a sentence that says why and no panic."""
    try:
        server.start(timeout=20)
    except NotReady as refusal:
        text = refusal.output.lower()
        checks.check(f"{what}: the exit code says so", refusal.code in codes, refusal.code)
        checks.check(f"{what}: the error says why", any(w in text for w in words) and "panicked" not in text,
                     refusal.output.strip()[-300:])
        return
    server.end_now()
    checks.check(f"{what}: it refuses to start", False)


def full_disk(checks, directory):
    with tmpfs(directory / "full", "8m") as mount:
        server = Posthaste(directory, data_dir=mount / "data", env={"POSTHASTE_QUEUES": "idle"})
        with server:
            server.start()
            client = server.client()
            accepted, refused, statuses = [], 0, set()
            # Until it says no, and then some more: every answer must be 200 or 503.
            while refused < 20 and len(accepted) < 50_000:
                reply = client.post("/notify/", {"email": "dev@example.com", "message": NOTE})
                if reply.status == 200:
                    accepted.append(reply.json()["task_id"])
                else:
                    refused += 1
                    statuses.add(reply.status)
                    last = reply
            checks.equal("disk full: how requests are refused", statuses, {503})
            checks.check("disk full: Retry-After is given", "retry-after" in last.headers, last)
            checks.check("disk full: the error of the old route has a detail", "detail" in last.json(), last)
            checks.at_least("disk full: accepted before", len(accepted), 100)
            reply = client.get(f"/task_status/{accepted[0]}")
            checks.equal("disk full: reading goes on", reply.status, 200)
            checks.equal("disk full: the process lives on (/healthz)", client.get("/healthz").status, 200)

            def alarmed():
                # What room a refused request leaves is enough for a few smaller writes.
                reply = client.post("/notify/", {"email": "dev@example.com", "message": NOTE})
                if reply.status == 200:
                    accepted.append(reply.json()["task_id"])
                return client.get("/readyz").status == 503

            checks.check("disk full: alarms see it (/readyz)", wait_until("/readyz", alarmed, 10, every=0.01))
            reply = client.post("/v1/tasks", {"kind": "notify", "payload": {
                "channel": "email", "to": "dev@example.com", "message": NOTE}})
            checks.equal("disk full: /v1 refuses with problem+json",
                         (reply.status, reply.headers.get("content-type", "").split(";")[0]),
                         (503, "application/problem+json"))

            subprocess.run(["mount", "-o", "remount,size=64m", str(mount)], check=True)

            def works():
                reply = client.post("/notify/", {"email": "after@example.com"})
                if reply.status == 200:
                    accepted.append(reply.json()["task_id"])
                return reply.status == 200

            checks.check("disk full: works again once there is space", wait_until("space", works, 30, every=0.2))
            wait_until("/readyz", lambda: client.get("/readyz").status == 200, 30)
            same_ids(checks, "disk full: after freeing space", client, accepted)
            checks.equal("disk full: exit on SIGTERM", server.terminate()[0], 0)
        again = Posthaste(directory, data_dir=mount / "data", env={"POSTHASTE_QUEUES": "idle"})
        with again:
            again.start()
            same_ids(checks, "disk full: after a restart", again.client(), accepted)
            again.kill9()
        # And a store whose disk is full when it starts: it runs read-only or refuses, clearly.
        filler = mount / "filler"
        with open(filler, "wb", buffering=0) as file, contextlib.suppress(OSError):
            while True:
                file.write(b"\0" * 4096)
        starved = Posthaste(directory, data_dir=mount / "data", env={"POSTHASTE_QUEUES": "idle"})
        with starved:
            try:
                starved.start(timeout=20)
                reply = starved.client().post("/notify/", {"email": "dev@example.com", "message": NOTE})
                checks.check("full at the start: it serves and accepts only what it stores",
                             reply.status in (200, 503), reply)
            except NotReady as refusal:
                text = refusal.output.lower()
                checks.check("full at the start: a clear error", refusal.code in (1, 75) and "panicked" not in text
                             and ("full" in text or "space" in text), refusal.output.strip()[-300:])


def same_ids(checks, what, client, accepted):
    stored = client.all_tasks()
    checks.equal(f"{what}: accepted and not stored", sorted(set(accepted) - set(stored))[:5], [])
    checks.equal(f"{what}: stored and not accepted", sorted(set(stored) - set(accepted))[:5], [])


def read_only(checks, directory):
    with tmpfs(directory / "ro", "16m") as mount:
        first = Posthaste(directory, data_dir=mount / "data")
        with first:
            first.start()
            first.client().post("/notify/", {"email": "dev@example.com"})
            first.terminate()
        subprocess.run(["mount", "-o", "remount,ro", str(mount)], check=True)
        refuses(checks, "read-only mount", Posthaste(directory, data_dir=mount / "data"),
                ("read-only", "read only", "readonly", "not writable", "cannot be written"), (1, 75))
        refuses(checks, "read-only mount, no store yet", Posthaste(directory, data_dir=mount / "other"),
                ("read-only", "read only", "readonly", "not writable", "cannot be written"), (1, 75))


def second_process(checks, directory):
    with Posthaste(directory) as first:
        first.start()
        second = Posthaste(directory)
        began = time.monotonic()
        refuses(checks, "second process", second, ("another process", "in use", "locked", "already"), (75,))
        checks.at_most("second process: seconds until it said so", round(time.monotonic() - began, 1), 10)
        reply = first.client().post("/notify/", {"email": "dev@example.com"})
        checks.equal("second process: the first goes on", reply.status, 200)
        first.kill9()
    with Posthaste(directory) as third:
        took = third.start()
        checks.check("after kill -9 of the first, the lock is free", True, f"{took:.2f} s")
        third.terminate()


def bad_files(checks, directory):
    """A store file that is damaged, one of a later version, and one that is no store at all."""
    original = directory / "original"
    with Posthaste(directory, data_dir=original) as server:
        server.start()
        ids = [server.client().post("/notify/", {"email": f"u{n}@example.com"}).json()["task_id"] for n in range(50)]
        client = server.client()
        checks.equal("a new data directory is its owner's alone", oct(original.stat().st_mode & 0o777), "0o700")
        wait_until("all are final", lambda: all((client.task(i) or {}).get("state") in FINAL for i in ids), 30)
        server.terminate()
    files = [f for f in original.rglob("*") if f.is_file() and f.read_bytes()[:16] == b"SQLite format 3\0"]
    if not checks.equal("store files found", len(files), 1):
        return
    store = files[0].relative_to(original)

    def copy(name):
        shutil.copytree(original, directory / name)
        return directory / name, directory / name / store

    corrupt = ("corrupt", "malformed", "damaged", "not a database", "no posthaste store", "not a posthaste")
    data, file = copy("garbled")
    content = bytearray(file.read_bytes())
    content[0:100] = os.urandom(100)
    file.write_bytes(content)
    refuses(checks, "garbled header", Posthaste(directory, data_dir=data), corrupt, (1, 75))

    data, file = copy("shortened")
    size = file.stat().st_size
    os.truncate(file, size // 2 + 100)
    refuses(checks, "store cut in half", Posthaste(directory, data_dir=data), corrupt, (1, 75))

    data, file = copy("newer")
    with contextlib.closing(sqlite3.connect(file)) as db:
        db.execute("PRAGMA user_version = 9999")
        db.commit()
    before = file.read_bytes()
    refuses(checks, "store of a newer version", Posthaste(directory, data_dir=data),
            ("newer", "later version", "upgrade"), (1, 75))
    checks.check("store of a newer version: left untouched", file.read_bytes() == before)

    with Posthaste(directory, data_dir=original) as server:
        server.start()
        client = server.client()
        checks.equal("the original still opens with its tasks", len(set(ids) & set(client.all_tasks())), len(ids))
        server.terminate()


def run(checks):
    argparse.ArgumentParser().parse_known_args()
    with Scratch() as directory:
        why_not = can_mount(directory)
        for name, scenario, mounts in (
            ("full", full_disk, True), ("read-only", read_only, True),
            ("second", second_process, False), ("files", bad_files, False),
        ):
            if mounts and why_not:
                checks.skip(f"{name} disk", why_not)
                continue
            own = directory / f"run-{name}"
            own.mkdir()
            scenario(checks, own)


if __name__ == "__main__":
    main("disk_full", run)
