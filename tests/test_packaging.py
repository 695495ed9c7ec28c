"""What is declared in one place is declared alike in the others."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

import yaml

ROOT = Path(__file__).parent.parent
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]


def test_environment_yml_equals_pyproject() -> None:
    """The conda environment asks for the same ranges as pyproject.toml and its demo extra."""
    environment = yaml.safe_load((ROOT / "environment.yml").read_text())
    pip = next(entry["pip"] for entry in environment["dependencies"] if isinstance(entry, dict))
    assert sorted(pip) == sorted(PROJECT["dependencies"] + PROJECT["optional-dependencies"]["demo"])
    assert f"python{PROJECT['requires-python']}" in environment["dependencies"]


def test_the_lock_has_a_hash_for_each_requirement_and_no_address() -> None:
    """Each locked package has hashes; no index, link or URL is in the lock; each declared package is locked."""
    lock = (ROOT / "requirements.lock").read_text()
    assert not re.search(r"://|--(index|extra-index|find-links|trusted)", lock)
    entries = re.split(r"\n(?=[A-Za-z0-9])", re.sub(r"(?m)^ *#.*\n", "", lock))
    assert all("--hash=sha256:" in entry for entry in entries)
    locked = {entry.split("==")[0].lower() for entry in entries}
    declared = PROJECT["dependencies"] + [d for extra in PROJECT["optional-dependencies"].values() for d in extra]
    assert {re.split(r"[><=]", d)[0].lower() for d in declared} <= locked


def test_the_user_s_own_packages_are_declared() -> None:
    """What the user asked for by name is a dependency."""
    declared = " ".join(PROJECT["dependencies"])
    for name in ("jupyterlab", "papermill", "pandas", "matplotlib", "httpx", "prometheus-api-client", "platformio"):
        assert name in declared


def test_versions_agree() -> None:
    """The package says the version that pyproject.toml says."""
    from k1nb import __version__

    assert PROJECT["version"] == __version__
