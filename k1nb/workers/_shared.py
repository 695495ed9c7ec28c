"""What all task types of one worker host share."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass

from k1nb.conductor import TaskClient
from k1nb.config import Settings
from k1nb.timings import Timings
from k1nb.workers._devices import Devices
from k1nb.workers._effects import Effects
from k1nb.workers._in_hand import InHand
from k1nb.workers._link import Link
from k1nb.workers._metrics import Metrics
from k1nb.workers._outputs import Outputs
from k1nb.workers._result import Results
from k1nb.workers._scout import Scout


@dataclass(frozen=True, slots=True)
class Shared:
    """The host's connections and facts, handed to each of its parts."""

    settings: Settings
    client: TaskClient
    link: Link
    scout: Scout
    results: Results
    outputs: Outputs
    effects: Effects
    devices: Devices
    in_hand: InHand
    metrics: Metrics
    worker_id: str
    domain: str | None
    stopped: asyncio.Task[float]
    """Done when the host is told to stop; its result is the loop's time then, which starts the drain."""

    @property
    def timings(self) -> Timings:
        """The waits and deadlines in force."""
        return self.settings.timings
