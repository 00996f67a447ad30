"""Memory: every performance kept, and what is remembered of each beat."""

from collaparte.takes.read import Take, TakeWarning, make_take, read_take, write_take
from collaparte.takes.write import TakeWriter

__all__ = ["Take", "TakeWarning", "TakeWriter", "make_take", "read_take", "write_take"]
