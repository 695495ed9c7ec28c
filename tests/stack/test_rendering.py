from __future__ import annotations

import tempfile
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import settings as settings_of
from hypothesis import strategies as st

from k1nb.errors import SettingError
from k1nb.stack._rendering import render_main, render_service
from k1nb.stack._services import Service

SERVICE = Service(name="one", command=("/bin/true",), folder=Path("/"), settle=2.4, stop_within=340)
WORDS = st.text(st.characters(codec="utf-8", exclude_categories=["Cc", "Cs", "Zl", "Zp"]), max_size=30)


def read(service: Service) -> Any:
    """Let supervisor itself read what is rendered for it; return its configuration of the service."""
    from supervisor.options import ServerOptions

    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "services").mkdir()
        main = folder / "supervisord.conf"
        main.write_text(render_main(socket=folder / "s.sock", pidfile=folder / "s.pid", logs=folder), encoding="utf-8")
        (folder / "services" / "one.conf").write_text(render_service(service, folder / "one.log"), encoding="utf-8")
        options = ServerOptions()
        options.here = str(folder)
        return options.read_config(str(main)).process_group_configs[0].process_configs[0]


def test_supervisor_understands_it() -> None:
    """A service restarts by itself, starts only on demand, and is given its time to stop."""
    found = read(SERVICE)
    assert (found.name, found.autostart, found.startsecs, found.stopwaitsecs) == ("one", False, 2, 340)
    assert found.autorestart.__name__ == "RestartUnconditionally"
    assert (found.stopasgroup, found.killasgroup, found.redirect_stderr) == (False, True, True)


@example("100%", "%(ENV_HOME)s")
@example("it's", '"')
@example(";", "#")
@settings_of(deadline=None)
@given(WORDS, WORDS)
def test_any_word_arrives_unchanged_or_is_refused(word: str, value: str) -> None:
    """A command's words and a variable's value reach the service as they are, or nothing is written at all."""
    import shlex

    service = replace(SERVICE, command=("/bin/echo", word), environment={"A": value, "B": "b"})
    try:
        found = read(service)
    except SettingError:
        return
    assert shlex.split(found.command) == ["/bin/echo", word]
    assert found.environment == {"A": value, "B": "b"}


@pytest.mark.parametrize("word", ["two\nlines", "a ;comment", "a #comment", "%(here)s"])
def test_what_the_format_cannot_hold_is_refused(word: str) -> None:
    """A text that supervisor would read as something else is named."""
    with pytest.raises(SettingError, match="cannot be handed to a service"):
        render_service(replace(SERVICE, command=("/bin/echo", word)), Path("log"))


def test_both_kinds_of_quotes_in_a_variable_are_refused() -> None:
    """Supervisor's list of variables has no escapes."""
    with pytest.raises(SettingError):
        render_service(replace(SERVICE, environment={"A": "'\""}), Path("log"))
