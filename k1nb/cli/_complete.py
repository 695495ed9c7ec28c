"""What the shell offers when Tab is pressed: names that are there. Whatever is wrong, nothing is offered, or said."""

from __future__ import annotations

from collections.abc import Callable, Iterable

import typer

from k1nb.errors import K1Error


def _quietly(names: Callable[[], Iterable[str]]) -> Callable[[str], list[str]]:
    """Return a completion of these names; an error would be printed into the line that is being typed."""

    def complete(incomplete: str) -> list[str]:
        try:
            return [name for name in names() if name.startswith(incomplete) and name.isprintable()]
        except (K1Error, OSError):
            return []

    return complete


def _services() -> Iterable[str]:
    from k1nb.stack import SERVICES

    return SERVICES


def _logs() -> Iterable[str]:
    from k1nb.stack import SERVICES

    return (*SERVICES, "supervisord")


def _notebooks() -> Iterable[str]:
    from k1nb.records import shipped

    return shipped()


def _devices() -> Iterable[str]:
    from k1nb.config import load
    from k1nb.device import Inventory

    return [device.name for device in Inventory(load().paths).list()]


def _records() -> Iterable[str]:
    from k1nb.config import load
    from k1nb.records import run_ids

    return run_ids(load().paths)


def _artifacts() -> Iterable[str]:
    from k1nb.config import load
    from k1nb.firmware import ArtifactStore

    return [artifact.id for artifact in ArtifactStore(load().paths).list()]


def _repositories() -> Iterable[str]:
    from k1nb.config import load
    from k1nb.firmware import repositories

    return repositories(load())


def _reports() -> Iterable[str]:
    from k1nb.config import load
    from k1nb.patterns import report_ids

    return report_ids(load().paths)


def _schedules() -> Iterable[str]:
    from k1nb.config import load
    from k1nb.records.schedules import names

    return names(load())


def _verdicts() -> Iterable[str]:
    from k1nb.checks import Verdict

    return Verdict


def _zones() -> Iterable[str]:
    from zoneinfo import available_timezones

    return sorted(available_timezones())


def parameters(ctx: typer.Context, incomplete: str) -> list[str]:
    """Offer the parameters of the shipped notebook that stands before them."""
    from k1nb.records import parameter_names, shipped

    # A line that is not finished is not parsed as a whole: what could not be, is in `args`.
    notebooks = [word for word in (ctx.params.get("notebook"), *ctx.args) if word in shipped()]
    return _quietly(lambda: [f"{name}=" for book in notebooks[-1:] for name in parameter_names(book)])(incomplete)


services = _quietly(_services)
logs = _quietly(_logs)
notebooks = _quietly(_notebooks)
devices = _quietly(_devices)
records = _quietly(_records)
artifacts = _quietly(_artifacts)
schedules = _quietly(_schedules)
reports = _quietly(_reports)
repositories = _quietly(_repositories)
verdicts = _quietly(_verdicts)
zones = _quietly(_zones)
