"""A service's words when their reader has gone."""

from __future__ import annotations

import os
import resource
import signal
import subprocess
import sys
from pathlib import Path

from k1nb.config import Settings, environment
from k1nb.paths import private
from k1nb.stack._supervisor import Supervisor
from k1nb.stack._voice import _Outliving

TALKER = """
import sys
from k1nb.config import load
from k1nb.stack import outlive_reader
outlive_reader(load(), "workers")
print("first", file=sys.stderr)
sys.stdin.readline()
for n in range(3):
    print(f"later {n} \\u2713", file=sys.stderr)
print("done")
"""


def test_what_is_said_after_the_reader_has_gone_is_in_the_log(settings: Settings) -> None:
    """Not a word of it is lost, on stdout or stderr, and the service lives on to its own end."""
    log = Supervisor(settings.paths, settings.timings).log("workers")
    private(log.parent)
    reader, writer = os.pipe()
    with subprocess.Popen(
        [sys.executable, "-c", TALKER], stdin=subprocess.PIPE, stdout=writer, stderr=writer, env=environment(settings)
    ) as process:
        os.close(writer)
        assert os.read(reader, 100) == b"first\n"
        os.close(reader)
        assert process.stdin is not None
        process.stdin.write(b"\n")
        process.stdin.close()
        assert process.wait(20) == 0
    assert log.read_text(encoding="utf-8") == "later 0 ✓\nlater 1 ✓\nlater 2 ✓\ndone\n"


def test_where_nothing_takes_the_words_the_work_goes_on(tmp_path: Path) -> None:
    """A broken pipe without a folder for the log raises nothing."""
    reader, writer = os.pipe()
    os.close(reader)
    assert _Outliving(writer, tmp_path / "missing" / "workers.log").write(b"lost") == 4
    os.close(writer)


def test_a_full_file_raises_nothing(tmp_path: Path) -> None:
    """Words that no longer fit are lost."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    handled = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    full = os.open(tmp_path / "full.log", os.O_WRONLY | os.O_CREAT)
    try:
        resource.setrlimit(resource.RLIMIT_FSIZE, (4, before[1]))
        assert _Outliving(full, tmp_path / "workers.log").write(b"too much") == 8
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
        signal.signal(signal.SIGXFSZ, handled)
        os.close(full)
    assert (tmp_path / "full.log").stat().st_size == 4


def test_a_closed_stream_is_left_alone(settings: Settings) -> None:
    """A process that was given no output does its work without."""
    program = (
        "import pathlib; from k1nb.config import load; from k1nb.stack import outlive_reader;"
        "outlive_reader(load(), 'workers'); print('nobody hears'); pathlib.Path('worked').touch()"
    )
    words = ["sh", "-c", 'exec "$0" -c "$1" >&- 2>&-', sys.executable, program]
    ended = subprocess.run(words, env=environment(settings), cwd=private(settings.home))
    assert ended.returncode == 0
    assert (settings.home / "worked").exists()
