"""From a task's input to the model, and from what its function did to the result."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from pydantic import BaseModel, ValidationError
from pydantic_core import to_jsonable_python

from k1nb._http import sendable
from k1nb.conductor import PolledTask, ResultStatus, TaskResult, shorten
from k1nb.errors import (
    ArtifactError,
    BuildError,
    CommitError,
    ImageError,
    K1Error,
    OtaError,
    SampleRefused,
    StorageError,
    Superseded,
    TaskFailure,
    TerminalFailure,
    UsageError,
)
from k1nb.workers._outputs import Outputs
from k1nb.workers._task import In

LONGEST_LOG = 10_000
"""Characters of a failure's reason that go into its task's log."""

_FINAL = (UsageError, ImageError, ArtifactError, CommitError, SampleRefused, Superseded, TerminalFailure)


def read_input(model: type[In], task: PolledTask, outputs: Outputs) -> In:
    """Validate a task's input, references to large outputs resolved; raises TerminalFailure naming each wrong key.

    Unknown keys are ignored. Null is how Conductor hands over what is not there, so a key with a default
    takes its default then.
    """
    fields = model.model_fields
    optional = {key for key, field in fields.items() if not field.is_required()}
    given = {key: value for key, value in task.input.items() if value is not None or key not in optional}
    given = outputs.resolve(given)
    try:
        return model.model_validate(given)
    except ValidationError as error:
        faults = "; ".join(_fault(e["loc"], e["msg"]) for e in error.errors(include_url=False, include_input=False))
        raise TerminalFailure(
            f"the input of {task.type} is wrong: {faults}",
            hint=f"correct {task.reference} in workflow {task.workflow_type}, or what that was started with",
        ) from None


def _fault(place: tuple[int | str, ...], message: str) -> str:
    return f"{'.'.join(map(str, place)) or 'input'}: {message.removeprefix('Value error, ')}"


class Results:
    """Makes the results of one worker, secrets masked in all that they carry."""

    def __init__(self, worker_id: str, redact: Callable[[str], str], outputs: Outputs) -> None:
        self._worker_id = worker_id
        self._redact = redact
        self._outputs = outputs

    def completed(self, task: PolledTask, output: BaseModel) -> TaskResult:
        """Return the result of a function that did its duty; raises what `Outputs.fit` raises."""
        plain = self._plain(task, output.model_dump(mode="json"))
        return TaskResult(task, ResultStatus.COMPLETED, self._worker_id, plain)

    def failed(self, task: PolledTask, error: BaseException) -> TaskResult:
        """Return the result of a function that raised `error`."""
        status = ResultStatus.FAILED_WITH_TERMINAL_ERROR if is_final(error) else ResultStatus.FAILED
        reason = self._said(_reason(error))
        try:
            output = self._plain(task, error.output) if isinstance(error, TaskFailure) else {}
        except (StorageError, TerminalFailure, ValueError) as homeless:
            reason, output = f"{reason}; {self._said(_reason(homeless))}", {}
        return TaskResult(task, status, self._worker_id, output, reason, log=shorten(reason, LONGEST_LOG))

    def refused(self, result: TaskResult, error: K1Error) -> TaskResult:
        """Return what is reported where the server will not have `result`; it can be made no smaller."""
        status, reason = ResultStatus.FAILED_WITH_TERMINAL_ERROR, shorten(self._said(_reason(error)))
        return TaskResult(result.task, status, self._worker_id, reason=reason, log=reason)

    def handed_back(self, task: PolledTask, why: str = "which is stopping") -> TaskResult:
        """Return the result that puts a task back into its queue at once, its retries unspent."""
        log = f"handed back by {self._worker_id}, {why}"
        return TaskResult(task, ResultStatus.IN_PROGRESS, self._worker_id, log=log)

    def put_off(self, task: PolledTask, seconds: int) -> TaskResult:
        """Return the result that puts a task back into its queue for later, its retries unspent."""
        return TaskResult.later(task, self._worker_id, seconds)

    def _plain(self, task: PolledTask, output: Mapping[str, Any]) -> dict[str, Any]:
        plain = to_jsonable_python(dict(output), inf_nan_mode="null", fallback=str)
        masked: dict[str, Any] = self._masked(plain)
        return self._outputs.fit(task.id, masked)

    def _masked(self, value: Any) -> Any:
        if isinstance(value, dict):
            return {self._said(key): self._masked(item) for key, item in value.items()}
        if isinstance(value, list):
            return [self._masked(item) for item in value]
        return self._said(value) if isinstance(value, str) else value

    def _said(self, text: str) -> str:
        return self._redact(sendable(text))


def is_final(error: BaseException) -> bool:
    """Tell whether another try with the same input must fail the same way."""
    return isinstance(error, _FINAL) or (isinstance(error, BuildError | OtaError) and error.final)


def _reason(error: BaseException) -> str:
    if isinstance(error, K1Error):
        return f"{error.message} ({error.hint})" if error.hint else error.message
    return f"{type(error).__name__}: {error}" if str(error) else type(error).__name__
