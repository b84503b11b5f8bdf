#!/usr/bin/env python3
"""drive.py PART...: shows these promises, each with a server of its own, one
line for each: PART ok|FAILED TEXT. Exit status 1 when one failed."""
import subprocess
import sys
import traceback

from parts import PARTS
from server import Failed


def main(names):
    failed = 0
    for name in names:
        try:
            verdict, text = "ok", PARTS[name]()
        except (Failed, subprocess.TimeoutExpired) as error:
            verdict, text = "FAILED", str(error)
        except Exception:
            verdict, text = "FAILED", traceback.format_exc()
        failed += verdict != "ok"
        print(name, verdict, text.replace("\n", "; "), flush=True)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
