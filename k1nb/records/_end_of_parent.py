"""Waits until whoever started it has ended: `_end_of_parent.py PROGRAM [ARGUMENT]…`, run by its path.

One byte on stdin says that all is well. The pipe's end without it means that the other process was killed; then
PROGRAM takes this one's place, with the time of that in Unix seconds as its last argument. It is meant to cost nothing
while it waits, so that it imports nothing that is not built in.
"""

import os
import signal
import sys
import time

if __name__ == "__main__":
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):  # which the other one is sent as well, and answers
        signal.signal(number, signal.SIG_IGN)
    if not sys.stdin.buffer.read(1):
        os.execv(sys.argv[1], [*sys.argv[1:], str(time.time())])  # noqa: S606 - no shell is wanted
