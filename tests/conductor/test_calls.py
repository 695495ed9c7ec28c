"""The table of calls is kept by the client, on a real socket, and true, on a real Conductor server."""

from __future__ import annotations

import re
from collections.abc import Callable

import pytest

from k1nb.conductor import Conductor, EventHandler, ExecutionStatus, Schedule
from k1nb.conductor._calls import CALLS, Call
from k1nb.conductor._connection import TRIES
from k1nb.errors import ConductorRefused, ConductorUnreachable
from k1nb.timings import Timings
from tests.conductor.builders import a_task, a_use, a_workflow, unique
from tests.conductor.flaky import BROKEN, BUSY, CUT, GARBLED, HALF, LOCKED, SILENT, Flaky, answer, flaky
from tests.conductor.hand import Answer, Hand

HASTY = Timings(reconnect_first=0.001, conductor_request=5)


def send(server: Flaky, name: str) -> None:
    """Send a call of the table, its parts filled in."""
    parts = dict.fromkeys(re.findall(r"{(\w+)}", CALLS[name].route), "x/y")
    with Conductor(server.url, HASTY) as conductor:
        body = {"a": 1} if CALLS[name].method != "GET" else None
        conductor._call(name, params=None, json=body, **parts)


@pytest.mark.parametrize("failure", [CUT, HALF, BUSY, LOCKED], ids=["cut", "half", "busy", "locked"])
@pytest.mark.parametrize("name", [name for name, call in CALLS.items() if call.repeatable])
def test_a_repeatable_call_outlives_a_failure(name: str, failure: bytes) -> None:
    """A call that may be repeated is sent again, word for word, when its answer was lost or the server was busy."""
    with flaky(failure, failure, answer()) as server:
        send(server, name)
        assert len(server.seen) == TRIES
        assert len(set(server.seen)) == 1


@pytest.mark.parametrize("failure", [CUT, HALF, BUSY, LOCKED], ids=["cut", "half", "busy", "locked"])
@pytest.mark.parametrize("name", [name for name, call in CALLS.items() if not call.repeatable])
def test_any_other_call_is_sent_once(name: str, failure: bytes) -> None:
    """A call that does something each time is sent once, whatever becomes of its answer."""
    with flaky(failure, answer()) as server:
        with pytest.raises(ConductorUnreachable if failure in (CUT, HALF) else ConductorRefused):
            send(server, name)
        assert len(server.seen) == 1


def test_repeats_end() -> None:
    """A server that fails each time is given up."""
    for failure, error in ((CUT, ConductorUnreachable), (BUSY, ConductorRefused)):
        with flaky(failure) as server:
            with pytest.raises(error):
                send(server, "health")
            assert len(server.seen) == TRIES


def test_a_failure_that_stays_is_not_repeated() -> None:
    """What the server calls no passing failure is an error at once."""
    with flaky(BROKEN) as server:
        with pytest.raises(ConductorRefused, match="broken"):
            send(server, "health")
        assert len(server.seen) == 1


def test_an_answer_that_cannot_be_unpacked_is_none() -> None:
    """An answer whose compression is broken is a server that gives no answer, and not an error of another kind."""
    with flaky(GARBLED) as server, Conductor(server.url, HASTY) as conductor:
        with pytest.raises(ConductorUnreachable):
            conductor.healthy()
        with pytest.raises(ConductorUnreachable):
            conductor.start("build", {})


def test_silence_is_waited_for_once() -> None:
    """A server that says nothing costs one deadline, not three."""
    with flaky(SILENT) as server:
        with Conductor(server.url, Timings(conductor_request=0.2)) as conductor, pytest.raises(ConductorUnreachable):
            conductor.healthy()
        assert len(server.seen) == 1


@pytest.mark.parametrize("call", CALLS.values(), ids=CALLS)
def test_every_write_has_its_reason(call: Call) -> None:
    """The table says of each call that does more than read why it may be repeated, or why not."""
    assert call.why or (call.method == "GET" and call.repeatable)


@pytest.fixture
def workflow(conductor: Conductor) -> str:
    """The name of a fresh workflow of the steps `one` and `two`, each of a task type of its own."""
    name = unique("calls-")
    tasks = [name.replace("-", "_") + number for number in "12"]
    conductor.put_task_definitions([a_task(task, retryCount=0) for task in tasks])
    conductor.put_workflow_definition(a_workflow(a_use(tasks[0], "one"), a_use(tasks[1], "two"), name=name))
    return name


Twice = Callable[[Conductor, str, str], object]
"""Does something to an execution, of a workflow of this name."""
REPEATED: dict[str, Twice] = {
    "correlated": lambda c, _, name: c.correlated(name, "key"),
    "terminate": lambda c, execution, _: c.terminate(execution, "enough"),
    "pause": lambda c, execution, _: c.pause(execution),
    "decide": lambda c, execution, _: c.decide(execution),
    "pause many": lambda c, execution, _: c.pause_many([execution]).refused,
    "terminate many": lambda c, execution, _: c.terminate_many([execution], "enough").refused,
    "put task definitions": lambda c, _, name: c.put_task_definitions([a_task(name)]),
    "put workflow definition": lambda c, _, name: c.put_workflow_definition(a_workflow(name=name)),
    "put schedule": lambda c, _, name: c.put_schedule(Schedule(name, "0 0 3 * * ?", name, paused=True)).cron,
    "pause schedule": lambda c, _, name: c.pause_schedule(name),
    "remove schedule": lambda c, _, name: c.remove_schedule(name),
    "update event handler": lambda c, _, name: c.update_event_handler(a_handler(name)),
}


def a_handler(name: str) -> EventHandler:
    """Return an inactive event handler."""
    start = {"action": "start_workflow", "start_workflow": {"name": name}}
    return EventHandler(name, f"conductor:{name}:done", [start], active=False)


def test_every_repeatable_write_is_held_to_it() -> None:
    """No call that writes and may be repeated is left out below."""
    assert REPEATED.keys() == {name for name, call in CALLS.items() if call.repeatable and call.method != "GET"}


@pytest.mark.parametrize("name", REPEATED)
def test_a_repeat_changes_nothing(conductor: Conductor, workflow: str, name: str) -> None:
    """On a real server a repeatable call that is made twice is answered alike, and leaves what the first one left."""
    execution = conductor.start(workflow, {}, correlation_id="key")
    if name == "pause schedule":
        conductor.put_schedule(Schedule(workflow, "0 0 3 1 1 ?", workflow))
    if name == "update event handler":
        conductor.add_event_handler(a_handler(workflow))
    first = REPEATED[name](conductor, execution, workflow), conductor.execution(execution).state
    assert (REPEATED[name](conductor, execution, workflow), conductor.execution(execution).state) == first
    conductor.remove_schedule(workflow)


def test_some_writes_are_refused_the_second_time(conductor: Conductor, workflow: str) -> None:
    """What the table calls refused the second time is, so that a repeat would hide that the first one was heard."""
    execution = conductor.start(workflow, {})
    conductor.pause(execution)
    writes: list[Callable[[], object]] = [
        lambda: conductor.resume(execution),
        lambda: conductor.skip(execution, "two"),
        lambda: conductor.add_event_handler(a_handler(workflow)),
        lambda: conductor.remove_event_handler(workflow),
        lambda: conductor._call("resume schedule", name=workflow),
        lambda: conductor.remove(ended),
    ]
    ended = conductor.start(workflow, {})
    conductor.terminate(ended, "the test wants it ended")
    conductor.put_schedule(Schedule(workflow, "0 0 3 1 1 ?", workflow, paused=True))
    for write in writes:
        write()
        with pytest.raises(ConductorRefused):
            write()
    conductor.remove_schedule(workflow)


def test_some_writes_begin_work_again(conductor: Conductor, workflow: str, hand: Hand) -> None:
    """What the table says begins the work again does, once the first one's work has ended."""
    done: Answer = ("COMPLETED", {})
    failed: Answer = ("FAILED", {})
    execution = conductor.start(workflow, {})
    hand.finish(execution, {"one": failed})
    conductor.retry(execution)
    hand.finish(execution, {"one": failed})
    conductor.retry(execution)
    hand.finish(execution, {"one": done, "two": done})
    for write in (conductor.restart, conductor.rerun):
        for _ in range(2):
            write(execution)
            assert conductor.execution(execution).status is ExecutionStatus.RUNNING
            hand.finish(execution, {"one": done, "two": done})
