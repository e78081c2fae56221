"""Runs a command that ends when whoever holds the other end of standard input is gone, however that one ended.

    python -I leash.py COMMAND...

A test run that is killed cannot clean up; the kernel closes its pipes all the same.
"""

import os
import subprocess
import sys
import threading

GRACE_SECONDS = 5.0


def main() -> None:
    child = subprocess.Popen(sys.argv[1:], stdin=subprocess.DEVNULL)

    def follow() -> None:
        os._exit(child.wait() & 0xFF)

    threading.Thread(target=follow, daemon=True).start()
    sys.stdin.buffer.read()
    child.terminate()
    try:
        child.wait(timeout=GRACE_SECONDS)
    except subprocess.TimeoutExpired:
        child.kill()


if __name__ == "__main__":
    main()
