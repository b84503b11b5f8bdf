#!/usr/bin/env python3
"""Holds the rows of one run against what the engine is to reach.

Every goal gets a line: measured by ratios within a round or by figures of each
round, then their median. What the rows do not have is "not measured".
"""
import argparse
import statistics
import sys

sys.dont_write_bytecode = True

import summary
from summary import duration, figure, rate, times
from systems import is_limit, is_ours

C, QUIET, SWIFT = "outboard", "outboard spin=off", "outboard-swift"
TOKIO = ("tokio-mt", "tokio-ct", "tokio-spawn")
COLUMNS = ("work", "goal", "measured (min to max of the rounds)", "")
POINTERS = 16  # bytes that the tickets test itself keeps for each call
SOME = 0.5     # what a count per second is rounded by
PARKS = 0.5    # switches a call, of a peer that does not spin


class Run:
    """The rows of one run, by case, system and round."""

    def __init__(self, rows):
        self.cases = {self.key(case): (case, systems)
                      for case, systems in summary.grouped(rows).items()}
        self.condition = summary.condition(rows)

    @staticmethod
    def key(case):
        return frozenset(case.split())

    def find(self, case):
        """A case by its title, under the conditions of the whole run."""
        words = case.split()
        given = {word.split("=")[0] for word in words}
        words += [word for word in self.condition.split()
                  if word.split("=")[0] not in given]
        return self.cases.get(frozenset(words), (case, {}))

    def rows(self, case, system):
        """Round -> row."""
        return {r["round"]: r for r in self.find(case)[1].get(system, [])}

    def figures(self, case, system):
        """Round -> what it is judged by; more is better."""
        found = {n: figure(case, r)
                 for n, r in self.rows(case, system).items()}
        return {n: f for n, f in found.items() if f}

    def values(self, case, system, key):
        return [r[key] for r in self.rows(case, system).values()
                if r.get(key) is not None]

    def peers(self, case):
        return [s for s in self.find(case)[1]
                if not is_ours(s) and not is_limit(s)]

    def peers_with(self, case, key, least):
        """Those of them that have at least so much of it, by their median."""
        return [p for p in self.peers(case)
                if statistics.median(self.values(case, p, key) or [0]) >= least]

    def best_row(self, case, number, peers):
        """The row of the best of these in a round."""
        rows = [self.rows(case, p).get(number) for p in peers]
        rows = [r for r in rows if r and figure(case, r)]
        return max(rows, key=lambda r: figure(case, r), default=None)

    def against(self, case, system, others):
        """A ratio for each round: ours by the best other's."""
        out = []
        for number, mine in self.figures(case, system).items():
            best = [self.figures(case, other).get(number) for other in others]
            best = [b for b in best if b]
            if best:
                out.append(mine / max(best))
        return out

    def across(self, case, system, other_case, other_system):
        """A ratio for each round between two cases."""
        others = self.figures(other_case, other_system)
        return [mine / others[n]
                for n, mine in self.figures(case, system).items()
                if n in others]


class Goal:
    """One line: values of the rounds, and what their median must be."""

    def __init__(self, work, goal, values, least=None, most=None, show=times,
                 note=""):
        self.work, self.goal, self.values = work, goal, values
        self.least, self.most = least, most
        self.show, self.note = show, note

    def verdict(self):
        if not self.values:
            return "not measured"
        value = statistics.median(self.values)
        if self.least is not None and value < self.least:
            return "**not reached**"
        if self.most is not None and value > self.most:
            return "**not reached**"
        if self.least is None and self.most is None:
            return "reported"
        return "reached"

    def measured(self):
        if not self.values:
            return "-"
        text = self.show(statistics.median(self.values))
        if len(self.values) > 1:
            text += (f" ({self.show(min(self.values))} to "
                     f"{self.show(max(self.values))})")
        return text + (f"; {self.note}" if self.note else "")

    def line(self):
        return (self.work, self.goal, self.measured(), self.verdict())


def counted(number, word):
    return f"{number} {word}{'s' if number > 1 else ''}"


def share(value):
    return f"{value:.2f}"


def count(value):
    return f"{value:.3g}"


def nanoseconds(value):
    return f"{value:.3g} ns" if value < 1000 else duration(value)


def peers(run, work, case, least, system=C, others=None, kind=""):
    """Against the best peer of the same case and round, or the best of some."""
    others = run.peers(case) if others is None else others
    return Goal(work, f"best peer{kind}, at least {least:g}x",
                run.against(case, system, others), least=least,
                note=f"of {len(others)}")


def fair_peers(run, case):
    """A peer that spins answers whoever has the CPU and starves the others."""
    return run.peers_with(case, "fairness", summary.FAIR)


def fair(run, work, case, least):
    return Goal(work, f"slowest caller at least {least:g} of the mean",
                run.values(case, C, "fairness"), least=least, show=share)


def one_caller(run):
    apart, same = "sync producers=1 pin=apart", "sync producers=1 pin=same"
    work = "sync, 1 caller, CPUs apart"
    yield Goal(work, "spinning limit, at least 0.85",
               run.against(apart, C, ["limit-spin"]), least=0.85)
    yield Goal(work, "tokio's bridge (tokio-mt), at least 300x",
               run.against(apart, C, ["tokio-mt"]), least=300)
    yield Goal(work, "the best of tokio's, at least 300x",
               run.against(apart, C, TOKIO), least=300)
    yield Goal(work, "p99 at most 250 ns", run.values(apart, C, "p99_ns"),
               most=250, show=duration)
    work = "sync, 1 caller, one CPU"
    yield Goal(work, "futex limit, at least 1.3x",
               run.against(same, C, ["limit-futex"]), least=1.3)
    yield peers(run, work, same, 1.5)
    for place, case in (("anywhere", "sync producers=1"), ("one CPU", same),
                        ("CPUs apart", apart)):
        work = f"sync, 1 caller, spinning off, {place}"
        yield Goal(work, "futex limit, at least 0.95",
                   run.against(case, QUIET, ["limit-futex"]), least=0.95)
        yield peers(run, work, case, 1, QUIET)
        yield peers(run, work, case, 1, QUIET,
                    run.peers_with(case, "csw_per_op", PARKS), " that parks")
    for place, case in (("anywhere", "sync producers=1"), ("one CPU", same),
                        ("CPUs apart", apart)):
        yield Goal(f"sync, 1 caller, Swift callAndWait, {place}",
                   "ours in C, at least 0.85", run.against(case, SWIFT, [C]),
                   least=0.85)
    yield no_allocs(run, "sync, 1 caller, Swift callAndWait",
                    "sync allocs=1 producers=1")
    for text, ns in (("100 us", 100000), ("1 ms", 1000000)):
        case = f"sparse period_ns={ns}"
        yield Goal(f"sparse, one call every {text}",
                   "p50 at most 1/3 of every peer's",
                   [1 / r for r in run.against(case, C, run.peers(case))],
                   most=1 / 3, show=times,
                   note=f"ours by the best's of {len(run.peers(case))}")


def no_allocs(run, work, case, judged=True):
    return Goal(work, "0 allocations" if judged else "allocations",
                run.values(case, SWIFT, "allocs_per_op"),
                most=0.005 if judged else None, show="{:.3f}".format)


def many_callers(run):
    for n in (2, 4, 16, 64):
        work, case = f"sync, {n} callers", f"sync producers={n}"
        others = fair_peers(run, case)
        yield peers(run, work, case, 5)
        yield peers(run, work, case, 5, others=others, kind=" that is fair")
        yield fair(run, work, case, 0.8)
        if n <= 4:
            yield Goal(work, "p99 at most 10 us",
                       run.values(case, C, "p99_ns"), most=10000,
                       show=duration)
            continue
        best = {k: run.best_row(case, k, others) for k in run.rows(case, C)}
        yield Goal(work, "p99 at most 1/4 of the best fair peer's",
                   [row["p99_ns"] / best[k]["p99_ns"]
                    for k, row in run.rows(case, C).items()
                    if best[k] and best[k].get("p99_ns") and row["p99_ns"]],
                   most=0.25)
        yield Goal(work, "context switches per call at most 0.5",
                   run.values(case, C, "csw_per_op"), most=0.5, show=share)
    for hogs in (1, 2):
        for n in (1, 16):
            work = f"sync, {counted(n, 'caller')}, {counted(hogs, 'CPU hog')}"
            case = f"sync producers={n} hogs={hogs}"
            yield peers(run, work, case, 1)
            if n > 1:
                yield peers(run, work, case, 1, others=fair_peers(run, case),
                            kind=" that is fair")
            yield fair(run, work, case, 0.5)


def streams(run):
    for n in (1, 2, 4, 8):
        work, case = f"post, {counted(n, 'producer')}", f"post producers={n}"
        yield peers(run, work, case, 3)
        yield Goal(work, "naive libuv, at least 3x",
                   run.against(case, C, ["naive-libuv"]), least=3)
        yield Goal(work, "peak at most 64 MB",
                   [kb / 1024 for kb in run.values(case, C, "rss_kb")],
                   most=64, show=lambda mb: f"{mb:.3g} MB")
    for n, least in ((64, 4), (1024, 1.3)):
        work, case = f"pipelined, {n} in flight", f"pipelined in_flight={n}"
        yield peers(run, work, case, least)
        yield Goal(work, "tokio's bridge (tokio-mt), at least 5x",
                   run.against(case, C, ["tokio-mt"]), least=5)


def awaits(run):
    for where, n, text, most in (("loop", 1, "inline", 15),
                                 ("queue", 2, "queue", 150),
                                 ("yield", 1, "Task.yield", 150)):
        work = f"Swift await from a loop task, {text}"
        rates = run.values(f"await from={where} producers={n}", SWIFT,
                           "ops_per_s")
        yield Goal(work, f"at most {most} ns", [1e9 / r for r in rates],
                   most=most, show=nanoseconds,
                   note="the time by the number of steps")
        yield no_allocs(run, work,
                        f"await allocs=1 from={where} producers={n}")
    for n, least in ((1, 1e6), (16, 2e6), (1024, 2.5e6)):
        yield Goal(f"Swift await from the pool, {counted(n, 'task')}",
                   f"at least {least / 1e6:g} M/s",
                   run.values(f"await from=pool producers={n}", SWIFT,
                              "ops_per_s"), least=least, show=rate)
    yield no_allocs(run, "Swift await from the pool, 1 task",
                    "await allocs=1 from=pool producers=1", judged=False)


def lives(run):
    for n in (1, 1024, 1000000):
        yield Goal(f"timer arm+cancel, {n} outstanding", "at most 10 ns",
                   run.values(f"timer outstanding={n}", C, "p50_ns"),
                   most=10, show=nanoseconds)
    yield Goal("start, first call, stop", "p50 at most 70 us",
               run.values("startstop", C, "p50_ns"), most=70000,
               show=duration)
    yield Goal("start, first call, stop", "every peer slower",
               run.against("startstop", C, run.peers("startstop")), least=1,
               note="the best peer's p50 by ours")
    idle = "idle seconds=2"
    yield Goal("idle", "0 wake-ups per second",
               run.values(idle, C, "idle_csw_per_s"), most=SOME, show=share)
    yield Goal("idle", "0 us of CPU per second",
               run.values(idle, C, "idle_cpu_us_per_s"), most=SOME, show=share)
    yield Goal("idle", "one thread", run.values(idle, C, "threads"), most=1,
               show=count)
    yield Goal("memory, a ticket of a million", "resident bytes",
               [b - POINTERS for b in run.values("tickets", C, "bytes_each")],
               show=lambda b: f"{b:.0f} bytes",
               note="without the test's two pointers; request.h asserts that "
               "a request is at most 128 bytes")
    yield Goal("memory, a second engine, idle",
               "at most 64 KiB beyond its stack",
               run.values(idle, C, "second_rss_kb"), most=64,
               show=lambda kb: f"{kb:.0f} KiB",
               note="the touched part of its stack included")


def engines(run):
    yield Goal("two engines, 2 callers, anywhere", "one engine, at least 1.8x",
               run.across("sync producers=2 engines=2", C,
                          "sync producers=2", C), least=1.8)
    yield Goal("two engines, 2 callers, an engine and its caller on each CPU",
               "one engine with both callers on one CPU, at least 1.8x",
               run.across("sync producers=2 engines=2 pin=each", C,
                          "sync producers=2 pin=same", C), least=1.8)


def beside_load(run, handler):
    """Calls beside the echo load, by what the loop's free time would allow:
    their rate without load times the share of it that echoing leaves. What an
    echo costs the loop is taken from the run without calls and spinning."""
    tail = f" handler_ns={handler}" if handler else ""
    beside = f"echo connections=4 producers=1{tail}"
    alone = run.figures(f"sync producers=1{tail}", C)
    idle = run.rows("echo connections=4 producers=0", QUIET)
    out = []
    for number, row in run.rows(beside, C).items():
        cost = idle.get(number, {}).get("echo_loop_ns")
        if cost and number in alone and row.get("ops_per_s"):
            free = 1 - min(0.99, row["echo_per_s"] * cost / 1e9)
            out.append(row["ops_per_s"] / (alone[number] * free))
    return out


def lost(run, case):
    """The share of the echoes that spinning costs."""
    off = run.rows(case, QUIET)
    return [1 - row["echo_per_s"] / off[n]["echo_per_s"]
            for n, row in run.rows(case, C).items()
            if n in off and off[n].get("echo_per_s")]


def loaded(run):
    for text, handler in (("", 0), (", 20 us handlers", 20000)):
        yield Goal(f"calls beside TCP echo, 1 caller{text}",
                   "their rate alone by the loop's free time, at least 0.8",
                   beside_load(run, handler), least=0.8, show=share,
                   note="the clients take CPU time, too")
    for text, case in (("without calls", "producers=0"),
                       ("beside 1 caller", "producers=1"),
                       ("beside 1 caller with 20 us handlers",
                        "producers=1 handler_ns=20000")):
        yield Goal(f"TCP echo {text}", "less than 5% lost to spinning",
                   lost(run, f"echo connections=4 {case}"), most=0.05,
                   show="{:.1%}".format, note="against spin=off")


def goals(run):
    for part in (one_caller, many_callers, streams, awaits, lives, engines,
                 loaded):
        yield from part(run)


def markdown(rows):
    """The table, and how many goals are reached."""
    run = Run(rows)
    found = list(goals(run))
    verdicts = [goal.verdict().strip("*") for goal in found]
    out = ["| " + " | ".join(COLUMNS) + " |", "|" + "---|" * len(COLUMNS)]
    out += ["| " + " | ".join(goal.line()) + " |" for goal in found]
    under = f", {run.condition}" if run.condition else ""
    out.append(f"\n{verdicts.count('reached')} reached, "
               f"{verdicts.count('not reached')} not reached, "
               f"{verdicts.count('not measured')} not measured{under}.")
    return "\n".join(out) + "\n"


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    parser.add_argument("rows", nargs="?", help="build/bench/full.jsonl, or "
                        "else quick.jsonl")
    path = parser.parse_args().rows or summary.newest("build/bench")
    print(f"From {path}:\n\n{markdown(summary.load(path)[0])}", end="")


if __name__ == "__main__":
    main()
