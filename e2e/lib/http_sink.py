"""An HTTP server for the fault runs: takes webhooks, remembers them, and misbehaves when told to."""

import socket
import threading


class Request:
    """What was asked: path, headers in lower case, body; and how many requests that path had before."""

    def __init__(self, method, path, headers, body, nth):
        self.method, self.path, self.headers, self.body, self.nth = method, path, headers, body, nth


def answer(status, body=b"", headers=None, reason="Answer"):
    """The bytes of an answer."""
    lines = [f"HTTP/1.1 {status} {reason}", f"Content-Length: {len(body)}"]
    lines += [f"{name}: {value}" for name, value in (headers or {}).items()]
    return "\r\n".join(lines).encode() + b"\r\n\r\n" + body


class HttpSink:
    """`behave(request)` returns bytes to send, an iterator of pieces of an answer, or None to stay silent until the
    client leaves. Each connection has a thread: loads here are small."""

    def __init__(self, behave=None, host="127.0.0.1", port=0):
        self.behave = behave or (lambda _request: answer(204))
        self.requests, self.connections = [], 0
        self.lock = threading.Lock()
        self.listener = socket.create_server((host, port), backlog=512)
        self.port = self.listener.getsockname()[1]
        threading.Thread(target=self._accept, daemon=True).start()

    @property
    def url(self):
        return f"http://127.0.0.1:{self.port}"

    def to(self, path):
        """The requests of a path, oldest first."""
        with self.lock:
            return [r for r in self.requests if r.path == path]

    def _accept(self):
        while True:
            try:
                connection, _ = self.listener.accept()
            except OSError:
                return
            self.connections += 1
            threading.Thread(target=self._serve, args=(connection,), daemon=True).start()

    def _serve(self, connection):
        with connection, connection.makefile("rb") as file:
            try:
                while self._one(connection, file):
                    pass
            except (OSError, ValueError):
                pass

    def _one(self, connection, file):
        first = file.readline().decode("latin-1").split()
        if len(first) < 2:
            return False
        headers = {}
        while (line := file.readline().decode("latin-1").strip()):
            name, _, value = line.partition(":")
            headers[name.strip().lower()] = value.strip()
        body = file.read(int(headers.get("content-length", 0)))
        with self.lock:
            nth = sum(r.path == first[1] for r in self.requests)
            request = Request(first[0], first[1], headers, body, nth)
            self.requests.append(request)
        reply = self.behave(request)
        if reply is None:
            file.read(1)    # until the client gives up
            return False
        if isinstance(reply, bytes):
            connection.sendall(reply)
            return True
        for piece in reply:
            connection.sendall(piece)
        return False

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.listener.close()
