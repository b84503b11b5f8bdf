"""The interpreter ends while 16 threads call: at once, with its own status, and
with nothing printed but its own lines; four times each way."""
import concurrent.futures as futures
import os
import subprocess
import sys
import threading
import time

from guest import Wrong, need

HERE = os.path.dirname(os.path.abspath(__file__))
BOUND, ROUNDS = int(os.environ.get("PATIENCE", "20")), 4
LEAVES = b"leaving\n"
# Way: exit status, stdout, how stderr ends.
WAYS = {
    "return": (0, LEAVES, b""),
    "exit": (7, LEAVES, b""),
    "_exit": (8, LEAVES, b""),
    "error": (1, LEAVES, b"LookupError: the host's own\n"),
    "fork": (10, LEAVES, b""),
    "threads": (4, b"16 right\n", b""),
    "pool": (5, b"16 right\n", b""),
    "asyncio": (6, b"", b""),
}


failed = threading.Event()


def once(way):
    if failed.is_set():  # one is enough
        return 0
    try:
        return end(way)
    except Wrong:
        failed.set()
        raise


def end(way):
    status, out, err = WAYS[way]
    host = subprocess.Popen([sys.executable, os.path.join(HERE, "leaving.py"), way],
                            bufsize=0, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                            stderr=subprocess.PIPE)
    first = host.stdout.readline()
    begun = time.monotonic()
    try:
        rest, errors = host.communicate(timeout=BOUND)
    except subprocess.TimeoutExpired:
        host.kill()
        host.communicate()
        need(False, f"{way}: hung, no end {BOUND} s after it began to leave")
    took = time.monotonic() - begun
    need(host.returncode == status, f"{way}: status {host.returncode}: {errors.decode()}")
    need(first + rest == out, f"{way}: stdout {first + rest!r}")
    need(errors.endswith(err) and bool(errors) == bool(err), f"{way}: {errors.decode()}")
    return took


def main():
    jobs = [way for way in WAYS for _ in range(ROUNDS)]
    with futures.ThreadPoolExecutor(2) as pool:
        took = list(pool.map(once, jobs))
    print(f"{len(jobs)} hosts ended in {len(WAYS)} ways ({', '.join(WAYS)}), each with its "
          f"own status; the slowest took {max(took) * 1000:.0f} ms")


main()
