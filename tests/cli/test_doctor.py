"""The command `doctor`, run as a user would run it."""

from __future__ import annotations

import json

from k1nb.config import Settings
from tests.cli.test_app import k1nb
from tests.refusals import listing


def test_a_fit_machine_ends_0_and_stays_as_it_is(settings: Settings) -> None:
    """The checks go to stdout, the verdict to stderr, and no file of the home is touched."""
    before = listing(settings.home)
    done = k1nb(settings, "doctor")
    assert done.returncode == 0, done.stdout
    assert "java: version" in done.stdout
    assert done.stderr.startswith(("OK: ", "WARN: "))
    assert listing(settings.home) == before


def test_a_warning_ends_0_and_1_where_one_is_strict(settings: Settings) -> None:
    """What a crash left is a WARN: good enough for a script, unless it says --strict."""
    (settings.home / "workers.pid").write_text("no pid\n")
    assert k1nb(settings, "doctor").returncode == 0
    done = k1nb(settings, "doctor", "--strict")
    assert done.returncode == 1
    assert done.stderr.startswith("WARN: 1 WARN")


def test_what_is_wrong_ends_1_with_its_remedy(settings: Settings) -> None:
    """A refused setting is a check like any other, with its hint below it, and no traceback."""
    done = k1nb(settings, "doctor", METRICS_PORT="nonsense")
    assert done.returncode == 1
    assert "hint: correct or unset METRICS_PORT" in done.stdout
    assert "Traceback" not in done.stderr


def test_json_carries_the_verdict_and_every_check(settings: Settings) -> None:
    """A script reads the verdict beside the checks that it is the worst of."""
    answer = json.loads(k1nb(settings, "doctor", "--json").stdout)
    assert answer["verdict"] in ("OK", "WARN")
    assert {"settings: valid", "clock: sane", "server: jar"} <= {check["name"] for check in answer["checks"]}
