"""A task type of our own: `greet_person`."""

from pydantic import BaseModel

from k1nb.workers import TaskContext, TerminalFailure, task


class Person(BaseModel):
    """Whom to greet; `inputKeys` of the task definition."""

    name: str


class Greeting(BaseModel):
    """What was said; `outputKeys` of the task definition."""

    text: str


@task("greet_person", concurrency=2)
async def greet_person(person: Person, context: TaskContext) -> Greeting:
    """Greet somebody once, however often the task is delivered or tried again."""
    if not person.name.strip():
        raise TerminalFailure("nobody is named", hint="give the workflow a name")

    async def say() -> str:
        await context.log(f"greeting {person.name}")
        return f"Hello, {person.name}!"

    return Greeting(text=await context.once(f"{context.key}/say", str, say))
