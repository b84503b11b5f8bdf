"""A host that is sent signals while its threads call: struck.py WHAT. It says
'ready', its parent (killed.py) sends, and what it then says is its own."""
import asyncio
import concurrent.futures as futures
import ctypes
import faulthandler
import os
import signal
import sys
import threading
import time

from guest import Crowd, Guests, need

THREADS = 16


def ready():
    print("ready", flush=True)


def note(seen):
    """A handler that keeps where it ran."""

    def handler(number, _frame):
        seen.append((number, threading.current_thread() is threading.main_thread()))

    return handler


def go_on(others, calls):
    """The calls go on, and are right: Crowd raises what is not."""
    goal = others() + calls
    while others() < goal:
        time.sleep(0.001)


def handler(guests):
    seen = []
    signal.signal(signal.SIGTERM, note(seen))
    with Crowd(guests, THREADS):
        ready()
        while not seen:
            time.sleep(0.001)
        go_on(lambda: guests.asked, 300)
    need(seen == [(signal.SIGTERM, True)], f"{seen}")
    sys.exit(5)


def interrupt(guests):
    """The main thread is inside a tool when Ctrl-C comes; the call is not torn."""
    with Crowd(guests, THREADS):
        caught = 0
        try:
            ready()
            while True:
                guests.wait(300, 2)
        except KeyboardInterrupt:
            caught += 1
        go_on(lambda: guests.asked, 300)
        guests.wait(5, 2)
    need(caught == 1, "no KeyboardInterrupt")
    sys.exit(6)


def loop(guests):
    """asyncio's own way, with a call in flight on each of its threads."""

    async def main():
        struck = asyncio.Event()
        running = asyncio.get_running_loop()
        running.set_default_executor(futures.ThreadPoolExecutor(THREADS))
        running.add_signal_handler(signal.SIGTERM, struck.set)

        async def calls(i):
            while not struck.is_set():
                await asyncio.to_thread(guests.wait, 50, i)
            await asyncio.to_thread(guests.ask, i)

        together = asyncio.gather(*(calls(i) for i in range(THREADS)))
        while guests.asked < THREADS:
            await asyncio.sleep(0.001)
        ready()
        await struck.wait()
        await together

    asyncio.run(main())
    sys.exit(7)


def storm(guests):
    """An alarm each millisecond, caught by the main thread, which calls too."""
    seen = []
    signal.signal(signal.SIGALRM, note(seen))
    signal.signal(signal.SIGUSR1, note(seen))
    ready()
    with Crowd(guests, THREADS):
        signal.setitimer(signal.ITIMER_REAL, 0.001, 0.001)
        number = 0
        while len(seen) < 300:
            guests.ask(number)
            number += 1
            os.kill(os.getpid(), signal.SIGUSR1)
        signal.setitimer(signal.ITIMER_REAL, 0)
    need(all(on_main for _, on_main in seen), "a handler ran elsewhere")
    need({number for number, _ in seen} == {signal.SIGALRM, signal.SIGUSR1}, "one is missing")
    sys.exit(8)


def default(guests):
    with Crowd(guests, THREADS):
        ready()
        time.sleep(60)


def fault(guests):
    """A fault of the host's own, with the interpreter's fault handler."""
    with Crowd(guests, THREADS):
        ready()
        go_on(lambda: guests.asked, 100)
        ctypes.string_at(8)


def abort(guests):
    with Crowd(guests, THREADS):
        ready()
        os.abort()


if sys.argv[1] in ("fault", "abort"):
    faulthandler.enable()  # before the plugins come
{one.__name__: one for one in (handler, interrupt, loop, storm, default, fault, abort)}[
    sys.argv[1]](Guests())
