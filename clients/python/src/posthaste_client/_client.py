"""What is worth writing by hand: repeats that are safe, errors that are exceptions, waiting for results."""

from __future__ import annotations

import random
import time
import uuid
from typing import Any, Iterable, Mapping

import httpx

from .raw import AuthenticatedClient, Client

# What a server says when it may be asked again, by its own account: nothing was accepted.
_AGAIN = (429, 503)
# Longest single wait that the server grants.
_MAX_WAIT = 60.0


class PosthasteError(Exception):
    """An answer other than 2xx: a problem of RFC 9457."""

    def __init__(self, status: int, problem: Mapping[str, Any]):
        self.status = status
        self.type = str(problem.get("type", "about:blank")).removeprefix("urn:posthaste:error:")
        self.title = problem.get("title") or f"the server answered {status}"
        self.detail = problem.get("detail")
        self.errors = list(problem.get("errors") or [])
        where = "; ".join(f"{'.'.join(map(str, e.get('loc', [])))}: {e.get('msg')}" for e in self.errors)
        super().__init__(": ".join(part for part in (self.title, where or self.detail) if part))


class TaskFailed(Exception):
    """The task ended without success."""

    def __init__(self, task: Mapping[str, Any]):
        self.task = task
        error = task.get("error") or {}
        super().__init__(f"task {task['id']} is {task['state']}: {error.get('message', 'no reason given')}")


class WaitTimeout(Exception):
    """The task did not end in time; it goes on all the same."""


class Posthaste:
    """A server, and a key for it.

    Requests that enqueue carry an idempotency key, so they are repeated without harm while the server is away
    (`retries` times, with growing pauses or after the seconds that it asks for).
    """

    def __init__(self, url: str = "http://127.0.0.1:8000", key: str | None = None, *, retries: int = 4,
                 timeout: float = 70.0, transport: httpx.BaseTransport | None = None):
        self._retries = retries
        arguments: dict[str, Any] = {"base_url": url.rstrip("/"), "timeout": httpx.Timeout(timeout),
                                     "httpx_args": {"transport": transport} if transport else {}}
        #: For the functions of `posthaste_client.raw.api`.
        self.raw: Client | AuthenticatedClient = (
            AuthenticatedClient(token=key, **arguments) if key else Client(**arguments))
        self._http = self.raw.get_httpx_client()

    def close(self) -> None:
        self._http.close()

    def __enter__(self) -> "Posthaste":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    # --- sending -----------------------------------------------------------------------------

    def send(self, to: str | list[str] | Mapping[str, Any], *, idempotency_key: str | None = None,
             **fields: Any) -> dict[str, Any]:
        """Stores a notification: `send("dev@example.com", subject="Hi", message="…")`. Fields as in
        `POST /v1/notifications`: channel, template, data, send_at, attachments, retry …"""
        return self._enqueue("/v1/notifications", {"to": to, **fields}, idempotency_key)

    def send_batch(self, notifications: Iterable[Mapping[str, Any]], *, mode: str = "strict",
                   idempotency_key: str | None = None, **fields: Any) -> dict[str, Any]:
        """Stores up to 1,000 notifications; `mode="permissive"` stores the good ones and tells of the others."""
        body = {"notifications": list(notifications), "mode": mode, **fields}
        return self._enqueue("/v1/notifications/batch", body, idempotency_key)

    def enqueue(self, kind: str, payload: Any = None, *, idempotency_key: str | None = None,
                **fields: Any) -> dict[str, Any]:
        """Stores a task of any kind. Fields as in `POST /v1/tasks`."""
        return self._enqueue("/v1/tasks", {"kind": kind, "payload": payload, **fields}, idempotency_key)

    # --- reading -----------------------------------------------------------------------------

    def task(self, task_id: str) -> dict[str, Any]:
        """The task as it is now."""
        return self.request("GET", f"/v1/tasks/{task_id}")

    def wait(self, task_id: str, timeout: float = 60.0) -> dict[str, Any]:
        """The task once it has ended, however it ended. Raises WaitTimeout."""
        deadline = time.monotonic() + timeout
        while True:
            left = max(0.0, deadline - time.monotonic())
            wait_ms = int(min(left, _MAX_WAIT) * 1000)
            task = self.request("GET", f"/v1/tasks/{task_id}", params={"wait": f"{wait_ms}ms"})
            if task.get("finished_at"):
                return task
            if left <= 0:
                raise WaitTimeout(f"task {task_id} is still {task['state']} after {timeout} s")

    def result(self, task_id: str, timeout: float = 60.0) -> Any:
        """What the task returned. Raises TaskFailed if it ended without success, WaitTimeout if it did not end."""
        task = self.wait(task_id, timeout)
        if task["state"] != "succeeded":
            raise TaskFailed(task)
        return task.get("result")

    def cancel(self, task_id: str) -> dict[str, Any]:
        """Cancels a task that has not ended."""
        return self.request("POST", f"/v1/tasks/{task_id}/cancel")

    def retry(self, task_id: str) -> dict[str, Any]:
        """Queues a failed, cancelled or expired task again."""
        return self.request("POST", f"/v1/tasks/{task_id}/retry")

    def pages(self, path: str, **params: Any) -> Iterable[dict[str, Any]]:
        """Every element of a list, page by page: `pages("/v1/tasks", state="failed")`."""
        while True:
            page = self.request("GET", path, params=params)
            yield from page["data"]
            if not page.get("next_cursor"):
                return
            params["cursor"] = page["next_cursor"]

    # --- one request -------------------------------------------------------------------------

    def _enqueue(self, path: str, body: Mapping[str, Any], key: str | None) -> dict[str, Any]:
        # One key for all repeats of this call: the server stores it once.
        return self.request("POST", path, json=body, headers={"Idempotency-Key": key or str(uuid.uuid4())})

    def request(self, method: str, path: str, *, json: Any = None, params: Mapping[str, Any] | None = None,
                headers: Mapping[str, str] | None = None) -> Any:
        """Any request of the API, repeated where that is safe; its JSON, or None. Raises PosthasteError."""
        safe = method in ("GET", "PUT", "DELETE") or "Idempotency-Key" in (headers or {})
        attempt = 0
        while True:
            try:
                answer = self._http.request(method, path, json=json, params=params, headers=headers)
            except httpx.TransportError:
                if not safe or attempt >= self._retries:
                    raise
                self._pause(attempt, None)
            else:
                if answer.is_success:
                    return answer.json() if answer.content else None
                if answer.status_code not in _AGAIN or attempt >= self._retries:
                    raise PosthasteError(answer.status_code, _problem(answer))
                self._pause(attempt, answer.headers.get("retry-after"))
            attempt += 1

    def _pause(self, attempt: int, asked: str | None) -> None:
        own = min(0.2 * 2**attempt, 5.0) * (0.5 + random.random() / 2)
        time.sleep(float(asked) if asked and asked.isdigit() else own)


def _problem(answer: httpx.Response) -> Mapping[str, Any]:
    try:
        body = answer.json()
    except ValueError:
        return {"detail": answer.text[:200]}
    return body if isinstance(body, dict) else {"detail": str(body)[:200]}
