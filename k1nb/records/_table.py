"""Checks as a table for people: HTML for notebooks, text for terminals and old readers."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from html import escape

from k1nb.checks import Check, Status, Verdict

WORST_FIRST = (Status.FAIL, Status.UNKNOWN, Status.WARN, Status.OK, Status.NOT_CONFIGURED)
# Each legible with white text, also for readers who don't tell red from green: the word is always there.
COLOURS = {
    "OK": "#1b7a43",
    "WARN": "#9a6700",
    "UNKNOWN": "#6e40c9",
    "FAIL": "#c4271b",
    "INTERRUPTED": "#6e40c9",
    "NOT_CONFIGURED": "#6b7280",
}
_CELL = "text-align:left;vertical-align:top;padding:4px 10px;white-space:normal"
_BADGE = (
    "display:inline-block;padding:1px 8px;border-radius:4px;white-space:nowrap;color:#fff;font-weight:600;background:"
)


def worst_first(checks: Iterable[Check]) -> list[Check]:
    """Return the checks, the worst first, otherwise in the order they were made."""
    return sorted(checks, key=lambda check: WORST_FIRST.index(check.status))


def tally(checks: Iterable[Check]) -> str:
    """Count the checks by status, e.g. `1 FAIL, 12 OK`."""
    counts = Counter(check.status for check in checks)
    return ", ".join(f"{counts[s]} {label(s)}" for s in WORST_FIRST if counts[s]) or "no checks"


def label(status: str) -> str:
    """Return a status as people read it."""
    return status.replace("_", " ").lower() if status == Status.NOT_CONFIGURED else status


def badge(status: str) -> str:
    """Return a status as HTML."""
    return f'<span style="{_BADGE}{COLOURS.get(status, "#6b7280")}">{escape(label(status))}</span>'


def table_html(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """Return an HTML table; the cells are HTML already."""
    titles = "".join(f'<th style="{_CELL}">{escape(title)}</th>' for title in head)
    body = "".join("<tr>" + "".join(f'<td style="{_CELL}">{cell}</td>' for cell in row) + "</tr>" for row in rows)
    return f"<table><thead><tr>{titles}</tr></thead><tbody>{body}</tbody></table>"


def checks_html(checks: Iterable[Check]) -> str:
    """Return checks as an HTML table, the worst first."""
    return table_html(("status", "check", "seen", "source, time (UTC)"), map(_row, worst_first(checks)))


def _row(check: Check) -> tuple[str, str, str, str]:
    seen = escape(check.evidence)
    if check.hint:
        seen += f"<br><em>hint: {escape(check.hint)}</em>"
    where = f"<code>{escape(check.source)}</code> " if check.source else ""
    return badge(check.status), escape(check.name), seen, f"{where}{check.seen_at:%H:%M:%S}"


def checks_text(checks: Iterable[Check]) -> str:
    """Return checks as lines of text, the worst first, hints below."""
    lines = []
    for check in worst_first(checks):
        lines.append(f"{label(check.status):<14}  {check.name}: {check.evidence}")
        if check.hint:
            lines.append(f"{'':<14}  hint: {check.hint}")
    return "\n".join(lines)


def verdict_html(verdict: Verdict, title: str, checks: Sequence[Check]) -> str:
    """Return a verdict with the checks it rests on, verdict first."""
    head = f'<p style="font-size:1.15em">{badge(verdict)} {escape(title)}: {tally(checks)}</p>'
    return head + (checks_html(checks) if checks else "")


def verdict_text(verdict: Verdict, title: str, checks: Sequence[Check]) -> str:
    """Return the same as text."""
    return f"{verdict}  {title}: {tally(checks)}\n\n{checks_text(checks)}".rstrip()
