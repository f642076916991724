"""A small HTTP client over one kept connection."""

import http.client
import json


class Reply:
    def __init__(self, status, headers, body):
        self.status, self.headers, self.body = status, headers, body

    def json(self):
        return json.loads(self.body)

    def text(self):
        return self.body.decode("utf-8", "replace")

    def __repr__(self):
        return f"{self.status} {self.text()[:200]}"


class Client:
    def __init__(self, port, timeout=30):
        self.port, self.timeout, self.connection = port, timeout, None

    def request(self, method, path, body=None, headers=None, json_body=None):
        """Sends once; a connection that the server has closed meanwhile is opened again for GET."""
        headers = dict(headers or {})
        if json_body is not None:
            body = json.dumps(json_body).encode()
            headers.setdefault("Content-Type", "application/json")
        for attempt in (1, 2):
            fresh = self.connection is None
            if fresh:
                self.connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=self.timeout)
            try:
                self.connection.request(method, path, body=body, headers=headers)
                answer = self.connection.getresponse()
                data = answer.read()
                if answer.will_close:
                    self.close()
                return Reply(answer.status, dict((k.lower(), v) for k, v in answer.getheaders()), data)
            except (http.client.HTTPException, OSError):
                self.close()
                if fresh or method != "GET" or attempt == 2:
                    raise
        raise AssertionError("unreachable")

    def get(self, path, **kw):
        return self.request("GET", path, **kw)

    def post(self, path, json_body=None, **kw):
        return self.request("POST", path, json_body=json_body, **kw)

    def close(self):
        if self.connection is not None:
            self.connection.close()
            self.connection = None

    # --- what the fault runs ask for ---------------------------------------------------------

    def task(self, task_id):
        reply = self.get(f"/v1/tasks/{task_id}")
        return reply.json() if reply.status == 200 else None

    def counts(self):
        """Tasks by state over all queues."""
        total = dict.fromkeys(STATES, 0)
        reply = self.get("/v1/queues")
        if reply.status != 200:
            raise OSError(f"/v1/queues answered {reply!r}")
        body = reply.json()
        for queue in body["data"]:
            states = queue["counts"]
            for state in STATES:
                total[state] += int(states.get(state, 0) or 0)
        return total

    def all_tasks(self, page=200, limit=200_000):
        """Every task, by pages."""
        cursor, found = None, {}
        while len(found) < limit:
            path = f"/v1/tasks?limit={page}" + (f"&cursor={cursor}" if cursor else "")
            reply = self.get(path)
            if reply.status != 200:
                raise OSError(f"{path} answered {reply!r}")
            body = reply.json()
            for task in body["data"]:
                found[task["id"]] = task
            cursor = body.get("next_cursor")
            if not cursor:
                break
        return found


STATES = ("scheduled", "queued", "running", "retrying", "succeeded", "failed", "cancelled", "expired")
FINAL = ("succeeded", "failed", "cancelled", "expired")


def unfinished(counts):
    return sum(counts.get(s, 0) for s in STATES if s not in FINAL)
