"""The README says what there is."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
import typer

from k1nb.cli._app import app
from k1nb.config import Settings, variables

ROOT = Path(__file__).parent.parent
README = (ROOT / "README.md").read_text(encoding="utf-8")
SETTINGS = sorted({*variables(Settings.model_construct()), "CONDUCTOR_AUTH_SECRET", "GITHUB_WEBHOOK_SECRET"})


@pytest.mark.parametrize("name", [name for name in SETTINGS if name != "K1NB_RUN"])
def test_every_setting_is_documented(name: str) -> None:
    """Each setting that an operator may set stands in the README's table."""
    assert re.search(rf"^\|.*`{name}`.*\|$", README, re.MULTILINE)


def test_every_command_is_documented() -> None:
    """Each command of the command line stands in the README."""
    root: Any = typer.main.get_command(app)
    for name, command in root.commands.items():
        assert re.search(rf"`(k1nb )?{name}\b", README) or f"k1nb {name}" in README or f"make {name}" in README, name
        for inner in getattr(command, "commands", {}):
            assert f"`{inner}`" in README or f"{name} {inner}" in README, f"{name} {inner}"


def test_the_first_screen_runs() -> None:
    """The README's first block names the two commands that the Makefile has."""
    block = README.split("```")[1]
    targets = re.findall(r"^make (\w+)", block, re.MULTILINE)
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    assert targets == ["demo", "test"]
    assert all(re.search(rf"^{target}:", makefile, re.MULTILINE) for target in targets)
