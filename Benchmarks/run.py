#!/usr/bin/env python3
"""Runs the benchmarks in interleaved rounds and prints medians and ratios.

usage: run.py [--rounds N] [--seconds S] [--out FILE] DIRECTORY

DIRECTORY holds one program per system, as built by `make bench-quick`.
"""
import argparse
import json
import os
import statistics
import subprocess
import sys
import time

PLAN = [
    ("sync", 1, ["outboard", "naive-libuv", "limit-spin", "limit-futex"]),
    ("sync", 4, ["outboard", "naive-libuv"]),
    ("sync", 16, ["outboard", "naive-libuv"]),
    ("sync", 64, ["outboard", "naive-libuv"]),
    ("post", 1, ["outboard", "naive-libuv"]),
    ("post", 2, ["outboard", "naive-libuv"]),
]


def measure(directory, system, workload, threads, seconds, number):
    program = os.path.join(directory, system)
    done = subprocess.run(
        [program, workload, str(threads), str(seconds), str(number)],
        capture_output=True, text=True, timeout=seconds * 20 + 30, check=False)
    if done.returncode != 0:
        sys.exit(f"{program} {workload} {threads}: exit {done.returncode}: "
                 f"{done.stderr.strip()}")
    return json.loads(done.stdout)


def human(rate):
    return f"{rate / 1e6:.2f} M/s" if rate >= 1e6 else f"{rate / 1e3:.1f} k/s"


def spread(values):
    return f"{human(min(values))} to {human(max(values))}"


def table(rows):
    print("\n| work | system | median | min to max | p50 | p99 | "
          "slowest caller | switches per op | against naive |")
    print("|---|---|---|---|---|---|---|---|---|")
    for workload, threads, systems in PLAN:
        base = [r["ops_per_s"] for r in rows
                if (r["workload"], r["producers"], r["system"]) ==
                (workload, threads, "naive-libuv")]
        for system in systems:
            mine = [r for r in rows if (r["workload"], r["producers"],
                                        r["system"]) ==
                    (workload, threads, system)]
            rates = [r["ops_per_s"] for r in mine]

            def mid(key, mine=mine):
                return statistics.median(r[key] for r in mine)

            ratio = statistics.median(a / b for a, b in zip(rates, base))
            p50, p99 = mid("p50_ns") / 1e3, mid("p99_ns") / 1e3
            times = (f"{p50:.2f} us | {p99:.1f} us" if workload == "sync"
                     else "- | -")
            print(f"| {workload} {threads} | {system} | "
                  f"{human(statistics.median(rates))} | {spread(rates)} | "
                  f"{times} | {mid('fairness'):.2f} | "
                  f"{mid('csw_per_op'):.3f} | {ratio:.1f}x |")


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("directory")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=0.5)
    parser.add_argument("--out", default="build/bench/quick.jsonl")
    args = parser.parse_args()
    total = args.rounds * sum(len(p[2]) for p in PLAN)
    begin, done, rows = time.monotonic(), 0, []
    with open(args.out, "w", encoding="utf-8") as out:
        for number in range(args.rounds):
            for workload, threads, systems in PLAN:
                for system in systems:
                    row = measure(args.directory, system, workload, threads,
                                  args.seconds, number)
                    rows.append(row)
                    out.write(json.dumps(row) + "\n")
                    done += 1
                    left = (time.monotonic() - begin) / done * (total - done)
                    if sys.stderr.isatty():
                        print(f"\r{done}/{total}, {left:.0f} s left  ",
                              end="", file=sys.stderr)
    if sys.stderr.isatty():
        print(file=sys.stderr)
    print(f"{args.rounds} rounds of {args.seconds} s, {os.cpu_count()} CPUs, "
          f"load {os.getloadavg()[0]:.1f}; rows in {args.out}")
    table(rows)


if __name__ == "__main__":
    main()
