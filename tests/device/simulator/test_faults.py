"""Tests of the simulator's faults: what a sender and a client see of each, and what the device runs afterwards."""

from __future__ import annotations

import asyncio
import os
import re
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import fields, replace
from pathlib import Path
from typing import Any

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from k1nb.device import (
    Device,
    DeviceClient,
    Fault,
    Faults,
    Inventory,
    Transfer,
    ota_answers,
    parse_faults,
    send_image,
    simulate,
)
from k1nb.device.simulator._faults import ELSEWHERE, KNOWN, STRANGER, LiveFaults, faults_of
from k1nb.errors import DeviceRefused, DeviceUnreachable, OtaError, UsageError
from k1nb.paths import Paths
from k1nb.timings import Timings
from tests.device import _images
from tests.device.conftest import QUICK, Running, running
from tests.device.simulator.test_ota import lock_step, streaming, transfer

OLD, NEW = _images.sample("k1-000000000001"), _images.sample("k1-000000000002", seed=2)
SHORT = replace(QUICK, ota_acknowledge=0.5, ota_result=0.5)
"""For tests that wait until the device has not answered."""


@pytest.fixture
def faulty(demo: Device, paths: Paths) -> Callable[..., Any]:
    """Return a context manager that runs the simulated device with faults."""

    @contextmanager
    def run(*words: str) -> Iterator[Running]:
        with running([demo], paths, faults=parse_faults(words)) as simulation:
            yield simulation

    return run


def send(simulation: Running, image: bytes, timings: Timings = QUICK) -> Transfer:
    """Send an image by the product's own sender."""
    return asyncio.run(send_image(simulation.device, image, paths=simulation.paths, timings=timings))


def failed(simulation: Running, image: bytes, timings: Timings = QUICK) -> OtaError:
    """Send an image that does not get through; return the error."""
    with pytest.raises(OtaError) as caught:
        send(simulation, image, timings)
    return caught.value


def ask(simulation: Running, what: str, timings: Timings = QUICK) -> Any:
    """Ask by the product's own client."""

    async def asked() -> Any:
        async with DeviceClient(simulation.device, simulation.paths, timings) as client:
            return await getattr(client, what)()

    return asyncio.run(asked())


def stamp(simulation: Running) -> str | None:
    """Return the stamp of what runs, without any care for rate windows."""
    build = simulation.get("/api/device-info").json()["build"]
    return str(build["arduino_release"]) if "arduino_release" in build else None


def as_soon_as_up(simulation: Running, path: str) -> dict[str, Any]:
    """Ask a device that may be restarting."""
    for _ in range(200):
        try:
            return dict(simulation.get(path).json())
        except httpx.TransportError:
            time.sleep(0.02)
    raise AssertionError("the device did not come back")


def flashes(simulation: Running) -> int:
    """Return the completed-flash counter."""
    return int(simulation.state()["flashes_completed"])


def hit_once_then_well(simulation: Running, stage: str, text: str) -> None:
    """The first transfer fails so and changes nothing; the second one is accepted and runs."""
    error = failed(simulation, NEW, SHORT)
    assert (error.stage, error.final) == (stage, False)
    assert re.search(text, error.message)
    state = simulation.state()
    assert (state["flashes_completed"], state["boots"], state["running"]) == (0, 1, "factory")
    send(simulation, NEW)
    simulation.wait_until_up(boots=2)
    assert (stamp(simulation), flashes(simulation)) == ("k1-000000000002", 1)


def test_a_cut_transfer_leaves_the_old_firmware_and_the_next_one_gets_through(faulty: Callable[..., Any]) -> None:
    """cut=50x1 ends the first transfer about half-way; the device runs on, and takes the second."""
    with faulty("cut=50x1") as simulation:
        hit_once_then_well(simulation, "transfer", r"after (3[5-7]\d{3}) of \d+ bytes")


@pytest.mark.parametrize(
    ("at", "stage", "text"), [("0", "transfer", r"after (\d{4}|0) of"), ("100", "result", r"after \d+")]
)
def test_a_transfer_is_cut_at_either_end(faulty: Callable[..., Any], at: str, stage: str, text: str) -> None:
    """Cut before the first byte, or after the last one and before the OK, the image is not taken."""
    with faulty(f"cut={at}x1") as simulation:
        error = failed(simulation, NEW, SHORT)
        assert error.stage == stage
        assert re.search(text, error.message)
        assert (flashes(simulation), simulation.state()["running"]) == (0, "factory")
        send(simulation, NEW)


def test_a_crawling_transfer_ends_at_the_deadline(faulty: Callable[..., Any]) -> None:
    """At one byte a second each answer comes in time, so that only the deadline ends it; the old firmware stays."""
    with faulty("crawlx1") as simulation:
        error = failed(simulation, NEW, replace(QUICK, ota_deadline=1.5))
        assert "took longer than 1.5 s" in error.message
        assert flashes(simulation) == 0
        send(simulation, NEW)


def test_what_moves_is_elsewhere_after_its_restart(faulty: Callable[..., Any]) -> None:
    """moves: nobody answers at the old address; at the other one the device runs the image."""
    with faulty("moves") as simulation:
        assert send(simulation, NEW).accepted_at
        moved = replace(simulation.device, address=ELSEWHERE)
        deadline = time.monotonic() + 20
        while not _answers(moved):
            assert time.monotonic() < deadline
            time.sleep(0.1)
        assert not _answers(simulation.device)


def test_what_is_swapped_answers_under_another_mac(faulty: Callable[..., Any]) -> None:
    """swapped: the device at the address is another one, and says so."""
    with faulty("swapped") as simulation:
        assert send(simulation, NEW).accepted_at
        simulation.wait_until_up(boots=2)
        assert ask(simulation, "info").mac == STRANGER


def _answers(device: Device) -> bool:
    try:
        return httpx.get(f"{device.base_url}/api/health", trust_env=False, timeout=1).status_code == 200
    except httpx.HTTPError:
        return False


def test_a_cut_is_a_reset(faulty: Callable[..., Any]) -> None:
    """The sender's connection is reset, not closed, however it sends."""
    with faulty("cut=30") as simulation:
        for talk in (lock_step, streaming):
            with pytest.raises(ConnectionResetError):
                transfer(simulation, NEW, talk)
        assert flashes(simulation) == 0


def test_a_stalled_transfer_ends_when_the_sender_leaves(faulty: Callable[..., Any]) -> None:
    """stall answers nothing from half of the image on; once the sender has gone, the device takes another."""
    with faulty("stallx1") as simulation:
        hit_once_then_well(simulation, "transfer", r"stopped answering after 3[5-7]\d{3} of")


def test_while_a_transfer_stalls_http_answers_and_ota_does_not(faulty: Callable[..., Any]) -> None:
    """A stalled device says how it is; its connection stays open, without a word."""
    with faulty("stall=10") as simulation:

        def halted(connection: socket.socket, image: bytes) -> bytes:
            connection.sendall(image)
            while connection.recv(100):
                connection.settimeout(0.5)
            return b"closed"

        with pytest.raises(TimeoutError):
            transfer(simulation, NEW, halted)
        assert simulation.get("/api/health").json()["status"] == "ok"


def test_a_bad_md5_is_said_by_the_device_and_activates_nothing(faulty: Callable[..., Any]) -> None:
    """bad-md5x1 ends the first transfer with the device's own line, which does not rule out another try."""
    with faulty("bad-md5x1") as simulation:
        hit_once_then_well(simulation, "result", "the device says: MD5 Check Failed")


def test_a_lost_ok_is_an_error_although_the_image_runs(faulty: Callable[..., Any]) -> None:
    """lost-ok: the sender never learns of the acceptance; the device counts it and shows the new stamp."""
    with faulty("lost-ok") as simulation:
        error = failed(simulation, NEW)
        assert error.stage == "result"
        simulation.wait_until_up(boots=2)
        assert (stamp(simulation), flashes(simulation)) == ("k1-000000000002", 1)


def test_what_never_returns_is_off_until_it_is_simulated_again(demo: Device, paths: Paths) -> None:
    """never-returns: the sender saw OK, then nothing answers; a new process boots the image."""
    with running([demo], paths, faults=parse_faults(["never-returns"])) as simulation:
        assert send(simulation, NEW).accepted_at
        time.sleep(4 * QUICK.simulator_reboot)
        with pytest.raises(DeviceUnreachable):
            ask(simulation, "health")
        assert not asyncio.run(ota_answers(demo, QUICK))
    with running([demo], paths) as again:
        assert (stamp(again), flashes(again)) == ("k1-000000000002", 1)


def test_a_device_that_boots_the_old_image_counts_the_flash(faulty: Callable[..., Any]) -> None:
    """boots-old: accepted, counted, restarted, and still the stamp of before; a count lets the next one run."""
    with faulty("boots-oldx1") as simulation:
        send(simulation, OLD)
        simulation.wait_until_up(boots=2)
        assert (stamp(simulation), flashes(simulation), simulation.state()["running"]) == (None, 1, "factory")
        send(simulation, OLD)
        simulation.wait_until_up(boots=3)
        assert (stamp(simulation), flashes(simulation)) == ("k1-000000000001", 2)


def test_the_old_image_stays_the_old_image(demo: Device, paths: Paths) -> None:
    """boots-old with an image before: that one runs, also after the simulator is started again."""
    with running([demo], paths) as simulation:
        send(simulation, OLD)
        simulation.wait_until_up(boots=2)
    with running([demo], paths, faults=Faults(boots_old=Fault())) as simulation:
        send(simulation, NEW)
        simulation.wait_until_up(boots=4)
        assert (stamp(simulation), flashes(simulation)) == ("k1-000000000001", 2)
    with running([demo], paths) as simulation:
        assert stamp(simulation) == "k1-000000000001"


def test_a_boot_loop_ends_with_the_next_image(faulty: Callable[..., Any]) -> None:
    """boot-loop=1x1: the image restarts again and again, each a boot but no flash; another image brings rest."""
    with faulty("boot-loop=1x1") as simulation:
        assert simulation.state()["boots"] == 1
        send(simulation, NEW)
        simulation.wait_until_up(boots=4)
        seen = as_soon_as_up(simulation, "/api/device-info")
        assert seen["build"]["arduino_release"] == "k1-000000000002"
        assert seen["uptime_ms"] < 5000
        for _ in range(20):
            try:
                send(simulation, OLD)
                break
            except (OtaError, DeviceUnreachable):
                # It restarted meanwhile.
                time.sleep(QUICK.simulator_reboot)
        time.sleep(2 * QUICK.simulator_reboot)
        simulation.wait_until_up()
        boots = simulation.state()["boots"]
        time.sleep(1.5)
        assert (stamp(simulation), flashes(simulation)) == ("k1-000000000001", 2)
        assert simulation.state()["boots"] == boots


def test_a_slow_device_is_late_with_every_answer(faulty: Callable[..., Any]) -> None:
    """slow=0.4: a patient client gets its answer later, an impatient one none."""
    with faulty("slow=0.4") as simulation:
        started = time.monotonic()
        assert ask(simulation, "health").status == "ok"
        assert time.monotonic() - started >= 0.4
        with pytest.raises(DeviceUnreachable):
            ask(simulation, "health", replace(QUICK, device_request=0.2))


def test_a_very_slow_device_still_proves_itself_and_takes_an_image(faulty: Callable[..., Any]) -> None:
    """slow=600: no route answers in time but the private ones, so that a sample image still gets through."""
    with faulty("slow=600") as simulation:
        with pytest.raises(DeviceUnreachable):
            ask(simulation, "health", replace(QUICK, device_request=0.2))
        send(simulation, NEW)
        simulation.wait_until_up(boots=2)
        assert flashes(simulation) == 1


def test_an_answer_that_is_late_is_lost_when_the_device_restarts(
    faulty: Callable[..., Any], capfd: pytest.CaptureFixture[str]
) -> None:
    """With slow and an OTA meanwhile, the connection just ends; nothing is said on stderr."""
    with faulty("slow=600") as simulation:
        with socket.create_connection((simulation.device.address, simulation.device.http_port), 10) as connection:
            connection.sendall(b"GET /api/health HTTP/1.1\r\nHost: k1\r\n\r\n")
            send(simulation, NEW)
            with suppress(ConnectionResetError):
                assert connection.recv(100) == b""
        simulation.wait_until_up(boots=2)
    assert capfd.readouterr().err == ""


def test_a_device_that_refuses_says_429_to_every_route(faulty: Callable[..., Any]) -> None:
    """refuses: 429 with the route's window, to the first call as to every other; each one is counted."""
    with faulty("refuses") as simulation:
        answer = simulation.get("/api/health")
        assert (answer.status_code, answer.json()["error"]) == (429, "rate_limited")
        assert (answer.headers["X-RateLimit-Window"], answer.headers["X-RateLimit-NextAllowedMs"]) == ("200", "200")
        assert simulation.post("/api/select", json={"id": "lava"}).status_code == 429
        assert simulation.get("/nowhere").status_code == 404
        with pytest.raises(DeviceRefused) as caught:
            ask(simulation, "health")
        assert caught.value.status == 429
        assert simulation.state()["refused_429"] == 5


def test_with_ota_dead_http_answers(faulty: Callable[..., Any]) -> None:
    """ota-dead: the device is well by HTTP, and every invitation is met with silence."""
    with faulty("ota-dead") as simulation:
        assert ask(simulation, "health").status == "ok"
        assert not asyncio.run(ota_answers(simulation.device, QUICK))
        impatient = replace(QUICK, ota_invitation=0.05)
        assert failed(simulation, NEW, impatient).stage == "invitation"
        assert flashes(simulation) == 0


def test_with_http_dead_ota_answers(demo: Device, paths: Paths) -> None:
    """http-dead: HTTP is refused, OTA takes an image, unless it is a sample, for nothing proves the simulator."""
    plain = _images.image()
    with running([demo], paths, faults=parse_faults(["http-dead"])) as simulation:
        assert asyncio.run(ota_answers(demo, QUICK, tries=20))
        with pytest.raises(httpx.ConnectError):
            simulation.get("/api/health")
        with pytest.raises(DeviceUnreachable):
            ask(simulation, "health")
        with pytest.raises(DeviceUnreachable):
            send(simulation, NEW)
        assert send(simulation, plain).size == len(plain)
    with running([demo], paths) as again:
        assert flashes(again) == 1


def test_faults_of_one_transfer_take_turns(faulty: Callable[..., Any]) -> None:
    """In each transfer the first to come strikes: cut at 20 %, stalled at 60 %, then a wrong sum, then none."""
    with faulty("bad-md5x1", "stall=60x1", "cut=20x1") as simulation:
        texts = [failed(simulation, NEW, SHORT).message for _ in range(3)]
        send(simulation, NEW)
        simulation.wait_until_up(boots=2)
        assert flashes(simulation) == 1
    found = [re.search("closed the connection|stopped answering|MD5 Check Failed", text) for text in texts]
    assert [match and match[0] for match in found] == [
        "closed the connection",
        "stopped answering",
        "MD5 Check Failed",
    ]


def test_faults_belong_to_the_device_they_are_named_for(
    demo: Device, paths: Paths, free_port: Callable[[], int]
) -> None:
    """With faults by name, the other devices of the process are well."""
    other = replace(demo, name="other", mac="02:4B:31:00:00:02", http_port=free_port(), ota_port=free_port())
    with running([demo, other], paths, faults={"other": parse_faults(["refuses"])}) as simulation:
        assert simulation.get("/api/health").status_code == 200
        assert httpx.get(f"{other.base_url}/api/health", trust_env=False).status_code == 429


def test_faults_for_a_device_that_is_not_simulated_are_refused(demo: Device, paths: Paths) -> None:
    """A name that is not among the devices is a UsageError, before anything is served."""
    with pytest.raises(UsageError, match="demmo"):
        asyncio.run(
            simulate([demo], paths=paths, timings=QUICK, stop=asyncio.Event(), faults={"demmo": parse_faults([])})
        )


@pytest.mark.parametrize(
    ("words", "faults"),
    [
        ([], Faults()),
        (["cut=50x1"], Faults(cut=Fault(50, 1))),
        (["cut=12.5"], Faults(cut=Fault(12.5))),
        (["stall", "boot-loop"], Faults(stall=Fault(50), boot_loop=Fault(3))),
        (["stallx2", "boot-loop=0.5x1"], Faults(stall=Fault(50, 2), boot_loop=Fault(0.5, 1))),
        (["lost-okx3", "bad-md5", "boots-old"], Faults(lost_ok=Fault(0, 3), bad_md5=Fault(), boots_old=Fault())),
        (["never-returns", "refuses"], Faults(never_returns=Fault(), refuses=Fault())),
        (["ota-dead", "http-dead", "slow=2"], Faults(ota_dead=Fault(), http_dead=Fault(), slow=Fault(2))),
    ],
)
def test_words_become_faults(words: list[str], faults: Faults) -> None:
    """NAME[=VALUE][xCOUNT] is read, with the value of the help where none is given."""
    assert parse_faults(words) == faults


@pytest.mark.parametrize(
    "word",
    [
        *("", "x1", "=", "nonsense", "Cut=50", "cut =50", " cut=50", "lost_ok"),
        *("cut", "cutx1", "cut=", "cut=x1", "cut=101", "cut=-1", "cut=abc", "cut=nan", "cut=1e1", "cut=5٣"),
        *("cut=50x", "cut=50x0", "cut=50x1x1", "cut=50X1", "cut=50x-1", "cut=50 x1", "cut=50\n", "cut=50x9999999"),
        *("slow", "slow=0", "slow=2x1", "slow=99999", "refuses=1", "refusesx1", "never-returnsx1", "ota-dead="),
        *("boot-loop=0", "lost-ok=1", "stall=99.5"),
    ],
)
def test_a_wrong_word_is_named_and_the_known_ones_listed(word: str) -> None:
    """What is no fault is a UsageError with the word in its message and every fault in its hint."""
    with pytest.raises(UsageError) as caught:
        parse_faults(["refuses", word] if not word.startswith("refuses") else [word])
    assert repr(word) in caught.value.message
    assert all(name in str(caught.value.hint) for name in KNOWN)
    assert caught.value.exit_code == 2


def test_a_fault_given_twice_is_refused() -> None:
    """Two words for the same fault contradict each other."""
    with pytest.raises(UsageError, match="cut is given twice"):
        parse_faults(["cut=50x1", "cut=20"])


@st.composite
def chosen(draw: st.DrawFn) -> Faults:
    """Any faults that may be chosen."""
    words: dict[str, Fault] = {}
    for name in draw(st.sets(st.sampled_from(sorted(KNOWN)))):
        kind = KNOWN[name]
        hundredths = st.integers(round(kind.low * 100), round(kind.high * 100))
        value = draw(hundredths) / 100 if kind.value is not None else 0.0
        times = draw(st.none() | st.integers(1, 999_999)) if kind.counted else None
        words[name.replace("-", "_")] = Fault(value, times)
    return Faults(**words)


@given(chosen())
def test_faults_and_their_words_are_the_same(faults: Faults) -> None:
    """What faults are written as is read as the same faults, in whatever order."""
    assert parse_faults(faults.words()) == faults
    assert parse_faults(reversed(faults.words())) == faults


@given(st.text() | st.from_regex(r"[a-z0-9-]+(=[0-9.]+)?(x[0-9]+)?", fullmatch=True))
def test_any_text_is_a_fault_or_a_usage_error(word: str) -> None:
    """No text makes the parser fail otherwise."""
    try:
        faults = parse_faults([word])
    except UsageError:
        return
    assert len(faults.words()) == 1


@given(st.integers(1, 5), st.integers(0, 10))
def test_a_counted_fault_strikes_so_often(times: int, transfers: int) -> None:
    """The first COUNT transfers are hit, no other."""
    live = LiveFaults(Faults(lost_ok=Fault(times=times)))
    assert sum(live.strikes("lost-ok") for _ in range(transfers)) == min(times, transfers)
    assert not live.strikes("bad-md5")


def test_a_fault_made_in_code_is_checked_as_well() -> None:
    """Faults refuses a value or a count that the words could not give either."""
    wrong: list[dict[str, Fault]] = [
        {"cut": Fault(101)},
        {"slow": Fault(1, 1)},
        {"refuses": Fault(1)},
        {"stall": Fault(50, 0)},
    ]
    for words in wrong:
        with pytest.raises(UsageError):
            Faults(**words)


def test_every_fault_has_its_field() -> None:
    """The words and the fields of Faults are the same, in the same order."""
    assert [field.name.replace("_", "-") for field in fields(Faults)] == list(KNOWN)


def test_faults_for_all_devices_are_each_one_s() -> None:
    """One Faults counts for every device, None for none, and a mapping leaves the others well."""
    cut = parse_faults(["cut=5"])
    assert faults_of(["a", "b"], cut) == {"a": cut, "b": cut}
    assert faults_of(["a"], None) == {"a": Faults()}
    assert faults_of(["a", "b"], {"b": cut}) == {"a": Faults(), "b": cut}


def command(home: Path, *words: str) -> list[str]:
    """Return what runs the command line in a home."""
    return ["env", f"K1NB_HOME={home}", "NO_COLOR=1", sys.executable, "-m", "k1nb", "device", "simulate", *words]


def test_the_help_lists_every_fault_as_the_hint_does(tmp_path: Path) -> None:
    """--help and the error's hint write each fault in the same way."""
    done = subprocess.run(command(tmp_path, "--help"), capture_output=True, text=True, check=True)
    with pytest.raises(UsageError) as caught:
        parse_faults([""])
    listed = str(caught.value.hint).partition("known are ")[2].split(", ")
    assert len(listed) == len(KNOWN)
    for usage in listed:
        assert re.search(rf"^ +{re.escape(usage)} {{2,}}\w", done.stdout, re.MULTILINE), usage


def test_a_wrong_fault_ends_2(tmp_path: Path) -> None:
    """The command line names a wrong fault, lists the known ones, and simulates nothing."""
    done = subprocess.run(command(tmp_path, "demo", "--fault", "cut=half"), capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (2, "")
    assert "'cut=half'" in done.stderr
    assert "hint: write NAME[=VALUE][xCOUNT]; known are cut=PERCENT" in done.stderr


def test_the_command_simulates_with_the_faults_it_was_given(demo: Device, paths: Paths) -> None:
    """k1nb device simulate --fault … --fault … serves the device with both, until SIGTERM."""
    Inventory(paths).add(demo)
    words = command(paths.home, "demo", "--fault", "refuses", "--fault", "cut=50x1")
    simulation = Running([demo], paths, QUICK)
    with subprocess.Popen(words, stderr=subprocess.PIPE, text=True, cwd=os.sep) as process:
        try:
            simulation.wait_until_up()
            assert simulation.get("/api/health").status_code == 429
            assert failed(simulation, NEW).stage == "transfer"
        finally:
            process.terminate()
            said = process.communicate(timeout=20)[1]
    assert process.returncode == 0
    assert "cut=50x1 refuses" in said
