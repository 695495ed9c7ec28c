"""Downloads: what is fetched, and all that is not."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from pathlib import Path

import pytest

from k1nb.config import Settings
from k1nb.errors import RetryableFailure, TaskFailure, TerminalFailure
from k1nb.workers.audio._download import download
from tests.workers.audio.conftest import Sounds

LOOPBACK = "127.0.0.1"


def allowing(settings: Settings, hosts: str = LOOPBACK, **changes: object) -> Settings:
    """Return settings that allow these hosts."""
    return settings.model_copy(update={"audio_hosts": hosts, **changes})


def left(settings: Settings) -> list[Path]:
    """Return what lies in the folder of audio files."""
    return list(settings.paths.audio.glob("*")) if settings.paths.audio.exists() else []


@pytest.mark.anyio
async def test_a_file_of_an_allowed_host_is_kept_by_its_sum(settings: Settings, sounds: Sounds) -> None:
    """The bytes lie under the artifact root, named by their sha256; the same bytes again are the same file."""
    url = sounds.give("/a.wav", b"RIFF" * 100)
    found = await download(allowing(settings), url)
    assert found.path.parent == settings.paths.artifacts / "audio"
    assert (found.size, found.sha256) == (400, hashlib.sha256(b"RIFF" * 100).hexdigest())
    assert found.path.read_bytes() == b"RIFF" * 100
    assert await download(allowing(settings), url) == found
    assert left(settings) == [found.path]


@pytest.mark.anyio
@pytest.mark.parametrize("hosts", ["*", "samples.example", ""])
async def test_loopback_is_fetched_from_only_where_named(settings: Settings, sounds: Sounds, hosts: str) -> None:
    """By default, and where only others are named, nothing on this machine is asked."""
    with pytest.raises(TerminalFailure, match=r"not public|no host that audio files"):
        await download(allowing(settings, hosts), sounds.give("/a.wav", b"x"))
    assert sounds.asked == []


@pytest.mark.anyio
@pytest.mark.parametrize(
    "address",
    [
        *("127.0.0.1", "10.0.0.5", "172.16.3.4", "192.168.1.104", "169.254.169.254", "100.64.0.1", "0.0.0.0"),
        *("224.0.0.1", "240.0.0.1", "::1", "fe80::1", "fd00::1", "::ffff:10.0.0.5", "::ffff:169.254.169.254"),
        *("64:ff9b::a9fe:a9fe", "2002:a9fe:a9fe::1", "::"),
    ],
)
async def test_a_public_name_with_an_inner_address_is_refused(settings: Settings, sounds: Sounds, address: str) -> None:
    """One address among those of a name that is private, link-local, metadata or embeds such a one refuses the name."""

    async def resolve(_host: str, _port: int) -> Sequence[str]:
        return ["93.184.215.14", address]

    with pytest.raises(TerminalFailure, match="which is not public"):
        await download(allowing(settings, "*"), sounds.url("/a.wav", "samples.example"), resolve=resolve)


@pytest.mark.anyio
@pytest.mark.parametrize("address", ["169.254.169.254", "fe80::1", "::ffff:169.254.169.254", "0.0.0.0"])
async def test_no_name_leads_to_a_link_local_service(settings: Settings, address: str) -> None:
    """Metadata services are out of reach for hosts that are named, too."""

    async def resolve(_host: str, _port: int) -> Sequence[str]:
        return [address]

    with pytest.raises(TerminalFailure, match="not public"):
        await download(allowing(settings, "nas.local"), "http://nas.local/a.wav", resolve=resolve)


@pytest.mark.anyio
async def test_the_connection_goes_to_the_address_that_was_checked(settings: Settings, sounds: Sounds) -> None:
    """The name is looked up once and then not any more, so it cannot lead elsewhere meanwhile; the server hears it."""
    asked: list[str] = []

    async def resolve(host: str, _port: int) -> Sequence[str]:
        asked.append(host)
        return [LOOPBACK]

    sounds.give("/a.wav", b"once")
    url = sounds.url("/a.wav", "nobody-knows-this-name.invalid")
    found = await download(allowing(settings, "nobody-knows-this-name.invalid"), url, resolve=resolve)
    assert found.path.read_bytes() == b"once"
    assert asked == ["nobody-knows-this-name.invalid"]
    assert sounds.asked == [("/a.wav", f"nobody-knows-this-name.invalid:{sounds.server_port}")]


@pytest.mark.anyio
async def test_the_next_address_is_tried_where_one_does_not_answer(settings: Settings, sounds: Sounds) -> None:
    """A name with a dead address first is fetched from by its second."""

    async def resolve(_host: str, _port: int) -> Sequence[str]:
        return ["::1", LOOPBACK]

    sounds.give("/a.wav", b"second")
    found = await download(allowing(settings, "here"), sounds.url("/a.wav", "here"), resolve=resolve)
    assert found.path.read_bytes() == b"second"


@pytest.mark.anyio
@pytest.mark.parametrize(
    ("answer", "error", "said"),
    [
        ((302, {"Location": "http://169.254.169.254/latest"}, b""), TerminalFailure, "sends elsewhere: http://169.254"),
        ((404, {}, b""), TerminalFailure, "answers 404"),
        ((503, {}, b""), RetryableFailure, "answers 503"),
        ((200, {}, bytes(1024 * 1024 + 1)), TerminalFailure, "more than 1 MiB"),
        ((200, {"Content-Length": ""}, bytes(1024 * 1024 + 1)), TerminalFailure, "more than 1 MiB"),
        ((200, {"Content-Length": "10"}, b"short"), RetryableFailure, "does not give the file"),
    ],
    ids=["redirect", "not found", "down", "too large", "too large without saying so", "cut"],
)
async def test_what_is_no_whole_small_file_is_not_kept(
    settings: Settings,
    sounds: Sounds,
    answer: tuple[int, dict[str, str], bytes],
    error: type[TaskFailure],
    said: str,
) -> None:
    """Redirects, refusals, too large and cut answers fail by their kind, and leave nothing behind."""
    sounds.answers["/a.wav"] = answer
    with pytest.raises(error, match=said):
        await download(allowing(settings, audio_max_mb=1), sounds.url("/a.wav"))
    assert left(settings) == []
    assert len(sounds.asked) == 1


@pytest.mark.anyio
@pytest.mark.parametrize(
    "url",
    ["ftp://127.0.0.1/a", "ftp://me:hunter2@host/a", "file:///etc/passwd", "a.wav", "http://me:hunter2@host/a", ""],
)
async def test_only_plain_web_addresses_are_fetched(settings: Settings, url: str) -> None:
    """Other schemes, and addresses with a password in them, are refused, the password unsaid."""
    with pytest.raises(TerminalFailure) as refused:
        await download(allowing(settings), url)
    assert "hunter2" not in str(refused.value)


@pytest.mark.anyio
async def test_a_host_that_is_not_there_may_be_tried_again(settings: Settings, sounds: Sounds) -> None:
    """Nothing that listens is a failure that another try may mend."""
    url = sounds.url("/a.wav").replace(str(sounds.server_port), "1")
    with pytest.raises(RetryableFailure, match="does not give the file"):
        await download(allowing(settings), url)
