"""From a task's input to the model, and from what its function did to the result."""

from __future__ import annotations

import json
import os
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import BaseModel

from k1nb import errors
from k1nb.conductor import PolledTask, ResultStatus
from k1nb.paths import Paths
from k1nb.workers import RetryableFailure, TerminalFailure
from k1nb.workers._outputs import OUTPUT_LIMIT, Outputs
from k1nb.workers._result import LONGEST_LOG, Results, is_final, read_input

OUTPUTS = Outputs(Paths(Path("/nowhere"), Path("/nowhere"), Path("/nowhere")))
RESULTS = Results("bench", lambda text: text.replace("s3cret", "[redacted]"), OUTPUTS)


def _task(**data: Any) -> PolledTask:
    return PolledTask("id1", "build", "ex1", "build_step", data, 0, 1, 60.0, "firmware-build")


class Words(BaseModel):
    """An input."""

    repo: str
    branch: str = "main"
    limit: float | None


class Made(BaseModel):
    """An output."""

    text: str = ""
    at: datetime = datetime(2030, 1, 2, tzinfo=UTC)


def test_unknown_keys_are_ignored() -> None:
    """A key that the model does not have does no harm."""
    assert read_input(Words, _task(repo="r", limit=1, more=2), OUTPUTS).repo == "r"


def test_null_takes_the_default_where_there_is_one() -> None:
    """Conductor hands over null for what is not there; a key without a default keeps it."""
    words = read_input(Words, _task(repo="r", branch=None, limit=None), OUTPUTS)
    assert (words.branch, words.limit) == ("main", None)


def test_a_wrong_input_is_final_and_names_each_key_and_the_step() -> None:
    """A wrong input cannot get better by another try, and its author is told where to look."""
    with pytest.raises(TerminalFailure) as caught:
        read_input(Words, _task(limit="much"), OUTPUTS)
    assert "repo: Field required" in caught.value.message
    assert "limit: " in caught.value.message
    assert "build_step in workflow firmware-build" in str(caught.value.hint)


@given(
    st.dictionaries(
        st.sampled_from(["repo", "branch", "limit", "x"]), st.none() | st.integers() | st.text() | st.lists(st.none())
    )
)
def test_any_input_is_read_or_refused_for_good(data: dict[str, Any]) -> None:
    """Whatever an input holds, it either fits the model or is a terminal failure."""
    with suppress(TerminalFailure):
        words = read_input(Words, _task(**data), OUTPUTS)
        assert words.branch == ("main" if data.get("branch") is None else data["branch"])


def test_the_output_is_what_json_says() -> None:
    """An output model goes out as JSON data."""
    result = RESULTS.completed(_task(), Made(text="x"))
    assert (result.status, result.output) == (ResultStatus.COMPLETED, {"text": "x", "at": "2030-01-02T00:00:00Z"})


def test_secrets_are_masked_in_output_reason_and_log() -> None:
    """Nothing that goes to the server carries a secret."""
    done = RESULTS.completed(_task(), Made(text="a s3cret b"))
    failed = RESULTS.failed(_task(), TerminalFailure("no s3cret", output={"deep": [{"a s3cret": "s3cret"}]}))
    assert done.output["text"] == "a [redacted] b"
    assert (failed.reason, failed.log, failed.output) == (
        "no [redacted]",
        "no [redacted]",
        {"deep": [{"a [redacted]": "[redacted]"}]},
    )


FINAL = [
    errors.UsageError("x"),
    errors.UnknownName("x"),
    errors.ImageError("x"),
    errors.ArtifactError("x"),
    errors.CommitError("x"),
    errors.BuildError("x", final=True),
    errors.OtaError("x", stage="result", final=True),
    errors.SampleRefused("x"),
    TerminalFailure("x"),
]
PASSING = [
    errors.BuildError("x", final=False),
    errors.OtaError("x", stage="connect"),
    errors.DeviceBusy("x"),
    errors.DeviceUnreachable("x"),
    errors.StorageError("x"),
    errors.ConductorUnreachable("x"),
    RetryableFailure("x"),
    ValueError("x"),
]


@pytest.mark.parametrize("error", FINAL, ids=lambda e: type(e).__name__)
def test_what_cannot_get_better_is_final(error: Exception) -> None:
    """Wrong words, images, commits, artifacts and final faults are not tried again."""
    assert is_final(error)
    assert RESULTS.failed(_task(), error).status is ResultStatus.FAILED_WITH_TERMINAL_ERROR


@pytest.mark.parametrize("error", PASSING, ids=lambda e: type(e).__name__)
def test_what_may_get_better_is_left_to_the_task_definition(error: Exception) -> None:
    """All other failures are reported as FAILED, so that the definition's retries apply."""
    assert not is_final(error)
    assert RESULTS.failed(_task(), error).status is ResultStatus.FAILED


def test_a_reason_is_the_message_with_its_hint() -> None:
    """An error of ours gives its reason as `message (hint)`."""
    assert RESULTS.failed(_task(), errors.DeviceBusy("it is held", hint="wait")).reason == "it is held (wait)"


def test_a_foreign_error_gives_its_type_and_message() -> None:
    """An unexpected exception is named by its type."""
    assert RESULTS.failed(_task(), ZeroDivisionError("by zero")).reason == "ZeroDivisionError: by zero"


def test_a_failure_s_output_may_hold_anything(tmp_path: Path) -> None:
    """A failure's output is made JSON, and kept in a file where it is too large."""
    odd = RESULTS.failed(_task(), TerminalFailure("no", output={"at": datetime(2030, 1, 2, tzinfo=UTC), "o": object}))
    results = Results("bench", str, Outputs(Paths(tmp_path, tmp_path, tmp_path)))
    large = results.failed(_task(), TerminalFailure("no", output={"x": "x" * OUTPUT_LIMIT}))
    assert odd.output["at"] == "2030-01-02T00:00:00Z"
    assert (large.reason, [*large.output["x"]]) == ("no", ["k1nb_file", "bytes", "sha256"])


def test_what_utf8_cannot_carry_is_replaced() -> None:
    """A file's name that is not UTF-8 reaches the server with question marks, in output, reason and log."""
    name = os.fsdecode(b"caf\xe9")
    done = RESULTS.completed(_task(), Made(text=name))
    failed = RESULTS.failed(_task(), TerminalFailure(f"no {name}", output={"x": [name]}))
    foreign = RESULTS.failed(_task(), FileNotFoundError(name))
    assert done.output["text"] == "caf?"
    assert (failed.reason, foreign.log) == ("no caf?", "FileNotFoundError: caf?")
    for result in (done, failed, foreign):
        json.dumps(result.as_json(), ensure_ascii=False).encode()


def test_a_failure_with_an_output_that_is_no_data_is_reported() -> None:
    """An output that cannot be written is left out, and the reason says why."""
    circle: dict[str, Any] = {}
    circle["again"] = circle
    failed = RESULTS.failed(_task(), TerminalFailure("no", output=circle))
    assert (failed.output, failed.reason[:16]) == ({}, "no; ValueError: ")


def test_a_long_reason_is_cut_in_the_log() -> None:
    """The log takes 10,000 characters of a reason, and what replaces a refused result takes 500."""
    failed = RESULTS.failed(_task(), RetryableFailure("x" * 2_000_000))
    refused = RESULTS.refused(failed, errors.ConductorRefused("y" * 5_000, status=413))
    assert (len(failed.log), failed.log[-1], len(refused.log)) == (LONGEST_LOG, "…", 500)


def test_a_large_output_without_a_place_is_said(tmp_path: Path) -> None:
    """Where the file of a failure's large output cannot be written, the reason says so and the failure is reported."""
    (tmp_path / "outputs").touch()
    results = Results("bench", str, Outputs(Paths(tmp_path, tmp_path, tmp_path)))
    failed = results.failed(_task(), TerminalFailure("no", output={"x": "x" * OUTPUT_LIMIT}))
    assert failed.output == {}
    assert failed.reason.startswith(f"no; cannot write {tmp_path}/outputs/id1-x.json")
