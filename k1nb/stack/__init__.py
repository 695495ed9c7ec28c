"""The local target: a Conductor server, the workers and simulated devices, as supervised processes of this user."""

from k1nb.stack._deploy import StackFacts, apply, deployment_checks, observe, plan, ready_check
from k1nb.stack._index import clear_index
from k1nb.stack._jar import server_jar
from k1nb.stack._java import Java, find_java
from k1nb.stack._logs import logs
from k1nb.stack._progress import ServiceLine
from k1nb.stack._services import SERVICES
from k1nb.stack._stack import down, up
from k1nb.stack._status import ServiceStatus, checks, status
from k1nb.stack._voice import outlive_reader
from k1nb.stack._work import work, work_checks

__all__ = [
    "SERVICES",
    "Java",
    "ServiceLine",
    "ServiceStatus",
    "StackFacts",
    "apply",
    "checks",
    "clear_index",
    "deployment_checks",
    "down",
    "find_java",
    "logs",
    "observe",
    "outlive_reader",
    "plan",
    "ready_check",
    "server_jar",
    "status",
    "up",
    "work",
    "work_checks",
]
