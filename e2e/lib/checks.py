"""Assertions that are printed and counted; the last line is `N passed, N failed[, N skipped]`."""

import sys
import time
import traceback


class Checks:
    def __init__(self, name):
        self.name = name
        self.passed = self.failed = self.skipped = 0
        self.started = time.monotonic()
        print(f"== {name}", flush=True)

    def check(self, what, ok, detail=""):
        """One assertion. Goes on when it fails, so that one run tells everything."""
        if ok:
            self.passed += 1
        else:
            self.failed += 1
        line = f"{'ok   ' if ok else 'FAIL '} {what}"
        if detail != "" and detail is not None:
            detail = str(detail)
            # What passed is told in short, what failed in full.
            line += f" ({detail if not ok or len(detail) < 200 else detail[:197] + '...'})"
        print(line, flush=True)
        return ok

    def equal(self, what, got, want):
        return self.check(what, got == want, got if got == want else f"got {got!r}, want {want!r}")

    def at_least(self, what, got, floor):
        return self.check(what, got >= floor, f"{got}, at least {floor}")

    def at_most(self, what, got, ceiling):
        return self.check(what, got <= ceiling, f"{got}, at most {ceiling}")

    def skip(self, what, why):
        self.skipped += 1
        print(f"skip  {what} ({why})", flush=True)

    def note(self, text):
        print(f"      {text}", flush=True)

    def finish(self):
        print(f"      took {time.monotonic() - self.started:.0f} s")
        line = f"{self.passed} passed, {self.failed} failed"
        if self.skipped:
            line += f", {self.skipped} skipped"
        print(line, flush=True)
        sys.exit(1 if self.failed else 0)


def main(name, run):
    """Runs `run(checks)`; whatever it raises is one failure, never a lost summary."""
    checks = Checks(name)
    try:
        run(checks)
    except Exception as error:  # The run must end with its counts whatever happened.
        traceback.print_exc(file=sys.stdout)
        checks.check("the run came to its end", False, f"{type(error).__name__}: {error}")
    checks.finish()
