"""Finding records: by what people type, and by what a run was about."""

from __future__ import annotations

import re
import sqlite3
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from k1nb.checks import Status, Verdict
from k1nb.config import Settings
from k1nb.errors import ParameterError
from k1nb.records._archive import kept_record, record_in, staged_records
from k1nb.records._index import MENTIONS, Index, Progress
from k1nb.records._minisign import PublicKey
from k1nb.records._record import Record
from k1nb.records._table import WORST_FIRST, tally
from k1nb.records._verify import is_as_sealed, known_keys

_WORDS = re.compile(r'"([^"]*)"?|([^\s"]+)')
_MOST_WORDS = 50
BEGIN, END = "\x02", "\x03"
"""Around each word of a snippet that was looked for."""
_ID = re.compile(r"(?=.*[0-9])[0-9a-z]{4,}", re.IGNORECASE)
"""What looks like the beginning of an id; of all ids few begin alike, so that looking for them is cheap."""
_AROUND = 16
"""Words of a snippet."""


@dataclass(frozen=True, slots=True)
class Wanted:
    """What a record has to be to be found; what is empty is not asked."""

    text: str = ""
    notebook: str = ""
    check: str = ""
    """Part of a check's name, or `name=STATUS`."""
    mentions: Mapping[str, str] = field(default_factory=dict)
    """By kind (device, artifact, execution): the name, or the beginning of an id."""
    verdict: str = ""
    since: datetime | None = None
    until: datetime | None = None


@dataclass(frozen=True, slots=True)
class Hit:
    """A record that was found, and what in it."""

    run: str
    notebook: str
    verdict: Verdict
    began: datetime
    seconds: float | None
    tally: str
    why: str
    """What its verdict rests on, in one line; empty where it is OK."""
    folder: Path
    check: str = ""
    """The check that fits best, as `STATUS name: evidence`."""
    snippet: str = ""
    """What stands around the first words that were found, these between `BEGIN` and `END`."""
    as_sealed: bool | None = None
    """Its manifest is what was signed, and has this verdict, notebook and tally; None where that was not looked at.

    Check and snippet are the index's, which is not signed.
    """

    def as_dict(self) -> dict[str, Any]:
        """Return the hit as JSON-able data."""
        return {
            "run": self.run,
            "notebook": self.notebook,
            "verdict": self.verdict.value,
            "began": self.began.isoformat(timespec="seconds"),
            "seconds": self.seconds,
            "tally": self.tally,
            "why": self.why,
            "check": self.check or None,
            "snippet": self.snippet.replace(BEGIN, "").replace(END, "") or None,
            "folder": str(self.folder),
            "as_sealed": self.as_sealed,
        }


@dataclass(frozen=True, slots=True)
class Found:
    """The newest records that were found, and how many there are in all."""

    hits: Sequence[Hit]
    more: bool
    """There are further ones that the limit left out."""
    cut: int = 0
    """Records that would fit but for the words, and of whose long notebooks only the beginning was looked through."""


def search(settings: Settings, wanted: Wanted, *, limit: int = 20, on_progress: Progress | None = None) -> Found:
    """Return the records that fit, newest first; sealed ones only.

    Words are looked for everywhere in a record, and all have to be there; `brown*` is a beginning, as what looks like
    an id always is; words between quotes stand beside each other. Raises ParameterError for a verdict or a status that
    there is not.
    """
    conditions, values = _conditions(wanted)
    phrases = phrases_of(wanted.text)
    if wanted.text.strip() and not phrases:
        return Found((), more=False)  # nothing that could be looked for, e.g. `!!!`
    check, status = _check(wanted.check)

    def ask(connection: sqlite3.Connection) -> Found:
        rows = _rows(connection, phrases, conditions, values, limit + 1)
        folder = settings.paths.records
        hits = [_hit(connection, row, folder, phrases, check, status) for row in rows[:limit]]
        cut = _cut(connection, phrases, conditions, values) if phrases else 0
        return Found(hits, more=len(rows) > limit, cut=cut)

    return Index(settings).ask(ask, on_progress)


def listed(
    settings: Settings, wanted: Wanted, *, limit: int, on_progress: Progress | None = None
) -> tuple[list[Record], bool]:
    """Return the newest records that fit, running ones first, and whether there are more of them."""
    staged = [record for record in staged_records(settings.paths) if _fits(record, wanted)]
    staged.sort(key=lambda record: record.started_at, reverse=True)
    found = search(settings, wanted, limit=limit, on_progress=on_progress)
    sealed = [record for hit in found.hits if (record := kept_record(hit.folder)) is not None]
    every = sorted((*staged, *sealed), key=lambda r: (r.running, r.started_at, r.id), reverse=True)
    keys = known_keys(settings.paths)
    shown = [replace(record, as_sealed=is_as_sealed(record, keys)) for record in every[:limit]]
    return shown, found.more or len(every) > limit


def looked_at(settings: Settings, found: Found) -> Found:
    """Return what was found with a look at each record's manifest and its signature."""
    keys = known_keys(settings.paths)
    return replace(found, hits=[_looked_at(hit, keys) for hit in found.hits])


def _looked_at(hit: Hit, keys: Mapping[str, PublicKey]) -> Hit:
    try:
        record = record_in(hit.folder)
    except FileNotFoundError:  # it went meanwhile
        return hit
    shown = (hit.verdict, hit.notebook, hit.tally)
    true = bool(is_as_sealed(record, keys)) and shown == (record.verdict, record.notebook, tally(record.checks))
    return replace(hit, as_sealed=true)


def _fits(record: Record, wanted: Wanted) -> bool:
    """Tell whether a staged record is wanted, as far as a list asks."""
    return (
        wanted.notebook in ("", record.notebook)
        and (not wanted.verdict or record.verdict == _one_of(Verdict, "verdict", wanted.verdict))
        and (wanted.since is None or record.started_at >= wanted.since)
    )


def phrases_of(text: str) -> list[str]:
    """Return what a search text asks for: words, and phrases between quotes; what cannot be found is left out.

    A quote that is not closed reaches to the end.
    """
    plain = text.encode("utf-8", "ignore").decode("utf-8").replace("\0", " ")
    found = (" ".join((quoted or word).split()) for quoted, word in _WORDS.findall(plain))
    return [phrase for phrase in found if any(letter.isalnum() for letter in phrase)][:_MOST_WORDS]


def _match(phrases: Iterable[str]) -> str:
    """Return an FTS5 expression: each phrase as a string, which takes whatever is in it for text."""
    return " AND ".join(
        f'"{phrase}"{" *" if phrase.endswith("*") or _ID.fullmatch(phrase) else ""}' for phrase in phrases
    )


def _check(text: str) -> tuple[str, str]:
    name, sign, status = text.rpartition("=")
    if not sign:
        return text, ""
    return name, _one_of(Status, "status", status)


def _one_of(kind: type[Status] | type[Verdict], what: str, word: str) -> str:
    name = word.strip().upper().replace(" ", "_")
    if name in kind.__members__:
        return name
    raise ParameterError(f"there is no {what} {word!r}", hint=f"known are {', '.join(kind.__members__)}")


def _conditions(wanted: Wanted) -> tuple[list[str], list[Any]]:
    conditions: list[str] = []
    values: list[Any] = []

    def add(condition: str, *of_it: Any) -> None:
        conditions.append(condition)
        values.extend(of_it)

    if wanted.notebook:
        add("run.notebook = ?", wanted.notebook)
    if wanted.verdict:
        add("run.verdict = ?", _one_of(Verdict, "verdict", wanted.verdict))
    if wanted.since:
        add("run.id >= ?", round(wanted.since.timestamp() * 1e6))
    if wanted.until:
        add("run.id < ?", round(wanted.until.timestamp() * 1e6))
    if wanted.check:
        name, status = _check(wanted.check)
        also = " AND status = ?" if status else ""
        inner = f"SELECT 1 FROM answer WHERE run = run_id AND instr(lower(name), ?){also}"  # noqa: S608
        add(f"EXISTS ({inner.replace('run_id', 'run.id')})", name.lower(), *([status] if status else ()))
    for kind in MENTIONS:
        if mention := wanted.mentions.get(kind):
            inner = "SELECT 1 FROM mention WHERE mention.run = run.id AND kind = ? AND instr(lower(name), ?) = 1"
            add(f"EXISTS ({inner})", kind, mention.lower())
    return conditions, values


_COLUMNS = "run.id, run.run, run.notebook, run.verdict, run.began, run.seconds, run.tally, run.why"


def _rows(
    connection: sqlite3.Connection, phrases: Sequence[str], conditions: Sequence[str], values: Sequence[Any], limit: int
) -> list[Any]:
    """Return the newest rows that fit; the words' index yields its rows newest first, so that few are looked at."""
    where = " AND ".join(conditions)
    if not phrases:
        query = f"SELECT {_COLUMNS} FROM run {f'WHERE {where}' if where else ''} ORDER BY run.id DESC LIMIT ?"  # noqa: S608
        return connection.execute(query, (*values, limit)).fetchall()
    query = (
        f"SELECT {_COLUMNS} FROM words CROSS JOIN run ON run.id = words.rowid "  # noqa: S608 - conditions are ours
        f"WHERE words MATCH ?{f' AND {where}' if where else ''} ORDER BY words.rowid DESC LIMIT ?"
    )
    return connection.execute(query, (_match(phrases), *values, limit)).fetchall()


def _cut(
    connection: sqlite3.Connection, phrases: Sequence[str], conditions: Sequence[str], values: Sequence[Any]
) -> int:
    """Count the records that were not found, and might have been if all of their notebooks were in the index."""
    missed = "NOT EXISTS (SELECT 1 FROM words WHERE words MATCH ? AND words.rowid = run.id)"
    query = f"SELECT count(*) FROM run WHERE {' AND '.join(('run.cut', *conditions, missed))}"  # noqa: S608 - ours
    return int(connection.execute(query, (*values, _match(phrases))).fetchone()[0])


def _hit(
    connection: sqlite3.Connection, row: Any, folder: Path, phrases: Sequence[str], check: str, status: str
) -> Hit:
    key, run, notebook, verdict, began, seconds, counts, why = row
    return Hit(
        run=run,
        notebook=notebook,
        verdict=Verdict(verdict),
        began=datetime.fromtimestamp(began, UTC),
        seconds=seconds,
        tally=counts,
        why=why,
        folder=folder / run,
        check=_best(connection, key, phrases, check, status),
        snippet=_snippet(connection, key, phrases),
    )


def _best(connection: sqlite3.Connection, key: int, phrases: Sequence[str], check: str, status: str) -> str:
    """Return the check that was asked for, or the one in which most of the words stand; of several the worst."""
    if not phrases and not check:
        return ""
    answers = connection.execute("SELECT name, status, evidence, hint FROM answer WHERE run = ?", (key,)).fetchall()
    wanted = [a for a in answers if check.lower() in a[0].lower() and status in ("", a[1])]

    def rank(answer: Any) -> tuple[int, int]:
        text = " ".join(answer).lower()
        return -sum(phrase.lower().rstrip("*") in text for phrase in phrases), WORST_FIRST.index(Status(answer[1]))

    best = min(wanted, key=rank, default=None)
    if best is None or (not check and rank(best)[0] == 0):
        return ""
    return f"{best[1]} {best[0]}: {best[2]}"


def _snippet(connection: sqlite3.Connection, key: int, phrases: Sequence[str]) -> str:
    if not phrases:
        return ""
    query = "SELECT snippet(words, -1, ?, ?, '…', ?) FROM words WHERE words MATCH ? AND rowid = ?"
    row = connection.execute(query, (BEGIN, END, _AROUND, _match(phrases), key)).fetchone()
    return " ".join(row[0].split()) if row else ""
