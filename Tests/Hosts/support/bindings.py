#!/usr/bin/env python3
"""What the loader bound to what, from LD_DEBUG=bindings.

bindings.py LOG PLUGIN... --addon ADDON [CALL...]

No plugin binds to anything but the C and C++ libraries, nothing binds to a
plugin but plugin_declaration. The addon is an engine's host: of uv_* and ob_*
it looks up exactly the CALLs that its own source makes, for the engine inside
it has a libuv of its own. Exit status 1, and what was found, when that is not
so.
"""
import os
import re
import sys

LINE = re.compile(r"binding file (\S+) \[\d+\] to (\S+) \[\d+\]: \S+ symbol `([^']+)'(?: \[([\w.]+)\])?")
SYSTEM = re.compile(r"/(libc|libm|libdl|libpthread|librt|libgcc_s|libstdc\+\+|ld-linux[^/]*)\.so[^/]*$")
# A program that is not position independent has the C library's functions and
# variables at addresses of its own; their versions say whose they are.
LIBRARY = re.compile(r"(GLIBC|GLIBCXX|CXXABI|GCC)_")

def main(arguments):
    at = arguments.index("--addon")
    log, plugins, addon = arguments[0], arguments[1:at], arguments[at + 1]
    own_calls = set(arguments[at + 2:])
    wrong, seen, calls = set(), dict.fromkeys(plugins + [addon], 0), set()
    with open(log, errors="replace") as lines:
        for line in lines:
            found = LINE.search(line)
            if not found:
                continue
            source, target, symbol, version = found.groups()
            if source in seen:
                seen[source] += 1
            system = SYSTEM.search(target) or LIBRARY.match(version or "")
            if source in plugins and target != source and not system:
                wrong.add(f"{os.path.basename(source)} uses {symbol} of {target}")
            if target in plugins and target != source and symbol != "plugin_declaration":
                wrong.add(f"{source} uses {symbol} of {os.path.basename(target)}")
            if source == addon and symbol.startswith(("uv_", "ob_")):
                calls.add(symbol)
            if target == addon and source != addon and symbol.startswith(("uv_", "ob_")):
                wrong.add(f"{source} uses {symbol} of the addon")
    if calls != own_calls:
        wrong.add("the addon's calls on libuv: " + ", ".join(sorted(calls ^ own_calls)))
    wrong.update(f"no binding of {name} was seen" for name, n in seen.items() if n == 0)
    for one in sorted(wrong)[:20]:
        print(one)
    if not wrong:
        print(f"{sum(seen.values())} bindings looked at, none crosses but the ABI's")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
