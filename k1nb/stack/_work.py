"""The workers' work: what the server tells of it, and what is known of the host on this machine."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

from k1nb.checks import Check, Status
from k1nb.config import Settings
from k1nb.errors import ConductorError, ParameterError
from k1nb.stack._services import WORKERS
from k1nb.stack._status import check, status

if TYPE_CHECKING:
    from k1nb.conductor import Queues

_ASKED = ("workers: task types served", "workers: queues do not grow", "workers: no task waits too long")


def work(settings: Settings, *, hours: int = 24, watch: float = 5.0) -> Queues | ConductorError:
    """Return what the server tells of every task type, or why it does not; takes `watch` seconds and little more.

    Raises ParameterError for less than one hour and for a negative watch.
    """
    from k1nb.conductor import Conductor, look_at_queues

    if hours < 1:
        raise ParameterError(f"parameter hours is {hours}, but 1 or more is wanted", hint="for example hours=24")
    if watch < 0:
        raise ParameterError(f"parameter watch is {watch}, but 0 or more is wanted", hint="for example watch=5")
    try:
        with Conductor.from_settings(settings) as conductor:
            return look_at_queues(conductor, hours=hours, watch=watch)
    except ConductorError as error:
        return error


def work_checks(
    settings: Settings, seen: Queues | ConductorError, *, polled_within: float = 30.0, waits_at_most: float = 60.0
) -> list[Check]:
    """Judge the workers: their host runs, every task type is served, no queue grows, no task waits too long.

    The limits are seconds. What a silent server could not tell is UNKNOWN.
    """
    from k1nb.conductor import Host, QueueLimits, queue_checks

    service = next(each for each in status(settings) if each.name == WORKERS)
    host = Host(alive=service.state == "running", since=service.since)
    if isinstance(seen, ConductorError):
        why, hint = f"not asked: {seen.message}", "start the server with `k1nb up conductor`, then look again"
        unasked = [Check(name, Status.UNKNOWN, why, hint, settings.conductor_server_url) for name in _ASKED]
        return [check(service), *unasked]
    limits = QueueLimits(timedelta(seconds=polled_within), timedelta(seconds=waits_at_most))
    return [check(service), *queue_checks(seen, host, limits)]
