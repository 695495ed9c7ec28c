"""Every wait and deadline of our own, in one object that tests scale."""

from __future__ import annotations

from dataclasses import dataclass, fields


@dataclass(frozen=True, slots=True)
class Timings:
    """Durations in seconds.

    The deadlines of task definitions are not here: those live in `data/tasks`. `ota_deadline` stays below
    the 300 s timeout of `deploy_firmware_ota`, so that a second attempt never starts while the first still
    runs; `drain` stays above it, so that a stop never cuts a transfer.
    """

    conductor_request: float = 30.0
    token_life: float = 2700.0
    """After which an access token is renewed that does not say itself when it expires."""
    token_margin: float = 60.0
    """How long before it expires an access token is renewed."""
    conductor_ready: float = 240.0
    """From the start of the server's process to its first healthy answer."""
    probe_ready: float = 120.0
    """From the start of a `k1nb-ready` execution to its completion by our own workers."""
    probe_again: float = 9.0
    """Between two such executions, for one that was handed to a worker that died meanwhile."""
    look_busy: float = 0.1
    """Between two looks of the worker host at the server's queues while there is work."""
    look_idle: float = 0.5
    """The same when there was none for `look_calm`; also how soon a task type is polled again that has tasks waiting
    which the server does not hand out yet, as those that wait for their next try."""
    look_calm: float = 5.0
    poll_anyway: float = 24.0
    """Longest between two polls for a type that has nothing waiting, so that the server knows who serves it."""
    reconnect_first: float = 0.2
    reconnect_last: float = 5.0
    heartbeat: float = 15.0
    """Between two lease extensions of a running task; well below the smallest responseTimeoutSeconds of 30."""
    loop_hang: float = 60.0
    """How long the worker host's event loop may stand still before the host ends itself."""
    poll_hang: float = 300.0
    """The same without any request of its own coming to an end; above every phase of `conductor_request` together."""
    reload_look: float = 1.0
    """Between two looks for changed code under `k1nb workers --reload`."""
    device_turn: float = 2.0
    """How long a task is put off first whose device has all the tasks it may have; doubles each time."""
    device_turn_last: float = 30.0
    drain: float = 330.0
    """What a stopping worker host gives its running tasks."""
    child_stop: float = 5.0
    """From SIGTERM to SIGKILL for a child process group."""
    service_start: float = 30.0
    service_stop: float = 30.0
    service_poll: float = 0.2
    """Between two looks at a service that starts or stops."""
    download: float = 300.0
    """Longest silence of a download."""
    audio_download: float = 45.0
    """Whole time of one download of an audio file; below the 60 s of its task."""
    commit_check: float = 240.0
    """The longest run of a repository's own check of a commit; below the 300 s of `validate_commit`."""
    webapp_build: float = 540.0
    """The longest build of a web app, installation of its packages included; below the 600 s of `build_webapp`."""
    rsync: float = 60.0
    """The longest silence of an rsync target."""
    webapp_request: float = 10.0
    """One request to a web app's page, or to the device whose API it calls."""
    notify_request: float = 8.0
    """One delivery of a notification to a webhook; three of them stay below the 30 s of a notification's task."""
    database_lock: float = 10.0
    """How long a writer waits for another process that writes to the same SQLite file."""
    seal_lock: float = 60.0
    """How long a run that is over waits for others that are being sealed."""
    forgotten_after: float = 60.0
    """How long an execution is RUNNING with nothing to do before it counts as forgotten by the server."""
    forgotten_look: float = 30.0
    """Between two looks of the worker host for forgotten executions."""
    follow: float = 1.0
    """Between two looks at an execution that is being followed."""
    device_request: float = 5.0
    device_retry: float = 0.5
    """First pause after a refused connection; doubles with each try."""
    device_lock: float = 5.0
    """How long a flashing task waits for the device's lock before it says busy."""
    ota_invitation: float = 2.0
    """Between two repetitions of the same UDP invitation; ten are sent."""
    ota_connect: float = 10.0
    ota_acknowledge: float = 10.0
    ota_result: float = 60.0
    ota_deadline: float = 240.0
    reboot_deadline: float = 90.0
    reboot_poll: float = 2.0
    health_window: float = 10.0
    """Between the two stable readings that prove there is no boot loop."""
    simulator_reboot: float = 5.0
    """How long a simulated device refuses connections after an OTA."""
    simulator_patience: float = 1.0
    """How long a simulated device waits for data before it repeats its last count."""
    rollout_look: float = 2.0
    """Between two looks of a rollout at the deployments that it has begun."""
    rollout_turn: float = 60.0
    """After which a turn of a rollout gives way to the next; with `conductor_ready` below its task's time-out."""
    exporter_look: float = 10.0
    """Between the beginnings of two looks of the exporter at one device; the device's documentation allows 5."""
    exporter_deadline: float = 9.0
    """The longest look at one device."""
    exporter_info: float = 60.0
    """Between two questions to a device for who it is; a restart is followed by one at once."""
    exporter_inventory: float = 5.0
    """Between two readings of the inventory by the exporter."""
    exporter_conductor: float = 15.0
    """Between two looks of the exporter at Conductor."""
    exporter_stale: float = 35.0
    """After which an answer is no longer exported: two more looks have failed by then."""
    runbook: float = 3300.0
    """Longest run of a notebook that a workflow starts; below the 3600 s of `run_runbook`."""
    runbook_look: float = 1.0
    """Between two looks at a run that an earlier attempt at its task has begun."""
    cell: float = 3600.0
    """Longest run of one notebook cell under `k1nb run`; a delivery with all its retries is one cell."""
    run: float = 14_400.0
    """Longest run of a whole notebook under `k1nb run`."""

    def scaled(self, factor: float) -> Timings:
        """Return these timings, each multiplied by `factor`."""
        return Timings(**{f.name: getattr(self, f.name) * factor for f in fields(self)})
