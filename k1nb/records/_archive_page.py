"""The archive as one page: every run by day with its verdict, to be looked through without a script."""

from __future__ import annotations

import os
from collections import defaultdict
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from html import escape
from pathlib import Path

from k1nb.checks import Verdict
from k1nb.config import Settings
from k1nb.paths import private, unwritable, write_text
from k1nb.records import _html
from k1nb.records._archive import record_in, unreadable
from k1nb.records._index import Progress
from k1nb.records._record import NOTEBOOK
from k1nb.records._search import Hit, Wanted, looked_at, search
from k1nb.records._table import label
from k1nb.records._verification import Problem
from k1nb.records._when import duration

PAGE = "index.html"
NEWEST = 500
"""Runs that the page lists."""
_STRIP = 60
"""Runs of a notebook that its strip shows."""
_VERDICTS = ("FAIL", "UNKNOWN", "WARN", "INTERRUPTED", "OK")


def write_archive_page(settings: Settings) -> Path:
    """Write the archive's page and return its file; each run links to its own page, or to its notebook without one.

    Raises StorageError.
    """
    found = looked_at(settings, search(settings, Wanted(), limit=NEWEST))
    file = private(settings.paths.archive) / PAGE
    closed = unreadable(settings.paths)
    write_text(file, settings.redact(_page(found.hits, settings.paths.archive, more=found.more, closed=closed)))
    return file


def write_pages(settings: Settings, on_progress: Progress | None = None) -> Path:
    """Write the page of each listed run that has none, or one older than its record, and then the archive's page.

    Pages of runs that are gone are removed. Raises StorageError.
    """
    from k1nb.records._page import record_page

    folder = private(settings.paths.archive)
    hits = search(settings, Wanted(), limit=NEWEST, on_progress=on_progress).hits
    old = [hit for hit in hits if not _fresh(folder / f"{hit.run}.html", hit.folder)]
    for number, hit in enumerate(old, 1):
        write_text(folder / f"{hit.run}.html", record_page(settings, record_in(hit.folder)))
        if on_progress:
            on_progress(number, len(old))
    for page in folder.glob("*.html"):
        if page.name != PAGE and _gone(settings.paths.records / page.stem):
            page.unlink(missing_ok=True)
    return write_archive_page(settings)


def show_records(settings: Settings) -> None:
    """Let JupyterLab reach the archive: links to it in the folder that it serves, and a page that is up to date.

    Raises StorageError.
    """
    write_archive_page(settings)
    for place in (settings.paths.records, settings.paths.archive):
        link = private(settings.paths.home / "lab") / place.name
        try:
            if not link.is_symlink() and not link.exists():
                link.symlink_to(Path("..") / place.name)
        except OSError as error:
            raise unwritable(link, error) from error


def _fresh(page: Path, record: Path) -> bool:
    try:
        return page.stat().st_mtime_ns >= record.stat().st_mtime_ns
    except OSError:
        return False


def _gone(record: Path) -> bool:
    """Tell whether a record is not there; one that cannot be seen may be."""
    try:
        record.stat()
    except FileNotFoundError:
        return True
    except OSError:
        return False
    return False


def _page(hits: Sequence[Hit], folder: Path, *, more: bool, closed: Sequence[Problem]) -> str:
    now = datetime.now(UTC)
    by_notebook: dict[str, list[Hit]] = defaultdict(list)
    by_day: dict[str, list[Hit]] = defaultdict(list)
    for hit in hits:
        by_notebook[hit.notebook].append(hit)
        by_day[f"{hit.began:%A, %d %B %Y}"].append(hit)
    numbers = {name: number for number, name in enumerate(sorted(by_notebook))}
    made = {file.stem for file in folder.glob("*.html")}
    days = "".join(_day(day, runs, numbers, made) for day, runs in by_day.items())
    kept = f"the newest {len(hits)}" if more else f"all {len(hits)}"
    body = (
        f'<h1>Records</h1><p class="faint">{kept} sealed runs, as of {now:%Y-%m-%d %H:%M:%S} UTC</p>'
        + "".join(f'<p class="why">{escape(problem.text)}</p>' for problem in closed)
        + _filters("v", "verdict", {verdict: label(verdict) for verdict in _VERDICTS})
        + _filters("n", "notebook", {f"n{number}": name or "damaged" for name, number in numbers.items()})
        + _strips(by_notebook)
        + (days or "<p>No run has been sealed yet.</p>")
    )
    foot = "It is derived from the records and not sealed; <code>k1nb records page</code> makes it anew."
    return _html.document("Records", body, styles=_styles(numbers.values()), foot=foot, now=now)


def _filters(group: str, legend: str, choices: dict[str, str]) -> str:
    every = {"all": "all", **choices}
    inputs = "".join(
        f'<label><input type="radio" name="{group}" id="{group}-{key}"{" checked" if key == "all" else ""}> '
        f"{escape(text)}</label>"
        for key, text in every.items()
    )
    return f'<fieldset class="filter"><legend>{legend}</legend>{inputs}</fieldset>'


def _strips(by_notebook: dict[str, list[Hit]]) -> str:
    rows = [(escape(name or "damaged"), _strip(runs), str(len(runs))) for name, runs in sorted(by_notebook.items())]
    return _html.table(("notebook", "verdicts, the newest at the right", "runs"), rows, numbers=1) if rows else ""


def _strip(hits: Sequence[Hit]) -> str:
    """Return a picture of the last runs, oldest first: one bar each, shorter where nobody has to look."""
    bars = ""
    for place, hit in enumerate(reversed(hits[:_STRIP])):
        height = 10 if _kind(hit).passes() else 20
        mark = "?" if _doubtful(hit) else ""
        title = escape(f"{hit.verdict}{mark} {hit.began:%Y-%m-%d %H:%M} UTC {hit.why}".strip())
        bars += (
            f'<a href="#{escape(hit.run)}"><rect class="{_kind(hit)}" x="{place * 8}" y="{20 - height}" '
            f'width="6" height="{height}" rx="1"><title>{title}</title></rect></a>'
        )
    width = 8 * min(len(hits), _STRIP)
    words = f"the last {min(len(hits), _STRIP)} verdicts"
    return f'<svg class="strip" width="{width}" height="20" role="img" aria-label="{words}">{bars}</svg>'


def _day(day: str, hits: Iterable[Hit], numbers: dict[str, int], made: set[str]) -> str:
    items = "".join(_run(hit, numbers[hit.notebook], made) for hit in hits)
    return f'<section class="day"><h2>{escape(day)}</h2><ul class="runs">{items}</ul></section>'


def _run(hit: Hit, number: int, made: set[str]) -> str:
    address = f"{hit.run}.html" if hit.run in made else f"../records/{hit.run}/{NOTEBOOK}"
    there = hit.run in made or os.access(hit.folder / NOTEBOOK, os.R_OK)
    name = escape(hit.notebook or hit.run)
    link = f'<a href="{escape(address)}">{name}</a>' if there else name
    took = f" {duration(hit.seconds)}" if hit.seconds is not None else ""
    said = _html.words(hit.why) if hit.why else escape(hit.tally)
    if _doubtful(hit):
        said = _html.not_as_sealed(hit.run)
    badge = _html.badge(hit.verdict, doubtful=_doubtful(hit))
    return (
        f'<li class="{_kind(hit)} n{number}" id="{escape(hit.run)}"><span class="when">{hit.began:%H:%M}</span>'
        f'{badge} <strong>{link}</strong><span class="faint small">{took}</span>'
        f'<div class="said">{said}</div><div class="mono small faint">{escape(hit.run)}</div></li>'
    )


def _doubtful(hit: Hit) -> bool:
    return hit.as_sealed is False


def _kind(hit: Hit) -> Verdict:
    """Return the verdict whose colour and filter a run has: whoever looks for failures is shown forgeries, too."""
    return Verdict.FAIL if _doubtful(hit) else hit.verdict


def _styles(numbers: Iterable[int]) -> str:
    """Return rules that hide what a chosen filter does not ask for."""
    kinds = {f"v-{verdict}": str(verdict) for verdict in _VERDICTS} | {f"n-n{n}": f"n{n}" for n in numbers}
    return "".join(
        f"body:has(#{choice}:checked) .runs li:not(.{kind}),body:has(#{choice}:checked) .day:not(:has(li.{kind}))"
        "{display:none}"
        for choice, kind in kinds.items()
    )
