"""fork while 16 threads call: os.fork, fork from the child, multiprocessing by
fork and by spawn, process pools, subprocess and posix_spawn.

Both plugins' policy is to say so in the child: an error that names the cause.
A child that hangs is ended by its alarm, and any status but its own is a fault.
"""
import concurrent.futures as futures
import multiprocessing
import os
import signal
import subprocess
import sys
import time

from guest import FORKED, Crowd, Guests, need

FORKS, THREADS = 200, 16
ALARM = int(os.environ.get("PATIENCE", "10"))
guests = None


def told():
    """In a child: each tool says whose the engine is, twice and at once."""
    signal.alarm(ALARM)
    for _ in range(2):
        for plugin, tool, arguments in (
            (guests.pricing, "get_product_price", {"product_id": 1}),
            (guests.pricing, "search_products", {"query": "e"}),
            (guests.clock, "wait_both", {"first_ms": 1, "second_ms": 1}),
            (guests.clock, "health", {}),
        ):
            code, body = plugin.call(tool, arguments)
            need(code == 1 and FORKED in body["error"], f"{tool} in a child: {code} {body}")
    return guests.pricing.tools()


def child(number, deeper):
    """Ends by sys.exit, through the interpreter's own end, with a status."""
    told()
    if deeper:
        grandchild = os.fork()
        if grandchild == 0:
            told()
            sys.exit(40 + number % 40)
        _, status = os.waitpid(grandchild, 0)
        need(os.waitstatus_to_exitcode(status) == 40 + number % 40, f"{status}")
    sys.exit(number % 40)


def ended(pid, want):
    """Waits for a child. Its own alarm bounds it once it is out of fork."""
    last = time.monotonic() + ALARM + 2
    done, status = os.waitpid(pid, os.WNOHANG)
    while not done and time.monotonic() < last:
        time.sleep(0.001)
        done, status = os.waitpid(pid, os.WNOHANG)
    if not done:
        os.kill(pid, signal.SIGKILL)
        os.waitpid(pid, 0)
        need(False, f"hung: a child did not come out of fork in {ALARM + 2} s")
    code = os.waitstatus_to_exitcode(status)
    need(code != -signal.SIGALRM, f"hung: a fork child was still there after {ALARM} s")
    need(code == want, f"a child ended with {code}, not {want}")


def plain_forks():
    for number in range(FORKS):
        pid = os.fork()
        if pid == 0:
            child(number, deeper=number % 20 == 0)
        ended(pid, number % 40)


def fresh(number):
    """In a spawned process the plugins are loaded anew, and answer."""
    signal.alarm(60)
    mine = Guests()
    for call in range(40):
        mine.ask(number + call)
    return mine.asked


def by_multiprocessing():
    context = multiprocessing.get_context("fork")
    for _ in range(10):
        children = [context.Process(target=told) for _ in range(4)]
        for one in children:
            one.start()
        for one in children:
            one.join()
            need(one.exitcode == 0, f"multiprocessing: exit code {one.exitcode}")
    with futures.ProcessPoolExecutor(4, context) as pool:
        tools = [one.result() for one in [pool.submit(told) for _ in range(20)]]
    need(all(sorted(one) == ["get_product_price", "health", "search_products"]
             for one in tools), f"{tools}")
    context = multiprocessing.get_context("spawn")
    with futures.ProcessPoolExecutor(2, context) as pool:
        return sum(pool.map(fresh, range(2)))


def programs():
    for _ in range(20):
        run = subprocess.run(["/bin/echo", "here"], capture_output=True, timeout=30)
        need((run.returncode, run.stdout) == (0, b"here\n"), f"{run}")
        run = subprocess.run(["/bin/true"], preexec_fn=lambda: None, timeout=30)
        need(run.returncode == 0, f"{run}")
        ended(os.posix_spawn("/bin/true", ["true"], os.environ), 0)
    # What a new program starts with: no descriptor, no mask of the plugins'.
    inside = "ls -l /proc/self/fd; grep -E '^Sig(Blk|Ign)' /proc/self/status"
    listed = subprocess.run(["/bin/sh", "-c", inside], capture_output=True, timeout=30,
                            close_fds=False)
    need(b"eventpoll" not in listed.stdout and b"eventfd" not in listed.stdout,
         f"inherited: {listed.stdout.decode()}")
    need(b"SigBlk:\t0000000000000000" in listed.stdout, f"blocked: {listed.stdout}")


def main():
    global guests
    guests = Guests()
    with Crowd(guests, THREADS) as others:
        plain_forks()
        spawned = by_multiprocessing()
        programs()
        signal.alarm(0)
    try:
        need(os.waitpid(-1, os.WNOHANG) == (0, 0), "a child that nobody has waited for")
    except ChildProcessError:
        pass
    print(f"{FORKS} os.fork, {FORKS // 20} from a child, 60 of multiprocessing, all told "
          f"so and ended well; {spawned} calls in spawned processes, 60 programs; "
          f"{others.asked} right answers on {THREADS} threads meanwhile")


if __name__ == "__main__":
    main()
