"""Commands whose reader has gone: they end as one whom SIGPIPE has ended, and what they do is done whole."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from k1nb.config import Settings
from k1nb.records import Archive, verify
from tests.records.conftest import check, write

ENDED_BY_SIGPIPE = 141


def unread(settings: Settings, *words: str, errors: bool = False) -> tuple[int, str]:
    """Run a command whose stdout nobody reads, nor its stderr where `errors`; return its exit code and its stderr."""
    reader, writer = os.pipe()
    os.close(reader)
    try:
        done = subprocess.run(
            [sys.executable, "-m", "k1nb", *words],
            env={**os.environ, "K1NB_HOME": str(settings.home)},
            stdout=writer,
            stderr=writer if errors else subprocess.PIPE,
            text=True,
            check=False,
            timeout=60,
        )
    finally:
        os.close(writer)
    return done.returncode, done.stderr or ""


@pytest.mark.parametrize("words", [("records", "list"), ("device", "list", "--json"), ("--help",), ("run", "--help")])
def test_a_command_that_nobody_reads_is_no_failure(settings: Settings, words: tuple[str, ...]) -> None:
    """It ends with 128 + SIGPIPE and says nothing, whether a table, JSON or help was to be printed."""
    assert unread(settings, *words) == (ENDED_BY_SIGPIPE, "")


def test_an_error_that_nobody_reads_is_none_of_ours(settings: Settings) -> None:
    """Where the reader of stderr has gone as well, an error's own exit code cannot be told from a verdict's."""
    assert unread(settings, "nonsense", errors=True)[0] == ENDED_BY_SIGPIPE
    assert unread(settings, "nonsense")[0] == 2


def test_a_run_that_nobody_reads_is_recorded_whole(settings: Settings, tmp_path: Path) -> None:
    """The record is sealed with its verdict, though nobody was there to be told."""
    code, _ = unread(settings, "run", str(write(tmp_path, check("OK"))), errors=True)
    (record,) = Archive(settings.paths).list()
    assert (code, record.verdict, record.passes) == (ENDED_BY_SIGPIPE, "OK", True)
    assert verify(settings.paths).passes
