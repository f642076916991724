"""Posts notifications over many connections and remembers which were accepted."""

import asyncio
import json
import threading
import time


class Load:
    """`connections` kept connections that post as fast as `budget` allows, through restarts.

    `allow(n)` raises the number of requests that may be sent in all; `trickle` is how many a second
    are sent beyond it, so that accepting never stops while it should be in progress. A connection
    that is refused waits for `rest` seconds, as a client that heeds Retry-After would.
    """

    def __init__(self, port, make, connections=32, trickle=0.0, rest=0.0):
        self.port, self.make, self.connections, self.trickle = port, make, connections, trickle
        self.rest = rest
        self.accepted = []          # ids that got a 2xx
        self.refused = {}           # status -> count
        self.unanswered = 0         # sent, no answer came: may or may not be stored
        self.sent = 0
        self.in_flight = 0
        self.budget = 0
        self.stopping = False
        self._next_trickle = 0.0
        self._thread = None

    def start(self):
        self._thread = threading.Thread(target=lambda: asyncio.run(self._run()), daemon=True)
        self._thread.start()

    def allow(self, total):
        self.budget = max(self.budget, total)

    def stop(self, timeout=30):
        """Lets every request that was sent get its answer, then ends."""
        self.stopping = True
        self._thread.join(timeout)
        return not self._thread.is_alive()

    async def _run(self):
        await asyncio.gather(*(self._connection() for _ in range(self.connections)))

    def _may_send(self):
        if self.sent < self.budget:
            return True
        now = time.monotonic()
        if self.trickle and now >= self._next_trickle:
            self._next_trickle = now + 1 / self.trickle
            return True
        return False

    async def _connection(self):
        reader = writer = None
        while not self.stopping:
            if not self._may_send():
                await asyncio.sleep(0.005)
                continue
            if writer is not None and (reader.at_eof() or writer.is_closing()):
                # The server went away while nothing was asked: nothing is lost with it.
                writer.transport.abort()
                reader = writer = None
            if writer is None:
                try:
                    reader, writer = await asyncio.open_connection("127.0.0.1", self.port)
                except OSError:
                    await asyncio.sleep(0.01)
                    continue
                if not self._may_send():
                    continue
            refused = False
            path, body = self.make(self.sent)
            self.sent += 1
            self.in_flight += 1
            data = json.dumps(body).encode()
            head = (f"POST {path} HTTP/1.1\r\nHost: 127.0.0.1:{self.port}\r\n"
                    f"Content-Type: application/json\r\nContent-Length: {len(data)}\r\n\r\n")
            try:
                writer.write(head.encode() + data)
                status, answer = await asyncio.wait_for(read_reply(reader), 30)
                if 200 <= status < 300:
                    self.accepted.append(answer.get("task_id") or answer.get("id"))
                else:
                    self.refused[status] = self.refused.get(status, 0) + 1
                    refused = True
            except (OSError, asyncio.IncompleteReadError, asyncio.TimeoutError, ValueError, IndexError):
                self.unanswered += 1
                writer.transport.abort()
                reader = writer = None
            finally:
                self.in_flight -= 1
            if refused and self.rest:
                await asyncio.sleep(self.rest)
        if writer is not None:
            writer.close()


async def read_reply(reader):
    head = await reader.readuntil(b"\r\n\r\n")
    lines = head.split(b"\r\n")
    status = int(lines[0].split(b" ")[1])
    length = 0
    for line in lines[1:]:
        name, _, value = line.partition(b":")
        if name.strip().lower() == b"content-length":
            length = int(value)
    body = await reader.readexactly(length)
    return status, json.loads(body) if body else {}
