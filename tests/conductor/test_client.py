"""The typed client, on a real Conductor server."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from k1nb.conductor import Conductor, ExecutionStatus, PolledTask, TaskClient
from k1nb.config import Settings
from k1nb.errors import ConductorNotFound, ConductorRefused, ConductorUnreachable
from k1nb.timings import Timings
from tests.conductor.builders import a_task, a_use, a_workflow, unique
from tests.conductor.hand import Hand
from tests.serving import serving

DONE = ("COMPLETED", {"image": "x"})
IMPATIENT = Timings(conductor_ready=0.3, follow=0.05, conductor_request=5)


@pytest.fixture
def workflow(conductor: Conductor) -> str:
    """The name of a fresh workflow of one task, called `compile` in it."""
    name = unique("client-")
    conductor.put_task_definitions([a_task(task := name.replace("-", "_"), retryCount=0)])
    conductor.put_workflow_definition(
        a_workflow(a_use(task, "compile"), name=name, outputParameters={"image": "${compile.output.image}"})
    )
    return name


def test_the_server_is_healthy(conductor: Conductor) -> None:
    """A server that answers calls itself healthy."""
    assert conductor.healthy()


def test_an_execution_is_started_and_read(conductor: Conductor, workflow: str, hand: Hand) -> None:
    """An execution has the input and key it was started with, and in the end its output and its task's."""
    execution_id = conductor.start(workflow, {"repo": "K1.node1"}, correlation_id="push:abc")
    begun = conductor.execution(execution_id)
    assert (begun.name, begun.status, begun.correlation_id) == (workflow, ExecutionStatus.RUNNING, "push:abc")
    assert begun.input == {"repo": "K1.node1"}
    hand.finish(execution_id, {"compile": DONE})
    ended = conductor.execution(execution_id)
    assert (ended.status, ended.output) == (ExecutionStatus.COMPLETED, {"image": "x"})
    assert (ended.tasks[0].reference, ended.tasks[0].worker_id) == ("compile", "hand")
    assert conductor.execution(execution_id, tasks=False).tasks == ()


@pytest.mark.parametrize("key", ["deploy:AA:BB:CC:DD:EE:FF:0123", "a/b c?d", "ümlaut"])
def test_executions_are_found_by_their_key(conductor: Conductor, workflow: str, key: str) -> None:
    """Whatever the natural key is made of, the executions started under it are found, and no others."""
    first = conductor.start(workflow, {}, correlation_id=key)
    conductor.start(workflow, {}, correlation_id=key + "x")
    conductor.terminate(first, "enough")
    second = conductor.start(workflow, {}, correlation_id=key)
    assert {execution.id for execution in conductor.correlated(workflow, key)} == {first, second}
    assert [execution.id for execution in conductor.correlated(workflow, key, closed=False)] == [second]
    assert conductor.correlated(workflow, "nobody's") == []


def _eventually(find: Callable[[], list[str]], expected: list[str]) -> None:
    """Search lags a little behind."""
    deadline = time.monotonic() + 20
    while (found := find()) != expected:
        assert time.monotonic() < deadline, f"{found} instead of {expected}"
        time.sleep(0.1)


def test_search_finds_by_status_name_and_time(conductor: Conductor, workflow: str) -> None:
    """Search gives what has this status, name and start, newest first, with inputs, and nothing else."""
    first = conductor.start(workflow, {"repo": "needle"})
    second = conductor.start(workflow, {"repo": "hay"})
    conductor.terminate(first, "enough")
    ended = {ExecutionStatus.TERMINATED, ExecutionStatus.FAILED}
    _eventually(lambda: [e.id for e in conductor.find(name=workflow)], [second, first])
    _eventually(lambda: [e.id for e in conductor.find(name=workflow, status=ended)], [first])
    _eventually(lambda: [e.id for e in conductor.find(name=workflow, status=ExecutionStatus.RUNNING)], [second])
    _eventually(lambda: [e.id for e in conductor.find(name=workflow, text="needle")], [first])
    assert conductor.find(name=workflow, since=datetime.now(UTC) + timedelta(hours=1)) == []
    found = conductor.find(name=workflow, since=datetime.now(UTC) - timedelta(hours=1), size=1)
    assert [(e.id, e.input["repo"]) for e in found] == [(second, "hay")]


def test_following_yields_each_change_until_the_end(conductor: Conductor, workflow: str, hand: Hand) -> None:
    """Whoever follows sees the start and the end, each state once."""
    execution_id = conductor.start(workflow, {})
    seen = []
    for execution in conductor.follow(execution_id):
        seen.append(execution)
        if not execution.status.terminal:
            hand.finish(execution_id, {"compile": DONE})
    assert [execution.status for execution in seen] == [ExecutionStatus.RUNNING, ExecutionStatus.COMPLETED]
    assert [execution.status for execution in conductor.follow(execution_id)] == [ExecutionStatus.COMPLETED]


@pytest.mark.parametrize("status", [ExecutionStatus.FAILED, ExecutionStatus.TERMINATED])
def test_following_ends_at_every_end(conductor: Conductor, workflow: str, hand: Hand, status: ExecutionStatus) -> None:
    """A failed and a terminated execution end the following, not only a completed one."""
    execution_id = conductor.start(workflow, {})
    if status is ExecutionStatus.FAILED:
        hand.finish(execution_id, {"compile": ("FAILED", {})})
    else:
        conductor.terminate(execution_id, "enough")
    assert [execution.status for execution in conductor.follow(execution_id)] == [status]


def test_termination_gives_its_reason(conductor: Conductor, workflow: str) -> None:
    """A terminated execution says why; doing it again changes nothing."""
    execution_id = conductor.start(workflow, {})
    conductor.terminate(execution_id, "wrong device")
    conductor.terminate(execution_id, "again")
    ended = conductor.execution(execution_id)
    assert (ended.status, ended.reason) == (ExecutionStatus.TERMINATED, "wrong device")


def test_a_failed_execution_is_retried(conductor: Conductor, workflow: str, hand: Hand) -> None:
    """A retry goes on from the failed task, within the same execution."""
    execution_id = conductor.start(workflow, {})
    failed = hand.finish(execution_id, {"compile": ("FAILED", {})})
    assert failed["status"] == "FAILED"
    conductor.retry(execution_id)
    conductor.decide(execution_id)
    assert hand.finish(execution_id, {"compile": DONE})["status"] == "COMPLETED"


def test_queues_and_polls_are_told(conductor: Conductor, workflow: str, conductor_url: str) -> None:
    """A waiting task is counted in its queue, and a worker that asks is known with its time."""
    import asyncio

    task_type = workflow.replace("-", "_")
    conductor.start(workflow, {})
    assert conductor.queue_sizes()[task_type] == 1

    async def poll() -> list[PolledTask]:
        async with TaskClient(conductor_url, Timings()) as tasks:
            return await tasks.poll(task_type, worker_id="bench", wait=1)

    before = datetime.now(UTC) - timedelta(seconds=5)
    assert len(asyncio.run(poll())) == 1
    (poll_data,) = [data for data in conductor.poll_data() if data.task_type == task_type]
    assert poll_data.last_poll is not None
    assert poll_data.last_poll > before


@pytest.mark.parametrize(
    ("ask", "look"),
    [
        (lambda c: c.execution("nobody"), "k1nb executions list"),
        (lambda c: c.terminate("nobody", ""), "k1nb executions list"),
        (lambda c: c.start("nobody", {}), "k1nb definitions apply"),
        (lambda c: list(c.follow("nobody")), "k1nb executions list"),
    ],
)
def test_what_is_not_there_is_said_so(conductor: Conductor, ask: Callable[[Conductor], object], look: str) -> None:
    """An unknown execution or workflow is a ConductorNotFound in the server's words, and tells where the names are."""
    with pytest.raises(ConductorNotFound, match="nobody") as error:
        ask(conductor)
    assert look in (error.value.hint or "")


def test_a_refusal_is_in_the_servers_words(conductor: Conductor) -> None:
    """A definition that the server refuses is refused with the reason it gave."""
    with pytest.raises(ConductorRefused, match="responseTimeoutSeconds: 90 must be less than timeoutSeconds: 60"):
        conductor.put_task_definitions([a_task(unique("t"), responseTimeoutSeconds=90)])


def test_a_definition_is_replaced_only_on_demand(conductor: Conductor, workflow: str) -> None:
    """Without `overwrite` a definition that is there is kept, and that is said."""
    (there,) = [d for d in conductor.workflow_definitions() if d["name"] == workflow]
    with pytest.raises(ConductorRefused) as refusal:
        conductor.put_workflow_definition(there, overwrite=False)
    assert refusal.value.status == 409
    conductor.put_workflow_definition({**there, "description": "another"})
    assert [d["description"] for d in conductor.workflow_definitions() if d["name"] == workflow] == ["another"]


def test_a_wrong_address_is_named(conductor_url: str) -> None:
    """An address without /api answers with a web page, which is nobody's list of definitions."""
    with Conductor(conductor_url.removesuffix("/api"), Timings()) as conductor:
        with pytest.raises(ConductorRefused, match="not Conductor's") as error:
            conductor.task_definitions()
        assert "/api" in (error.value.hint or "")


def test_silence_is_unreachable(settings: Settings) -> None:
    """Where nothing listens every question is a ConductorUnreachable that names the address and what to do."""
    with Conductor.from_settings(settings) as conductor:
        for ask in (conductor.healthy, conductor.queue_sizes, lambda: conductor.start("x", {})):
            with pytest.raises(ConductorUnreachable, match=str(settings.conductor_port)) as error:
                ask()
            assert "k1nb up conductor" in (error.value.hint or "")


class _Faltering(ThreadingHTTPServer):
    """Answers for an execution; `broken` makes it cut every connection."""

    broken = False
    body = b'{"workflowId": "e", "workflowName": "w", "status": "RUNNING"}'


class _Handler(BaseHTTPRequestHandler):
    server: _Faltering

    def do_GET(self) -> None:
        if self.server.broken:
            self.close_connection = True
            return
        self.send_response(200)
        self.send_header("Content-Length", str(len(self.server.body)))
        self.end_headers()
        self.wfile.write(self.server.body)

    def log_message(self, *_: object) -> None:
        """Stay silent."""


@pytest.fixture
def faltering() -> Iterator[_Faltering]:
    """A server that can be made to cut connections."""
    with serving(_Faltering(("127.0.0.1", 0), _Handler)) as server:
        yield server


def test_following_outlives_a_restart(faltering: _Faltering) -> None:
    """A server that is away for a moment is waited for."""
    with Conductor(f"http://127.0.0.1:{faltering.server_port}", Timings(follow=0.05)) as conductor:
        following = conductor.follow("e")
        assert next(following).status is ExecutionStatus.RUNNING
        faltering.broken = True
        faltering.body = faltering.body.replace(b"RUNNING", b"COMPLETED")
        threading.Timer(0.3, lambda: setattr(faltering, "broken", False)).start()
        assert next(following).status is ExecutionStatus.COMPLETED


def test_following_gives_up_in_the_end(faltering: _Faltering) -> None:
    """A server that stays away for longer than a start takes is unreachable."""
    faltering.broken = True
    with (
        Conductor(f"http://127.0.0.1:{faltering.server_port}", IMPATIENT) as conductor,
        pytest.raises(ConductorUnreachable),
    ):
        next(conductor.follow("e"))


@pytest.mark.parametrize("body", [b"[]", b"{}", b'{"workflowId": "e", "workflowName": "w", "status": "DANCING"}'])
def test_nonsense_is_refused(faltering: _Faltering, body: bytes) -> None:
    """An answer that is no execution is an error of the server's, never an empty result."""
    faltering.body = body
    with (
        Conductor(f"http://127.0.0.1:{faltering.server_port}", IMPATIENT) as conductor,
        pytest.raises(ConductorRefused),
    ):
        conductor.execution("e")


def test_a_client_shows_no_secret(settings: Settings) -> None:
    """A client is shown by its address alone."""
    with Conductor.from_settings(settings) as conductor:
        assert repr(conductor) == f"Conductor('{settings.conductor_server_url}')"


def test_what_runs_is_listed_by_version_and_without_lag(conductor: Conductor, workflow: str) -> None:
    """Executions that have not ended are listed at once, those of another version or name are not."""
    ids = {conductor.start(workflow, {}) for _ in range(2)}
    assert set(conductor.running_ids(workflow, 1)) == ids
    assert conductor.running_ids(workflow, 2) == conductor.running_ids(unique("nobody-"), 1) == []
    conductor.put_workflow_definition(a_workflow(a_use("nobody"), name=workflow, version=2))
    second = conductor.start(workflow, {}, version=2)
    assert (set(conductor.running_ids(workflow, 1)), conductor.running_ids(workflow, 2)) == (ids, [second])
    for execution in (*ids, second):
        conductor.terminate(execution, "enough")
    assert conductor.running_ids(workflow, 1) == conductor.running_ids(workflow, 2) == []
