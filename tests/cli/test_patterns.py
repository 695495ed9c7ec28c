"""The commands of pattern tests, run as a user would run them."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from k1nb.config import Settings
from k1nb.patterns import baselines_of, promote, write_report
from tests.cli.test_app import k1nb
from tests.patterns.samples import report


@pytest.fixture
def kept(settings: Settings) -> Settings:
    """A home with two reports."""
    for each in (report(1), report(2, fps=12.0)):
        write_report(settings.paths, each)
    return settings


def test_reports_are_listed_shown_and_drawn(kept: Settings, tmp_path: Path) -> None:
    """A list with verdicts, and one report in words and as a figure."""
    listed = k1nb(kept, "patterns", "list")
    assert listed.returncode == 0, listed.stderr
    assert [line.split()[2] for line in listed.stdout.splitlines()[1:]] == ["not", "passed"]
    shown = k1nb(kept, "patterns", "show", report(2, fps=12.0).id, "--figure", str(tmp_path / "a.svg"))
    assert (shown.returncode, "12.0 FPS < 30" in shown.stdout) == (0, True)
    assert "did not pass" in (tmp_path / "a.svg").read_text()


def test_a_baseline_is_replaced_only_with_its_plan(kept: Settings) -> None:
    """A promotion that replaces another one shows its plan and changes nothing until that is consented to."""
    newer = report(3, fps=130.0)
    write_report(kept.paths, newer)
    promote(kept.paths, report(1), "v1")
    planned = json.loads(k1nb(kept, "patterns", "promote", newer.id, "v1", "--json").stdout)
    assert (planned["baseline"], planned["plan"]["steps"][0]["destructive"]) == (None, True)
    assert baselines_of(kept.paths, report(1)) == ["v1"]
    done = k1nb(kept, "patterns", "promote", newer.id, "v1", "--apply", planned["plan"]["id"])
    assert (done.returncode, done.stdout.splitlines()[-1]) == (0, f"{newer.id} is the baseline v1 of breathe")
    refused = k1nb(kept, "patterns", "promote", report(2).id, "v1")
    assert (refused.returncode, "did not pass" in refused.stderr) == (2, True)
