"""Executions that the server forgets while the host runs: continued, counted, logged."""

from __future__ import annotations

import asyncio

import structlog

from k1nb.conductor import Conductor, Repair, repair
from k1nb.errors import ConductorError
from k1nb.workers._shared import Shared


class Watch:
    """Looks for forgotten executions every `timings.forgotten_look` seconds; one search while there is none."""

    def __init__(self, shared: Shared) -> None:
        self._settings = shared.settings
        self._link = shared.link
        self._metrics = shared.metrics
        self._stopped = shared.stopped
        self._log = structlog.get_logger("k1nb.workers")
        self.continued = 0
        """How many were continued since the host's start."""

    async def run(self) -> None:
        """Look until the host is stopped."""
        stopped = self._stopped
        while not stopped.done():
            await asyncio.wait({stopped}, timeout=self._settings.timings.forgotten_look)
            if not stopped.done():
                await self.look()

    async def look(self) -> None:
        """Continue what is forgotten now; what goes wrong is tried again next time."""
        try:
            with self._link.request():
                repairs = await asyncio.to_thread(self._repair)
        except ConductorError:
            return
        except Exception:  # noqa: BLE001 - whatever it is, no task of this host may end for a look that comes again
            self._log.exception("the look for forgotten executions failed")
            return
        done = [one.execution.id for one in repairs if one.continued]
        stuck = [one.execution.id for one in repairs if one.forgotten and not one.continued]
        self.continued += len(done)
        self._metrics.continued(len(done))
        if done:
            self._log.warning("forgotten executions continued", executions=done, since_start=self.continued)
        if stuck:
            self._log.error("the server does not go on with forgotten executions", executions=stuck)

    def _repair(self) -> list[Repair]:
        with Conductor.from_settings(self._settings) as conductor:
            return repair(conductor, self._settings.timings, on_cut=self._cut)

    def _cut(self, looked_at: int) -> None:
        self._log.warning("not every running execution was looked at", oldest=looked_at)
