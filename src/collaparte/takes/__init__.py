"""Memory: every performance kept, and what is remembered of each beat."""

from collaparte.takes.export import write_csv
from collaparte.takes.memory import Memory
from collaparte.takes.read import Take, TakeWarning, make_take, read_take, write_take
from collaparte.takes.recollection import Recollection, recollect
from collaparte.takes.remember import Learnt, RunThrough, run_through
from collaparte.takes.shelf import Kept, Shelf, data_folder
from collaparte.takes.write import TakeWriter

__all__ = [
    "Kept", "Learnt", "Memory", "Recollection", "RunThrough", "Shelf", "Take", "TakeWarning", "TakeWriter",
    "data_folder", "make_take", "read_take", "recollect", "run_through", "write_csv", "write_take",
]  # fmt: skip
