#!/usr/bin/env python3
"""The public C interface as a list of lines, and a check against the one under
version control (outboard.abi).

    abi.py list   [--source DIR]                 print it
    abi.py check  [--source DIR] [--library A]   compare; exit status 1 if not equal
    abi.py accept [--source DIR]                 write it, if the rules allow

The list is what the compiler makes of the headers: prototypes, sizes, offsets and
values come from the debugging information of a file that includes them, so a
change of a typedef shows wherever it matters. With --library the archive's
exported symbols must be the declared functions.

Rules of accept, read from outboard.h: what is added (functions, types, constants,
members at the end of a struct that begins with its size) needs a new line in the
API log; what is changed or removed needs a new minor version while the major one
is 0, and a new major version after that. Textual, and not abidiff: the list can be
reviewed in a diff, and needs nothing but the compiler.
"""
import argparse
import os
import re
import subprocess
import sys
import tempfile

HERE = os.path.dirname(os.path.abspath(__file__))
LIST = os.path.join(HERE, "outboard.abi")
SOURCE = os.path.join(HERE, "..", "..", "CSources", "COutboard")
HEADERS = ["outboard.h", "outboard_uv.h"]
# Not part of the interface: guards; the version, which has a line of its own; the
# texts of errors, whose codes are listed as enumerators.
MACROS_LEFT_OUT = re.compile(r"^(OUTBOARD_\w*H|OB_API|OB_VERSION_\w+|OB_STATUS_MAP|XX)$")
CC = os.environ.get("CC", "gcc")


class AbiError(Exception):
    """What stands in the way, and what to do about it."""


def run(*command, text=None):
    done = subprocess.run(command, input=text, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise AbiError(f"{' '.join(command)}:\n{done.stderr.strip()}")
    return done.stdout


def flags(source):
    uv = subprocess.run(
        ["pkg-config", "--cflags", "libuv"], capture_output=True, text=True, check=False)
    return ["-std=gnu11", "-I", os.path.join(source, "include"), *uv.stdout.split()]


def includes():
    return "".join(f"#include <{name}>\n" for name in HEADERS)


# --- Functions and macros: from the preprocessor ------------------------------


def own_lines(source):
    """Preprocessed lines that stand in our headers, macros' definitions included."""
    text = run(CC, *flags(source), "-E", "-dD", "-x", "c", "-", text=includes())
    folder = os.path.realpath(os.path.join(source, "include"))
    ours = False
    for line in text.splitlines():
        mark = re.match(r'# \d+ "([^"]*)"', line)
        if mark:
            ours = os.path.dirname(os.path.realpath(mark.group(1))) == folder
        elif ours:
            yield line


def functions_and_macros(source):
    code, macros = [], {}
    for line in own_lines(source):
        macro = re.match(r"#define (\w+)(\([^)]*\))?\s*(.*)", line)
        if macro:
            name, arguments, body = macro.groups()
            if not MACROS_LEFT_OUT.match(name):
                macros[name] = f"{arguments or ''} {' '.join(body.split())}".rstrip()
        elif not line.startswith("#"):
            code.append(line)
    exported = re.compile(
        r'__attribute__\s*\(\(visibility\("default"\)\)\)[^;{]*?\b(ob_\w+)\s*\(')
    return sorted(set(exported.findall(" ".join(code)))), macros


# --- Types: from the debugging information -------------------------------------


class Entry:
    """A debugging information entry."""

    def __init__(self, tag, depth):
        self.tag, self.depth, self.attributes, self.children = tag, depth, {}, []

    def get(self, name, default=None):
        return self.attributes.get(name, default)

    def number(self, name, default=None):
        text = self.get(name)
        return default if text is None else int(text.split()[0], 0)


def entries(text):
    """All of readelf's --debug-dump=info by offset, and those at the top."""
    by_offset, stack, top = {}, [], []
    head = re.compile(r"^ *<(\d+)><([0-9a-f]+)>: Abbrev Number: \d+ \((DW_TAG_\w+)\)")
    line_of = re.compile(r"^ *<[0-9a-f]+> +DW_AT_(\w+) *: (.*)$")
    for line in text.splitlines():
        match = head.match(line)
        if match:
            depth, offset, tag = int(match.group(1)), int(match.group(2), 16), match.group(3)
            entry = Entry(tag.removeprefix("DW_TAG_"), depth)
            by_offset[offset] = entry
            while stack and stack[-1].depth >= depth:
                stack.pop()
            if stack:
                stack[-1].children.append(entry)
            if depth == 1:
                top.append(entry)
            stack.append(entry)
            continue
        match = line_of.match(line)
        if match and stack:
            name, value = match.groups()
            # readelf names the form first, in one of its versions' ways.
            value = re.sub(r"^(\([^)]*\) ?)+:? ?", "", value.strip())
            stack[-1].attributes[name] = value.strip()
    return by_offset, top


class Types:
    """Writes types as C does."""

    def __init__(self, by_offset):
        self.by_offset = by_offset

    def of(self, entry):
        reference = entry.get("type")
        if reference is None:
            return None
        return self.by_offset[int(re.match(r"<(?:0x)?([0-9a-f]+)>", reference).group(1), 16)]

    def name(self, entry):
        """The type in words: no declarator syntax, so that it reads from left to right."""
        if entry is None:
            return "void"
        inner = self.of(entry)
        if entry.tag == "pointer_type":
            if inner is not None and inner.tag == "subroutine_type":
                return self.name(inner) + "*"
            return self.name(inner) + "*"
        if entry.tag in ("const_type", "volatile_type"):
            return f"{self.name(inner)} {entry.tag.removesuffix('_type')}"
        if entry.tag == "array_type":
            bounds = "".join(
                f"[{child.number('upper_bound', -1) + 1}]" for child in entry.children)
            return self.name(inner) + bounds
        if entry.tag == "subroutine_type":
            return f"{self.name(inner)}({self.parameters(entry)})"
        kind = {"structure_type": "struct ", "union_type": "union ",
                "enumeration_type": "enum "}.get(entry.tag, "")
        if entry.get("name") is None:
            return f"{kind}{{{entry.number('byte_size')} bytes}}"
        return kind + entry.get("name")

    def parameters(self, entry):
        names = []
        for child in entry.children:
            if child.tag == "formal_parameter":
                names.append(self.name(self.of(child)))
            elif child.tag == "unspecified_parameters":
                names.append("...")
        return ", ".join(names) or "void"

    def members(self, entry, prefix="", base=0):
        for child in entry.children:
            if child.tag != "member":
                continue
            offset = base + child.number("data_member_location", 0)
            name = prefix + child.get("name", "")
            kind = self.of(child)
            yield offset, name, self.name(kind)
            if kind.tag in ("structure_type", "union_type") and kind.get("name") is None:
                yield from self.members(kind, name + ".", offset)


def type_lines(source, functions):
    table = "".join(f"(void *){name}, " for name in functions)
    text = f"{includes()}void *all_functions[] = {{{table}}};\n"
    with tempfile.TemporaryDirectory() as folder:
        made = os.path.join(folder, "all.o")
        run(CC, *flags(source), "-O0", "-g", "-gdwarf-4", "-fno-eliminate-unused-debug-types",
            "-Wno-pedantic", "-x", "c", "-c", "-", "-o", made, text=text)
        by_offset, top = entries(run("readelf", "--debug-dump=info", "-W", made))
    types, lines = Types(by_offset), []
    for entry in top:
        name = entry.get("name", "")
        if entry.tag == "enumeration_type":
            lines += [f"enumerator {child.get('name')} = {child.number('const_value')}"
                      for child in entry.children if child.get("name", "").startswith("OB_")]
        if not name.startswith("ob_"):
            continue
        if entry.tag == "subprogram":
            lines.append(
                f"function {name}: {types.name(types.of(entry))}({types.parameters(entry)})")
        elif entry.tag == "enumeration_type":
            lines.append(f"enum {name}: {entry.number('byte_size')} bytes")
        elif entry.tag == "typedef":
            lines.append(f"typedef {name}: {types.name(types.of(entry))}")
        elif entry.tag in ("structure_type", "union_type") and "declaration" not in entry.attributes:
            lines.append(f"struct {name}: {entry.number('byte_size')} bytes")
            lines += [f"member {name}.{member}: {kind} at {offset}"
                      for offset, member, kind in types.members(entry)]
    return lines


# --- The list ------------------------------------------------------------------


def version_and_log(source):
    with open(os.path.join(source, "include", "outboard_status.h"), encoding="utf-8") as file:
        version = re.search(r'OB_VERSION_STRING "([^"]*)"', file.read())
    with open(os.path.join(source, "include", "outboard.h"), encoding="utf-8") as file:
        log = re.search(r"\* API log\n(.*?)\*/", file.read(), re.S)
    if version is None or log is None:
        raise AbiError("no OB_VERSION_STRING in outboard_status.h, or no 'API log' in outboard.h")
    lines = [" ".join(line.strip(" *").split()) for line in log.group(1).splitlines()]
    return version.group(1), [line for line in lines if line]


def make_list(source):
    functions, macros = functions_and_macros(source)
    version, log = version_and_log(source)
    lines = type_lines(source, functions)
    seen = {line.split()[1].rstrip(":") for line in lines if line.startswith("function ")}
    missing = set(functions) - seen
    if missing:
        raise AbiError(f"no debugging information for {', '.join(sorted(missing))}")
    lines += [f"macro {name}{body}" for name, body in macros.items()]
    return [f"version {version}"] + [f"log {line}" for line in log] + sorted(
        set(lines), key=sort_key)


def sort_key(line):
    """Functions first; the members of a struct behind it, by offset."""
    kind, name = line.split()[0], line.split()[1].rstrip(":")
    order = ["function", "typedef", "enum", "enumerator", "struct", "member", "macro"]
    if kind == "member":
        return (order.index("struct"), name.split(".")[0], 1, int(line.rsplit(" ", 1)[1]), line)
    return (order.index(kind), name, 0, 0, line)


def read_list():
    try:
        with open(LIST, encoding="utf-8") as file:
            return [line.rstrip("\n") for line in file if not line.startswith("#")]
    except FileNotFoundError:
        return []


HEAD = """\
# The public C interface: made by `make abi-accept`, checked by `make abi`. A type is
# written from left to right: `char const*` is a pointer to constant characters.
"""


# --- Comparing -----------------------------------------------------------------


def interface(lines):
    """What is listed by its key; the rest of each line is its meaning."""
    listed = {}
    for line in lines:
        kind, _, rest = line.partition(" ")
        if kind in ("version", "log"):
            continue
        name = re.match(r"[\w.]+", rest).group(0)
        listed[(kind, name)] = rest[len(name):].lstrip(": ")
    return listed


def grown(old, new):
    """Structs that begin with their size and only gained members at the end."""
    result = set()
    for key, meaning in old.items():
        kind, name = key
        if kind != "struct" or new.get(key) in (None, meaning):
            continue
        size = int(meaning.split()[0])
        mine = {k: v for k, v in old.items() if k[0] == "member" and k[1].startswith(name + ".")}
        added = [v for k, v in new.items()
                 if k[0] == "member" and k[1].startswith(name + ".") and k not in old]
        sized = old.get(("member", name + ".size"), "").endswith(" at 0")
        if (sized and all(new.get(k) == v for k, v in mine.items())
                and added and all(int(v.rsplit(" ", 1)[1]) >= size for v in added)):
            result.add(name)
    return result


def differences(old, new):
    """Lines added, and lines that break who was compiled before."""
    old, new = interface(old), interface(new)
    more = grown(old, new)
    added, broken = [], []
    for key in sorted(old.keys() | new.keys()):
        kind, name = key
        if old.get(key) == new.get(key):
            continue
        what = f"{kind} {name}"
        if key not in old:
            added.append(f"{what}: {new[key]}")
        elif key not in new:
            broken.append(f"removed: {what}: {old[key]}")
        elif (kind == "struct" and name in more) or (
                kind == "macro" and name.endswith("_INIT")
                and name.removesuffix("_INIT").lower() in more):
            added.append(f"{what}, longer: {new[key]}")
        else:
            broken.append(f"changed: {what}:\n      was {old[key]}\n      is  {new[key]}")
    # An added member in the middle, or in a struct that others allocate.
    broken += [f"added inside a struct that others have compiled: {line}" for line in added
               if line.startswith("member ") and line.split()[1].split(".")[0] not in more
               and ("struct", line.split()[1].split(".")[0]) in old]
    return added, broken


def series(lines):
    version = next((line.split()[1] for line in lines if line.startswith("version ")), "0.0.0")
    major, minor = version.split(".")[:2]
    return (0, int(minor)) if major == "0" else (int(major),)


def log_of(lines):
    return [line for line in lines if line.startswith("log ")]


def verdict(old, new):
    """What the rules have against the change, as sentences."""
    added, broken = differences(old, new)
    against = []
    if broken and series(new) <= series(old):
        against.append(
            "programs compiled before break:\n    " + "\n    ".join(broken)
            + "\n  cure: bring it back (add beside it what is new); or, if it must go, raise "
            "OB_VERSION_MINOR (from 1.0 on the major version) in outboard_status.h, say so in "
            "the API log of outboard.h, and run `make abi-accept`")
    if (added or broken) and log_of(new) == log_of(old):
        against.append(
            "the interface has changed, its API log has not:\n    " + "\n    ".join(added or broken)
            + "\n  cure: add a line to the API log at the head of outboard.h, then run "
            "`make abi-accept`")
    return against


def check_library(lines, library):
    declared = {line.split()[1].rstrip(":") for line in lines if line.startswith("function ")}
    defined = set()
    for line in run("nm", "-g", "--defined-only", library).splitlines():
        words = line.split()
        if len(words) == 3:
            defined.add(words[2])
    complaints = [f"{name} is declared and not in {library}" for name in sorted(declared - defined)]
    complaints += [f"{name} is in {library} and not declared" for name in sorted(defined - declared)]
    if complaints:
        raise AbiError("\n    ".join(["the library is not what its headers say:", *complaints])
                       + "\n  cure: define it, declare it with OB_API, or hide it")


def check(source, library):
    new, old = make_list(source), read_list()
    if library:
        check_library(new, library)
    if not old:
        raise AbiError(f"there is no {LIST}; run `make abi-accept`")
    against = verdict(old, new)
    if not against and old != new:
        against = ["outboard.abi is older than the headers; run `make abi-accept` and commit it"]
    if against:
        raise AbiError("\n  ".join(against))
    print(f"abi: {sum(line.startswith('function') for line in new)} functions, "
          f"{sum(line.startswith('struct') for line in new)} structs, {len(new)} lines, as listed")


def accept(source):
    new, old = make_list(source), read_list()
    against = verdict(old, new) if old else []
    if against:
        raise AbiError("\n  ".join(against))
    with open(LIST, "w", encoding="utf-8") as file:
        file.write(HEAD + "".join(line + "\n" for line in new))
    print(f"abi: {LIST} has {len(new)} lines")


def main():
    global LIST
    parser = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0])
    parser.add_argument("action", choices=["list", "check", "accept"])
    parser.add_argument("--source", default=SOURCE, help="folder with include/")
    parser.add_argument("--library", help="archive whose symbols are compared")
    parser.add_argument("--list", default=LIST, help="the list under version control")
    options = parser.parse_args()
    LIST = options.list
    try:
        if options.action == "list":
            print("\n".join(make_list(options.source)))
        elif options.action == "check":
            check(options.source, options.library)
        else:
            accept(options.source)
    except AbiError as error:
        print(f"abi: {error}", file=sys.stderr)
        sys.exit(1)


if __name__ == "__main__":
    main()
