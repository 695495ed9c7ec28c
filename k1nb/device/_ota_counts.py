"""What a device's counts, run together, can add up to at most."""

from __future__ import annotations

from collections import deque

MOST_WRITTEN = 1460
"""The most bytes that a device writes, and answers, at once."""


class Counts:
    """The most bytes that digits without separators can stand for, where no count is above MOST_WRITTEN."""

    def __init__(self) -> None:
        longest = len(str(MOST_WRITTEN))
        self._digits: deque[str] = deque(maxlen=longest)
        self._most: deque[int] = deque([0], maxlen=longest)
        """The bound for the digits so far, and before it those without the last one, two, …"""

    @property
    def most(self) -> int:
        """The bound for all digits so far."""
        return self._most[-1]

    def add(self, digits: str) -> None:
        """Take further digits."""
        for digit in digits:
            self._digits.append(digit)
            tail = "".join(self._digits)
            lasts = ((len(tail) - start, tail[start:]) for start in range(len(tail)))
            fitting = [
                self._most[-length] + int(last)
                for length, last in lasts
                if length <= len(self._most) and int(last) <= MOST_WRITTEN
            ]
            self._most.append(max(fitting))
