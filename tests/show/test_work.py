"""The figure and the table of the workers' work."""

from __future__ import annotations

from datetime import timedelta

from k1nb.conductor import Queues, Work
from k1nb.errors import ConductorUnreachable
from k1nb.show import work, work_table
from tests.show.samples import START
from tests.show.test_timeline import texts

BUSY = Work(
    "platformio_compile", True, START - timedelta(seconds=4), ("host:1",), queued=3, running=1, completed=2, failed=1,
    seconds=(20.0, 40.0),
)  # fmt: skip
LOOK = Queues("http://server", START, watched=5, hours=12, work=(BUSY, Work("nobody_asks", True)))


def test_each_type_has_its_row() -> None:
    """Who asked, what waits, what was done and how long it took stand in the figure and in the table."""
    words = texts(work(LOOK))
    assert {"platformio_compile", "4.0 s ago", "3", "30 s", "nobody_asks", "never"} <= set(words)
    assert any(word.startswith("tasks of the last 12 h") for word in words)
    table = work_table(LOOK)
    assert "host:1" in table.html
    assert "never" in table.text.splitlines()[2]


def test_a_look_that_was_cut_says_so() -> None:
    """Where there were more tasks than one look takes in, the figure says that it shows the latest."""
    cut = Queues("http://server", START, 5, 12, (BUSY,), truncated=True)
    assert any("the latest only" in word for word in texts(work(cut)))


def test_a_silent_server_is_said() -> None:
    """No answer and nothing to show are two sentences."""
    assert "The server gave no answer." in texts(work(ConductorUnreachable("no answer", hint="start it")))
    assert "No task type is defined or polled." in texts(work(Queues("http://server", START, 5, 12)))
    assert "no answer" in work_table(ConductorUnreachable("no answer")).text


def test_the_figure_is_the_same_bytes() -> None:
    """The same look gives the same SVG."""
    assert work(LOOK)._repr_svg_() == work(LOOK)._repr_svg_()
