"""Calls that wait too long end at their deadline while others go on: the clock's
by an argument, the pricing plugin's when another process has its database."""
import os
import subprocess
import sys
import tempfile
import time

from guest import Crowd, Guests, Threads, need

# Says when it holds the database, and holds it until its input ends.
HOLDER = """
import sqlite3, sys
connection = sqlite3.connect(sys.argv[1], isolation_level=None)
connection.execute("BEGIN EXCLUSIVE")
print("held", flush=True)
sys.stdin.read()
connection.execute("ROLLBACK")
"""
THREADS, BOUND = 16, 18


def expires(guests, plugin, tool, arguments, error):
    begun = time.monotonic()
    code, body = plugin.call(tool, arguments)
    took = time.monotonic() - begun
    need((code, body) == (1, {"error": error}), f"{tool}: {code} {body}")
    need(took < BOUND, f"late: {tool} ended after {took:.1f} s")
    guests.count()


def waits(guests):
    arguments = {"first_ms": 5000, "second_ms": 1, "timeout_ms": 100}
    for _ in range(3):
        expires(guests, guests.clock, "wait_both", arguments, "no answer: deadline expired")


def queries(guests):
    expires(guests, guests.pricing, "get_product_price", {"product_id": 1},
            "Timed out after 3 s")


def main():
    with tempfile.TemporaryDirectory() as folder:
        path = os.path.join(folder, "products.db")
        guests = Guests({"database_url": "sqlite:" + path, "timeout_seconds": 3})
        for number in range(8):
            guests.ask(number)
        with Crowd(guests, 8, lambda number: guests.wait(number % 3, 2)) as others:
            Threads([lambda: waits(guests)] * THREADS).join()
            holder = subprocess.Popen([sys.executable, "-c", HOLDER, path],
                                      stdin=subprocess.PIPE, stdout=subprocess.PIPE)
            try:
                need(holder.stdout.readline() == b"held\n", "the database is not held")
                Threads([lambda: queries(guests)] * THREADS).join()
            finally:
                holder.communicate()
        guests.price(1)  # and it is back
    need(others.asked > 0, "the others have not gone on")
    print(f"{3 * THREADS} waits ended after 100 ms and {THREADS} queries after 3 s "
          f"on {THREADS} threads, {others.asked} other calls meanwhile")


main()
