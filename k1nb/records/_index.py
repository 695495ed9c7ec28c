"""The index of what was sealed: derived from the records, made anew from them whenever it is not right."""

from __future__ import annotations

import logging
import os
import sqlite3
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, TypeVar

from k1nb._plain import without_control
from k1nb.checks import Verdict
from k1nb.config import Settings
from k1nb.errors import K1Error, StorageError
from k1nb.paths import Paths, owned, private
from k1nb.records._archive import holds_record, record_in
from k1nb.records._cells import cells_of, left_texts
from k1nb.records._record import MANIFEST, Manifest, Record
from k1nb.records._table import tally, worst_first

INDEX = ".index.sqlite"
_FORMAT = 3
MOST = 1_000_000
"""Characters of a notebook that can be found; a longer one is cut. So many take 2.5 MB of the index, and 0.2 s."""
_LATELY = 500
"""Newest records of which each search looks whether they have changed; ten thousand looks would take a while."""
_AT_ONCE = 100
"""Records that one transaction takes in: others get their turn in between."""
_SCHEMA = """
CREATE TABLE run (
    id INTEGER PRIMARY KEY,  -- microseconds since 1970 at which it began: the order in which people look for it
    run TEXT NOT NULL UNIQUE,
    changed INTEGER NOT NULL,
    notebook TEXT NOT NULL,
    verdict TEXT NOT NULL,
    reason TEXT NOT NULL,
    began REAL NOT NULL,
    seconds REAL,
    tally TEXT NOT NULL,
    why TEXT NOT NULL,
    cut INTEGER NOT NULL  -- its notebook is longer than what can be found of it
);
CREATE INDEX run_cut ON run (id) WHERE cut;
CREATE INDEX run_by_notebook ON run (notebook, id);
CREATE TABLE mention (run INTEGER NOT NULL, kind TEXT NOT NULL, name TEXT NOT NULL);
CREATE INDEX mention_by_run ON mention (run, kind, name);
CREATE TABLE answer (
    run INTEGER NOT NULL, place INTEGER NOT NULL, name TEXT NOT NULL, status TEXT NOT NULL,
    evidence TEXT NOT NULL, hint TEXT NOT NULL,
    PRIMARY KEY (run, place)
) WITHOUT ROWID;
CREATE VIRTUAL TABLE words USING fts5 (facts, checks, cells, tokenize = "porter unicode61 remove_diacritics 2");
"""
MENTIONS = ("device", "artifact", "execution")
Progress = Callable[[int, int], None]
T = TypeVar("T")
NO_CHECKS = "it made no checks, so nothing is known"
HOW_TO_CHECK = "a cell makes one with `run.add(Check(name, status, evidence))`"


class Index:
    """A SQLite file of full-text and facts beside the records; nothing is lost with it."""

    def __init__(self, settings: Settings) -> None:
        self._paths = settings.paths
        self._redact = settings.redact
        self._patience = settings.timings.database_lock
        self.file = settings.paths.records / INDEX

    def ask(self, question: Callable[[sqlite3.Connection], T], on_progress: Progress | None = None) -> T:
        """Return the answer to a question put to the index, which is brought up to date with the records first.

        A damaged file or one of another format is thrown away. Where none can be written, as in another user's archive
        or where none is yet, the index is made in memory and nothing is written.
        """
        try:
            return self._asked(question, on_progress)
        except sqlite3.DatabaseError:
            self._throw_away()
        return self._asked(question, on_progress)

    def _asked(self, question: Callable[[sqlite3.Connection], T], on_progress: Progress | None) -> T:
        connection = self._up_to_date(on_progress)
        try:
            return question(connection)
        finally:
            connection.close()

    def add(self, record: Record) -> bool:
        """Take one record in, in one small transaction; tell whether that was done. Raises nothing: it can be made up.

        Where there is no index yet, the first search makes it.
        """
        try:
            if not self.file.is_file():
                return False
            connection = self._open()
            try:
                with _writing(connection):
                    self._put(connection, record.folder)
            finally:
                connection.close()
        except (sqlite3.Error, OSError, K1Error) as error:
            logging.getLogger(__name__).warning("record %s is not in the index yet: %s", record.id, error)
            return False
        return True

    def rebuild(self, on_progress: Progress | None = None) -> int:
        """Make the index anew from the records, and return how many it holds; raises StorageError."""
        private(self._paths.records)
        self._throw_away()
        try:
            connection = self._open()
            try:
                self._refresh(connection, on_progress)
                return int(connection.execute("SELECT count(*) FROM run").fetchone()[0])
            finally:
                connection.close()
        except (sqlite3.Error, OSError) as error:
            hint = "free space, or set K1NB_HOME to a folder you can write"
            raise StorageError(f"cannot write the index {self.file}: {error}", hint=hint) from error

    def _up_to_date(self, on_progress: Progress | None) -> sqlite3.Connection:
        for _ in range(2 if owned(self._paths.records) else 0):
            try:
                return self._refreshed(self._open(), on_progress)
            except sqlite3.OperationalError:
                break  # held by somebody, or not to be written
            except sqlite3.DatabaseError:
                self._throw_away()
            except OSError:
                break
        return self._refreshed(_lay_out(sqlite3.connect(":memory:", isolation_level=None)), on_progress)

    def _refreshed(self, connection: sqlite3.Connection, on_progress: Progress | None) -> sqlite3.Connection:
        try:
            self._refresh(connection, on_progress)
            _try_out(connection)
        except BaseException:
            connection.close()
            raise
        return connection

    def _open(self) -> sqlite3.Connection:
        """Return a connection to the file, laid out; raises sqlite3.Error or OSError."""
        private(self._paths.records)
        if not self.file.exists():
            self.file.touch(mode=0o600)
        connection = sqlite3.connect(self.file, timeout=self._patience, isolation_level=None)
        try:
            connection.execute("PRAGMA journal_mode = WAL")
            connection.execute("PRAGMA synchronous = NORMAL")
            return _lay_out(connection)
        except BaseException:
            connection.close()
            raise

    def _throw_away(self) -> None:
        if not owned(self._paths.records):
            return
        for file in (self.file, *(self.file.with_name(INDEX + end) for end in ("-wal", "-shm", "-journal"))):
            with suppress(OSError):
                file.unlink()

    def _refresh(self, connection: sqlite3.Connection, on_progress: Progress | None) -> None:
        """Take in what is new or has changed, and out what is gone."""
        known = dict(connection.execute("SELECT run, changed FROM run"))
        there = _stamps(self._paths, known)
        gone = [run for run in known if run not in there]
        new = sorted(run for run, stamp in there.items() if known.get(run) != stamp)
        if gone:
            with _writing(connection):
                for run in gone:
                    _take_out(connection, run)
        for start in range(0, len(new), _AT_ONCE):
            with _writing(connection):
                for run in new[start : start + _AT_ONCE]:
                    with suppress(FileNotFoundError):  # it went meanwhile
                        self._put(connection, self._paths.records / run)
            if on_progress:
                on_progress(min(start + _AT_ONCE, len(new)), len(new))

    def _put(self, connection: sqlite3.Connection, folder: Path) -> None:
        stamp = _stamp(folder)
        record = record_in(folder)
        known = _take_out(connection, folder.name)
        key = known or _free_key(connection, round(record.started_at.timestamp() * 1e6))
        redact, cells = self._redact, _cells(record)
        connection.execute(
            "INSERT INTO run VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
            (key, folder.name, stamp, record.notebook, record.verdict.value, redact(record.reason),
             record.started_at.timestamp(), record.seconds, tally(record.checks), redact(why(record)),
             len(cells) > MOST),
        )  # fmt: skip
        mentions = [(key, kind, name) for kind, names in _mentions(record.manifest).items() for name in names]
        connection.executemany("INSERT INTO mention VALUES (?, ?, ?)", mentions)
        answers = [
            (key, place, redact(c.name), c.status.value, redact(c.evidence), redact(c.hint or ""))
            for place, c in enumerate(record.checks)
        ]
        connection.executemany("INSERT INTO answer VALUES (?, ?, ?, ?, ?, ?)", answers)
        texts = (_facts(record.manifest), "\n".join(" ".join(answer[2:]) for answer in answers), cells[:MOST])
        connection.execute(
            "INSERT INTO words (rowid, facts, checks, cells) VALUES (?, ?, ?, ?)", (key, *map(redact, texts))
        )


def why_not(record: Record) -> str:
    """Say why a run came to no verdict of its checks: what broke it, or that it made none; empty where it did."""
    if record.reason or record.running:
        return record.reason
    return NO_CHECKS if record.verdict is Verdict.UNKNOWN and not record.checks else ""


def why(record: Record) -> str:
    """Say in one line why a record's verdict is what it is: what broke it, or the worst that was seen."""
    if why_not(record):
        return why_not(record)
    worst = worst_first(record.checks)[:1]
    if not worst or worst[0].status.value not in ("FAIL", "UNKNOWN", "WARN"):
        return ""
    return f"{worst[0].name}: {worst[0].evidence}"


def _mentions(manifest: Manifest) -> dict[str, Iterable[str]]:
    """Return what a run was about, by kind; devices also as checks and the parameter `device` name them."""
    named = [*manifest.devices, str(manifest.parameters.get("device") or "")]
    named += [check.name.removeprefix("device ").partition(":")[0] for check in manifest.checks
              if check.name.startswith("device ")]  # fmt: skip
    devices = dict.fromkeys(filter(None, named))
    return {"device": devices, "artifact": manifest.artifacts, "execution": manifest.executions}


def _stamps(paths: Paths, known: Mapping[str, int]) -> dict[str, int]:
    """Return when each record changed last.

    Of those that began long ago and are known it is believed: who changes one says so with `add`.
    """
    try:
        with os.scandir(paths.records) as entries:
            folders = {e.name: e for e in entries if holds_record(e)}
    except (FileNotFoundError, NotADirectoryError):
        return {}
    except OSError:  # closed, which says nothing of what is in it
        return dict(known)
    looked_at = {*sorted(folders)[-_LATELY:], *(name for name in folders if name not in known)}
    stamps = {}
    for name, entry in folders.items():
        with suppress(OSError):  # it went meanwhile
            stamps[name] = _stamp(Path(entry.path)) if name in looked_at else known[name]
    return stamps


def _stamp(folder: Path) -> int:
    """Return when a record changed last: its folder, also its permissions, or its manifest where one wrote into that.

    Raises OSError where there is none.
    """
    status = folder.stat()
    changed = max(status.st_mtime_ns, status.st_ctime_ns)
    with suppress(OSError):
        changed = max(changed, (folder / MANIFEST).stat().st_ctime_ns)
    return changed


@contextmanager
def _writing(connection: sqlite3.Connection) -> Iterator[None]:
    connection.execute("BEGIN IMMEDIATE")
    try:
        yield
        connection.execute("COMMIT")
    except BaseException:
        with suppress(sqlite3.Error):
            connection.execute("ROLLBACK")
        raise


def _lay_out(connection: sqlite3.Connection) -> sqlite3.Connection:
    """Create the tables where there are none; raises DatabaseError for tables of another format."""
    found = connection.execute("PRAGMA user_version").fetchone()[0]
    if found == 0 and not connection.execute("SELECT count(*) FROM sqlite_master").fetchone()[0]:
        with _writing(connection):
            if not connection.execute("SELECT count(*) FROM sqlite_master").fetchone()[0]:
                _create(connection)
        found = connection.execute("PRAGMA user_version").fetchone()[0]
    if found != _FORMAT:
        raise sqlite3.DatabaseError(f"an index of format {found}, but {_FORMAT} is wanted")
    return connection


def _create(connection: sqlite3.Connection) -> None:
    for statement in _statements():
        connection.execute(statement)
    connection.execute(f"PRAGMA user_version = {_FORMAT}")


def _statements() -> Sequence[str]:
    return [statement for statement in _SCHEMA.split(";\n") if statement.strip()]


def _try_out(connection: sqlite3.Connection) -> None:
    """Read a little of each table: a file that is damaged says so now, while it can be replaced."""
    for table in ("run", "mention", "answer", "words"):
        connection.execute(f"SELECT * FROM {table} LIMIT 1").fetchone()  # noqa: S608 - a literal above


def _take_out(connection: sqlite3.Connection, run: str) -> int | None:
    """Remove a run, and return the key it had."""
    row = connection.execute("SELECT id FROM run WHERE run = ?", (run,)).fetchone()
    if row is None:
        return None
    connection.execute("DELETE FROM mention WHERE run = ?", row)
    connection.execute("DELETE FROM answer WHERE run = ?", row)
    connection.execute("DELETE FROM words WHERE rowid = ?", row)
    connection.execute("DELETE FROM run WHERE id = ?", row)
    return int(row[0])


def _free_key(connection: sqlite3.Connection, key: int) -> int:
    while connection.execute("SELECT 1 FROM run WHERE id = ?", (key,)).fetchone():
        key += 1
    return key


def _facts(manifest: Manifest) -> str:
    parameters = (f"{name}={value}" for name, value in manifest.parameters.items())
    versions = (f"{name} {value}" for name, value in manifest.versions.items())
    named: tuple[Any, ...] = (manifest.run, manifest.notebook, manifest.verdict, manifest.reason)
    dates = (f"{manifest.started_at:%Y-%m-%d %H:%M %B %A}",)
    mentions = (*manifest.devices, *manifest.artifacts, *manifest.executions)
    return "\n".join(map(str, (*named, *dates, *mentions, *parameters, *versions, manifest.host, manifest.target)))


def _cells(record: Record) -> str:
    """Return what a record's notebook says, without pictures; as far as it can be read."""
    parts: list[str] = []
    with suppress(K1Error):
        for cell in cells_of(record):
            parts.append(cell.source)
            parts.extend(without_control(output.text) for output in cell.outputs)
    with suppress(OSError):
        parts.extend(without_control(text) for _, text in left_texts(record))
    return "\n".join(parts)
