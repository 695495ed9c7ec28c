"""A rollback as an operator asks for it: observe, plan, apply through Conductor or without it, verify."""

from k1nb.delivery._remarks import HANDLER
from k1nb.delivery.rollback._apply import apply, checks
from k1nb.delivery.rollback._facts import RollbackFacts, Way, observe
from k1nb.delivery.rollback._plan import plan
from k1nb.delivery.rollback._result import Rollback
from k1nb.delivery.rollback._serial import serial_recovery

__all__ = [
    "HANDLER",
    "Rollback",
    "RollbackFacts",
    "Way",
    "apply",
    "checks",
    "observe",
    "plan",
    "serial_recovery",
]
