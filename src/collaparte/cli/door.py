"""How a command is found, described and ended: the parts of click that the front door bends.

A command's module is imported only when that command is run, so that ``collaparte --help`` costs little more than
importing click. The price is that the one-line summaries stand twice, in the table of ``collaparte.cli`` and in the
docstring of each command; a test holds them equal.
"""

from __future__ import annotations

import os
import signal
import sys
import traceback
from collections.abc import Callable, Mapping, Sequence
from importlib import import_module
from types import FrameType
from typing import Any, TypeVar

import click

from collaparte.errors import CollaparteError

OUR_FAULT = 70
INTERRUPTED = 130

EXIT_CODES = {
    0: "done (a run in which the soloist was lost musically is done, too)",
    1: "something went wrong, and the message says what",
    2: "the command line itself is wrong",
    3: "the score, its parts or its marks file",
    4: "the soloist's recording or port",
    5: "a MIDI port, a sound device or an optional package",
    6: "a take, or the store of takes",
    7: "a trained policy",
    OUR_FAULT: "a fault of ours: please report it, with what `--debug` prints",
    129: "the terminal was closed",
    INTERRUPTED: "stopped with Ctrl-C",
    143: "the process was told to end",
}
"""3 to 7 are the ``exit_code`` of the classes in ``errors``."""

Function = TypeVar("Function", bound=Callable[..., Any])


class Command(click.Command):
    """A command whose help ends with examples; each is a line that can be typed as it stands."""

    def __init__(self, *args: Any, examples: Sequence[str] = (), **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.examples = tuple(examples)

    def format_epilog(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        super().format_epilog(ctx, formatter)
        write_examples(self.examples, formatter)


class Group(click.Group):
    """Commands that belong together, such as ``takes list`` and ``takes show``; may have examples of its own."""

    command_class = Command

    def __init__(self, *args: Any, examples: Sequence[str] = (), **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.examples = tuple(examples)

    def format_epilog(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        super().format_epilog(ctx, formatter)
        write_examples(self.examples, formatter)


Group.group_class = Group


class LazyGroup(Group):
    """A group that knows its commands by a table: name -> (``module:attribute``, one-line summary)."""

    def __init__(self, *args: Any, table: Mapping[str, tuple[str, str]], **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.table = table

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(self.table)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in self.table:
            return None
        module, _, attribute = self.table[cmd_name][0].partition(":")
        command = getattr(import_module(module), attribute)
        assert isinstance(command, click.Command)
        return command

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        if args and args[0] not in self.table and not args[0].startswith("-"):
            from difflib import get_close_matches

            near = get_close_matches(args[0], self.table, n=1)
            hint = f" Did you mean {near[0]!r}?" if near else f" There are: {', '.join(self.table)}."
            ctx.fail(f"No such command {args[0]!r}.{hint}")
        return super().resolve_command(ctx, args)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl([(name, summary) for name, (_, summary) in self.table.items()])


def write_examples(examples: Sequence[str], formatter: click.HelpFormatter) -> None:
    if examples:
        with formatter.section("Examples"):
            for example in examples:
                formatter.write(f"{'':>{formatter.current_indent}}{example}\n")


def run(program: click.Command, arguments: Sequence[str] | None = None) -> int:
    """Run the command line; return its exit code. Every end is said in one message, on standard error."""
    words = list(sys.argv[1:] if arguments is None else arguments)
    debug = "--debug" in words or os.environ.get("COLLAPARTE_DEBUG", "") not in ("", "0")
    words = [word for word in words if word != "--debug"]  # it may stand anywhere on the line
    restore = _end_as_an_exception()
    try:
        result = program.main(args=words, prog_name="collaparte", standalone_mode=False)
        sys.stdout.flush()
        return result if isinstance(result, int) else 0
    except click.ClickException as error:
        error.show()
        return error.exit_code
    except (click.Abort, KeyboardInterrupt):
        click.echo("Stopped.", err=True)
        return INTERRUPTED
    except CollaparteError as error:
        return _say(error, str(error), error.exit_code, debug)
    except BrokenPipeError:  # the reader of a pipe has gone, as with "| head": nothing is wrong
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)  # so that the interpreter's last flush does not complain
        return 0
    except OSError as error:
        return _say(error, f"{error.strerror or error}: {error.filename}" if error.filename else str(error), 1, debug)
    except Exception as error:
        message = (
            f"A fault in collaparte: {type(error).__name__}: {error}. Run again with --debug, and please report it."
        )
        return _say(error, message, OUR_FAULT, debug)
    finally:
        restore()


def _say(error: BaseException, message: str, exit_code: int, debug: bool) -> int:
    if debug:
        traceback.print_exception(error)
    click.echo(f"Error: {message}", err=True)
    return exit_code


def _end_as_an_exception() -> Callable[[], None]:
    """Turn "please end" and "your terminal is gone" into SystemExit, so that every ``with`` closes what it opened."""

    def leave(number: int, frame: FrameType | None) -> None:
        raise SystemExit(128 + number)

    before: list[tuple[int, Any]] = []
    for name in ("SIGTERM", "SIGHUP"):
        if hasattr(signal, name):
            try:
                before.append((getattr(signal, name), signal.signal(getattr(signal, name), leave)))
            except ValueError:  # not in the main thread, as in a test: leave the signals alone
                break

    def restore() -> None:
        for number, handler in before:
            signal.signal(number, handler)

    return restore
