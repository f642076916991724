"""Whoever watches: the server-sent events of `GET /v1/events`, over one connection from its start."""

import http.client
import json
import threading


class Events:
    """Reads until it is closed. What was told is kept: ids of tasks that succeeded, and how often something was missed."""

    def __init__(self, port):
        self.succeeded, self.missed, self.ended = set(), 0, False
        # A comment comes every 15 s if nothing else does.
        self.connection = http.client.HTTPConnection("127.0.0.1", port, timeout=40)
        self.connection.request("GET", "/v1/events")
        self.answer = self.connection.getresponse()
        if self.answer.status != 200:
            raise AssertionError(f"GET /v1/events answered {self.answer.status}")
        threading.Thread(target=self._read, daemon=True).start()

    def _read(self):
        name = None
        try:
            while line := self.answer.readline():
                field, _, value = line.decode("utf-8").strip().partition(": ")
                if field == "event":
                    name = value
                    self.missed += name == "missed"
                elif field == "data" and name == "task":
                    event = json.loads(value)
                    if event["state"] == "succeeded":
                        self.succeeded.add(event["id"])
        except (OSError, http.client.HTTPException, ValueError):
            pass
        self.ended = True
