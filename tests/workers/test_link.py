"""The one connection that all task types share."""

from __future__ import annotations

from itertools import islice

import pytest
from structlog.testing import capture_logs

from k1nb.errors import ConductorNotFound, ConductorUnreachable
from k1nb.timings import Timings
from k1nb.workers._link import Link, pauses


def _fail(link: Link) -> None:
    with pytest.raises(ConductorUnreachable), link.request():
        raise ConductorUnreachable("gone")


def test_a_loss_and_a_return_are_logged_once_each() -> None:
    """However many requests fail, the log says once that the server is lost and once that it is back."""
    with capture_logs() as lines:
        link = Link("http://127.0.0.1:1/api")
        for _ in range(3):
            _fail(link)
        for _ in range(3):
            with link.request():
                pass
    assert [line["event"] for line in lines] == ["conductor lost", "conductor is back"]


def test_an_answer_to_a_request_begun_before_the_loss_proves_nothing() -> None:
    """A long poll that is answered after another request failed does not count as a return."""
    link = Link("http://127.0.0.1:1/api")
    with link.request():
        _fail(link)
    assert not link.up


def test_that_a_task_is_gone_is_an_answer() -> None:
    """A server that does not know a task any more is there."""
    link = Link("http://127.0.0.1:1/api")
    with pytest.raises(ConductorNotFound), link.request():
        raise ConductorNotFound("no such task", status=404)
    assert link.up


def test_pauses_double_up_to_the_last() -> None:
    """Between tries the pause grows from the first to the last of the timings and stays there."""
    found = list(islice(pauses(Timings(reconnect_first=0.2, reconnect_last=1.0)), 5))
    assert found == pytest.approx([0.2, 0.4, 0.8, 1.0, 1.0])
