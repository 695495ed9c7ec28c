"""Notifications, by a real webhook."""

from __future__ import annotations

import asyncio
import json
import logging
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from importlib.util import find_spec
from typing import Any

import pytest
from pydantic import SecretStr

from k1nb.conductor import PolledTask, TaskClient, load
from k1nb.conductor._definitions import walk
from k1nb.config import Settings
from k1nb.errors import RetryableFailure
from k1nb.workers import TaskContext
from k1nb.workers._effects import Effects
from k1nb.workers._metrics import Metrics
from k1nb.workers.notify import MessageIn, MessageOut, send_release_notification
from tests.serving import serving

TOKEN = "T0SECRET/B0SECRET/x0y1z2"


@dataclass
class Webhook:
    """A server that takes what Slack's would, and answers as it is told."""

    url: str
    statuses: list[int] = field(default_factory=list)
    seen: list[Any] = field(default_factory=list)


@pytest.fixture
def webhook() -> Iterator[Webhook]:
    """Run a webhook; it answers 200 unless it is told otherwise, and repeats its own path in what it answers."""
    found = Webhook("")

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            found.seen.append((self.path, self.headers["Content-Type"], json.loads(body)))
            self.send_response(found.statuses.pop(0) if found.statuses else 200)
            self.end_headers()
            self.wfile.write(f"no_service at {self.path}".encode())

        def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the library's own word
            """Say nothing."""

    with serving(ThreadingHTTPServer(("127.0.0.1", 0), Handler)) as server:
        found.url = f"http://127.0.0.1:{server.server_address[1]}/services/{TOKEN}"
        yield found


def told(settings: Settings, **words: Any) -> MessageOut:
    """Send a notification as its task does, one step of one execution."""

    async def run() -> MessageOut:
        polled = PolledTask("t", "send_release_notification", "e", "announce", words, 0, 1, 60.0, "w")
        async with TaskClient.from_settings(settings) as client:
            context = TaskContext(settings, polled, client, Effects(settings.paths), Metrics(["x"]))
            return await send_release_notification(MessageIn(**{"message": "it is out", **words}), context)

    return asyncio.run(run())


def with_webhook(settings: Settings, url: str) -> Settings:
    """Return settings with a webhook."""
    return settings.model_copy(update={"notify_webhook_url": SecretStr(url)})


def kept(settings: Settings) -> list[dict[str, Any]]:
    """Return what the file has."""
    return [json.loads(line) for line in (settings.paths.logs / "notifications.jsonl").read_text().splitlines()]


def test_without_a_channel_it_is_in_log_and_file(settings: Settings) -> None:
    """Nothing set up is no failure: the file has it, and it is said that the named channel is none."""
    done = told(settings, channel="slack")
    assert (done.sent, done.problems) == (True, ["slack is not set up"])
    assert done.channel.startswith("file ")
    assert [entry["message"] for entry in kept(settings)] == ["it is out"]


def test_a_webhook_gets_it_as_slack_wants_it(settings: Settings, webhook: Webhook) -> None:
    """One post of JSON with a text, in which details and execution have their lines; the file has it as well."""
    done = told(with_webhook(settings, webhook.url), channel="slack", workflow_id="w1", details=["one", "two"])
    assert (done.sent, done.problems) == (True, [])
    assert done.channel.endswith(", slack")
    text = "it is out\n- one\n- two\nexecution w1"
    assert webhook.seen == [(f"/services/{TOKEN}", "application/json", {"text": text})]
    assert len(kept(settings)) == 1


def test_a_webhook_that_refuses_is_tried_again_alone(settings: Settings, webhook: Webhook) -> None:
    """The task fails so that it is tried again and its output says why; then only who was not told is told."""
    there = with_webhook(settings, webhook.url)
    webhook.statuses = [500]
    with pytest.raises(RetryableFailure, match="the webhook answered 500") as caught:
        told(there)
    assert caught.value.output["sent"] is False
    assert "file " in caught.value.output["channel"]
    assert told(there).sent is True
    assert told(there).sent is True  # delivered once more
    assert (len(webhook.seen), len(kept(settings))) == (2, 1)


def with_apprise(settings: Settings, *urls: str) -> Settings:
    """Return settings with addresses for Apprise."""
    return settings.model_copy(update={"notify_apprise_urls": SecretStr(" ".join(urls))})


def test_apprise_gets_it_at_each_address(settings: Settings, webhook: Webhook) -> None:
    """Every address is told; one that takes nothing, or is none, fails the task, and its secret is not said."""
    assert find_spec("apprise"), "missing: apprise (pip install 'k1nb[notify]')"
    place = webhook.url.removeprefix("http://")
    done = told(with_apprise(settings, f"json://{place}/a", f"json://{place}/b"))
    assert done.channel.endswith(", apprise")
    assert sorted(path for path, _, _ in webhook.seen) == [f"/services/{TOKEN}/a", f"/services/{TOKEN}/b"]
    assert {body["message"] for _, _, body in webhook.seen} == {"it is out"}
    webhook.statuses = [500]
    with pytest.raises(RetryableFailure, match="Apprise could not deliver") as caught:
        told(with_apprise(settings, f"json://{place}/c"), message="again")
    with pytest.raises(RetryableFailure, match="does not know 1 of its addresses"):
        told(with_apprise(settings, f"nothing://{place}"), message="once more")
    assert TOKEN not in str(caught.value)


def test_without_apprise_that_is_said(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where addresses are set and the package is not there, the output says what to install; the file has the text."""
    monkeypatch.setitem(sys.modules, "apprise", None)
    with pytest.raises(RetryableFailure, match=r"pip install 'k1nb\[notify\]'"):
        told(with_apprise(settings, "json://127.0.0.1:9/x"))
    assert len(kept(settings)) == 1


def test_the_address_is_said_nowhere(
    settings: Settings, webhook: Webhook, caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str]
) -> None:
    """Not in errors, outputs, file or log: neither the address nor its path, though the server repeats that."""
    caplog.set_level(logging.INFO)
    there = with_webhook(settings, webhook.url)
    webhook.statuses = [404]
    with pytest.raises(RetryableFailure) as caught:
        told(there, message=f"it went to {webhook.url}")
    gone = with_webhook(settings, "http://127.0.0.1:9/services/" + TOKEN)
    with pytest.raises(RetryableFailure, match="does not answer") as silent:
        told(gone, message="another")
    said = [str(caught.value), str(silent.value), str(caught.value.output), str(kept(settings))]
    out, err = capfd.readouterr()
    said += [out, there.redact(err), repr(there), str(there.model_dump())]
    assert "[redacted]" in said[0]
    assert TOKEN not in "".join(said)


def test_no_notification_decides_how_a_workflow_ends() -> None:
    """Wherever a definition tells somebody, it goes on where that fails for good."""
    uses = [use for workflow in load().workflows.values() for use in walk(workflow["tasks"])]
    telling = [use for use in uses if use["name"].startswith("send_") and use["name"].endswith("_notification")]
    assert len(telling) > 5
    assert [use["taskReferenceName"] for use in telling if not use.get("optional")] == []
