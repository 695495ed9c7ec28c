"""Commands for the web app's releases."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from k1nb.cli import _consent, _output
from k1nb.cli._output import Json

if TYPE_CHECKING:
    from k1nb.delivery.webapp import Restored, WebAppFacts
    from k1nb.plan import Plan

Environment = Annotated[str, typer.Argument(metavar="ENVIRONMENT", help="staging or production.")]


def group(app: typer.Typer) -> typer.Typer:
    """Add the commands to their group."""
    app.command("list")(list_)
    app.command()(rollback)
    return app


def list_(environment: Environment = "production", json: Json = False) -> None:
    """List the releases at a target, the newest first, and say which one is served."""
    from k1nb.delivery import webapp

    target = webapp.target_of(_output.settings(), environment)
    found = webapp.releases(target)
    if json:
        _output.data([_as_dict(release) for release in found])
        return
    from k1nb import show

    show.print_releases(_output.console(), found)
    _output.note(f"{len(found)} releases at {target.place}")


def _as_dict(release: Any) -> dict[str, Any]:
    at = release.at.isoformat(timespec="seconds")
    return {"release": release.name, "at": at, "current": release.current, "previous": release.previous}


def rollback(
    environment: Environment,
    to: Annotated[str, typer.Option("--to", metavar="RELEASE", help="Another release than the one before.")] = "",
    apply: Annotated[str, typer.Option("--apply", metavar="plan-…", help="Plan that is consented to.")] = "",
    json: Json = False,
) -> None:
    """Put the web app's release before the one that is served back; without --apply only show the plan."""
    from k1nb.delivery import webapp

    settings = _output.settings()
    facts = webapp.observe(settings, environment, to)
    plan = webapp.plan(facts)
    if not json:
        from k1nb import show

        show.print_plan(_output.console(), plan)
    done = webapp.apply(settings, facts, plan, consent=apply)
    _tell(facts, plan, done, json=json)


def _tell(facts: WebAppFacts, plan: Plan, done: Restored | None, *, json: bool) -> None:
    if json:
        result = done and {"release": done.release, "changed": done.changed, "evidence": done.evidence}
        _output.data({"environment": facts.environment, "plan": plan.as_dict(), "result": result})
    elif done is not None:
        for line in done.evidence:
            _output.say(line)
    elif plan.steps:
        _output.note(f"nothing was changed; {_consent.how_to_apply(plan)}")
