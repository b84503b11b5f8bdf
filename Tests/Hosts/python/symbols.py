"""Nothing of the plugins' binds to the host's symbols, nor the other way round.

The host has a SQLite and a libuv of its own in the global scope, and decoys of
what the plugins have inside, and loads the plugins beside them: RTLD_LOCAL, and
RTLD_GLOBAL. The dynamic linker itself says what it bound (LD_DEBUG=bindings)."""
import ctypes
import os
import sqlite3
import subprocess
import sys
import tempfile

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../support"))
import bindings
from guest import CLOCK, PRICING, Crowd, Guests, Manners, need

NAMES = ["uv_version", "uv_loop_init", "uv_async_send", "swift_retain", "swift_once",
         "sqlite3_open", "sqlite3_libversion", "ob_call", "ob_version_string",
         "mcp_reply", "plugin_declaration"]


def own(file):
    return os.path.realpath(file) in (os.path.realpath(PRICING), os.path.realpath(CLOCK))


def look(mode, beside):
    """In a process of its own: the addresses, before and after."""
    manners = Manners()
    for library in beside:
        ctypes.CDLL(library, mode=ctypes.RTLD_GLOBAL)
    decoys = ctypes.CDLL(beside[-1])
    decoys.decoy_called.restype = ctypes.c_char_p
    before = {name: manners.address(name) for name in NAMES}
    version = sqlite3.sqlite_version
    guests = Guests(mode=mode)
    with Crowd(guests, 16):
        while guests.asked < 300:
            with sqlite3.connect(":memory:") as connection:
                rows = connection.execute("SELECT sqlite_version()").fetchone()
                need(rows[0] == version, f"the host's SQLite became {rows[0]}")
    need(decoys.decoy_called() is None, f"called: the host's {decoys.decoy_called()}")
    for name in NAMES:
        after = manners.address(name)
        if after == before[name]:
            continue
        need(name == "plugin_declaration" and mode == ctypes.RTLD_GLOBAL,
             f"visible: {name} in {manners.file_of(after)}")
    if mode == ctypes.RTLD_GLOBAL:
        need(own(manners.file_of(manners.address("plugin_declaration"))),
             "RTLD_GLOBAL made nothing visible: this looks at nothing")


def has(library):
    try:
        ctypes.CDLL(library)
        return True
    except OSError:
        return False


def main():
    beside = [one for one in ("libsqlite3.so.0", "libuv.so.1") if has(one)]
    need("libsqlite3.so.0" in beside, "no SQLite of the host's own")
    total = 0
    beside.append(os.environ["DECOYS"])  # last: SQLite's names are SQLite's
    for mode in (ctypes.RTLD_LOCAL, ctypes.RTLD_GLOBAL):
        with tempfile.TemporaryDirectory() as folder:
            environment = dict(os.environ, LD_DEBUG="bindings",
                               LD_DEBUG_OUTPUT=os.path.join(folder, "ld"))
            run = subprocess.run([sys.executable, __file__, str(mode), *beside],
                                 env=environment, capture_output=True, timeout=50)
            need(run.returncode == 0, run.stderr.decode())
            count, wrong = bindings.examine(folder, [PRICING, CLOCK], None, set())
            need(not wrong, "; ".join(wrong[:5]))
            total += count
    print(f"{total} bindings of the plugins, none to {' or '.join(beside[:-1])} of the host or "
          f"from it, no decoy called; of {len(NAMES)} names the declaration alone is visible, and that "
          "with RTLD_GLOBAL")


if len(sys.argv) > 1:
    look(int(sys.argv[1]), sys.argv[2:])
else:
    main()
