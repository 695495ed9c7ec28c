from __future__ import annotations

import socket
from collections.abc import Callable
from dataclasses import replace

import pytest

from k1nb.config import Settings, environment
from k1nb.errors import ServiceError
from k1nb.paths import private
from k1nb.stack._services import Service
from k1nb.stack._supervisor import Supervisor
from tests.stack.conftest import SmallStack


def test_nobody_answers_before_it_is_launched(settings: Settings) -> None:
    """Asking a supervisord that isn't there is an error that says what to do."""
    supervisor = Supervisor(settings.paths, settings.timings)
    assert not supervisor.answers()
    with pytest.raises(ServiceError, match="does not answer") as caught:
        supervisor.processes()
    assert caught.value.hint == "start it with `k1nb up`"


def test_one_that_hangs_is_given_up(settings: Settings) -> None:
    """A peer that accepts and says nothing doesn't hold us for ever."""
    hasty = settings.model_copy(update={"timings_scale": 0.01})
    supervisor = Supervisor(hasty.paths, hasty.timings)
    private(supervisor.runtime)
    with socket.socket(socket.AF_UNIX) as mute:
        mute.bind(str(supervisor.socket))
        mute.listen()
        assert not supervisor.answers()
    supervisor.socket.unlink()
    supervisor.runtime.rmdir()


def test_a_configuration_it_cannot_read_is_reported(settings: Settings) -> None:
    """Its own words reach the caller."""
    supervisor = Supervisor(settings.paths, settings.timings)
    broken = private(supervisor.folder / "services") / "one.conf"
    broken.write_text("[program:one]\n", encoding="utf-8")
    with pytest.raises(ServiceError, match="program:one"):
        supervisor.launch(environment(settings))
    supervisor.runtime.rmdir()


def test_a_configuration_is_compared_with_the_one_in_force(small: SmallStack, listener: Callable[..., Service]) -> None:
    """New, unchanged and changed services are told apart, even if an earlier attempt was cut off after writing."""
    one = listener("one")
    small.up()
    assert small.supervisor.prepare(one) == "new"
    small.supervisor.adopt("one")
    assert small.supervisor.prepare(one) == "same"
    other = replace(one, environment={"A": "1"})
    assert small.supervisor.prepare(other) == "changed"
    assert small.supervisor.prepare(other) == "changed"
    small.supervisor.adopt("one")
    assert small.supervisor.prepare(other) == "same"


def test_a_program_that_is_not_there_is_reported(small: SmallStack, listener: Callable[..., Service]) -> None:
    """The service whose program is missing isn't taken for started."""
    with pytest.raises(ServiceError, match="/nowhere/java"):
        small.up(replace(listener("one"), command=("/nowhere/java",)))


def test_starting_and_stopping_twice_is_nothing(small: SmallStack, listener: Callable[..., Service]) -> None:
    """What runs is not started again, what doesn't run needs no stop."""
    small.up(listener("one"))
    small.supervisor.start("one")
    small.supervisor.stop("one", 5)
    small.supervisor.stop("one", 5)
    assert small.process("one").state == "STOPPED"
