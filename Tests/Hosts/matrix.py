#!/usr/bin/env python3
"""The table host x promise, from the results of matrix.sh.

matrix.py RESULTS [HOST...]   prints the table, the failures, and the last line
                              'hosts: N passed, N failed'; exit status 1 when a
                              cell failed or is missing.
matrix.py --failed RESULTS [HOST...]   prints the hosts with such a cell
matrix.py --markdown RESULTS  prints the table for the README.
matrix.py --readme README RESULTS   fails when the README's table is another
matrix.py --update README RESULTS   and this writes it.
"""
import pathlib
import sys

HERE = pathlib.Path(__file__).parent
BEGIN, END = "<!-- hosts:begin -->\n", "<!-- hosts:end -->\n"


def rows(name):
    """Lines of a list such as hosts.txt, split at the bars."""
    lines = (HERE / name).read_text().splitlines()
    return [line.split("|") for line in lines if line and line[0] != "#"]


def read(path):
    """{(host, promise): [(verdict, detail)]}"""
    cells = {}
    for line in pathlib.Path(path).read_text().splitlines():
        host, promise, verdict, detail = line.split("\t", 3)
        cells.setdefault((host, promise), []).append((verdict, detail))
    return cells


def verdict(results):
    """One word for a cell: ok, FAILED, missing, or - (cannot, and says why)."""
    if not results:
        return "missing"
    verdicts = {one for one, _ in results}
    if not verdicts <= {"ok", "-"}:
        return "FAILED"
    if "ok" in verdicts:
        return "ok"
    return "-" if all(detail for _, detail in results) else "FAILED"


def table(cells, hosts, markdown=False):
    """The table, hosts down and promises across."""
    promises = rows("promises.txt")
    head = ["host"] + [heading for _, heading, _ in promises]
    body = []
    for key, heading, _ in hosts:
        found = [verdict(cells.get((key, promise))) for promise, _, _ in promises]
        if markdown:
            found = ["yes" if one == "ok" else one for one in found]
        body.append([heading] + found)
    if markdown:
        lines = [head, ["---"] * len(head)] + body
        return "".join("| " + " | ".join(line) + " |\n" for line in lines)
    widths = [max(len(line[i]) for line in [head] + body) for i in range(len(head))]
    return "".join(
        "  ".join(one.ljust(width) for one, width in zip(line, widths)).rstrip() + "\n"
        for line in [head] + body
    )


def why_not(cells, hosts):
    """A line for each cell that says -, with its reason."""
    lines = []
    for key, heading, _ in hosts:
        for promise, title, _ in rows("promises.txt"):
            results = cells.get((key, promise), [])
            if verdict(results) == "-":
                lines.append(f"{heading}, {title}: {results[0][1]}")
    return lines


def check(cells, hosts):
    """Prints the table and what is wrong; the number of cells that are."""
    passed = failed = 0
    print()
    print(table(cells, hosts))
    for line in why_not(cells, hosts):
        print("-  " + line)
    known = {promise for promise, _, _ in rows("promises.txt")}
    for key, heading, _ in hosts:
        for promise in sorted(known):
            found = verdict(cells.get((key, promise)))
            passed += found in ("ok", "-")
            if found not in ("ok", "-"):
                failed += 1
                print(f"FAILED: {heading}, {promise}: {found}")
        strange = sorted({p for h, p in cells if h == key} - known)
        for promise in strange:
            failed += 1
            details = "; ".join(detail for _, detail in cells[(key, promise)])
            print(f"FAILED: {heading}, {promise}: {details}")
    print(f"hosts: {passed} passed, {failed} failed")
    return failed


def failed_hosts(cells, hosts):
    """The keys of the hosts of which a cell failed, is missing, or is strange."""
    known = {promise for promise, _, _ in rows("promises.txt")}
    return [
        key
        for key, _, _ in hosts
        if any(verdict(cells.get((key, one))) not in ("ok", "-") for one in known)
        or {promise for host, promise in cells if host == key} - known
    ]


def chosen(names):
    """The hosts of that name, all without a name, None if there is no such."""
    hosts = rows("hosts.txt")
    strange = set(names) - {host for host, _, _ in hosts}
    if strange:
        print("matrix.py: no such host:", ", ".join(sorted(strange)))
        return None
    return [host for host in hosts if not names or host[0] in names]


def readme(path, cells, hosts, update):
    """Compares the README's table with this one, or writes it there."""
    text = pathlib.Path(path).read_text()
    before, rest = text.split(BEGIN, 1)
    old, after = rest.split(END, 1)
    new = table(cells, hosts, markdown=True)
    notes = why_not(cells, hosts)
    if notes:
        new += "\nWhere a host cannot show one:\n\n"
        new += "".join(f"- {line}.\n" for line in notes)
    if update:
        pathlib.Path(path).write_text(before + BEGIN + new + END + after)
    elif old != new:
        print(f"{path}: its table of hosts is not what ran; make hosts-readme")
        return 1
    return 0


def main(arguments):
    hosts = rows("hosts.txt")
    if arguments[:1] == ["--markdown"]:
        print(table(read(arguments[1]), hosts, markdown=True), end="")
        return 0
    if arguments[:1] in (["--readme"], ["--update"]):
        cells = read(arguments[2])
        return readme(arguments[1], cells, hosts, arguments[0] == "--update")
    only_failed = arguments[:1] == ["--failed"]
    if only_failed:
        arguments = arguments[1:]
    hosts = chosen(arguments[1:])
    if hosts is None:
        return 2
    cells = read(arguments[0])
    if only_failed:
        print("\n".join(failed_hosts(cells, hosts)))
        return 0
    return 1 if check(cells, hosts) else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
