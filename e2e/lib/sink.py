"""An SMTP server for the fault runs: takes mail, remembers it, and misbehaves when told to.

As a program of its own (so that it does not share an interpreter with the load):

    python e2e/lib/sink.py --port 2525 --delay-ms 5 --record ids.txt

appends one line per accepted message: the local part of its Message-ID.
"""

import argparse
import asyncio
import os
import re
import subprocess
import sys
import threading

MESSAGE_ID = re.compile(rb"^message-id:\s*<([^@>\r\n]+)@", re.IGNORECASE | re.MULTILINE)


class Cut(Exception):
    """Drop the connection without a word."""


class Hang(Exception):
    """Never answer again."""


class Session:
    """One connection. What a behaviour sees: recipient, how many messages it has had, the verb."""

    def __init__(self):
        self.mail_from, self.recipients, self.user = None, [], None


class Sink:
    """`behave(stage, session)` may return a reply (text, or bytes as they are), raise Cut or Hang, or return None for the usual.

    Stages: connect, ehlo, auth, mail, rcpt, data, body (before the final dot was answered, the
    message not kept), dot (the message kept, not answered yet).
    """

    def __init__(self, delay=0.0, behave=None, auth=False, keep=True, record=None):
        self.delay, self.behave, self.auth = delay, behave, auth
        self.keep, self.record = keep, record
        self.messages = []      # (task id, recipients, raw bytes)
        self.connections = 0
        self.server = None
        self.port = None

    # --- protocol ----------------------------------------------------------------------------

    async def _say(self, writer, text):
        writer.write((text if isinstance(text, bytes) else text.encode()) + b"\r\n")
        await writer.drain()

    async def _ask(self, stage, session):
        if self.behave is None:
            return None
        answer = self.behave(stage, session)
        if asyncio.iscoroutine(answer):
            answer = await answer
        return answer

    async def _serve(self, reader, writer):
        self.connections += 1
        session = Session()
        try:
            answer = await self._ask("connect", session)
            await self._say(writer, answer or "220 sink.example ESMTP")
            if answer and not answer.startswith("220"):
                return
            await self._commands(reader, writer, session)
        except Hang:
            try:
                await reader.read()     # until the client gives up
            except OSError:
                pass
        except (Cut, OSError, asyncio.IncompleteReadError, asyncio.LimitOverrunError):
            pass
        finally:
            writer.transport.abort() if sys.exc_info()[0] else writer.close()

    async def _commands(self, reader, writer, session):
        while True:
            line = await reader.readline()
            if not line:
                return
            text = line.decode("utf-8", "replace").strip()
            verb = text.split(" ", 1)[0].upper()
            if verb in ("EHLO", "HELO"):
                answer = await self._ask("ehlo", session)
                extensions = ["250-sink.example", "250-8BITMIME", "250-SMTPUTF8"]
                if self.auth:
                    extensions.append("250-AUTH PLAIN LOGIN")
                await self._say(writer, answer or "\r\n".join(extensions + ["250 SIZE 20000000"]))
            elif verb == "AUTH":
                answer = await self._ask("auth", session)
                if answer is None and text.upper().startswith("AUTH LOGIN"):
                    await self._say(writer, "334 VXNlcm5hbWU6")
                    await reader.readline()
                    await self._say(writer, "334 UGFzc3dvcmQ6")
                    await reader.readline()
                await self._say(writer, answer or "235 2.7.0 Accepted")
            elif verb == "MAIL":
                session.mail_from, session.recipients = text, []
                await self._say(writer, await self._ask("mail", session) or "250 2.1.0 Ok")
            elif verb == "RCPT":
                found = re.search(r"<([^>]*)>", text)
                session.recipients.append(found.group(1) if found else text)
                await self._say(writer, await self._ask("rcpt", session) or "250 2.1.5 Ok")
            elif verb == "DATA":
                answer = await self._ask("data", session)
                await self._say(writer, answer or "354 End data with <CR><LF>.<CR><LF>")
                if answer and not answer.startswith("354"):
                    continue
                raw = await reader.readuntil(b"\r\n.\r\n")
                answer = await self._ask("body", session)
                if answer is None:
                    if self.delay:
                        await asyncio.sleep(self.delay)
                    self._take(session, raw[:-5])
                    answer = await self._ask("dot", session)
                await self._say(writer, answer or "250 2.0.0 Ok: queued")
            elif verb == "RSET":
                session.recipients = []
                await self._say(writer, "250 2.0.0 Ok")
            elif verb == "NOOP":
                await self._say(writer, "250 2.0.0 Ok")
            elif verb == "QUIT":
                await self._say(writer, "221 2.0.0 Bye")
                return
            else:
                await self._say(writer, "502 5.5.2 Command not recognized")

    def _take(self, session, raw):
        found = MESSAGE_ID.search(raw)
        task_id = found.group(1).decode("ascii", "replace") if found else "-"
        if self.record is not None:
            # One write per line, so that a reader never sees half of one.
            os.write(self.record, task_id.encode() + b"\n")
        if self.keep:
            self.messages.append((task_id, list(session.recipients), raw))

    # --- life --------------------------------------------------------------------------------

    async def start(self, port=0, host="127.0.0.1"):
        self.server = await asyncio.start_server(self._serve, host, port, limit=1 << 22, backlog=512)
        self.port = self.server.sockets[0].getsockname()[1]
        return self.port

    def start_thread(self, port=0):
        """Serves in a thread of its own until the program ends; returns the port."""
        ready = threading.Event()

        async def serve():
            await self.start(port)
            ready.set()
            await asyncio.Event().wait()

        threading.Thread(target=lambda: asyncio.run(serve()), daemon=True).start()
        if not ready.wait(10):
            raise TimeoutError("the SMTP sink did not start")
        return self.port

    def ids(self):
        return [m[0] for m in list(self.messages)]


class SinkProcess:
    """The sink as a program of its own, recording task ids in a file."""

    def __init__(self, directory, delay_ms=5, host="127.0.0.1"):
        self.record = directory / "delivered.txt"
        self.record.touch()
        self.process = subprocess.Popen(
            [sys.executable, os.path.abspath(__file__), "--host", host, "--delay-ms", str(delay_ms),
             "--record", str(self.record)],
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE)
        self.port = int(self.process.stdout.readline())

    def ids(self):
        return self.record.read_text().split()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.process.kill()
        self.process.wait(10)
        self.process.stdout.close()


def program():
    parser = argparse.ArgumentParser()
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, default=0)
    parser.add_argument("--delay-ms", type=float, default=0)
    parser.add_argument("--record", required=True)
    arguments = parser.parse_args()
    record = os.open(arguments.record, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o644)

    async def serve():
        sink = Sink(delay=arguments.delay_ms / 1000, keep=False, record=record)
        print(await sink.start(arguments.port, arguments.host), flush=True)
        await asyncio.Event().wait()

    asyncio.run(serve())


if __name__ == "__main__":
    program()
