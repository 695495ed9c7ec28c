"""Every error that k1nb raises on purpose.

One class per situation; the branch says where the blame lies.

    K1Error
    ├── UsageError                 the caller's words (exit code 2)
    │   ├── SettingError           a setting is unknown or has a wrong value
    │   ├── ParameterError         a notebook parameter is unknown, missing or ill-typed
    │   ├── ConsentError           a destructive plan was not consented to, or has changed since
    │   └── UnknownName            a device, repository, artifact or service that is not there
    ├── HostError                  this machine
    │   ├── PrerequisiteError      a program or package is missing or too old
    │   ├── PackageError           an installed package's task functions do not fit
    │   ├── PortTaken              a port is held by another process
    │   ├── DownloadError          a download failed or its sum is wrong
    │   ├── StorageError           a file cannot be written or read
    │   └── ServiceError           a service did not start or did not become ready
    ├── ConductorError             the workflow server
    │   ├── ConductorUnreachable   no HTTP answer
    │   ├── ConductorRefused       an error answer, in the server's own words
    │   │   └── ConductorNotFound  the thing asked for is not there
    │   └── DefinitionError        a definition breaks a rule
    ├── DeviceError                the device
    │   ├── DeviceUnreachable      no HTTP answer
    │   ├── DeviceRefused          an error answer, in the device's own words
    │   ├── DeviceNonsense         an answer that is not the device's
    │   ├── DeviceBusy             another operation holds the device
    │   ├── Superseded             the device has accepted something else since
    │   ├── OtaError               the transfer failed
    │   └── SampleRefused          a sample image was about to reach something that is no simulator
    ├── FirmwareError              the firmware
    │   ├── ImageError             bytes that are no image of this chip
    │   ├── CommitError            a commit that cannot be built: unknown, malformed, not on the branch
    │   ├── BuildError             the compiler or PlatformIO said no
    │   └── ArtifactError          a stored artifact is missing or damaged
    ├── TaskFailure                a task function could not do its duty
    │   ├── TerminalFailure        another try cannot succeed
    │   └── RetryableFailure       another try may succeed
    └── RecordError                the records
        ├── RunBroken              something other than its cells ended a run: a limit, its kernel, the disk
        └── VerdictNotPassed       a run concluded, and its verdict does not pass

Apart from them stands `Stopped`, a SystemExit: somebody told this process to end.
"""

from __future__ import annotations

from collections.abc import Mapping
from signal import Signals
from typing import Any


class K1Error(Exception):
    """What happened, to what; `hint` says what to do next."""

    exit_code = 1

    def __init__(self, message: str, *, hint: str | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint

    def __str__(self) -> str:
        """Give message and hint on two lines, as the command line prints them."""
        return f"{self.message}\nhint: {self.hint}" if self.hint else self.message

    def _render_traceback_(self) -> list[str]:
        """Show message and hint in a notebook, as IPython asks for it: our own frames say nothing to its reader."""
        return f"{type(self).__name__}: {self}".splitlines()


class UsageError(K1Error):
    """The caller's words are wrong."""

    exit_code = 2


class SettingError(UsageError):
    """A setting is unknown or has a wrong value."""


class ParameterError(UsageError):
    """A notebook parameter is unknown, missing or ill-typed."""


class ConsentError(UsageError):
    """A destructive plan was not consented to, or has changed since it was shown."""


class UnknownName(UsageError):
    """A device, repository, artifact or service of that name is not there."""


class HostError(K1Error):
    """This machine lacks or refuses something."""


class PrerequisiteError(HostError):
    """A program or package is missing or too old."""


class PackageError(HostError):
    """An installed package offers task functions that do not fit."""


class PortTaken(HostError):
    """A port is held by another process."""


class DownloadError(HostError):
    """A download failed or its sum is wrong."""


class StorageError(HostError):
    """A file cannot be written or read."""


class ServiceError(HostError):
    """A service did not start or did not become ready."""


class ConductorError(K1Error):
    """The workflow server."""


class ConductorUnreachable(ConductorError):
    """The server gave no HTTP answer; `reached` is False where the request cannot have reached it."""

    def __init__(self, message: str, *, hint: str | None = None, reached: bool = True) -> None:
        super().__init__(message, hint=hint)
        self.reached = reached


class ConductorRefused(ConductorError):
    """The server answered with an error; `status` is the HTTP code."""

    def __init__(self, message: str, *, status: int, hint: str | None = None) -> None:
        super().__init__(message, hint=hint)
        self.status = status


class ConductorNotFound(ConductorRefused):
    """The execution or definition asked for is not there."""


class DefinitionError(ConductorError):
    """A definition breaks a rule of Conductor or of this workbook."""


class DeviceError(K1Error):
    """The device."""


class DeviceUnreachable(DeviceError):
    """The device gave no HTTP answer."""


class DeviceRefused(DeviceError):
    """The device answered with an error; `status` is the HTTP code."""

    def __init__(self, message: str, *, status: int, hint: str | None = None) -> None:
        super().__init__(message, hint=hint)
        self.status = status


class DeviceNonsense(DeviceError):
    """An answer came that a K1 would not give."""


class DeviceBusy(DeviceError):
    """Another operation holds the device."""


class Superseded(DeviceError):
    """The device has accepted something else since an execution sent it its image."""


class OtaError(DeviceError):
    """The transfer failed; `stage` names how far it came, `log` what happened until then.

    `unconfirmed` is one after whose last byte the device said neither yes nor no: it may have taken the image.
    """

    def __init__(
        self,
        message: str,
        *,
        stage: str,
        final: bool = False,
        unconfirmed: bool = False,
        hint: str | None = None,
        log: tuple[str, ...] = (),
    ) -> None:
        super().__init__(message, hint=hint)
        self.stage = stage
        self.final = final
        self.unconfirmed = unconfirmed
        self.log = log


class SampleRefused(DeviceError):
    """A sample image was about to be sent to something that did not prove itself a simulator."""


class FirmwareError(K1Error):
    """The firmware."""


class ImageError(FirmwareError):
    """Bytes that are no firmware image for this chip."""


class CommitError(FirmwareError):
    """A commit that cannot be built."""


class BuildError(FirmwareError):
    """PlatformIO or the compiler said no; `final` is false where another try may succeed."""

    def __init__(self, message: str, *, final: bool = True, hint: str | None = None) -> None:
        super().__init__(message, hint=hint)
        self.final = final


class ArtifactError(FirmwareError):
    """A stored artifact is missing or damaged."""


class TaskFailure(K1Error):
    """A task function could not do its duty; `output` becomes the failed task's output."""

    def __init__(self, message: str, *, output: Mapping[str, Any] | None = None, hint: str | None = None) -> None:
        super().__init__(message, hint=hint)
        self.output: Mapping[str, Any] = output or {}


class TerminalFailure(TaskFailure):
    """Another try cannot succeed: the task fails for good."""


class RetryableFailure(TaskFailure):
    """Another try may succeed: the task fails and its definition decides on the next try."""


class RecordError(K1Error):
    """The records."""


class RunBroken(RecordError):
    """Something other than a notebook's own cells ended its run: a limit, its kernel, the disk."""


class VerdictNotPassed(RecordError):
    """A run concluded with a verdict that does not pass."""


class Stopped(SystemExit):
    """A signal told this process to end, and it does so in good order; `hint` says what it leaves where."""

    def __init__(self, signal: Signals) -> None:
        super().__init__(128 + signal)
        self.exit_code = 128 + signal
        self.message = f"stopped by {signal.name}"
        self.hint: str | None = None
