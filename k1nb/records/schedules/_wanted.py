"""What a person asks to be scheduled: a shipped notebook, its parameters, and when."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime

from k1nb.conductor import Cron, Schedule, zone_of
from k1nb.config import Settings
from k1nb.errors import ParameterError, UnknownName, UsageError
from k1nb.records._notebook import read_template, shipped
from k1nb.records._parameters import Value, from_text
from k1nb.records._run import parameters_of

WORKFLOW = "runbook"
"""The workflow that runs one notebook."""
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,79}", re.ASCII)
"""What the server's search can express, too."""
_CLOCK = re.compile(r"([01]?\d|2[0-3]):([0-5]\d)", re.ASCII)


def wanted(
    settings: Settings,
    name: str,
    notebook: str,
    *,
    cron: str,
    zone: str = "UTC",
    parameters: Mapping[str, str],
    strict: bool = False,
    catch_up: bool = False,
) -> Schedule:
    """Return the schedule of a notebook; parameters are given as text.

    Raises UnknownName for what is no shipped notebook, ParameterError for parameters that it does not have or that
    carry consent or a secret, UsageError for a name, times or a zone that are none.
    """
    refuse_name(name)
    values = values_for(settings, notebook, parameters)
    cron = " ".join(cron.split())
    if next(Cron.parse(cron).after(datetime.now(UTC), zone_of(zone)), None) is None:
        raise UsageError(f"{cron!r} names a day that never comes", hint="correct its day of the month or its month")
    return Schedule(
        name,
        cron,
        WORKFLOW,
        input={"notebook": notebook, "parameters": values, "strict": strict},
        correlation_id=key_of(name),
        zone=zone,
        description=f"runs the notebook {notebook}",
        catch_up=catch_up,
    )


def refuse_name(name: str) -> None:
    """Raise UsageError for what can be no schedule's name."""
    if not _NAME.fullmatch(name):
        raise UsageError(f"{name!r} is no name of a schedule", hint="use letters, digits, dots, dashes, underscores")


def key_of(name: str) -> str:
    """Return the key of all executions that a schedule starts; the server gives each the same."""
    return f"{WORKFLOW}:{name}"


def values_for(settings: Settings, notebook: str, parameters: Mapping[str, str]) -> dict[str, Value]:
    """Return a shipped notebook's parameters, each as its declared type; raises as `wanted` does."""
    file = shipped().get(notebook)
    if file is None:
        raise UnknownName(
            f"there is no shipped notebook {notebook!r}",
            hint=f"known are {', '.join(shipped())}; a workflow runs no file of one's own",
        )
    values = from_text(parameters_of(read_template(file)), parameters)
    refuse_consent(values)
    _refuse_secrets(settings, parameters)
    return values


def refuse_consent(names: Iterable[str]) -> None:
    """Raise ParameterError where a parameter is consent to a plan: whoever looked at the plan runs it himself."""
    if "apply" in names:
        raise ParameterError(
            "apply is consent to one plan, made for what is observed now, and is stale by the time a workflow runs",
            hint="run it by hand: k1nb run NOTEBOOK --apply plan-…",
        )


def _refuse_secrets(settings: Settings, parameters: Mapping[str, str]) -> None:
    redact = settings.redact
    for name, text in parameters.items():
        if redact(text) != text:
            raise ParameterError(
                f"parameter {name} carries a secret, which the server and every record would show",
                hint="secrets come from the settings of the host that runs the notebook",
            )


def daily(clock: str) -> str:
    """Return the cron expression of a time of day such as 06:00; raises UsageError."""
    match = _CLOCK.fullmatch(clock.strip())
    if match is None:
        raise UsageError(f"{clock!r} is no time of day", hint="hours and minutes are wanted: --daily 06:00")
    return f"0 {int(match[2])} {int(match[1])} * * ?"
