"""The table of checks."""

from __future__ import annotations

from k1nb.checks import Check, Status, Verdict
from k1nb.records._table import COLOURS, WORST_FIRST, tally, verdict_html, verdict_text, worst_first

CHECKS = [
    Check("fine", Status.OK, "seen"),
    Check("absent", Status.NOT_CONFIGURED, "no reason given"),
    Check("broken <b>", Status.FAIL, "saw <script>", "mend & go"),
    Check("slow", Status.WARN, "seen"),
    Check("silent", Status.UNKNOWN, "no answer"),
]


def test_the_worst_comes_first() -> None:
    """FAIL stands before UNKNOWN, WARN, OK, and what is not configured."""
    assert [c.status for c in worst_first(CHECKS)] == list(WORST_FIRST)


def test_every_status_and_verdict_has_a_colour_and_a_place() -> None:
    """No status is left out of order or colour."""
    assert set(WORST_FIRST) == set(Status)
    assert {*Status, *Verdict} <= set(COLOURS)


def test_the_tally_counts_by_status() -> None:
    """The tally names each status that occurs."""
    assert tally(CHECKS) == "1 FAIL, 1 UNKNOWN, 1 WARN, 1 OK, 1 not configured"
    assert tally([]) == "no checks"


def test_the_verdict_comes_first_in_both_forms() -> None:
    """HTML and text begin with the verdict and hold every check and hint."""
    html = verdict_html(Verdict.FAIL, "daily <x>", CHECKS)
    text = verdict_text(Verdict.FAIL, "daily <x>", CHECKS)
    assert text.startswith("FAIL  daily <x>: 1 FAIL")
    assert html.index("FAIL") < html.index("daily &lt;x&gt;") < html.index("broken")
    assert "hint: mend & go" in text
    assert "hint: mend &amp; go" in html


def test_what_a_check_says_is_never_markup() -> None:
    """Names and evidence are escaped, for they may come from a device."""
    html = verdict_html(Verdict.FAIL, "t", CHECKS)
    assert "<script>" not in html
    assert "saw &lt;script&gt;" in html
