#!/usr/bin/env python3
"""Runs the benchmarks in interleaved rounds and prints medians and ratios.

Every round measures every system once, so that a change of the machine's mood
meets all of them; ratios are taken within a round. Rows go to a file, one JSON
object per line. `make bench-quick` and `make bench` build what this runs.
"""
import argparse
import contextlib
import fnmatch
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time

sys.dont_write_bytecode = True

import plan
import summary
import systems

HOG = "while True: pass"


class Progress:
    """A line on a terminal, rewritten; nothing elsewhere."""

    def __init__(self, total):
        self.total, self.done, self.begin = total, 0, time.monotonic()
        self.shown = sys.stderr.isatty()

    def step(self, what):
        self.done += 1
        left = (time.monotonic() - self.begin) / self.done
        left *= self.total - self.done
        if self.shown:
            text = f"{self.done}/{self.total}, {left:.0f} s left: {what}"
            print(f"\r{text[:78]:78}", end="", file=sys.stderr, flush=True)

    def end(self):
        if self.shown:
            print(file=sys.stderr)


@contextlib.contextmanager
def hogs(count):
    """Busy loops, one pinned to each CPU in turn."""
    cpus = sorted(os.sched_getaffinity(0))
    running = []
    try:
        for i in range(count):
            hog = subprocess.Popen([sys.executable, "-c", HOG])
            running.append(hog)
            os.sched_setaffinity(hog.pid, {cpus[i % len(cpus)]})
        if count:
            time.sleep(0.1)
        yield
    finally:
        for hog in running:
            hog.kill()
            hog.wait()


def count_calls(text):
    """The total of a summary of strace -c."""
    found = re.findall(r"^\s*[\d.]+\s+[\d.]+\s+\d*\s+(\d+)\s+(?:\d+\s+)?total$",
                       text, re.M)
    return int(found[-1]) if found else None


def run_program(command, strace, limit):
    """The program's output, its exit status, and its system calls."""
    with tempfile.NamedTemporaryFile("r", suffix=".strace") as log:
        if strace:
            command = ["strace", "-f", "-c", "-o", log.name] + command
        done = subprocess.run(command, capture_output=True, text=True,
                              timeout=limit, check=False)
        return done, count_calls(log.read()) if strace else None


def conditions(args):
    """What the command line puts on every case."""
    return ([f"pin={args.pin}"] if args.pin else []) + (
        [f"hogs={args.hogs}"] if args.hogs else [])


def out_name(args):
    """A file of its own for each condition: quiet and noisy runs stay."""
    words = [args.plan] + [word.replace("=", "")
                           for word in conditions(args)]
    return f"build/bench/{'-'.join(words)}.jsonl"


def measure(args, case, system, number):
    """A row; None when the system has no such workload."""
    command = [systems.program(args.bin, system), case.workload,
               f"seconds={args.seconds}", f"round={number}"]
    command += case.arguments() + systems.parameters(system)
    with hogs(case.hogs):
        done, calls = run_program(command, case.strace,
                                  args.seconds * 20 + 60)
    if done.returncode == 3:
        return None
    if done.returncode != 0:
        raise RuntimeError(f"exit {done.returncode}: {done.stderr.strip()}")
    row = json.loads(done.stdout)
    row.update(system=system, case=case.title(), hogs=case.hogs,
               plan=args.plan, condition=" ".join(conditions(args)),
               load=round(os.getloadavg()[0], 2))
    if calls is not None and row.get("ops_all"):
        row["syscalls_per_op"] = round(calls / row["ops_all"], 4)
    return row


def wanted(args, case, system):
    """--only WORKLOAD, WORKLOAD/SYSTEM or /SYSTEM, with * and ?."""
    if not args.only:
        return True
    for text in args.only:
        workload, _, name = text.partition("/")
        if (fnmatch.fnmatch(case.workload, workload or "*") and
                fnmatch.fnmatch(system.split()[0], name or "*")):
            return True
    return False


def under_conditions(args, cases):
    """Each case under the command line's conditions, once: with --hogs 1 the
    plan's own cases with a hog are the same as those without."""
    found, seen = [], set()
    for case in cases:
        case = case.under(args.pin, args.hogs)
        systems_ = [s for s in case.systems if (case.title(), s) not in seen]
        seen.update((case.title(), s) for s in systems_)
        case.systems = systems_
        found.append(case)
    return found


def has_strace():
    return shutil.which("strace") is not None


def select(args, cases):
    """Pairs of a case and a system that is built."""
    gone = {name for name, _ in systems.missing(args.bin)}
    strace = has_strace()
    return [(case, system) for case in cases for system in case.systems
            if wanted(args, case, system) and system.split()[0] not in gone
            and (strace or not case.strace)]


def schedule(args, pairs):
    """(round, case, system) in the order in which they are measured."""
    return [(number, case, system) for number in range(args.rounds)
            for case, system in pairs
            if case.rounds is None or number < case.rounds]


def estimate(args, pairs):
    """About how many minutes they take all together."""
    return sum(case.cost(system, args.seconds)
               for _, case, system in schedule(args, pairs)) / 60


def rounds(args, pairs, out):
    """All rows, written as they come; failures, and what systems lack, are
    kept apart. Ctrl-C ends it early, with what has been measured."""
    rows, failed, unable, lacking = [], {}, set(), {}
    steps = schedule(args, pairs)
    progress = Progress(len(steps))
    try:
        for number, case, system in steps:
            progress.step(f"{case.title()}, {system}")
            if (case, system) in unable:
                continue
            try:
                row = measure(args, case, system, number)
            except (RuntimeError, subprocess.TimeoutExpired) as error:
                failed[f"{case.title()}, {system}"] = str(error)
                unable.add((case, system))
                continue
            if row is None:
                unable.add((case, system))
                lacking.setdefault(system, []).append(case.title())
                continue
            rows.append(row)
            out.write(json.dumps(row) + "\n")
            out.flush()
    except KeyboardInterrupt:
        print("\nended early", file=sys.stderr)
    progress.end()
    return rows, failed, lacking


def about(args, cases, lacking):
    """What the rows themselves do not say of a run; the file's last line."""
    gone = systems.missing(args.bin)
    if args.plan == "quick":
        planned = {s.split()[0] for c in cases for s in c.systems}
        gone = [(name, why) for name, why in gone if name in planned]
    counted = has_strace() or not any(c.strace for c in cases)
    return {"plan": args.plan, "rounds": args.rounds, "seconds": args.seconds,
            "condition": " ".join(conditions(args)), "only": args.only or [],
            "cpus": os.cpu_count(), "missing": gone, "lacking": lacking,
            "strace": counted}


def arguments():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("plan", choices=plan.PLANS, help="which table to fill")
    parser.add_argument("--bin", default="build/bench/bin",
                        help="where the programs are (%(default)s)")
    parser.add_argument("--out", help="rows (build/bench/PLAN.jsonl, with "
                        "--pin and --hogs PLAN-pinsame-hogs1.jsonl)")
    parser.add_argument("--only", action="append", metavar="WORKLOAD/SYSTEM",
                        help="either side may be empty or have *; repeatable")
    parser.add_argument("--rounds", type=int,
                        help="at most, of everything (5)")
    parser.add_argument("--seconds", type=float,
                        help="per measurement (0.3)")
    parser.add_argument("--pin", choices=("same", "apart"),
                        help="for cases that say nothing about it")
    parser.add_argument("--hogs", type=int, default=0,
                        help="busy loops beside every measurement (0)")
    parser.add_argument("--list", action="store_true",
                        help="print the cases and stop")
    return parser.parse_args()


def main():
    args = arguments()
    cases, number, seconds = plan.PLANS[args.plan]
    args.rounds, args.seconds = args.rounds or number, args.seconds or seconds
    args.out = args.out or out_name(args)
    cases = under_conditions(args, cases())
    pairs = select(args, cases)
    if args.list:
        for case, system in pairs:
            print(f"{case.title()}, {system}")
        print(f"{len(schedule(args, pairs))} measurements, about "
              f"{estimate(args, pairs):.0f} minutes", file=sys.stderr)
        return
    if not pairs:
        sys.exit(f"nothing to run: no program in {args.bin} fits "
                 "(make bench-quick builds them; --list shows the plan)")
    os.makedirs(os.path.dirname(args.out) or ".", exist_ok=True)
    begin = time.monotonic()
    with open(args.out, "w", encoding="utf-8") as out:
        rows, failed, lacking = rounds(args, pairs, out)
        run = about(args, cases, lacking)
        out.write(json.dumps({"run": run}) + "\n")
    print(f"{args.rounds} rounds of {args.seconds} s in "
          f"{time.monotonic() - begin:.0f} s, {os.cpu_count()} CPUs, load "
          f"{os.getloadavg()[0]:.1f}, pin {args.pin or 'none'}, "
          f"{args.hogs} hogs; rows in {args.out}")
    print(summary.markdown(rows))
    print("\n".join(summary.absent(run)))
    for what, why in failed.items():
        print(f"FAILED {what}: {why}")
    sys.exit(1 if failed else 0)


if __name__ == "__main__":
    main()
