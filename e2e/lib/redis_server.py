"""Real Redis servers for the fault runs: started on free ports, frozen, killed, started again."""

import os
import shutil
import signal
import socket
import subprocess
import tempfile
import time

from .server import free_port, wait_until

SLOTS = 16_384


def why_not():
    """Why no server can be started here, or nothing."""
    return None if shutil.which("redis-server") else "redis-server is not installed; run make setup"


def needs_redis(checks):
    """Skips the run where there is no server; a failure where everything must be there."""
    reason = why_not()
    if reason and os.environ.get("REQUIRE_ALL") == "1":
        raise AssertionError(reason)
    if reason:
        checks.skip("everything on Redis", reason)
    return reason is None


class RedisError(Exception):
    """An error that the server answered."""


class Redis:
    """One connection that speaks RESP2; it is opened by the first command and never by itself again."""

    def __init__(self, port, timeout=15):
        self.port, self.timeout = port, timeout
        self.socket = self.file = None

    def __call__(self, *words):
        """Sends a command; the answer in bytes, numbers, lists or None."""
        return self.pipeline([words])[0]

    def pipeline(self, commands):
        """Sends commands in one write; their answers, the first error raised."""
        if self.socket is None:
            self.socket = socket.create_connection(("127.0.0.1", self.port), self.timeout)
            self.file = self.socket.makefile("rb")
        try:
            self.socket.sendall(b"".join(map(packed, commands)))
            answers = [self._read() for _ in commands]
        except OSError:
            self.close()
            raise
        for answer in answers:
            if isinstance(answer, RedisError):
                raise answer
        return answers

    def _read(self):
        line = self.file.readline()
        if not line.endswith(b"\r\n"):
            raise ConnectionError("the server closed the connection")
        kind, rest = line[:1], line[1:-2]
        if kind == b"+":
            return rest
        if kind == b"-":
            return RedisError(rest.decode("utf-8", "replace"))
        if kind == b":":
            return int(rest)
        if kind == b"$":
            return None if rest == b"-1" else self.file.read(int(rest) + 2)[:-2]
        if kind == b"*":
            return None if rest == b"-1" else [self._read() for _ in range(int(rest))]
        raise ConnectionError(f"not RESP: {line!r}")

    def close(self):
        if self.socket is not None:
            self.file.close()
            self.socket.close()
            self.socket = self.file = None

    # --- what the fault runs ask for ---------------------------------------------------------

    def now_ms(self):
        """The server's time, by which tasks are dated."""
        seconds, micros = self("TIME")
        return int(seconds) * 1000 + int(micros) // 1000

    def info(self, field):
        """A field of INFO, as a number if it is one."""
        for line in self("INFO", "everything").decode().splitlines():
            name, _, value = line.partition(":")
            if name == field:
                return int(value) if value.isdigit() else value
        return None


def packed(words):
    out = [b"*%d\r\n" % len(words)]
    for word in words:
        data = word if isinstance(word, bytes) else str(word).encode()
        out.append(b"$%d\r\n%s\r\n" % (len(data), data))
    return b"".join(out)


class RedisServer:
    """One server in a directory of its own. `fsync` turns the append-only file on."""

    def __init__(self, directory, fsync=None, options=()):
        self.directory = tempfile.mkdtemp(prefix="redis-", dir=directory)
        self.port = free_port()
        self.options = ["--save", "", "--appendonly", "yes" if fsync else "no",
                        "--appendfsync", fsync or "no", *options]
        self.process = None

    @property
    def url(self):
        return f"redis://127.0.0.1:{self.port}/0"

    def start(self, timeout=30):
        """Starts it and waits until it answers; returns its time then."""
        return self.start_as(*self._listens(), *self.options, timeout=timeout)

    def _listens(self):
        return ["--port", str(self.port), "--bind", "127.0.0.1", "--dir", self.directory, "--daemonize", "no"]

    def start_as(self, *arguments, timeout=30):
        """As `start`, with other arguments; one that is a file comes first and is told where to listen."""
        if arguments[0].startswith("/"):
            arguments = [arguments[0], *self._listens(), *arguments[1:]]
        with open(os.path.join(self.directory, "redis.log"), "ab") as log:
            self.process = subprocess.Popen(["redis-server", *arguments], cwd=self.directory,
                                            stdin=subprocess.DEVNULL, stdout=log, stderr=log)
        return self.answers(timeout)

    def answers(self, timeout=30):
        """Waits until it answers, having loaded what it has; returns its time then."""
        def asked():
            if self.process.poll() is not None:
                raise AssertionError(f"redis-server ended with {self.process.returncode}: {self.log()[-500:]}")
            probe = Redis(self.port, timeout=2)
            try:
                # A sentinel does not tell the time.
                return probe("PING") == b"PONG" and (probe("ROLE")[0] == b"sentinel" or probe.now_ms())
            except (OSError, RedisError):
                return None
            finally:
                probe.close()

        return wait_until("Redis answers", asked, timeout, every=0.01)

    def client(self, timeout=15):
        return Redis(self.port, timeout)

    def freeze(self):
        self.process.send_signal(signal.SIGSTOP)

    def thaw(self):
        self.process.send_signal(signal.SIGCONT)

    def kill9(self):
        self.process.kill()
        self.process.wait(30)

    def log(self):
        with open(os.path.join(self.directory, "redis.log"), encoding="utf-8", errors="replace") as file:
            return file.read()

    def __enter__(self):
        self.start()
        return self

    def __exit__(self, *_):
        if self.process is not None and self.process.poll() is None:
            self.kill9()


class Formation:
    """Servers that are started together by `_form`, and end together; `_servers` names them."""

    def __enter__(self):
        try:
            self._form()
        except BaseException:
            # Without it nobody would end those that have started.
            self.__exit__()
            raise
        return self

    def __exit__(self, *_):
        for server in self._servers():
            server.__exit__()


def copied(master, replicas=1):
    """Waits until so many replicas have what the master has. One that follows it says so before it is sent anything, a second
    before perhaps: what is accepted meanwhile is lost with the master. Whatever the master had is gone."""
    master("FLUSHALL")
    wait_until("the replicas copy", lambda: master("WAIT", replicas, 1000) >= replicas, 30)


class Sentinels(Formation):
    """A master with a replica, and sentinels that decide which of the two is which."""

    NAME = "mymaster"

    def __init__(self, directory, count=3, fsync=None):
        options = ["--repl-diskless-sync-delay", "0"]
        self.nodes = [RedisServer(directory, fsync, options) for _ in range(2)]
        self.sentinels = [RedisServer(directory) for _ in range(count)]

    @property
    def url(self):
        hosts = ",".join(f"127.0.0.1:{sentinel.port}" for sentinel in self.sentinels)
        return f"redis+sentinel://{hosts}/{self.NAME}/0"

    def _form(self):
        master, replica = self.nodes
        replica.options += ["--replicaof", f"127.0.0.1 {master.port}"]
        master.start()
        replica.start()
        quorum = len(self.sentinels) // 2 + 1
        for sentinel in self.sentinels:
            path = os.path.join(sentinel.directory, "sentinel.conf")
            with open(path, "w", encoding="utf-8") as file:
                file.write(f"sentinel monitor {self.NAME} 127.0.0.1 {master.port} {quorum}\n"
                           f"sentinel down-after-milliseconds {self.NAME} 1000\n"
                           f"sentinel failover-timeout {self.NAME} 10000\n")
            sentinel.start_as(path, "--sentinel")
        wait_until("the sentinels know everybody", lambda: all(map(self._knows_all, self.sentinels)), 30)
        self.settled()
        link = master.client()
        copied(link)
        link.close()

    def _knows_all(self, sentinel):
        told = self._told(sentinel)
        return (told["num-slaves"], told["num-other-sentinels"]) == ("1", str(len(self.sentinels) - 1))

    def _told(self, sentinel):
        link = sentinel.client()
        try:
            answer = [part.decode() for part in link("SENTINEL", "MASTER", self.NAME)]
        finally:
            link.close()
        return dict(zip(answer[::2], answer[1::2]))

    def settled(self, timeout=40):
        """Waits until every sentinel names the one master and the other server follows it; returns (master, replica)."""
        def seen():
            ports = {int(self._told(sentinel)["port"]) for sentinel in self.sentinels}
            if len(ports) != 1 or any("failover" in self._told(s)["flags"] for s in self.sentinels):
                return None
            master = next(node for node in self.nodes if node.port in ports)
            replica = next(node for node in self.nodes if node is not master)
            links = master.client(), replica.client()
            try:
                good = links[0].info("slave0") and links[1].info("master_link_status") == "up" \
                    and links[1].info("master_port") == master.port
            finally:
                for link in links:
                    link.close()
            return good and (master, replica)

        return wait_until("one master is named and followed", seen, timeout)

    def fail_over(self, leader=0):
        """Asks a sentinel for a planned failover."""
        def begun():
            link = self.sentinels[leader].client()
            try:
                return link("SENTINEL", "FAILOVER", self.NAME) == b"OK"
            except RedisError:
                return None
            finally:
                link.close()

        wait_until("the sentinel begins a failover", begun, 20)

    def _servers(self):
        return *self.sentinels, *self.nodes


def promoted(server, timeout=30):
    """Waits until a replica is a master; returns the time in milliseconds."""
    def is_master():
        link = server.client(timeout=2)
        try:
            return link("ROLE")[0] == b"master" and int(time.time() * 1000)
        except (OSError, RedisError):
            return None
        finally:
            link.close()

    return wait_until("the replica is promoted", is_master, timeout, every=0.005)


class RedisCluster(Formation):
    """Masters that share the slots evenly, each with so many replicas: node `n` is followed by node `n + masters`."""

    def __init__(self, directory, masters=3, replicas=0, fsync=None):
        options = ["--cluster-enabled", "yes", "--cluster-node-timeout", "2000",
                   "--cluster-announce-ip", "127.0.0.1", "--cluster-config-file", "nodes.conf",
                   "--repl-diskless-sync-delay", "0"]
        self.nodes = [RedisServer(directory, fsync, options) for _ in range(masters)]
        self.replicas = [RedisServer(directory, fsync, options) for _ in range(masters * replicas)]

    @property
    def url(self):
        return "redis+cluster://" + ",".join(f"127.0.0.1:{node.port}" for node in self.nodes)

    def _form(self):
        for node in self.nodes:
            node.start()
        count = len(self.nodes)
        links = [node.client() for node in self.nodes]
        # A node takes an epoch only while it knows no other: all have theirs before the first two meet.
        for n, link in enumerate(links):
            link("CLUSTER", "SET-CONFIG-EPOCH", n + 1)
            link("CLUSTER", "ADDSLOTSRANGE", SLOTS * n // count, SLOTS * (n + 1) // count - 1)
        for link in links:
            for other in self.nodes:
                link("CLUSTER", "MEET", "127.0.0.1", other.port)
            link.close()
        # A master that has just started calls its state good, and takes writes, after about two seconds.
        wait_until("the Cluster forms", lambda: all(self._formed(node, count) for node in self.nodes), 30)
        self._follow()

    def _follow(self):
        """The replicas join, and have what their masters have."""
        known = len(self.nodes) + len(self.replicas)
        for node in self.replicas:
            node.start()
            link = node.client()
            for other in self.nodes:
                link("CLUSTER", "MEET", "127.0.0.1", other.port)
            link.close()
        everybody = [*self.nodes, *self.replicas]
        wait_until("all know all", lambda: all(self._formed(node, known) for node in everybody), 30)
        for n, node in enumerate(self.replicas):
            master, link = self.nodes[n % len(self.nodes)].client(), node.client()
            link("CLUSTER", "REPLICATE", master("CLUSTER", "MYID"))
            wait_until("a replica has everything", lambda link=link: link.info("master_link_status") == "up", 30)
            copied(master)
            master.close()
            link.close()

    def _formed(self, node, known):
        link = node.client()
        text = link("CLUSTER", "INFO").decode()
        link.close()
        return "cluster_state:ok" in text and f"cluster_known_nodes:{known}\r" in text

    def owner(self, slot):
        """The index of the node that has a slot."""
        link = self.nodes[0].client()
        rows = link("CLUSTER", "SLOTS")
        link.close()
        port = next(row[2][1] for row in rows if row[0] <= slot <= row[1])
        return next(n for n, node in enumerate(self.nodes) if node.port == port)

    def client_of(self, key):
        """A connection to the node that has a key."""
        return self.nodes[self.owner(slot_of(key))].client()

    def move(self, slot, to, between=None):
        """Moves a slot with all its keys as an operator does; calls `between` while half has moved."""
        source, target = self.nodes[self.owner(slot)], self.nodes[to]
        a, b = source.client(), target.client()
        ids = [link("CLUSTER", "MYID") for link in (a, b)]
        b("CLUSTER", "SETSLOT", slot, "IMPORTING", ids[0])
        a("CLUSTER", "SETSLOT", slot, "MIGRATING", ids[1])
        moved = 0
        while keys := a("CLUSTER", "GETKEYSINSLOT", slot, 1):
            a("MIGRATE", "127.0.0.1", target.port, keys[0], 0, 10_000)
            moved += 1
            if between and moved == 2:
                between()
        b("CLUSTER", "SETSLOT", slot, "NODE", ids[1])
        a("CLUSTER", "SETSLOT", slot, "NODE", ids[1])
        for node in self.nodes:
            if node not in (source, target):
                link = node.client()
                link("CLUSTER", "SETSLOT", slot, "NODE", ids[1])
                link.close()
        a.close()
        b.close()
        return moved

    def _servers(self):
        return *self.nodes, *self.replicas


def slot_of(key):
    """The slot of a key that has a hash tag."""
    tag = key[key.index("{") + 1:key.index("}")]
    return crc16(tag.encode()) % SLOTS


def crc16(data):
    """XMODEM, as Cluster has it."""
    crc = 0
    for byte in data:
        crc ^= byte << 8
        for _ in range(8):
            crc = ((crc << 1) ^ 0x1021) & 0xFFFF if crc & 0x8000 else crc << 1
    return crc
