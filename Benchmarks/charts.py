"""The report's pictures."""
import os

import matplotlib

matplotlib.use("Agg")

import matplotlib.pyplot as plt  # noqa: E402
from matplotlib.ticker import (  # noqa: E402
    FuncFormatter, MaxNLocator, NullFormatter)

import summary  # noqa: E402
import systems as known  # noqa: E402

OURS = {"outboard": "#0b4fd0", "outboard spin=off": "#5b9bff",
        "outboard-swift": "#e8590c"}
# Without the greys, which are the limits', and our blue.
OTHERS = [c for i, c in enumerate(plt.get_cmap("tab20").colors)
          if i not in (0, 1, 2, 14, 15)]
LIMITS = {"limit-spin": "0.15", "limit-yield": "0.35", "limit-futex": "0.5",
          "limit-eventfd": "0.65"}
DASHES = {"limit-spin": "-", "limit-yield": "--", "limit-futex": "-.",
          "limit-eventfd": ":"}
PEERS = [n for n in known.NAMES
         if not known.is_ours(n) and not known.is_limit(n)]


def color(name):
    if name in OURS:
        return OURS[name]
    if name in LIMITS:
        return LIMITS[name]
    return OTHERS[PEERS.index(name) % len(OTHERS)] if name in PEERS else "0.7"


def look(name):
    """Ours stand out, limits are dashed."""
    return {"color": color(name), "label": name,
            "linewidth": 2.6 if name in OURS else 1.2,
            "linestyle": DASHES.get(name, "-"),
            "zorder": 3 if name in OURS else 2}


def rate_axis(axis):
    axis.set_major_formatter(FuncFormatter(lambda v, _: summary.rate(v)))
    axis.set_minor_formatter(NullFormatter())


def time_axis(axis):
    axis.set_major_formatter(FuncFormatter(lambda v, _: summary.duration(v)))
    axis.set_minor_formatter(NullFormatter())


def median(rows, key):
    return summary.middle(rows, key)


def scaling(cases, workload):
    """system -> [(producers, rows)] of the plain cases of a workload."""
    found = {}
    for case, systems in cases.items():
        words = case.split()
        if len(words) != 2 or words[0] != workload or "producers=" not in case:
            continue
        for name, rows in systems.items():
            found.setdefault(name, []).append((rows[0]["producers"], rows))
    return found


def throughput(cases, workload, title):
    found = scaling(cases, workload)
    if not found:
        return None
    figure, axes = plt.subplots(figsize=(9.5, 6))
    for name, points in found.items():
        points.sort(key=lambda p: p[0])
        xs = [n for n, _ in points]
        ys = [median(rows, "ops_per_s") for _, rows in points]
        if known.is_limit(name):
            axes.axhline(ys[0], **dict(look(name), linewidth=1))
        else:
            axes.plot(xs, ys, marker="o", markersize=4, **look(name))
    counts = sorted({n for points in found.values() for n, _ in points})
    axes.set_xscale("log", base=2)
    axes.set_yscale("log")
    axes.set_xticks(counts, [str(n) for n in counts])
    rate_axis(axes.yaxis)
    axes.set(xlabel="threads", ylabel="operations per second", title=title)
    axes.grid(True, which="major", alpha=0.3)
    axes.legend(fontsize=8, loc="center left", bbox_to_anchor=(1.0, 0.5))
    return figure


def distribution(rows):
    """The histograms of all rounds as points of a CDF."""
    counts = {}
    for row in rows:
        for ns, count in row["hist"]:
            counts[ns] = counts.get(ns, 0) + count
    total, seen, xs, ys = sum(counts.values()), 0, [], []
    for ns in sorted(counts):
        seen += counts[ns]
        xs.append(max(ns, 1))
        ys.append(seen / total)
    return xs, ys


def latency(cases, case):
    systems = {n: r for n, r in cases.get(case, {}).items()
               if any(row["hist"] for row in r)}
    if not systems:
        return None
    figure, axes = plt.subplots(figsize=(9.5, 5.5))
    for name, rows in systems.items():
        xs, ys = distribution(rows)
        axes.step(xs, ys, where="post", **look(name))
    axes.set_xscale("log")
    time_axis(axes.xaxis)
    axes.set(xlabel="latency", ylabel="share of calls at most this slow",
             title=f"Latency: {case}", ylim=(0, 1.01))
    axes.grid(True, alpha=0.3)
    axes.legend(fontsize=8, loc="center left", bbox_to_anchor=(1.0, 0.5))
    return figure


def panel(axes, case, values, key, show):
    """A bar per system, the best on top."""
    order = sorted(values, key=values.get, reverse=key != "fairness")
    shown = [values[n] for n in order]
    axes.barh(order, shown, color=[color(n) for n in order])
    for y, value in enumerate(shown):
        axes.annotate(" " + show(value), (value, y), va="center", fontsize=7)
    if min(shown) > 0 and max(shown) > 20 * min(shown):
        axes.set_xscale("log")
    else:
        axes.xaxis.set_major_locator(MaxNLocator(4))
    axes.xaxis.set_major_formatter(FuncFormatter(lambda v, _: show(v)))
    axes.xaxis.set_minor_formatter(NullFormatter())
    axes.tick_params(labelsize=8)
    axes.margins(x=0.25, y=0.02)
    axes.set_title(case, fontsize=9)


def bars(cases, names, key, title, label, show):
    """One panel per case; a wide range of values gets a logarithmic axis."""
    panels = []
    for case in names:
        values = {n: median(r, key) for n, r in cases.get(case, {}).items()}
        values = {n: v for n, v in values.items() if v is not None}
        if values:
            panels.append((case, values))
    if not panels:
        return None
    many = 4 if len(panels) > 6 else 3
    across = {1: 1, 2: 2, 4: 2}.get(len(panels), many)
    down = -(-len(panels) // across)
    height = 1.1 + 0.22 * max(len(v) for _, v in panels)
    figure, grid = plt.subplots(down, across, squeeze=False,
                                figsize=(4.6 * across, 0.5 + height * down),
                                layout="constrained")
    for axes in grid.flat[len(panels):]:
        axes.set_visible(False)
    for axes, (case, values) in zip(grid.flat, panels):
        panel(axes, case, values, key, show)
    figure.suptitle(title)
    figure.supxlabel(label, fontsize=9)
    return figure


TAGS = {"outboard-swift": " (Swift)", "outboard spin=off": " (spin=off)"}


def limited(case, systems):
    return summary.limit_ratio(case, systems, "outboard spin=off") is not None


def ratios(cases):
    """Ours against the best peer, and against the limit that fits."""
    lines = []
    for case, systems in cases.items():
        if summary.is_count(case):
            continue
        for name in systems:
            if not known.is_ours(name):
                continue
            if name == "outboard spin=off" and not limited(case, systems):
                continue
            peer = summary.peer_ratio(case, systems, name)
            limit = summary.limit_ratio(case, systems, name)
            fair = summary.fair_peer_ratio(case, systems, name)
            if peer or limit:
                lines.append((case + TAGS.get(name, ""), peer, limit,
                              fair if fair != peer else None))
    if not lines:
        return None
    lines.reverse()
    figure, axes = plt.subplots(figsize=(9.5, 1.5 + 0.22 * len(lines)))
    for y, (_, peer, limit, fair) in enumerate(lines):
        if peer:
            axes.barh(y, peer - 1, left=1, height=0.7,
                      color=OURS["outboard"] if peer >= 1 else "#c92a2a")
            axes.annotate(f" {summary.times(peer)} ", (peer, y), fontsize=7,
                          va="center", ha="left" if peer >= 1 else "right")
        if fair and "producers=1" not in lines[y][0].split():
            axes.plot(fair, y, "o", color=OURS["outboard"], markersize=5,
                      zorder=4, markeredgecolor="white")
        if limit:
            axes.plot(limit, y, "D", color="0.3", markersize=5, zorder=4,
                      markeredgecolor="white")
    axes.plot([], [], "D", color="0.3", label="to its limit: spinning, or futex "
              "for spin=off and one CPU")
    axes.plot([], [], "o", color=OURS["outboard"], label="to the best whose "
              "slowest caller has half of the mean or more")
    axes.barh([0], [0], color=OURS["outboard"], label="to the best peer")
    axes.set_yticks(range(len(lines)), [line[0] for line in lines], fontsize=7)
    axes.set_xscale("log")
    axes.margins(x=0.15, y=0.01)
    axes.axvline(1, color="0.2", linewidth=1)
    axes.xaxis.set_major_formatter(FuncFormatter(lambda v, _: f"{v:g}x"))
    axes.xaxis.set_minor_formatter(NullFormatter())
    axes.set(title="Outboard against the best peer and its own limit, "
             "median of ratios within a round")
    axes.legend(fontsize=8, loc="upper center", bbox_to_anchor=(0.4, -0.03))
    axes.grid(True, axis="x", alpha=0.3)
    return figure


def plain(cases, workload):
    return [c for c in cases if c.split()[0] == workload and
            not summary.is_count(c)]


def pictures(cases):
    """(file name, figure or None, caption)."""
    sync = ["sync producers=1", "sync producers=16", "sync producers=64"]
    ns, share = summary.duration, "{:.2f}".format
    yield "ratio", ratios(cases), "Ours against the best other system."
    yield ("throughput", throughput(cases, "sync",
                                    "Synchronous calls: throughput"),
           "Answers per second against the number of blocked callers.")
    yield ("post", throughput(cases, "post", "Fire and forget: throughput"),
           "Posts that have run per second against the number of producers.")
    for case in sync:
        yield ("latency-" + case.split("=")[1], latency(cases, case),
               f"Latency of {case}, all rounds.")
    yield ("fairness", bars(cases, sync[1:], "fairness", "Fairness",
                            "slowest caller by mean caller", share),
           "1 is fair: the slowest caller got as much as the mean.")
    yield ("cpu", bars(cases, sync, "cpu_ns_per_op", "CPU time per call",
                       "CPU time of all threads", ns),
           "Processor time of the process per call.")
    yield ("sparse", bars(cases, plain(cases, "sparse"), "p50_ns",
                          "One call now and then", "median latency", ns),
           "Latency of a call to a loop that has been idle.")
    yield ("timer", bars(cases, plain(cases, "timer"), "p50_ns",
                         "Timers", "arm and cancel, per pair", ns),
           "Arming and cancelling a timer with others outstanding.")
    yield ("startstop", bars(cases, ["startstop"], "p50_ns",
                             "Start, first call, stop", "median", ns),
           "The whole life of an engine.")
    yield ("await", bars(cases, plain(cases, "await"), "p50_ns",
                         "Swift: await", "median latency", ns),
           "One await, by where the task runs.")
    yield ("memory", bars(cases, [c for c in plain(cases, "post")
                                  if len(c.split()) == 2][:4], "rss_kb",
                          "Fire and forget: peak memory", "resident",
                          lambda kb: f"{kb / 1024:.3g} MB"),
           "Peak resident memory while posts pile up.")


def draw_all(rows, folder, tail=""):
    """Writes the pictures, NAME + tail + .png; (path, caption) of each."""
    cases, done = summary.grouped(summary.bare(rows)), []
    under = summary.condition(rows)
    for name, figure, caption in pictures(cases):
        if figure is None:
            continue
        caption += f" All of it with {under}." if under else ""
        path = os.path.join(folder, name + tail + ".png")
        figure.savefig(path, dpi=110, bbox_inches="tight")
        plt.close(figure)
        done.append((path, caption))
    return done
