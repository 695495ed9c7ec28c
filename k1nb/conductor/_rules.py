"""Every rule that lint knows, in one table: its code, what it wants, and what the server does where it is broken."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum


class Answer(StrEnum):
    """What the server answers to a definition that breaks a rule. Source: tests ask Conductor 3.32.1."""

    REFUSED = "refused"
    ACCEPTED = "accepted"
    """Silently: nothing says that it is wrong until an execution goes wrong, if then."""
    EITHER = "either"
    """Some ways to break the rule are refused, others accepted."""


@dataclass(frozen=True, slots=True)
class Rule:
    """One rule."""

    code: str
    """`R` and a number for a rule of Conductor itself, `K1-` and a word for one of this workbook; never reused."""
    wants: str
    answer: Answer
    otherwise: str
    """What becomes of a definition that breaks it."""

    def as_dict(self) -> dict[str, str]:
        """Return the rule as JSON-able data."""
        return {
            "code": self.code,
            "wants": self.wants,
            "server": self.answer.value,
            "otherwise": self.otherwise,
        }


_R, _A, _E = Answer.REFUSED, Answer.ACCEPTED, Answer.EITHER
_TABLE = (
    ("R1", "a task says its retries, time-outs and policy", _A, "3 retries, 60 s apart, and an hour to answer"),
    ("R2", "responseTimeoutSeconds from 1, at most timeoutSeconds, that at most totalTimeoutSeconds", _R, "refused"),
    ("R3", "inputKeys and outputKeys are lists of texts", _E, "an object is refused; left out, nothing is declared"),
    ("R4", "timeoutPolicy and retryLogic are words that Conductor knows", _R, "refused as unreadable"),
    ("R5", "retries and time-outs stand in the task definition", _A, "dropped: the task runs without them"),
    ("R6", "a workflow has schemaVersion 2 and timeoutSeconds", _E, "schemaVersion 1 is refused; no limit is none"),
    ("R7", "no time-out is merely advisory", _A, "what hangs runs on past its limit, counted again and again"),
    ("R8", "every task type is defined", _A, "one is made up without a time-out; it waits for a worker for ever"),
    ("R9", "a SUB_WORKFLOW names a defined workflow and its version", _E, "fails when it begins, or runs the newest"),
    ("R11", "a WAIT has one duration or until", _E, "with neither it waits for 68 years"),
    ("R12", "a HUMAN says how long a person has", _A, "the execution waits until somebody answers"),
    ("R13", "a SWITCH has an expression, cases that can match, and a default", _E, "no case ever matches"),
    ("R14", "no DECISION and nothing of it", _A, "deprecated: it runs until a release removes it"),
    ("R15", "a failure workflow is defined and has none itself", _A, "nothing runs after a failure, or it never ends"),
    ("R16", "a failure workflow reads what it is given", _A, "its tasks get null: workflowId and reason are given"),
    ("R17", "no null can get into a name", _A, "the name has the text null in it, as in k1-build-null"),
    ("R18", "a reference leads to what can be there", _E, "it is always null"),
    ("R19", "no whole execution is passed on", _A, "the input grows until it breaks the payload limit"),
    ("R21", "a FORK_JOIN is closed by a JOIN on the last task of each branch", _E, "fails, stays, or goes on early"),
    ("R22", "no idempotencyKey", _A, "ignored: the same key starts two executions"),
    ("K1-ADDRESS", "no device's address is in a definition", _A, "another device gets the firmware"),
    ("K1-DISK", "no path of one machine's disk is in a definition", _A, "workers elsewhere see another disk"),
    ("K1-EMPTY", "a workflow has tasks", _R, "refused"),
    ("K1-HEARTBEAT", "responseTimeoutSeconds leaves room for two heartbeats", _A, "running tasks count as lost"),
    ("K1-INPUT", "inputs that are given or read are declared", _A, "a misspelt one is null, and nobody notices"),
    ("K1-KEY", "every key is one that Conductor knows", _A, "dropped silently"),
    ("K1-KIND", "every value is of the kind that Conductor reads", _E, "refused as unreadable, or changed"),
    ("K1-LOOP", "a DO_WHILE has a loopCondition", _R, "refused"),
    ("K1-NAME", "names are in lower case: tasks with underscores, workflows with hyphens", _A, "confusion"),
    ("K1-NUMBER", "numbers are whole and not below their least", _E, "refused, cut off, or taken as it is"),
    ("K1-OPTIONAL", "an optional task survives its time-out", _A, "its time-out ends the workflow all the same"),
    ("K1-OUTPUT", "outputs that are read are declared", _A, "a misspelt one is null"),
    ("K1-OWNER", "every definition has an ownerEmail", _R, "refused"),
    ("K1-PATH", "a workflow's time-out is above its longest path", _A, "executions that do no wrong are timed out"),
    ("K1-REFERENCE", "every task has a taskReferenceName of its own", _R, "refused"),
    ("K1-RETRY", "retries have timeoutPolicy RETRY", _A, "the first time-out ends the workflow"),
    ("K1-TERMINATE", "a TERMINATE says how it ends, and is not optional", _R, "refused"),
    ("K1-TIMEOUT", "one attempt at a task has a time-out", _A, "it may take for ever"),
    ("K1-TYPE", "every task's type is one of Conductor's", _A, "it waits for a worker that nobody has"),
    ("K1-WORKER", "definitions and task functions agree", _A, "tasks wait for ever, or fail on their input"),
)
RULES: Mapping[str, Rule] = {code: Rule(code, wants, answer, otherwise) for code, wants, answer, otherwise in _TABLE}
