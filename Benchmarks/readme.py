"""The README's short table, from the rows of a full run."""
import re
import statistics

import summary
from summary import duration

BEGIN, END = "<!-- bench:begin -->", "<!-- bench:end -->"

MANY = re.compile(r"^sync .*producers=(?!1\b)")  # where a peer may be unfair

HEAD = """| work | Outboard | tokio | naive libuv | against the best of all \
peers (of the fair ones), same round |
|---|---|---|---|---|
"""

C, SWIFT, TOKIO, NAIVE = ("outboard", "outboard-swift", "tokio-mt",
                          "naive-libuv")

# Title; our system; cases, whose figures stand side by side; whether p99 is
# told too.
LINES = [
    ("synchronous calls, 1 thread", C, ["sync producers=1"], True),
    ("the same from Swift", SWIFT, ["sync producers=1"], True),
    ("the same, all on one CPU", C, ["sync producers=1 pin=same"], False),
    ("4 threads", C, ["sync producers=4"], True),
    ("16 threads", C, ["sync producers=16"], True),
    ("16 threads on one CPU", C, ["sync producers=16 pin=same"], True),
    ("64 threads", C, ["sync producers=64"], True),
    ("posts, 1 / 4 threads", C, ["post producers=1", "post producers=4"],
     False),
    ("submissions, 1,024 under way", C, ["pipelined in_flight=1024"], False),
    ("jobs that block, from 16 threads", C, ["offload producers=16"], False),
    ("a timer armed and cancelled, 1,024 others", C,
     ["timer outstanding=1024"], False),
    ("start, first call, stop", C, ["startstop"], False),
]


def rate(value):
    """Two digits: more would promise more than a run can hold."""
    for unit, scale in (("M/s", 1e6), ("k/s", 1e3)):
        if value >= scale:
            value /= scale
            digits = 1 if value < 9.95 else 0
            return f"{value:.{digits}f} {unit}"
    return f"{value:.0f} /s"


def joined(figures):
    """ "17 / 41 M/s" in place of "17 M/s / 41 M/s"."""
    units = {text.split()[-1] for text in figures}
    if len(units) == 1 and len(figures) > 1:
        return (" / ".join(text.split()[0] for text in figures) +
                f" {units.pop()}")
    return " / ".join(figures)


def judged(case, rows):
    """The median of what this case is judged by, as a text."""
    figures = [f for f in (summary.figure(case, r) for r in rows) if f]
    if not figures:
        return None
    value = statistics.median(figures)
    if case.split()[0] in summary.TIMES:
        return duration(1e9 / value)
    return rate(value)


def cell(cases, titles, system, tail):
    texts = [judged(t, cases.get(t, {}).get(system, [])) for t in titles]
    if None in texts:
        return None
    text = joined(texts)
    p99 = summary.middle(cases[titles[0]][system], "p99_ns")
    return f"{text}, p99 {duration(p99)}" if tail and p99 else text


def gain(ratio):
    return f"{ratio:.0f}x" if ratio >= 10 else f"{ratio:.1f}x"


def ratio_cell(cases, titles, system):
    texts = []
    for title in titles:
        ratio = summary.peer_ratio(title, cases[title], system)
        fair = summary.fair_peer_ratio(title, cases[title], system)
        text = gain(ratio) if ratio else "-"
        if MANY.search(title) and fair and gain(fair) != text:
            text += f" ({gain(fair)})"
        texts.append(text)
    return " / ".join(texts)


def table(rows):
    """The table, and the lines for which there are no rows."""
    cases, out, without = summary.grouped(rows), HEAD, []
    for title, ours, titles, tail in LINES:
        first = cell(cases, titles, ours, tail)
        if first is None:
            without.append(title)
            continue
        others = ["", ""] if ours == SWIFT else [
            cell(cases, titles, other, tail) or "-" for other in (TOKIO, NAIVE)]
        out += (f"| {title} | {first} | " + "".join(
            f"{other} | " if other else "| " for other in others) +
            f"{ratio_cell(cases, titles, ours)} |\n")
    return out, without
