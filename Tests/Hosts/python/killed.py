"""Signals while 16 threads call: the interpreter's handlers run, on its main
thread, calls in flight end right, and a default action or a fault still kills."""
import os
import signal
import subprocess
import sys

from guest import need

HERE = os.path.dirname(os.path.abspath(__file__))
BOUND, ROUNDS = int(os.environ.get("PATIENCE", "20")), 3
# What: the signal sent, the exit status, what stderr says.
WHAT = {
    "interrupt": (signal.SIGINT, 6, b""),
    "fault": (None, -signal.SIGSEGV, b"Fatal Python error: Segmentation fault"),
    "handler": (signal.SIGTERM, 5, b""),
    "loop": (signal.SIGTERM, 7, b""),
    "storm": (None, 8, b""),
    "default": (signal.SIGTERM, -signal.SIGTERM, b""),
    "abort": (None, -signal.SIGABRT, b"Fatal Python error: Aborted"),
}


def once(what):
    number, status, err = WHAT[what]
    host = subprocess.Popen([sys.executable, os.path.join(HERE, "struck.py"), what],
                            bufsize=0, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                            stderr=subprocess.PIPE)
    first = host.stdout.readline()
    if number is not None and first == b"ready\n":
        host.send_signal(number)
    try:
        rest, errors = host.communicate(timeout=BOUND)
    except subprocess.TimeoutExpired:
        host.kill()
        host.communicate()
        need(False, f"{what}: the host's handler did not run, or hung, in {BOUND} s")
    need(first + rest == b"ready\n", f"{what}: {first + rest!r} {errors.decode()}")
    need(host.returncode == status, f"{what}: status {host.returncode}: {errors.decode()}")
    need(err in errors and bool(err) == bool(errors), f"{what}: {errors.decode()}")


def main():
    for what in WHAT:
        for _ in range(ROUNDS):
            once(what)
    print(f"{ROUNDS * len(WHAT)} hosts struck in {len(WHAT)} ways ({', '.join(WHAT)}): "
          "handlers on the main thread, calls in flight right")


main()
