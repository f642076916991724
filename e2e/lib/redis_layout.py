"""What the store holds, read from Redis itself and not through the program under test.

The bytes are laid out in docs/adr/0005-redis-layout.md; everything here is about that page.
"""

import collections
import json
import struct
import uuid

from .redis_server import crc16

STATES = ("scheduled", "queued", "running", "retrying", "succeeded", "failed", "cancelled", "expired")
LEASE_MS = 15_000
STARTED, MARKED = 1, 2
# Lengths of keys; anything else is there for the sake of the encoding.
KEYS = (12, 16)
MASK = (1 << 64) - 1

Run = collections.namedtuple("Run", "task attempt started_at worker started marked lease_until")


def succeeded(shard):
    """The keys that have succeeded, in the order of their end: an entry says once how several keys in a row begin."""
    keys = []
    for entry in shard("LRANGE", "d", 0, -1):
        if len(entry) % 6:
            keys.append(entry)
        else:
            keys += [entry[:6] + entry[i:i + 6] for i in range(6, len(entry), 6)]
    return keys


def id_of(key):
    """The id of a task by its key."""
    if len(key) == 16:
        return str(uuid.UUID(bytes=bytes(key)))
    n = int.from_bytes(key, "big")
    x = (n & MASK) ^ ((n >> 64) * 0x9E37_79B9_7F4A_7C15 & MASK)
    for _ in range(2):
        x = (x ^ (x >> 32)) * 0xD6E8_FEB8_6659_FD93 & MASK
    time, high, low = n >> 54, (n >> 42) & 0xFFF, n & ((1 << 42) - 1)
    return str(uuid.UUID(int=(time << 80) | (high << 64) | (low << 20) | (x >> 44) | (7 << 76) | (0b10 << 62)))


def shard_of_id(task_id, shards):
    """The shard of a task whose id the store has minted: its slot are the last bits of the key in the id."""
    return ((uuid.UUID(task_id).int >> 20) & 0x3FFF) % shards


def shard_of_lane(queue, target, shards):
    """The shard of new tasks of a lane, unless they have an id or a unique key of their own."""
    return (crc16(f"{queue} {target}".encode()) & 0x3FFF) % shards


class Shard:
    """One shard of a namespace, over a connection to its server."""

    def __init__(self, redis, namespace="posthaste", number=0):
        self.redis, self.prefix = redis, f"ph:{{{namespace}:{number}}}:"

    def __call__(self, command, key, *words):
        return self.redis(command, self.prefix + key, *words)

    def pairs(self, key):
        answer = self("HGETALL", key)
        return list(zip(answer[::2], answer[1::2]))

    def scan(self, key):
        """A large hash, in parts."""
        cursor = b"0"
        while True:
            cursor, answer = self("HSCAN", key, cursor, "COUNT", 2_000)
            yield from zip(answer[::2], answer[1::2])
            if cursor == b"0":
                return

    def meta(self, field):
        value = self("HGET", "m", field)
        return None if value is None else value.decode()

    # --- workers and leases ------------------------------------------------------------------

    def workers(self):
        """Worker id -> what it registered."""
        return {key.decode(): json.loads(value) for key, value in self.pairs("w")}

    def worker_of(self, pid):
        """The newest registration of a process, or None."""
        found = [(w["started_at"], name) for name, w in self.workers().items() if w["pid"] == pid]
        return max(found)[1] if found else None

    def runs(self, worker=None):
        """What is leased, of one worker or of all."""
        names = {int(number): name.decode() for number, name in self.pairs("wt")}
        until = self("ZRANGE", "ls", 0, -1, "WITHSCORES")
        until = dict(zip(until[::2], until[1::2]))
        found = []
        for key, run in self.scan("run"):
            if len(key) not in KEYS:
                continue
            name = names.get(int.from_bytes(run[26:28], "big"))
            if worker is None or name == worker:
                flags = run[16]
                found.append(Run(id_of(key), int.from_bytes(run[17:20], "big"),
                                 int.from_bytes(run[20:26], "big"), name, bool(flags & STARTED),
                                 bool(flags & MARKED), int(float(until.get(key, 0)))))
        return found

    # --- the books ---------------------------------------------------------------------------

    def series(self, name):
        """The sum of a counter over all minutes and queues."""
        total = 0
        for hour in self("ZRANGE", "sh", 0, -1):
            for field, value in self.pairs(f"s:{int(hour)}"):
                if field.split(b":")[2] == name.encode():
                    total += int(value)
        return total


def audit(shards):
    """What contradicts itself in the store; call it while nothing changes. An empty list is a good one."""
    problems = []
    for shard in shards:
        problems += [f"{shard.prefix}: {p}" for p in audit_shard(shard)]
    return problems


def audit_shard(shard):
    problems = []
    state, generation, queue = {}, {}, {}
    routes = {number: text.split(b" ", 1)[0].decode() for number, text in shard.pairs("rt")}
    for key, record in shard.scan("t"):
        state[key] = record[2] // 4
        generation[key] = int.from_bytes(record[6:8], "big")
        queue[key] = routes.get(str(int.from_bytes(record[3:6], "big")).encode())
    for key in (key for key, _ in shard.scan("run") if len(key) in KEYS):
        if state.get(key) != 1:
            problems.append(f"{id_of(key)} runs, its record says {state.get(key)}")
        state[key] = 2
    by_state = collections.defaultdict(set)
    for key, code in state.items():
        by_state[STATES[code]].add(key)

    leased = {key for key in shard("ZRANGE", "ls", 0, -1) if len(key) in KEYS}
    compare(problems, "leases and runs", leased, by_state["running"])
    timed = set()
    for member in shard("ZRANGE", "due", 0, -1):
        key = member[:-12]
        if generation.get(key) == int.from_bytes(member[-12:-10], "big"):
            timed.add(key)
    compare(problems, "timed and scheduled or retrying", timed & (by_state["scheduled"] | by_state["retrying"]),
            by_state["scheduled"] | by_state["retrying"])
    compare(problems, "ready and queued", ready(problems, shard, generation, by_state["queued"]), by_state["queued"])
    done = succeeded(shard)
    if len(done) != int(shard("HGET", "m", "dn") or 0):
        problems.append(f"{len(done)} in the list of the succeeded, which says {shard('HGET', 'm', 'dn')}")
    if len(done) != len(set(done)):
        problems.append(f"{len(done) - len(set(done))} ended twice")
    compare(problems, "the succeeded", set(done), by_state["succeeded"])
    compare(problems, "cancelled and expired", set(shard("ZRANGE", "f0", 0, -1)),
            by_state["cancelled"] | by_state["expired"])
    compare(problems, "the failed", set(shard("ZRANGE", "f1", 0, -1)), by_state["failed"])
    listed = {entry[:-6] if len(entry) > 16 else entry for entry in shard("LRANGE", "all", 0, -1)}
    compare(problems, "listed", set(state), (listed | set(shard("ZRANGE", "old", 0, -1))) & set(state))
    counted = {}
    for field, value in shard.pairs("c"):
        number, _, code = field.decode().partition(":")
        if code != "h" and int(value):
            counted[number, STATES[int(code)]] = int(value)
    real = collections.Counter((queue[key], STATES[code]) for key, code in state.items() if key in queue)
    if counted != dict(real):
        problems.append(f"counted {counted}, there are {dict(real)}")
    return problems


def ready(problems, shard, generation, queued):
    """Keys that can be claimed; twice in a list is a task that could run twice."""
    found = collections.Counter()
    cursor = b"0"
    names = set()
    while True:
        cursor, keys = shard.redis("SCAN", cursor, "MATCH", shard.prefix.replace("{", "\\{") + "r:*", "COUNT", 1_000)
        names.update(keys)
        if cursor == b"0":
            break
    for name in names:
        for entry in shard.redis("LRANGE", name, 0, -1):
            key, number = (entry, 1) if len(entry) in KEYS else (entry[:-2], struct.unpack(">H", entry[-2:])[0])
            if generation.get(key) == number and key in queued:
                found[key] += 1
    twice = [id_of(key) for key, n in found.items() if n > 1]
    if twice:
        problems.append(f"{len(twice)} are ready twice, for example {twice[0]}")
    return set(found)


def compare(problems, what, have, want):
    if have != want:
        more, fewer = have - want, want - have
        one = next(iter(more or fewer))
        problems.append(f"{what}: {len(more)} too many, {len(fewer)} missing, for example {id_of(one)}")
