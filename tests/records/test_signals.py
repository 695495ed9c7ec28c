"""Signals that end a runner, sent to a real process."""

from __future__ import annotations

import signal
import subprocess
import sys

import pytest

from k1nb.errors import Stopped
from k1nb.records._signals import raising

NUMBERS = [signal.SIGINT, signal.SIGTERM, signal.SIGHUP]


@pytest.mark.parametrize("number", NUMBERS)
def test_the_first_signal_is_raised_and_the_others_are_ignored(number: signal.Signals) -> None:
    """A signal becomes Stopped with the exit code of its number; what follows it cannot cut the clearing up short."""
    before = [signal.getsignal(each) for each in NUMBERS]
    cleared = False
    with pytest.raises(Stopped) as stopped, raising():  # noqa: PT012 - the signals come inside
        try:
            signal.raise_signal(number)
        finally:
            for each in NUMBERS:
                signal.raise_signal(each)
            cleared = True
    assert cleared
    assert (stopped.value.code, stopped.value.message) == (128 + number, f"stopped by {number.name}")
    assert [signal.getsignal(each) for each in NUMBERS] == before


def test_what_comes_while_they_are_held_is_raised_on_release() -> None:
    """Nothing is cut short until then, and nothing that came is forgotten; once released they are raised at once."""
    with raising() as signals:
        signals.hold()
        signal.raise_signal(signal.SIGTERM)
        with pytest.raises(Stopped) as stopped:
            signals.release()
        assert stopped.value.message == "stopped by SIGTERM"
    with raising() as signals:
        signals.hold()
        signals.release()
        with pytest.raises(Stopped) as stopped:
            signal.raise_signal(signal.SIGHUP)
        assert stopped.value.message == "stopped by SIGHUP"


def test_what_was_ignored_stays_ignored() -> None:
    """A run under nohup outlives the hang-up of its terminal."""
    run = "from k1nb.records._signals import raising\nwith raising(): signal.raise_signal(1)\nprint('on')"
    code = f"import signal\nsignal.signal(1, signal.SIG_IGN)\n{run}"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "on\n"
