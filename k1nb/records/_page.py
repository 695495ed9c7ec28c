"""A record as one page: the verdict first, then what it rests on, then the notebook as it was executed."""

from __future__ import annotations

import base64
import binascii
import json
from datetime import UTC, datetime
from html import escape
from typing import Any

from k1nb.checks import Check
from k1nb.config import Settings
from k1nb.errors import K1Error
from k1nb.records import _html, _markup
from k1nb.records._cells import PLAIN, Cell, Output, cells_of, left_texts
from k1nb.records._doubts import doubts
from k1nb.records._index import HOW_TO_CHECK, NO_CHECKS, why, why_not
from k1nb.records._record import MANIFEST, Record, sum_of
from k1nb.records._table import tally, worst_first
from k1nb.records._when import NOT_KNOWN, duration

_MOST = 200_000
"""Characters of one output that are shown; the notebook has them all."""
_PICTURES = ("image/png", "image/jpeg", "image/gif", "image/webp")


def record_page(settings: Settings, record: Record) -> str:
    """Return a record as one self-contained HTML page, also of one that is damaged or has no notebook.

    Whatever its outputs hold, the page runs nothing and loads nothing. Secrets are masked.
    """
    parts = [
        _head(record),
        _doubts(settings, record),
        _facts(record),
        _checks(record),
        _notebook(record),
        _left(record),
    ]
    state = f"{_word(record)}, not sealed yet:" if record.staged else _word(record)
    title = f"{state} {record.notebook or 'record'} {record.id}"
    styles = _markup.python_styles()
    page = _html.document(
        title, "\n".join(filter(None, parts)), styles=styles, foot=_foot(record), now=datetime.now(UTC)
    )
    return settings.redact(page)


def _word(record: Record) -> str:
    return "running" if record.running else record.verdict.value


def _unproven(record: Record) -> str:
    """Say of a run that is not moved in yet what its page is worth; nothing of a sealed one."""
    if not record.staged:
        return ""
    where = "It is under way" if record.running else "It broke off and waits to be moved in by the next start"
    return f"{where}: it is not sealed yet and proves nothing."


def _hint(record: Record) -> str:
    if why_not(record):
        return HOW_TO_CHECK if why_not(record) == NO_CHECKS else ""
    worst = worst_first(record.checks)[:1]
    return (worst[0].hint or "") if worst and why(record) else ""


def _head(record: Record) -> str:
    word, hint = _word(record), _hint(record)
    lines = [f"<h1>{escape(record.notebook or 'damaged record')}</h1><strong>{escape(word)}</strong>"]
    said = (why(record), _unproven(record))
    lines += [f'<p class="why">{escape(each)}</p>' for each in said if each]
    lines += [f'<p class="hint">hint: {_html.words(hint)}</p>'] if hint else []
    imported = record.manifest.imported
    lines += [f'<p class="why">{escape(str(imported))}</p>'] if imported else []
    lines.append(f'<p class="faint">{escape(tally(record.checks))}; {_when(record)}</p>')
    return f'<header class="verdict {word}">{"".join(lines)}</header>'


def _when(record: Record) -> str:
    said = f"{record.started_at.astimezone(UTC):%A, %d %B %Y, %H:%M:%S} UTC"
    if record.manifest.clock_set_back:
        return f"{said}; how long it took is {NOT_KNOWN}"
    return said if record.seconds is None else f"{said}, took {duration(record.seconds)}"


def _doubts(settings: Settings, record: Record) -> str:
    found = doubts(settings, record)
    if not found:
        return ""
    items = "".join(f"<li>{escape(each)}</li>" for each in found)
    return f'<div class="doubt"><strong>This record contradicts itself.</strong><ul>{items}</ul></div>'


def _facts(record: Record) -> str:
    manifest = record.manifest
    given = ", ".join(f"{name}={value!r}" for name, value in record.parameters.items())
    seal = f"number {manifest.seal.number} of chain {manifest.seal.chain}" if manifest.seal else ""
    return _html.facts(
        {
            "run": _mono(record.id),
            "parameters": _mono(given),
            "devices": escape(", ".join(manifest.devices)),
            "artifacts": "<br>".join(map(_mono, manifest.artifacts)),
            "executions": "<br>".join(map(_mono, manifest.executions)),
            "goes on from": _mono(manifest.resumes or ""),
            "target": escape(manifest.target),
            "where, by": escape(f"{manifest.host}, {manifest.user}"),
            "versions": escape(", ".join(f"{name} {value}" for name, value in manifest.versions.items())),
            "redactions": str(manifest.redactions) if manifest.redactions else "",
            "files removed since": escape(", ".join(manifest.pruned)),
            "seal": escape(seal),
        }
    )


def _mono(text: str) -> str:
    return f'<span class="mono">{escape(text)}</span>' if text else ""


def _checks(record: Record) -> str:
    if not record.checks:
        return "<h2>Checks</h2><p>It made none.</p>"
    rows = map(check_row, worst_first(record.checks))
    return "<h2>Checks</h2>" + _html.table(("", "check", "seen", "source, time (UTC)"), rows, kind="full stack")


def check_row(check: Check) -> tuple[str, str, str, str]:
    """Return a check as the cells of a table."""
    seen = _html.words(check.evidence)
    if check.hint:
        seen += f'<br><span class="hint">hint: {_html.words(check.hint)}</span>'
    where = f'<span class="mono">{_html.address(check.source)}</span> ' if check.source else ""
    return _html.badge(check.status), escape(check.name), seen, f"{where}{check.seen_at:%H:%M:%S}"


def _notebook(record: Record) -> str:
    try:
        cells = cells_of(record)
    except K1Error as error:
        return f"<h2>Notebook</h2><p>It cannot be shown: {escape(error.message)}.</p>"
    if not cells:
        return "<h2>Notebook</h2><p>The record has no executed notebook.</p>"
    return "<h2>Notebook</h2>" + "".join(_cell(cell, record) for cell in cells)


def _cell(cell: Cell, record: Record) -> str:
    if cell.kind == "markdown":
        return f'<section class="cell">{_markup.markdown(cell.source)}</section>'
    if cell.kind != "code":
        return f'<section class="cell"><pre>{escape(cell.source)}</pre></section>'
    seconds = record.manifest.cell_seconds[cell.number - 1 : cell.number]
    took = "" if not seconds else ", not run" if seconds[0] is None else f", {_duration(seconds[0])}"
    tag = f"{cell.tags[0]}, " if cell.tags else ""
    lines = cell.source.count("\n") + 1
    summary = f"<summary>cell {cell.number}: {escape(tag)}{lines} line{'s' if lines != 1 else ''}{took}</summary>"
    source = f'<details>{summary}<pre class="code">{_markup.python(cell.source)}</pre></details>'
    return f'<section class="cell">{source}{"".join(map(_output, cell.outputs))}</section>'


def _duration(seconds: float) -> str:
    return duration(seconds) if seconds >= 0 else f"how long is {NOT_KNOWN}"


def _output(output: Output) -> str:
    if output.kind == "error":
        return f'<pre class="error">{_text(output.text)}</pre>'
    if output.kind == "stream":
        kind = ' class="stderr"' if output.name == "stderr" else ""
        return f"<pre{kind}>{_text(output.text)}</pre>"
    for kind in ("text/html", "image/svg+xml", *_PICTURES, "text/markdown"):
        if kind in output.data and (shown := _shown(kind, output.data[kind], output.text)):
            return shown
    if output.text:
        return f'<div class="output"><pre>{_text(output.text)}</pre></div>'
    return _other(output)


def _shown(kind: str, value: Any, text: str) -> str:
    """Return an output of one media type, or nothing where it is not what it says."""
    if not isinstance(value, str):
        return ""
    if kind == "text/html":
        return f'<div class="output">{_markup.sanitized(value)}</div>' if len(value) <= 10 * _MOST else ""
    if kind == "text/markdown":
        return f'<div class="output">{_markup.markdown(value)}</div>'
    if kind == "image/svg+xml":
        return _figure(kind, base64.b64encode(value.encode("utf-8", "replace")).decode(), text)
    try:
        return _figure(kind, base64.b64encode(base64.b64decode("".join(value.split()), validate=True)).decode(), text)
    except (binascii.Error, ValueError):
        return ""


def _figure(kind: str, data: str, text: str) -> str:
    # As a picture an SVG can neither run a script nor load anything, whatever is in it.
    return f'<div class="figure"><img src="data:{kind};base64,{data}" alt="{escape(text)}"></div>'


def _other(output: Output) -> str:
    kinds = [kind for kind in output.data if kind != PLAIN]
    if not kinds:
        return ""
    if kinds == ["application/json"]:
        return f"<pre>{_text(json.dumps(output.data['application/json'], indent=1, ensure_ascii=False))}</pre>"
    return f'<p class="faint small">An output is not shown here: {escape(", ".join(kinds))}.</p>'


def _text(text: str) -> str:
    if len(text) <= _MOST:
        return _markup.terminal(text)
    return _markup.terminal(text[:_MOST]) + f"\n… {len(text) - _MOST:,} characters more are in the notebook"


def _left(record: Record) -> str:
    return "".join(
        f"<h2>{escape(name)}</h2><pre>{_text(text)}</pre>" for name, text in left_texts(record) if text.strip()
    )


def _foot(record: Record) -> str:
    if record.staged:
        return f"This page is derived from a run that is not sealed. {_unproven(record)} Export it again once it is."
    file = record.folder / MANIFEST
    try:
        digest = sum_of(file)
    except OSError:
        digest = "unknown, for it cannot be read"
    return (
        "This page is derived from a record and is not sealed itself. SHA-256 of the record's manifest: "
        f'<span class="mono">{digest}</span>. <span class="mono">k1nb records verify {escape(record.id)}</span> '
        "tells whether the record is what was sealed."
    )
