"""Ends what a signal has left of this run and waits for it: run.sh does this
whenever it ends. A server stops at once and takes its shared memory with it;
of one that does not, we take it."""
import os
import signal
import subprocess
import time

BASE = os.environ["PGBASE"]  # nobody else's: a new folder for each run
PATIENCE = 6  # seconds; less than the matrix grants us after its SIGTERM


def working_directory(pid):
    try:
        return os.readlink(f"/proc/{pid}/cwd")
    except OSError:  # gone, or another user's
        return ""


def told(pid):
    """Whether it was started by run.sh, which exports PGBASE."""
    try:
        with open(f"/proc/{pid}/environ", "rb") as variables:
            return f"PGBASE={BASE}".encode() in variables.read().split(b"\0")
    except OSError:
        return False


def parent(pid):
    try:
        with open(f"/proc/{pid}/stat") as stat:
            return stat.read().rsplit(")", 1)[1].split()[1]
    except OSError:
        return "0"


def left():
    """{process: signal}. A server, whose folder is ours, and initdb end their
    children themselves: those in the middle would leave shared memory."""
    found = {}
    for pid in filter(str.isdigit, os.listdir("/proc")):
        if int(pid) == os.getpid():
            continue
        if working_directory(pid).startswith(BASE):
            if not working_directory(parent(pid)).startswith(BASE):
                found[int(pid)] = signal.SIGQUIT
            else:
                found[int(pid)] = 0
        elif told(pid):
            found[int(pid)] = signal.SIGTERM
    return found


def segment():
    """The server's, while it has one."""
    try:
        with open(f"{BASE}/data/postmaster.pid") as file:
            return file.read().split("\n")[6].split()[1]
    except (OSError, IndexError):
        return None


def main():
    end = time.monotonic() + PATIENCE
    sent = set()
    while processes := left():
        late = time.monotonic() >= end
        for pid, number in processes.items():
            if not late and (number == 0 or pid in sent):
                continue
            sent.add(pid)
            try:
                os.kill(pid, signal.SIGKILL if late else number)
            except ProcessLookupError:
                pass
        time.sleep(0.05)
    if segment():
        subprocess.run(["ipcrm", "-m", segment()], stderr=subprocess.DEVNULL)


main()
