"""Medians, spreads and ratios of measured rows, and the Markdown of them."""
import json
import os
import statistics
import sys

from systems import is_limit, is_ours

# Smaller is better, and the rate says nothing.
TIMES = {"sparse": "p50_ns", "startstop": "p50_ns", "timer": "p50_ns"}


def newest(folder):
    """full.jsonl, or else quick.jsonl."""
    for name in ("full.jsonl", "quick.jsonl"):
        path = os.path.join(folder, name)
        if os.path.exists(path):
            return path
    sys.exit(f"no rows in {folder}: run `make bench-quick` or `make bench`")


def load(path):
    """The rows of a file, and what it says of the whole run (or nothing)."""
    with open(path, encoding="utf-8") as file:
        lines = [json.loads(line) for line in file]
    rows = [line for line in lines if "case" in line]
    if not rows:
        sys.exit(f"{path} has no rows: run the benchmark again")
    about = [line["run"] for line in lines if "run" in line]
    return rows, about[-1] if about else {}


def condition(rows):
    """What the command line put on every case: "pin=same hogs=1"."""
    return rows[0].get("condition", "") if rows else ""


def bare(rows):
    """The rows with that taken out of their titles."""
    gone = condition(rows).split()
    return [dict(row, case=" ".join(word for word in row["case"].split()
                                    if word not in gone)) for row in rows]


def rate(value):
    for unit, scale in (("M/s", 1e6), ("k/s", 1e3)):
        if value >= scale:
            return f"{value / scale:.3g} {unit}"
    return f"{value:.3g} /s"


def duration(ns):
    for unit, scale in (("s", 1e9), ("ms", 1e6), ("us", 1e3)):
        if ns >= scale:
            return f"{ns / scale:.3g} {unit}"
    return f"{ns:.0f} ns"


def figure(case, row):
    """What a row is judged by: more is better. None: nothing to judge."""
    key = TIMES.get(case.split()[0])
    value = row.get(key or "ops_per_s")
    if not value and row.get("echo_per_s"):
        return row["echo_per_s"]
    if not value:
        return None
    return 1e9 / value if key else value


def times(ratio):
    return f"{ratio:.2f}x" if ratio >= 0.1 else f"{ratio:.1g}x"


def grouped(rows):
    """case -> system -> rows in the order of their rounds."""
    cases = {}
    for row in rows:
        cases.setdefault(row["case"], {}).setdefault(row["system"],
                                                     []).append(row)
    return cases


def middle(rows, key):
    values = [r[key] for r in rows if r.get(key) is not None]
    return statistics.median(values) if values else None


def against(case, systems, name, others):
    """Median over the rounds of this system's figure by the best other's."""
    ratios = []
    for row in systems[name]:
        best = [figure(case, r) for other in others if other != name
                for r in systems[other] if r["round"] == row["round"]]
        best = [b for b in best if b]
        mine = figure(case, row)
        if best and mine:
            ratios.append(mine / max(best))
    return statistics.median(ratios) if ratios else None


def peer_ratio(case, systems, name):
    peers = [s for s in systems if not is_ours(s) and not is_limit(s)]
    return against(case, systems, name, peers)


FAIR = 0.5  # of the mean: what a fair peer's slowest caller has


def fair_peer_ratio(case, systems, name):
    """A peer that spins answers whoever has the CPU and starves the others."""
    peers = [s for s, rows in systems.items()
             if not is_ours(s) and not is_limit(s) and
             (middle(rows, "fairness") or 0) >= FAIR]
    return against(case, systems, name, peers)


def limit_of(case, system):
    """What the machine allows of a lone caller: two CPUs that spin, or for who
    does not spin, or cannot since both share a CPU, two threads that wake each
    other."""
    words = case.split()
    if (words[0] != "sync" or "producers=1" not in words or is_limit(system)):
        return None
    spins = is_ours(system) and "spin=off" not in system
    return "limit-spin" if spins and "pin=same" not in words else "limit-futex"


def limit_ratio(case, systems, name):
    """To the matching limit of the same round."""
    limit = limit_of(case, name)
    return against(case, systems, name, [limit]) if limit in systems else None


def limit_cell(case, systems, name):
    ratio = limit_ratio(case, systems, name)
    if ratio is None:
        return "-"
    return f"{times(ratio)} {limit_of(case, name).removeprefix('limit-')}"


def cell(value, show):
    return "-" if value is None else show(value)


def spread(case, rows):
    figures = [figure(case, r) for r in rows]
    figures = [f for f in figures if f]
    if not figures:
        return "-", "-"
    show = rate
    if case.split()[0] in TIMES:
        figures, show = [1e9 / f for f in figures], duration
    return (show(statistics.median(figures)),
            f"{show(min(figures))} to {show(max(figures))}")


def notes(rows):
    """Members that only some workloads have."""
    last, words = rows[-1], []
    for key, text in (("start_ns", "start"), ("first_ns", "first call"),
                      ("stop_ns", "stop")):
        if key in last:
            words.append(f"{text} {duration(middle(rows, key))}")
    if "echo_per_s" in last:
        words.append(f"echo {rate(middle(rows, 'echo_per_s'))}")
    if "late_ms" in last:
        words.append(f"{middle(rows, 'late_ms'):.0f} ms of load late")
    if "idle_cpu_us_per_s" in last:
        words.append(f"{middle(rows, 'idle_cpu_us_per_s'):.0f} us CPU/s, "
                     f"{middle(rows, 'idle_csw_per_s'):.1f} switches/s, "
                     f"{last['threads']} threads, "
                     f"{last['second_rss_kb']} kB for a second instance")
    if "bytes_each" in last:
        words.append(f"{last['bytes_each']:.0f} bytes each")
    if last.get("timing") == "python":
        words.append("timed in Python")
    return ", ".join(words)


COLUMNS = ("system", "median", "min to max", "p50", "p99", "slowest caller",
           "CPU/op", "switches/op", "peak MB", "best peer")


def line(case, systems, name, limited):
    rows = systems[name]
    median, limits = spread(case, rows)
    return (name, median, limits,
            cell(middle(rows, "p50_ns"), duration),
            cell(middle(rows, "p99_ns"), duration),
            cell(middle(rows, "fairness"), "{:.2f}".format),
            cell(middle(rows, "cpu_ns_per_op"), duration),
            cell(middle(rows, "csw_per_op"), "{:.3f}".format),
            cell(middle(rows, "rss_kb"), lambda kb: f"{kb / 1024:.1f}"),
            cell(peer_ratio(case, systems, name), times)) + (
                (limit_cell(case, systems, name),) if limited else ()) + (
                    notes(rows),)


def is_count(case):
    """Counting disturbs the timing: such a case has no times."""
    return case.endswith("strace") or "allocs=1" in case


def counts_table(cases):
    """Allocations and system calls per operation, one row per system."""
    found, works = {}, []
    for case, systems in cases.items():
        if not is_count(case):
            continue
        key = "syscalls_per_op" if case.endswith("strace") else "allocs_per_op"
        work = case.replace(" strace", "").replace(" allocs=1", "")
        work = work.replace("allocs=1 ", "")
        if work not in works:
            works.append(work)
        for name, rows in systems.items():
            found.setdefault(name, {})[work, key] = middle(rows, key)
    if not found:
        return []
    out = ["\n### Allocations and system calls per operation\n",
           "System calls under strace, which makes parking likelier.\n",
           "| system | " + " | ".join(works) + " |",
           "|---|" + "---|" * len(works)]
    for name, counts in found.items():
        cells = [cell(counts.get((work, "allocs_per_op")), "{:.2f}".format) +
                 " / " +
                 cell(counts.get((work, "syscalls_per_op")), "{:.2f}".format)
                 for work in works]
        out.append(f"| {name} | " + " | ".join(cells) + " |")
    return out


def absent(run):
    """What was not measured, and why; lines of their own."""
    out = []
    if run.get("missing"):
        out.append("Missing: " + "; ".join(
            f"{name} ({why})" for name, why in run["missing"]) + ".")
    if not run.get("strace", True):
        out.append("No strace here: system calls were not counted.")
    for system, cases in run.get("lacking", {}).items():
        out.append(f"{system} has no such workload: {', '.join(cases)}.")
    return out


def markdown(rows):
    """One table per case."""
    out, cases = [], grouped(rows)
    for case, systems in cases.items():
        if is_count(case):
            continue
        limited = any(is_limit(name) for name in systems)
        columns = COLUMNS + (("of its limit",) if limited else ()) + ("notes",)
        out += [f"\n### {case}\n", "| " + " | ".join(columns) + " |",
                "|" + "---|" * len(columns)]
        out += ["| " + " | ".join(line(case, systems, name, limited)) + " |"
                for name in systems]
    out += counts_table(cases)
    return "\n".join(out) + "\n"


def best_peer(case, systems):
    """The peer with the best median, and the median."""
    best = (None, 0)
    for name, rows in systems.items():
        if is_ours(name) or is_limit(name):
            continue
        figures = [f for f in (figure(case, r) for r in rows) if f]
        if figures and statistics.median(figures) > best[1]:
            best = (name, statistics.median(figures))
    return best[0]


def short(rows):
    """Ours against the best peer of the same rounds."""
    out = ["| work | ours | best peer | ratio | p99, ours | p99, peer | "
           "slowest caller |", "|---|---|---|---|---|---|---|"]
    for case, systems in grouped(rows).items():
        ours = next((s for s in systems if is_ours(s)), None)
        peer = best_peer(case, systems)
        if is_count(case) or ours is None or peer is None:
            continue
        out.append("| " + " | ".join((
            case, spread(case, systems[ours])[0],
            f"{spread(case, systems[peer])[0]} ({peer})",
            cell(peer_ratio(case, systems, ours), times),
            cell(middle(systems[ours], "p99_ns"), duration),
            cell(middle(systems[peer], "p99_ns"), duration),
            cell(middle(systems[ours], "fairness"), "{:.2f}".format))) + " |")
    return "\n".join(out) + "\n"
