#!/usr/bin/env python3
"""Runs a host several times and judges how it ends.

ends.py [--runs N] [--status S] [--signal NAME] [--within SECONDS]
        [--says LINE]... -- COMMAND...

The host prints 'ready' when its calls are in flight, and nothing before. With
--signal it is sent that signal then. It has to end within so many seconds of
'ready' (default 20), with that exit status (default 0; -N: killed by signal N),
having printed exactly the lines of --says after 'ready' and nothing on stderr.
The first run that does otherwise ends this with status 1 and says how.
"""
import argparse
import signal
import subprocess
import sys
import tempfile
import threading
import time


def run(options):
    """Seconds from 'ready' to the end; the host's lines after it."""
    with tempfile.TemporaryFile() as errors:
        host = subprocess.Popen(
            options.command,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=errors,
        )
        # Also before 'ready', generously: a host that never gets there.
        alarm = threading.Timer(options.within + 60, host.kill)
        alarm.start()
        first = host.stdout.readline().decode(errors="replace")
        begin = time.monotonic()
        late = threading.Timer(options.within, host.kill)
        late.start()
        if options.signal and first == "ready\n":
            host.send_signal(getattr(signal, "SIG" + options.signal))
        rest = host.stdout.read().decode(errors="replace")
        status = host.wait()
        took = time.monotonic() - begin
        alarm.cancel()
        late.cancel()
        errors.seek(0)
        printed = errors.read().decode(errors="replace")
    wanted = "".join(line + "\n" for line in options.says)
    wrong = []
    if first != "ready\n":
        wrong.append(f"began with {first!r}")
    if took >= options.within:
        wrong.append(f"did not end within {options.within:g} s")
    elif status != options.status:
        wrong.append(f"ended with status {status}, not {options.status}")
    if rest != wanted:
        wrong.append(f"printed {rest!r}, not {wanted!r}")
    if printed:
        wrong.append(f"printed on stderr: {printed!r}")
    if wrong:
        sys.exit("; ".join(wrong))
    return took


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--runs", type=int, default=1)
    parser.add_argument("--status", type=int, default=0)
    parser.add_argument("--signal")
    parser.add_argument("--within", type=float, default=20)
    parser.add_argument("--says", action="append", default=[])
    parser.add_argument("command", nargs="+")
    options = parser.parse_args()
    took = sorted(run(options) for _ in range(options.runs))
    print(
        f"{options.runs} ends with status {options.status}, "
        f"median {took[len(took) // 2] * 1000:.0f} ms, "
        f"slowest {took[-1] * 1000:.0f} ms"
    )


if __name__ == "__main__":
    main()
