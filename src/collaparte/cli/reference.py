"""Every command and option as one page of Markdown, made from the commands themselves.

``python -m collaparte.cli.reference docs/command-line.md`` writes it (``make docs``); a test holds the page current.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import click

HEAD = """\
# Command line

<!-- Written by `make docs` from the commands themselves: change those, not this page. -->

Every command answers `--help`. Commands that report take `--json` and then print one JSON document on standard output;
progress, notes and errors go to standard error. An error is one message that says what is wrong and what to do;
`--debug` anywhere on the line (or `COLLAPARTE_DEBUG=1`) adds the traceback.
"""


def commands(group: click.Group, path: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], click.Command]]:
    """Every command below ``group``, groups before what they hold, with the words that lead to it."""
    ctx = click.Context(group, info_name=path[-1] if path else "collaparte")
    for name in group.list_commands(ctx):
        command = group.get_command(ctx, name)
        assert command is not None
        yield (*path, name), command
        if isinstance(command, click.Group):
            yield from commands(command, (*path, name))


def page() -> str:
    """The whole page."""
    from collaparte.cli import program
    from collaparte.cli.door import EXIT_CODES

    lines = [HEAD, "## Exit codes", "", "| code | meaning |", "|---|---|"]
    lines += [f"| {code} | {meaning} |" for code, meaning in EXIT_CODES.items()]
    lines += ["", "## Environment", "", "| variable | meaning |", "|---|---|"]
    lines += [f"| `{name}` | {meaning} |" for name, meaning in ENVIRONMENT.items()]
    lines += ["", "## Shared options", "", *_options(program)]
    for words, command in commands(program):
        lines += ["", f"{'#' * (len(words) + 1)} collaparte {' '.join(words)}", ""]
        lines += [_help(command), "", "```", _usage(words, command), "```"]
        if options := _options(command):
            lines += ["", *options]
        if examples := getattr(command, "examples", ()):
            lines += ["", "Examples:", "", "```", *examples, "```"]
    return "\n".join(lines).rstrip() + "\n"


ENVIRONMENT = {
    "COLLAPARTE_DATA": "where takes, memory and the index are kept, instead of the user's data folder",
    "COLLAPARTE_SOUNDFONT": "the .sf2 or .sf3 to play with",
    "COLLAPARTE_DEBUG": "1 prints the traceback of every error",
    "NO_COLOR": "any value: no colours",
}


def _help(command: click.Command) -> str:
    """The command's own words, its paragraphs unwrapped."""
    text = (command.help or "").strip()
    return "\n\n".join(" ".join(part.split()) for part in text.split("\n\n"))


def _usage(words: tuple[str, ...], command: click.Command) -> str:
    ctx = click.Context(command, info_name=f"collaparte {' '.join(words)}")
    return " ".join(["collaparte", *words, *command.collect_usage_pieces(ctx)])


def _options(command: click.Command) -> list[str]:
    rows = []
    ctx = click.Context(command, info_name="")
    for parameter in command.params:
        if isinstance(parameter, click.Option) and (record := parameter.get_help_record(ctx)) is not None:
            flags, text = (part.replace("|", "\\|") for part in record)
            rows.append(f"| `{flags}` | {text} |")
    return ["| option | meaning |", "|---|---|", *rows] if rows else []


if __name__ == "__main__":
    Path(sys.argv[1]).write_text(page(), encoding="utf-8")
