#!/usr/bin/env python3
"""Adds up the summary lines of all runners in a log: prints PASSED FAILED.

A runner's line is 'NAME: N passed, N failed', or Swift Testing's 'Test run with
N tests in M suites passed/failed ... with K issues'.
"""
import re
import sys

RUNNER = re.compile(
    r"^(?:C tests|install|models|mutants|outboard-call|counters|plugins|consumer|"
    r"hosts|doctor|swift tests|cpp|abi|hygiene)[^:]*: (\d+) passed, (\d+) failed$"
)


def main():
    passed = failed = 0
    with open(sys.argv[1], encoding="utf-8", errors="replace") as log:
        for line in log:
            match = RUNNER.match(line.rstrip())
            if match:
                passed += int(match.group(1))
                failed += int(match.group(2))
    print(passed, failed)


if __name__ == "__main__":
    main()
