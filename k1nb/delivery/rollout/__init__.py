"""A rollout: one artifact onto many devices, in waves with a gate after each, as a workflow that can be resumed."""

from k1nb.delivery.rollout._apply import apply, follow
from k1nb.delivery.rollout._checks import checks
from k1nb.delivery.rollout._conclude import conclude
from k1nb.delivery.rollout._control import abort, find, pause, require_unchanged, resume, under_way
from k1nb.delivery.rollout._facts import RolloutFacts, observe
from k1nb.delivery.rollout._gate import Judgement, Tally, judge, tally_of
from k1nb.delivery.rollout._known import Decision, Gate, Known, Notes, Seen, State, known_of
from k1nb.delivery.rollout._plan import plan
from k1nb.delivery.rollout._progress import Progress, Standing, read, rollouts
from k1nb.delivery.rollout._rollout import WORKFLOW, Policy, Rollout, Selection
from k1nb.delivery.rollout._step import Next, Result, Step, next_step
from k1nb.delivery.rollout._turn import Effect, Look, Once, Turned, turn
from k1nb.delivery.rollout._waves import divide, sizes

__all__ = [
    "WORKFLOW",
    "Decision",
    "Effect",
    "Gate",
    "Judgement",
    "Known",
    "Look",
    "Next",
    "Notes",
    "Once",
    "Policy",
    "Progress",
    "Result",
    "Rollout",
    "RolloutFacts",
    "Seen",
    "Selection",
    "Standing",
    "State",
    "Step",
    "Tally",
    "Turned",
    "abort",
    "apply",
    "checks",
    "conclude",
    "divide",
    "find",
    "follow",
    "judge",
    "known_of",
    "next_step",
    "observe",
    "pause",
    "plan",
    "read",
    "require_unchanged",
    "resume",
    "rollouts",
    "sizes",
    "tally_of",
    "turn",
    "under_way",
]
