"""A host that ends with calls in flight: leaving.py WAY. Its parent is exit.py."""
import asyncio
import atexit
import concurrent.futures as futures
import os
import sys
import threading
import time

from guest import Guests

THREADS = 16


def call_for_ever(guests):
    """Daemon threads: half in a long call, half in one after the other."""

    def body(i):
        if i % 2:
            guests.wait(60000, 60000)
        number = i * 1000
        while True:
            guests.price(number)
            number += 1

    for i in range(THREADS):
        threading.Thread(target=body, args=(i,), daemon=True).start()
    while guests.asked < 200:
        time.sleep(0.001)


def to_the_end(guests, start):
    """Calls that the interpreter itself waits for; the last word is ours."""
    right = []

    def body(i):
        guests.wait(150 + i, 3)
        guests.price(i)
        right.append(i)

    atexit.register(lambda: print(f"{len(right)} right", flush=True))
    for i in range(THREADS):
        start(body, i)


async def of_asyncio(guests):
    loop = asyncio.get_running_loop()
    loop.set_default_executor(futures.ThreadPoolExecutor(THREADS))
    calls = [asyncio.create_task(asyncio.to_thread(guests.wait, 150, 3))
             for _ in range(THREADS)]
    await asyncio.sleep(0.02)
    for call in calls:
        call.cancel()
    sys.exit(6)


def main(way):
    guests = Guests()
    if way == "threads":
        to_the_end(guests, lambda body, i: threading.Thread(target=body, args=(i,)).start())
        sys.exit(4)
    if way == "pool":
        pool = futures.ThreadPoolExecutor(THREADS)
        to_the_end(guests, pool.submit)
        sys.exit(5)
    if way == "asyncio":
        asyncio.run(of_asyncio(guests))
    call_for_ever(guests)
    print("leaving", flush=True)
    if way == "exit":
        sys.exit(7)
    if way == "_exit":
        os._exit(8)
    if way == "error":
        raise LookupError("the host's own")
    if way == "fork":  # a child's end is no other than its parent's
        pid = os.fork()
        if pid == 0:
            sys.exit(9)
        _, status = os.waitpid(pid, 0)
        sys.exit(os.waitstatus_to_exitcode(status) + 1)


main(sys.argv[1])
