"""How a Java host ends: ended.py exit|killed|quiet JAVA OPTION...

Starts Leaving, Struck and Polite with calls in flight, sends what is to be sent,
and compares status, stdout and stderr with what the host itself says.
"""
import concurrent.futures as futures
import os
import signal
import subprocess
import sys
import tempfile
import threading
import time

JAVA = sys.argv[2:]
STARTED = 60  # seconds until a host's first line
BOUND = int(os.environ.get("PATIENCE", "20"))


class Wrong(Exception):
    """A host that did not end as it should."""


def need(condition, text):
    if not condition:
        raise Wrong(text)


class Host:
    """A running host; its first line has been read."""

    def __init__(self, program, way, *options):
        self.way = way
        self.process = subprocess.Popen(
            [*JAVA, *options, program, way], bufsize=0, stdin=subprocess.PIPE,
            stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        self.hung = False
        self.alarm = threading.Timer(STARTED, self.end)
        self.alarm.start()
        self.first = self.process.stdout.readline()
        self.alarm.cancel()
        self.alarm = threading.Timer(BOUND, self.end)
        self.alarm.start()
        self.begun = time.monotonic()

    def end(self):
        self.hung = True
        self.process.kill()

    def send(self, number):
        if self.first == b"ready\n":  # else finish() will say what it was
            self.process.send_signal(number)

    def finish(self, status, out, err=b""):
        """Its end, within the bound; the time it took."""
        rest, errors = self.process.communicate()
        self.alarm.cancel()
        need(not self.hung, f"hung: {self.way}: no end {BOUND} s after its first line, or none")
        rest = self.first + rest
        got = self.process.returncode
        need(got == status, f"{self.way}: status {got}, not {status}: {rest} {errors}")
        if isinstance(out, bytes):
            need(rest == out, f"{self.way}: stdout {rest}")
        else:
            need(out(rest), f"{self.way}: stdout {rest}")
        need(err in errors and bool(err) == bool(errors), f"{self.way}: {errors}")
        return time.monotonic() - self.begun


def leave():
    ways = {"return": 0, "exit": 7, "halt": 8, "error": 1, "hook": 9, "threads": 0}
    rounds, failed = 4, threading.Event()

    def once(way):
        if failed.is_set():  # one is enough
            return 0
        out = b"32 right\n" if way == "threads" else b"leaving\n"
        err = b"IllegalStateException: the host's own" if way == "error" else b""
        try:
            return Host("Leaving", way).finish(ways[way], out, err)
        except Wrong:
            failed.set()
            raise

    with futures.ThreadPoolExecutor(2) as pool:
        took = list(pool.map(once, [way for way in ways for _ in range(rounds)]))
    return (f"{rounds * len(ways)} hosts ended in {len(ways)} ways ({', '.join(ways)}), each "
            f"with its own status; the slowest took {max(took) * 1000:.0f} ms")


def dump(host):
    """SIGQUIT: a thread dump, and the host goes on; twice."""
    for _ in range(2):
        host.send(signal.SIGQUIT)
        lines = []
        while not lines or not lines[-1].startswith(b"Heap"):
            lines.append(host.process.stdout.readline())
            need(lines[-1], f"the host's thread dump has no end: {lines}")
        text = b"".join(lines)
        need(b"Full thread dump" in text and b"java-crowd-15" in text, f"{text}")
    host.process.stdin.close()
    host.process.stdin = None


def killed():
    with tempfile.TemporaryDirectory() as folder:
        report = os.path.join(folder, "hs_err.log")
        options = (f"-XX:ErrorFile={report}", "-XX:-CreateCoredumpOnCrash")
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
            for _ in range(2):
                host = Host("Struck", "hook", *options)
                host.send(number)
                host.finish(128 + number, b"ready\nhook\n")
        Host("Struck", "faults", *options).finish(5, b"ready\n")
        host = Host("Struck", "listen", *options)
        if host.first == b"ready\n":
            dump(host)
        host.finish(6, lambda out: out.startswith(b"ready\n"))
        host = Host("Struck", "hook", *options, "-Xrs")  # the default action
        host.send(signal.SIGTERM)
        host.finish(-signal.SIGTERM, b"ready\n")
        need(not os.path.exists(report), "a report of a fatal error")
        # A fault of the host's own in native code: the machine's handler reports it.
        Host("Struck", "fatal", *options).finish(1, lambda out: b"SIGSEGV" in out)
        with open(report, encoding="utf-8", errors="replace") as file:
            need("Java_Native_fault" in file.read(), "the report does not say where")
    return ("200,000 NullPointerException and ArithmeticException, 60 stack overflows, 10 bus "
            "errors handled by the machine; SIGTERM, SIGINT, SIGHUP run the hooks, SIGQUIT "
            "dumps, -Xrs dies, a fatal error is reported")


def quiet():
    host = Host("Polite", "silent", "-Xcheck:jni")
    host.finish(0, b"")
    Host("Polite", "silent", "-Xrs").finish(0, b"")
    return "0 bytes on stdout and stderr in runs of 1,000 calls, with -Xcheck:jni, with -Xrs"


print({"exit": leave, "killed": killed, "quiet": quiet}[sys.argv[1]]())
