"""What belongs to the process is the same before and after: manners.py WHAT.

untouched    signals, masks, environment and the rest of manners_state()
descriptors  close-on-exec, and as many after 1,000 calls as after one
threads      masks of the plugins' threads, and that they sleep when idle
silent       makes calls of every kind and says nothing: quiet.py looks
"""
import os
import sys
import threading
import time

from guest import Crowd, Guests, Manners, need

THREADS = 16


def crowd(guests, calls):
    """At least this many calls, by THREADS threads."""
    with Crowd(guests, THREADS) as others:
        goal = guests.asked + calls
        while guests.asked < goal and not others.failed:
            time.sleep(0.001)
    guests.errors()
    guests.health()


def untouched():
    manners = Manners()
    with Crowd(None, 2, lambda _: time.sleep(0.001)):
        pass  # Python has had threads before
    before = manners.state()
    guests = Guests()
    crowd(guests, 2000)
    difference = manners.difference(before, manners.state())
    need(difference == "", "touched: " + difference)
    print(f"{len(before.splitlines())} lines of state, equal after {guests.asked} calls "
          f"by {THREADS} threads")


def descriptors():
    manners = Manners()
    before = set(manners.descriptors().splitlines())
    guests = Guests()
    crowd(guests, 1)
    one = set(manners.descriptors().splitlines())
    for line in one - before:
        need(line.split(" ")[1] == "cloexec", "not close-on-exec: " + line)
    crowd(guests, 1000)
    many = set(manners.descriptors().splitlines())
    need(many == one, f"descriptors grew: {sorted(many ^ one)}")
    need(before <= one, f"the host's are gone: {before - one}")
    print(f"{len(one - before)} descriptors, all close-on-exec, the same after "
          f"{guests.asked} calls")


def switches(threads):
    """Voluntary context switches: how often each thread has gone to sleep."""
    counts = {}
    for thread in threads:
        with open(f"/proc/self/task/{thread}/status", encoding="ascii") as status:
            for line in status:
                if line.startswith("voluntary_ctxt_switches"):
                    counts[thread] = int(line.split()[1])
    return counts


def threads():
    manners = Manners()
    before = manners.threads()
    guests = Guests()
    crowd(guests, 1000)
    ours = {one.native_id for one in threading.enumerate()}
    for _ in range(50):  # one of Python's is gone for Python before it is gone
        theirs = {i: one for i, one in manners.threads().items()
                  if i not in before and i not in ours}
        if all(mask == "process" for _, mask in theirs.values()):
            break
        time.sleep(0.1)
    need(theirs, "no thread of the plugins")
    for i, (name, mask) in theirs.items():
        need(mask == "process", f"mask of thread {i} ({name}): {mask}")
    for _ in range(5):  # a pool's thread may come to rest a little later
        first = switches(theirs)
        time.sleep(1.2)
        last = switches(theirs)
        if first == last:
            break
    need(first == last, f"idle, they run: {first} {last}")
    names = sorted(name for name, _ in theirs.values())
    print(f"{len(theirs)} threads ({', '.join(names)}) with signals blocked and faults "
          "not; no wake-up in 1.2 s of idling")


def silent():
    guests = Guests()
    crowd(guests, 1000)
    os.fork() or os._exit(0)
    os.wait()


{"untouched": untouched, "descriptors": descriptors, "threads": threads,
 "silent": silent}[sys.argv[1]]()
