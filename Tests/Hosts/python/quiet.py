"""Nothing comes out of the plugins: of a whole host's run, start to end."""
import os
import subprocess
import sys

from guest import need

HERE = os.path.dirname(os.path.abspath(__file__))


def main():
    run = subprocess.run(
        [sys.executable, os.path.join(HERE, "manners.py"), "silent"],
        stdin=subprocess.DEVNULL, capture_output=True, timeout=50)
    need(run.returncode == 0, f"exit status {run.returncode}: {run.stderr.decode()}")
    need(run.stdout == b"" and run.stderr == b"",
         f"printed: {run.stdout!r} {run.stderr!r}")
    print("0 bytes on stdout and stderr in a run of more than 1,000 calls, errors too")


main()
