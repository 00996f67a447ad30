"""How the commands speak: tables and progress for people, one JSON document for machines.

Results go to standard output; progress, warnings and errors to standard error, so that a pipe holds results alone.
"""

from __future__ import annotations

import json
import math
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from rich.console import Console
    from rich.progress import Progress

json_option = click.option("--json", "as_json", is_flag=True, help="Print one JSON document instead, for machines.")


def out() -> Console:
    """The console for results."""
    from rich.console import Console

    return Console(highlight=False, soft_wrap=False)


def err() -> Console:
    """The console for progress, warnings and questions."""
    from rich.console import Console

    return Console(stderr=True, highlight=False)


def print_json(data: object) -> None:
    """One JSON document on standard output; numbers that are not finite become null."""
    click.echo(json.dumps(_plain(data), ensure_ascii=False, indent=2, allow_nan=False))


def _plain(value: Any) -> Any:
    if hasattr(value, "item") and getattr(value, "ndim", 0) == 0:
        value = value.item()
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, Mapping):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)) or hasattr(value, "tolist"):
        return [_plain(item) for item in value]
    return value if value is None or isinstance(value, (bool, int, str)) else str(value)


def print_table(columns: Sequence[str], rows: Sequence[Sequence[object]], *, title: str | None = None) -> None:
    """A table for people; a column is set flush right when all it holds are numbers."""
    from rich import box
    from rich.table import Table

    table = Table(title=title, title_justify="left", title_style="bold", box=box.SIMPLE_HEAD, pad_edge=False)
    for index, column in enumerate(columns):
        numeric = bool(rows) and all(isinstance(row[index], (int, float)) for row in rows)
        table.add_column(column, justify="right" if numeric else "left", overflow="fold")
    for row in rows:
        table.add_row(*(_cell(item) for item in row))
    console = out()
    if console.is_terminal:
        console.print(table)
        return
    console.width = 240  # a pipe or a file has no width of its own: do not fold paths there
    with console.capture() as text:
        console.print(table)
    click.echo("\n".join(line.rstrip() for line in text.get().rstrip().splitlines()))


def _cell(item: object) -> str:
    from rich.markup import escape

    if item is None:
        return "-"
    return f"{item:.4g}" if isinstance(item, float) else escape(str(item))


def print_facts(facts: Mapping[str, object]) -> None:
    """Label and value, one to a line, the labels of one width."""
    width = max((len(label) for label in facts), default=0)
    for label, value in facts.items():
        click.echo(f"{label:<{width}}  {value}")


def warn(text: str) -> None:
    """One warning line on standard error."""
    click.secho(f"Note: {text}", err=True, fg="yellow")


@contextmanager
def progress() -> Iterator[Progress]:
    """A progress bar on standard error; silent where that is not a terminal."""
    from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeRemainingColumn

    console = err()
    columns = (TextColumn("{task.description}"), BarColumn(), TaskProgressColumn(), TimeRemainingColumn())
    with Progress(*columns, console=console, transient=True, disable=not console.is_terminal) as bar:
        yield bar


def asks() -> bool:
    """Whether a person is there to answer: both ends of the terminal are one."""
    return sys.stdin.isatty() and sys.stderr.isatty()
