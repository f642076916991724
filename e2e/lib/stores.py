"""The server of a run that must do the same on each store: one `posthaste up` on the embedded one, or `posthaste api` and
`posthaste worker` with Redis between them."""

import argparse

from .redis_server import RedisServer, needs_redis
from .server import Posthaste, Scratch
from .split import Api, Worker


def parser():
    """The arguments that such a run has; it may add its own."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--redis", action="store_true", help="on Redis instead of the embedded store")
    return parser


class Embedded:
    """Servers on embedded stores in `directory`."""

    # Where the servers connect to for the store's sake.
    redis_port = None

    def __init__(self):
        self.scratch = Scratch()
        self.directory = self.scratch.path

    def server(self, name, env=None, config=None):
        """One that is not started yet, with a store of its own under this name."""
        return Posthaste(self.directory, env=env, config=config, data_dir=self.directory / name)

    def __enter__(self):
        return self

    def __exit__(self, *why):
        self.scratch.__exit__(*why)


class OnRedis(Embedded):
    """Pairs of processes on one Redis; each pair has a namespace."""

    def __init__(self):
        super().__init__()
        self.redis = RedisServer(self.directory)
        self.redis_port = self.redis.port

    def server(self, name, env=None, config=None):
        return Pair(self.directory, self.redis.url, {"POSTHASTE_NAMESPACE": name, **(env or {})}, config)

    def __enter__(self):
        self.redis.start()
        return self

    def __exit__(self, *why):
        self.redis.__exit__()
        super().__exit__(*why)


class Pair:
    """An API and a worker that are used as one server."""

    def __init__(self, directory, url, env, config):
        if config is not None:
            (directory / "posthaste.toml").write_text(config)
        self.api, self.worker = Api(directory, url, env), Worker(directory, url, env)
        self.port, self.url, self.client = self.api.port, self.api.url, self.api.client

    def start(self):
        self.api.start()
        self.worker.start()

    def log(self):
        return self.api.log() + self.worker.log()

    def __enter__(self):
        return self

    def __exit__(self, *why):
        self.worker.__exit__(*why)
        self.api.__exit__(*why)


def store(checks, arguments):
    """The store that the arguments name; None, and a skip, where it cannot run."""
    if not arguments.redis:
        return Embedded()
    return OnRedis() if needs_redis(checks) else None
