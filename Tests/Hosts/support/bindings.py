#!/usr/bin/env python3
"""What the dynamic linker bound from and to the plugins, from the files that a
host wrote with LD_DEBUG=bindings and LD_DEBUG_OUTPUT=FOLDER/...

bindings.py FOLDER EXECUTABLE PLUGIN...   says how many bindings there are; exit
status 1 and the first of them when one is to anything but the plugin itself and
the system's libraries, or from anything else to the plugin.
"""
import ctypes
import os
import re
import sys

BOUND = re.compile(r"binding file (\S+) \[0\] to (\S+) \[0\]: \w+ symbol `([^']+)'")
SYSTEM = re.compile(
    r"/(libc|libm|libdl|libpthread|libgcc_s|libstdc\+\+|librt|ld-linux-x86-64|"
    r"libresolv|libutil)\.so")


class Strange(Exception):
    """A binding between a plugin and its host."""


def is_detour(symbol, provider, executable):
    """An executable at a fixed address has an entry for each function of the C
    library that it takes the address of, and everybody's pointers go there."""
    if os.path.realpath(provider) != os.path.realpath(executable):
        return False
    system = [ctypes.CDLL("libc.so.6"), ctypes.CDLL("libm.so.6")]
    return any(hasattr(library, symbol) for library in system)


def count(folder, executable, plugins):
    """How many bindings the plugins have; raises Strange at one with the host."""
    own = {os.path.realpath(plugin) for plugin in plugins}
    found = 0
    for name in os.listdir(folder):
        with open(os.path.join(folder, name), encoding="utf-8", errors="replace") as file:
            bindings = BOUND.findall(file.read())
        for user, provider, symbol in bindings:
            mine, theirs = (os.path.realpath(one) in own for one in (user, provider))
            found += mine
            fine = mine and (
                theirs or SYSTEM.search(provider) or is_detour(symbol, provider, executable))
            asked_for = theirs and symbol == "plugin_declaration"
            if (mine or theirs) and not fine and not asked_for:
                raise Strange(f"bound: {symbol} of {user} to {provider}")
    if found < 100:
        raise Strange(f"only {found} bindings of the plugins seen: this looks at nothing")
    return found


if __name__ == "__main__":
    try:
        print(count(sys.argv[1], sys.argv[2], sys.argv[3:]))
    except Strange as strange:
        sys.exit(str(strange))
