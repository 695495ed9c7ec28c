"""The local target: a Conductor server, the workers and simulated devices, as supervised processes of this user."""

from k1nb.stack._jar import server_jar
from k1nb.stack._java import Java, find_java
from k1nb.stack._logs import logs
from k1nb.stack._services import SERVICES
from k1nb.stack._stack import down, up
from k1nb.stack._status import ServiceStatus, checks, status
from k1nb.stack._voice import outlive_reader

__all__ = [
    "SERVICES",
    "Java",
    "ServiceStatus",
    "checks",
    "down",
    "find_java",
    "logs",
    "outlive_reader",
    "server_jar",
    "status",
    "up",
]
