"""The figure of the day."""

from __future__ import annotations

from datetime import timedelta

from k1nb.show import day
from k1nb.show._day import by_workflow, cells, summary
from tests.show.samples import BUILD, PIPELINE, RUNNING, START, at, execution, readings
from tests.show.test_timeline import texts

NOW = START + timedelta(hours=1)


def test_workflows_and_devices_are_named_with_what_happened() -> None:
    """Each workflow has its counts and lengths, each device its readings."""
    words = texts(day([BUILD, PIPELINE, RUNNING], {"demo": readings(), "bench": None}, now=NOW))
    assert {"firmware-build", "firmware-ci-cd-pipeline", "1 completed", "1 failed", "1 running", "took 10 s"} <= set(
        words
    )
    assert {"demo", "ok", "26 h 03 min", "208 KiB", "4.31 ms", "k1-0123456789ab"} <= set(words)
    assert {"bench", "no answer"} <= set(words)


def test_only_the_last_hours_are_shown() -> None:
    """What began before the time in question is left out."""
    old = execution("old", "COMPLETED", started_at=NOW - timedelta(hours=30), ended_at=NOW)
    assert "old" not in texts(day([old, BUILD], {}, now=NOW))
    assert "old" in texts(day([old, BUILD], {}, now=NOW, hours=48))


def test_nothing_is_said_in_words() -> None:
    """A day without executions and devices says so, and differs from a server that did not answer."""
    assert {"No execution was started in this time.", "No device was looked at."} <= set(texts(day([], {}, now=NOW)))
    assert "The server gave no answer." in texts(day(None, {}, now=NOW))


def test_many_executions_are_summed_up() -> None:
    """Of several executions the median and the longest are told, running ones not counted for it."""
    runs = [execution("w", "COMPLETED", ended_at=at(s)) for s in (10, 20, 300)]
    runs += [execution("w", "TIMED_OUT", ended_at=at(400)), execution("w", "RUNNING", ended_at=None)]
    assert summary(runs) == ("3 completed, 1 timed out, 1 running", "median 2 min 40 s, longest 6 min 40 s")
    assert summary(runs[-1:]) == ("1 running", "")


def test_workflows_are_in_order() -> None:
    """Executions are grouped by workflow, in alphabetical order."""
    assert list(by_workflow([PIPELINE, RUNNING, BUILD])) == [
        "device-deployment",
        "firmware-build",
        "firmware-ci-cd-pipeline",
    ]


def test_a_firmware_without_a_stamp_is_said_to_have_none() -> None:
    """A device that serves no build stamp is not given one."""
    assert cells("demo", readings(stamp=None))[-1] == "none shown"
    assert cells("demo", None) == ("demo", "no answer")
