#!/usr/bin/env python3
"""Makes pictures, one self-contained page and a table from measured rows.

Writes *.png, report.html, table.md and goals.md beside the rows. Needs
matplotlib, which `make bench-report` installs under build/.
"""
import argparse
import base64
import html
import os
import sys

sys.dont_write_bytecode = True

import charts
import goals
import readme
import summary
import systems

STYLE = """
body { font: 15px/1.5 sans-serif; max-width: 72rem; margin: 2rem auto;
       padding: 0 1rem; color: #222; }
img { max-width: 100%; } figure { margin: 2rem 0; }
figcaption { color: #555; }
table { border-collapse: collapse; font-size: 12px; margin: .5rem 0 2rem; }
td, th { border: 1px solid #ccc; padding: .2rem .5rem; text-align: left; }
tr.ours td { background: #eef4ff; }
"""


def cells(text):
    return [html.escape(c.strip()) for c in text.strip().strip("|").split("|")]


def table_html(lines):
    """A Markdown table as HTML; our rows stand out."""
    out = ["<table>", "<tr>" + "".join(f"<th>{c}</th>"
                                       for c in cells(lines[0])) + "</tr>"]
    for line in lines[2:]:
        row = cells(line)
        ours = ' class="ours"' if row[0].startswith("outboard") else ""
        out.append(f"<tr{ours}>" + "".join(f"<td>{c}</td>" for c in row) +
                   "</tr>")
    return out + ["</table>"]


def markdown_html(text):
    """The little Markdown that summary.py writes."""
    out, table = [], []
    for line in text.split("\n") + [""]:
        if line.startswith("|"):
            table.append(line)
            continue
        if table:
            out += table_html(table)
            table = []
        if line.startswith("### "):
            out.append(f"<h3>{html.escape(line[4:])}</h3>")
        elif line:
            out.append(f"<p>{html.escape(line)}</p>")
    return "\n".join(out)


def machine():
    """The processor, as far as the kernel tells."""
    try:
        with open("/proc/cpuinfo", encoding="utf-8") as info:
            names = [line.split(":", 1)[1].strip() for line in info
                     if line.startswith("model name")]
    except OSError:
        names = []
    return f"{len(names) or os.cpu_count()} x {names[0] if names else 'CPU'}"


def page(rows, run, pictures):
    """The HTML page with its pictures inside."""
    loads = [row["load"] for row in rows]
    under = summary.condition(rows)
    under = f", all of it with {under}" if under else ""
    rounds = len({row["round"] for row in rows})
    parts = ["<!doctype html><html lang=en><meta charset=utf-8>",
             f"<title>Outboard: benchmarks</title><style>{STYLE}</style>",
             "<h1>Outboard: benchmarks</h1>",
             f"<p>{len(rows)} measurements in {rounds} interleaved rounds on "
             f"{html.escape(machine())}{html.escape(under)}; load "
             f"{min(loads)} to {max(loads)}. "
             "Ratios are taken within a round, then their median; compare "
             "these, not the absolute figures.</p>",
             "<h2>Goals</h2>", markdown_html(goals.markdown(rows)),
             "<h2>Against the best peer</h2>",
             markdown_html(summary.short(rows))]
    for path, caption in pictures:
        with open(path, "rb") as image:
            data = base64.b64encode(image.read()).decode()
        parts.append(f'<figure><img alt="{html.escape(caption)}" '
                     f'src="data:image/png;base64,{data}">'
                     f"<figcaption>{html.escape(caption)}</figcaption>"
                     "</figure>")
    parts += ["<h2>Every measurement</h2>",
              markdown_html(summary.markdown(rows)),
              "<h2>Not measured</h2>",
              markdown_html("\n".join(summary.absent(run)) or "Nothing.")]
    return "\n".join(parts)


def update(path, rows):
    """Replaces the table between the markers of a file."""
    table, without = readme.table(rows)
    if without:
        sys.exit(f"{path}: left as it was, since there are no rows for: "
                 f"{'; '.join(without)}")
    with open(path, encoding="utf-8") as file:
        text = file.read()
    head, begin, rest = text.partition(readme.BEGIN)
    _, end, tail = rest.partition(readme.END)
    if not begin or not end:
        sys.exit(f"{path}: no {readme.BEGIN} ... {readme.END} to put the table "
                 "between")
    with open(path, "w", encoding="utf-8") as file:
        file.write(f"{head}{begin}\n{table}{end}{tail}")


def unfinished(rows):
    """What is known of a run that was killed: it lacks the last line."""
    seen = {row["system"].split()[0] for row in rows}
    return {"missing": [(name, why) for name, why
                        in systems.missing("build/bench/bin")
                        if name not in seen]}


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    parser.add_argument("rows", nargs="?",
                        help="build/bench/full.jsonl, or else quick.jsonl")
    parser.add_argument("--update", metavar="FILE",
                        help="put the README's table between "
                        f"{readme.BEGIN} and {readme.END}")
    args = parser.parse_args()
    path = args.rows or summary.newest("build/bench")
    rows, run = summary.load(path)
    run = run or unfinished(rows)
    folder = os.path.dirname(path) or "."
    # Beside those of other conditions: full-hogs1.jsonl, report-hogs1.html.
    stem = os.path.splitext(os.path.basename(path))[0]
    tail = "".join("-" + word for word in stem.split("-")[1:])
    pictures = charts.draw_all(rows, folder, tail)
    for name, text in ((f"report{tail}.html", page(rows, run, pictures)),
                       (f"table{tail}.md", summary.short(rows)),
                       (f"goals{tail}.md", goals.markdown(rows))):
        with open(os.path.join(folder, name), "w", encoding="utf-8") as file:
            file.write(text)
    print("\n".join(summary.absent(run)))
    if args.update:
        update(args.update, rows)
    print(f"{folder}/report{tail}.html, table{tail}.md, goals{tail}.md and "
          f"{len(pictures)} pictures, from {path}")


if __name__ == "__main__":
    main()
