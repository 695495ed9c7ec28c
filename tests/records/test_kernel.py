"""Kernels: which are ours to run, and what their end says."""

from __future__ import annotations

import signal
from pathlib import Path
from typing import Any

import pytest

from k1nb.records._kernel import death, foreign_kernel, out_of_memory_kills

GROUP = "/sys/fs/cgroup/work/memory.events"


@pytest.mark.parametrize(
    ("metadata", "asked", "foreign"),
    [
        ({}, "", ""),
        ({}, "python3", ""),
        ({"kernelspec": {"name": "python3", "language": "python"}}, "python3", ""),
        ({"kernelspec": {"name": "my-venv", "language": "python"}}, "my-venv", ""),
        ({"kernelspec": {"name": "my-venv", "language": "python"}}, "other", "other"),
        ({"kernelspec": {"name": "ir"}}, "", "ir"),
        ({"kernelspec": {"name": "ir"}, "language_info": {"name": "R"}}, "python3", "ir (R)"),
        ({"language_info": {"name": "bash"}}, "", "kernel (bash)"),
    ],
)
def test_only_python_is_ours(metadata: dict[str, Any], asked: str, foreign: str) -> None:
    """A notebook of another language, or one that another kernel was asked for, is told apart by what it says."""
    assert foreign_kernel(metadata, asked) == foreign


@pytest.mark.parametrize(
    ("code", "now", "said"),
    [
        (None, 3, "the kernel died"),
        (3, 3, "the kernel ended with exit code 3"),
        (-signal.SIGSEGV, 4, "the kernel was killed by SIGSEGV"),
        (-signal.SIGKILL, 3, "the kernel was killed by SIGKILL"),
        (-signal.SIGKILL, 4, f"the kernel ran out of memory: killed by SIGKILL, and {GROUP} counts one more such kill"),
    ],
)
def test_the_end_of_a_kernel_is_named(code: int | None, now: int, said: str) -> None:
    """Exit code, signal, or want of memory where the system has counted such a kill since the kernel began."""
    assert death(code, {GROUP: 3}, {GROUP: now}) == said


def test_kills_for_want_of_memory_are_read_where_linux_counts_them(tmp_path: Path) -> None:
    """Both of Linux's counts are read, that of the own group first; where there is none, nothing is known."""
    for name, text in (
        ("proc/vmstat", "nr_free_pages 1\noom_kill 7\n"),
        ("proc/self/cgroup", "0::/work\n"),
        (GROUP.removeprefix("/"), "low 0\noom 2\noom_kill 1\n"),
    ):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text)
    assert list(out_of_memory_kills(tmp_path).items()) == [(GROUP, 1), ("/proc/vmstat", 7)]
    assert out_of_memory_kills(tmp_path / "nowhere") == {}
