"""The task function that proves that this host serves."""

from __future__ import annotations

from pydantic import BaseModel

from k1nb.workers._host import worker_id
from k1nb.workers._task import TaskContext, task


class ReadyIn(BaseModel):
    """A word that nobody else knows."""

    nonce: str


class ReadyOut(BaseModel):
    """The same word, and who answered."""

    nonce: str
    worker: str


@task("ready_probe")
async def ready_probe(words: ReadyIn, context: TaskContext) -> ReadyOut:
    """Give the nonce back."""
    return ReadyOut(nonce=words.nonce, worker=worker_id(context.settings))
