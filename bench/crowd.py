#!/usr/bin/env python3
"""Runs a command beside many sleeping processes, and ends them with it.

    crowd.py 1000 ratio.py --max 0.05 'headroom-bench processes --ns' psutil_processes.py

The exit code is the command's.
"""
import ctypes
import os
import signal
import subprocess
import sys

PR_SET_PDEATHSIG = 1


def sleeper(parent: int) -> None:
    """Sleeps until it is killed, at the latest when its parent ends."""
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent:
        os._exit(0)
    while True:
        signal.pause()


def main() -> int:
    if len(sys.argv) < 3 or not sys.argv[1].isdigit():
        print(__doc__, file=sys.stderr)
        return 2
    crowd, parent = [], os.getpid()
    try:
        for _ in range(int(sys.argv[1])):
            pid = os.fork()
            if pid == 0:
                sleeper(parent)
            crowd.append(pid)
        return subprocess.run(sys.argv[2:], check=False).returncode
    finally:
        for pid in crowd:
            os.kill(pid, signal.SIGKILL)
        for pid in crowd:
            os.waitpid(pid, 0)


if __name__ == "__main__":
    sys.exit(main())
