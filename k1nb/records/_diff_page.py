"""How two records differ, as one page."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from html import escape
from typing import Any

from k1nb.checks import Check, Verdict
from k1nb.config import Settings
from k1nb.records import _html
from k1nb.records._diff import Change, CheckChange, Difference, Measured, number, percent, said, summary
from k1nb.records._record import Record

_KIND = "full stack named"


def difference_page(settings: Settings, change: Difference) -> str:
    """Return a difference as one self-contained HTML page; secrets are masked."""
    old, new = change.old, change.new
    words = [f"{record.verdict}{'?' * _doubtful(record)}" for record in (old, new)]
    verdicts = " → ".join(dict.fromkeys(words))
    kind = Verdict.FAIL if _doubtful(new) else new.verdict
    body = (
        f'<header class="verdict {kind}"><h1>{escape(new.notebook)}</h1>'
        f"<strong>{verdicts}</strong>"
        f'<p class="why">{escape(summary(change))}</p></header>'
        + _html.facts({"before": _run(old), "after": _run(new)})
        + _changes("What they are", change.facts)
        + _checks(change.checks)
        + _values(change.values)
        + _changes("Parameters", change.parameters)
        + _changes("Versions", change.versions)
        + _changes("Devices, artifacts, executions", change.mentions)
        + _changes("Seconds", change.seconds)
    )
    foot = "It is derived from two records and not sealed."
    return settings.redact(_html.document(f"{old.id} → {new.id}", body, foot=foot, now=datetime.now(UTC)))


def _run(record: Record) -> str:
    doubt = f"<br>{_html.not_as_sealed(record.id)}" if _doubtful(record) else ""
    badge = _html.badge(record.verdict, doubtful=_doubtful(record))
    return f'{badge} <span class="mono">{escape(record.id)}</span>{doubt}'


def _doubtful(record: Record) -> bool:
    return record.as_sealed is False


def _changes(title: str, changes: Sequence[Change]) -> str:
    if not changes:
        return ""
    rows = [(escape(change.name), _value(change.old), _value(change.new)) for change in changes]
    return f"<h2>{escape(title)}</h2>" + _html.table(("", "before", "after"), rows, kind=_KIND)


def _value(value: Any) -> str:
    return '<span class="faint">–</span>' if value is None else escape(said(value))


def _checks(changes: Sequence[CheckChange]) -> str:
    if not changes:
        return "<h2>Checks</h2><p>Every check was answered as before.</p>"
    rows = [(change.kind, escape(change.name), _check(change.old), _check(change.new)) for change in changes]
    return "<h2>Checks</h2>" + _html.table(("", "check", "before", "after"), rows, kind=_KIND)


def _check(check: Check | None) -> str:
    if check is None:
        return '<span class="faint">–</span>'
    hint = f'<br><span class="hint">hint: {_html.words(check.hint)}</span>' if check.hint else ""
    return f"{_html.badge(check.status)} {_html.words(check.evidence)}{hint}"


def _values(values: Sequence[Measured]) -> str:
    if not values:
        return ""
    rows = [
        (escape(v.check), escape(v.name), number(v.old), number(v.new), number(v.difference), percent(v.relative))
        for v in values
    ]
    head = ("check", "measured", "before", "after", "difference", "relative")
    return "<h2>Measured</h2>" + _html.table(head, rows, numbers=4, kind=_KIND)
