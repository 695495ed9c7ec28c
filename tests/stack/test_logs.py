from __future__ import annotations

from pathlib import Path

import pytest
from pydantic import SecretStr

from k1nb.config import Settings
from k1nb.errors import ServiceError, UnknownName
from k1nb.paths import write_text
from k1nb.stack import logs
from k1nb.stack._logs import last_lines


@pytest.fixture
def log(settings: Settings) -> Path:
    """Return the file of a service's log."""
    path = settings.paths.stack / "logs" / "workers.log"
    write_text(path, "".join(f"line {n}\n" for n in range(10_000)))
    return path


def hasty(settings: Settings) -> Settings:
    """Return settings that don't wait long between two looks."""
    return settings.model_copy(update={"timings_scale": 0.01})


@pytest.mark.usefixtures("log")
def test_the_last_lines_are_given(settings: Settings) -> None:
    """As many as asked for, the newest last."""
    assert list(logs(settings, "workers", lines=3)) == ["line 9997", "line 9998", "line 9999"]


def test_more_lines_than_there_are(log: Path) -> None:
    """A short log is given whole, a missing one is empty."""
    write_text(log, "one\ntwo")
    assert last_lines(log, 50) == ["one", "two"]
    assert last_lines(log.with_name("none.log"), 50) == []


def test_following_goes_on_across_a_rotation(settings: Settings, log: Path) -> None:
    """New lines come as they are written, half ones when they are whole, also from the file that follows."""
    lines = logs(hasty(settings), "workers", lines=1, follow=True)
    assert next(lines) == "line 9999"
    with log.open("a", encoding="utf-8") as file:
        file.write("one\nhalf ")
    assert next(lines) == "one"
    with log.open("a", encoding="utf-8") as file:
        file.write("a line\n")
    assert next(lines) == "half a line"
    log.rename(log.with_suffix(".log.1"))
    write_text(log, "after rotation\n")
    assert next(lines) == "after rotation"


def test_secrets_are_masked(settings: Settings, log: Path) -> None:
    """A secret that a service printed is not printed again."""
    write_text(log, "the key is s3cret-word!\n")
    known = settings.model_copy(update={"conductor_auth_secret": SecretStr("s3cret-word")})
    assert list(logs(known, "workers")) == ["the key is [redacted]!"]


def test_a_log_that_is_not_there_is_reported(settings: Settings) -> None:
    """A service that never ran has said nothing; one that doesn't exist is refused."""
    with pytest.raises(ServiceError, match="never started"):
        logs(settings, "conductor")
    with pytest.raises(UnknownName, match="'grafana'"):
        logs(settings, "grafana")
