"""What the server under test looks up and connects to, seen from inside it: net_watch.c, loaded into its process.

The system's resolver cannot be told from outside to answer a name first so and then otherwise, and an address that is
nobody's here cannot tell that it was called; both are needed to know that the guard of outgoing requests holds.
"""

import pathlib
import shutil
import subprocess
import sys

SOURCE = pathlib.Path(__file__).with_suffix(".c")


def why_not():
    """What keeps it from working here, or None."""
    if sys.platform != "linux":
        return "LD_PRELOAD is Linux"
    if shutil.which("cc") is None:
        return "no C compiler"
    return None


class NetWatch:
    """In a directory of its own; `env` is what the server must be started with."""

    def __init__(self, directory, but=None):
        """`but` is a port whose connections are nobody's business here: that of the server's own store."""
        self.directory, self.but = pathlib.Path(directory), but
        (self.directory / "names").mkdir(parents=True)
        self.file = self.directory / "log"
        self.file.touch()
        library = self.directory / "net_watch.so"
        subprocess.run(["cc", "-shared", "-fPIC", "-O1", "-Wall", "-Werror", "-o", str(library), str(SOURCE), "-ldl", "-lpthread"],
                       check=True, timeout=60)
        self.env = {"LD_PRELOAD": str(library), "NET_WATCH": str(self.directory)}

    def name(self, host, *answers):
        """Each look-up gets the next answer, a list of addresses; the last one repeats."""
        (self.directory / "names" / host).write_text("".join(" ".join(answer) + "\n" for answer in answers))

    def _told(self, word):
        return [line.split()[1:] for line in self.file.read_text().splitlines() if line.startswith(word + " ")]

    def looked_up(self, host):
        """How often."""
        return sum(name[0] == host for name in self._told("name"))

    def connections(self):
        """(address, port) of every connection that was begun, oldest first."""
        told = [(address, int(port)) for address, port in self._told("connect")]
        return [(address, port) for address, port in told if port != self.but]
