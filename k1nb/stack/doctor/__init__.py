"""The doctor: what this machine and this installation need, looked at, never changed.

Facts are gathered in `_facts`; each of the other modules turns facts into checks and touches nothing.
"""

from k1nb.stack.doctor._examine import examine

__all__ = ["examine"]
