"""What watches over a runner, where it can't, and where it is in nobody's way."""

from __future__ import annotations

import subprocess
from typing import Any

import psutil
import pytest

from k1nb.checks import Verdict
from k1nb.config import Settings
from k1nb.records import run_notebook
from k1nb.records._watchdog import watched
from k1nb.timings import Timings
from tests.records.conftest import WriteNotebook, check, watchdog_of, watchdogs_of


def test_it_ends_with_what_it_watches(settings: Settings) -> None:
    """While a run lasts there is one process more, which has nothing of ours but its run's id, and then none."""
    with watched(settings, "20260301-040506-tiny-0a1b2c"):
        watchdog = watchdog_of(psutil.Process())
        assert watchdog.cmdline()[-1] == "20260301-040506-tiny-0a1b2c"
    assert watchdogs_of(psutil.Process()) == []


def test_one_that_is_stopped_holds_nobody_up(settings: Settings) -> None:
    """A watchdog that is stopped by a signal is ended itself after the patience for a child."""
    impatient = settings.model_copy(update={"timings_scale": 0.05})
    assert impatient.timings.child_stop < Timings().child_stop
    with watched(impatient, "20260301-040506-tiny-0a1b2c"):
        watchdog = watchdog_of(psutil.Process())
        watchdog.suspend()
    assert not watchdog.is_running()


def test_a_run_goes_well_without_one(
    settings: Settings, write_notebook: WriteNotebook, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where the system has no process left for it, the run is as good."""
    start = subprocess.Popen

    def refuse(words: Any, **options: Any) -> Any:
        if any("_end_of_parent" in str(word) for word in words):
            raise BlockingIOError(11, "Resource temporarily unavailable")
        return start(words, **options)

    monkeypatch.setattr("k1nb.records._watchdog.subprocess.Popen", refuse)
    record = run_notebook(settings, str(write_notebook(check("OK"))), {})
    assert record.verdict is Verdict.OK, record.reason
