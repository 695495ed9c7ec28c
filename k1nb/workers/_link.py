"""Whether Conductor answers: one log line when it stops, one when it is back, and pauses in between."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import structlog

from k1nb.errors import ConductorError, ConductorNotFound
from k1nb.timings import Timings


class Link:
    """The connection that all task types of a host share."""

    def __init__(self, url: str) -> None:
        self.up = True
        self._losses = 0
        self._log = structlog.get_logger("k1nb.workers").bind(server=url)

    @contextmanager
    def request(self) -> Iterator[None]:
        """Watch one request; errors pass through. That a task is gone is an answer like any other."""
        losses = self._losses
        try:
            yield
        except ConductorNotFound:
            self._answered(losses)
            raise
        except ConductorError as error:
            self._lost(error)
            raise
        self._answered(losses)

    def _lost(self, error: ConductorError) -> None:
        if self.up:
            self.up = False
            self._losses += 1
            self._log.warning("conductor lost", error=error.message, hint=error.hint)

    def _answered(self, losses: int) -> None:
        # A request begun before the loss may be answered after it: that proves nothing.
        if not self.up and losses == self._losses:
            self.up = True
            self._log.info("conductor is back")


def pauses(timings: Timings) -> Iterator[float]:
    """Yield the seconds to wait between tries: doubling from `reconnect_first` up to `reconnect_last`."""
    pause = timings.reconnect_first
    while True:
        yield min(pause, timings.reconnect_last)
        pause = min(pause * 2, timings.reconnect_last)
