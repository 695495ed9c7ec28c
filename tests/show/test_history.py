"""What the terminal tells of a device's past."""

from __future__ import annotations

import pytest

from k1nb import show
from k1nb.firmware import Deployment, Grade, Outcome, PastDeployment
from tests.show.samples import START
from tests.show.test_terminal import printed

EXECUTION = "0ea6e30f-171c-488f-850f-2084050f3f27"
SAID = ["sent", f"failed: {'no answer ' * 60}\nlast line"]
ROW = Deployment(1, "02:4B:31:00:00:01", "a" * 64, EXECUTION, "rollback", Grade.SENT, Outcome.needs_usb, SAID, START,
                 START, None)  # fmt: skip


@pytest.mark.parametrize("width", [70, 80, 100, 180, 240])
def test_a_history_is_shown_on_any_terminal(width: int) -> None:
    """Wide, a row has a few lines at most; narrow, it is a block. No id is folded, and no line is too long."""
    text = printed(show.print_history, "demo", [PastDeployment(ROW, None)], width=width)
    for said in (
        "2026-03-01 04:00:00",
        "aaaaaaaaaaaa",
        "not stored",
        "SENT",
        "needs_usb",
        EXECUTION,
        "rollback: failed",
    ):
        assert said in text
    assert "last line" not in text
    assert max(map(len, text.splitlines())) <= width
    assert len(text.splitlines()) <= (5 if width > 170 else 12)


def test_no_history_is_a_sentence() -> None:
    """A device that got nothing is named."""
    assert printed(show.print_history, "demo (127.0.0.1:80)", []) == "nothing was ever sent to demo (127.0.0.1:80)\n"
