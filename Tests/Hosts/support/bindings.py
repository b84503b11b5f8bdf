#!/usr/bin/env python3
"""What the loader bound to what, from LD_DEBUG=bindings.

bindings.py LOG PLUGIN... [--addon ADDON [CALL...]]

LOG is what LD_DEBUG_OUTPUT named: a file, or a folder with a file for each
process. No plugin binds to anything but itself and the C and C++ libraries, and
nothing binds to a plugin but plugin_declaration. The addon is an engine's host:
of uv_* and ob_* it looks up exactly the CALLs that its own source makes, for
the engine inside it has a libuv of its own. Exit status 1, and what was found,
when that is not so.
"""
import os
import re
import sys

LINE = re.compile(r"binding file (\S+) \[\d+\] to (\S+) \[\d+\]: \S+ symbol `([^']+)'(?: \[([\w.]+)\])?")
SYSTEM = re.compile(
    r"/(libc|libm|libdl|libpthread|librt|libresolv|libutil|libgcc_s|libstdc\+\+|ld-linux[^/]*)\.so[^/]*$")
# A program that is not position independent has the C library's functions and
# variables at addresses of its own; their versions say whose they are.
LIBRARY = re.compile(r"(GLIBC|GLIBCXX|CXXABI|GCC)_")
ENOUGH = 5  # bindings of each file; fewer, and this looks at nothing


def lines(log):
    if os.path.isdir(log):
        files = [os.path.join(log, name) for name in sorted(os.listdir(log))]
    else:
        files = [log]
    for name in files:
        with open(name, encoding="utf-8", errors="replace") as file:
            yield from file


def examine(log, plugins, addon, own_calls):
    """Returns how many bindings there were, and the lines that tell of wrong ones."""
    plugins = {os.path.realpath(one) for one in plugins}
    seen = dict.fromkeys(plugins | ({os.path.realpath(addon)} if addon else set()), 0)
    real = {}
    wrong, calls = set(), set()
    for line in lines(log):
        found = LINE.search(line)
        if not found:
            continue
        source, target, symbol, version = found.groups()
        source, target = (
            real.setdefault(one, os.path.realpath(one)) for one in (source, target))
        if source in seen:
            seen[source] += 1
        system = SYSTEM.search(target) or LIBRARY.match(version or "")
        if source in plugins and target != source and not system:
            wrong.add(f"{os.path.basename(source)} uses {symbol} of {target}")
        if target in plugins and target != source and symbol != "plugin_declaration":
            wrong.add(f"{source} uses {symbol} of {os.path.basename(target)}")
        if addon and symbol.startswith(("uv_", "ob_")):
            if source == os.path.realpath(addon):
                calls.add(symbol)
            elif target == os.path.realpath(addon):
                wrong.add(f"{source} uses {symbol} of the addon")
    if calls != own_calls:
        wrong.add("the addon's calls on libuv: " + ", ".join(sorted(calls ^ own_calls)))
    wrong.update(f"only {n} bindings of {name} were seen" for name, n in seen.items() if n < ENOUGH)
    return sum(seen.values()), sorted(wrong)


def main(arguments):
    addon, own_calls = None, set()
    if "--addon" in arguments:
        at = arguments.index("--addon")
        addon, own_calls = arguments[at + 1], set(arguments[at + 2:])
        arguments = arguments[:at]
    if len(arguments) < 2:
        sys.exit(__doc__)
    count, wrong = examine(arguments[0], arguments[1:], addon, own_calls)
    for one in wrong[:20]:
        print(one)
    if not wrong:
        print(f"{count} bindings looked at, none crosses but the ABI's")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
