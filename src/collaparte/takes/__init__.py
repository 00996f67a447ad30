"""Memory: every performance kept, and what is remembered of each beat."""

from collaparte.takes.memory import Memory
from collaparte.takes.read import Take, TakeWarning, make_take, read_take, write_take
from collaparte.takes.recollection import Recollection, recollect
from collaparte.takes.remember import Learnt, RunThrough, run_through
from collaparte.takes.write import TakeWriter

__all__ = [
    "Learnt", "Memory", "Recollection", "RunThrough", "Take", "TakeWarning", "TakeWriter", "make_take", "read_take",
    "recollect", "run_through", "write_take",
]  # fmt: skip
