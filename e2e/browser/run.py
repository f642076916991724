#!/usr/bin/env python3
"""Drives the pages of `posthaste up` in headless Chromium.

    python e2e/browser/run.py --bin target/debug/posthaste [--shots DIR] [name ...]

Needs the Python package `playwright` (its own browsers are not used) and a `chromium` on the PATH.
Prints `N passed, N failed`; exits 1 when one failed, 2 when it could not start.
"""

import argparse
import sys

import harness
import test_base_path
import test_browser
import test_page
import test_sign_in


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--bin", required=True, help="the posthaste binary")
    parser.add_argument("--shots", help="write screenshots into this directory")
    parser.add_argument("names", nargs="*", help="run these tests only")
    args = parser.parse_args()

    modules = (test_browser, test_page, test_sign_in, test_base_path)
    tests = [(name, fn) for module in modules for name, fn in vars(module).items()
             if name.startswith("test_") and callable(fn)]
    if args.names:
        unknown = set(args.names) - {name for name, _ in tests}
        if unknown:
            print(f"no such test: {', '.join(sorted(unknown))}", file=sys.stderr)
            return 2
        tests = [(name, fn) for name, fn in tests if name in args.names]

    with harness.browser() as chromium:
        passed = [harness.run_test(chromium, name, fn, args.bin, args.shots) for name, fn in tests]
    failed = len(tests) - sum(passed)
    print(f"{sum(passed)} passed, {failed} failed")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
