"""The documentation is under test: every command in it parses, every page that is generated is current."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import click
import pytest

from collaparte.cli import program
from collaparte.cli.reference import commands, page

CHECKOUT = Path(__file__).parent.parent
PAGES = [CHECKOUT / "README.md", CHECKOUT / "CONTRIBUTING.md", CHECKOUT / "CHANGELOG.md", *CHECKOUT.glob("docs/*.md")]
COMMAND_LINE = CHECKOUT / "docs" / "command-line.md"


def commands_in(text: str) -> list[tuple[str, bool]]:
    """The lines that begin with ``collaparte`` in blocks of code, and what stands between backticks and does so (True).

    A backslash at the end joins a line to the next; what follows a pipe or a comment sign is the shell's.
    """
    joined = re.sub(r"\\\n\s*", " ", text)
    blocks = "\n".join(re.findall(r"^```[a-z]*\n(.*?)^```", joined, flags=re.M | re.S))
    lines = [line.strip().removeprefix("$ ") for line in blocks.splitlines()]
    prose = re.sub(r"^```.*?^```", "", joined, flags=re.M | re.S)
    mentions = [(" ".join(line.split()), True) for line in re.findall(r"`(collaparte [^`]+)`", prose)]
    return [(line, False) for line in lines if line.startswith("collaparte ")] + mentions


def parse(line: str, mention: bool = False) -> None:
    """Parse a command line without running it. Raises click.UsageError for what the program would refuse.

    A ``mention`` in a sentence may be a command's bare name.
    """
    words = shlex.split(re.split(r"\s[|#>&]", line)[0])[1:]
    words = [word for word in words if word != "--debug"]
    command: click.Command = program
    parent: click.Context | None = None
    while True:
        if mention and not words and not isinstance(command, click.Group):
            return
        try:
            opened = command.make_context("collaparte", list(words), parent=parent)
        except click.BadParameter as error:
            missing = isinstance(error, click.MissingParameter)
            if not missing and error.param is not None and isinstance(error.param.type, click.Path):
                return  # well said, of a file that is not here
            raise
        with opened as ctx:
            if not isinstance(command, click.Group):
                return
            rest = [*ctx._protected_args, *ctx.args]
            if not rest:
                return
            _, found, words = command.resolve_command(ctx, rest)
            assert found is not None
            command, parent = found, ctx


def written_commands() -> list[tuple[str, str, bool]]:
    found: list[tuple[str, str, bool]] = []
    for file in PAGES:
        if file == COMMAND_LINE:
            continue  # its usage lines are patterns, and its examples are tried below
        lines = commands_in(file.read_text(encoding="utf-8"))
        found += [(file.name, line, mention) for line, mention in lines if "..." not in line.split("#")[0]]
    return found


@pytest.mark.parametrize(("where", "line", "mention"), written_commands())
def test_every_command_in_the_pages_parses(where: str, line: str, mention: bool) -> None:
    try:
        parse(line, mention)
    except click.exceptions.Exit:
        pass  # --help and --version end the parsing themselves
    except click.UsageError as error:
        pytest.fail(f"{where}: {line}: {error.format_message()}")


@pytest.mark.parametrize(
    "line", [example for _, command in commands(program) for example in getattr(command, "examples", ())]
)
def test_every_example_of_the_help_parses(line: str) -> None:
    parse(line)


@pytest.mark.parametrize("line", ["collaparte simulate", "collaparte demo --sed 3", "collaparte orchestrate"])
def test_what_is_wrong_does_not_parse(line: str) -> None:
    with pytest.raises(click.UsageError):
        parse(line)


def test_the_page_of_commands_is_current() -> None:
    assert COMMAND_LINE.read_text(encoding="utf-8") == page(), "write it anew with: make docs"


def test_every_option_is_on_the_page() -> None:
    text = COMMAND_LINE.read_text(encoding="utf-8")
    for words, command in commands(program):
        section = text.split(f" collaparte {' '.join(words)}\n", 1)[1].split("\n## ", 1)[0].split("\n### ", 1)[0]
        for parameter in command.params:
            if isinstance(parameter, click.Option):
                assert all(flag in section for flag in parameter.opts), f"{' '.join(words)}: {parameter.opts}"


@pytest.mark.parametrize("file", PAGES, ids=lambda file: file.name)
def test_links_between_the_pages_lead_somewhere(file: Path) -> None:
    for target in re.findall(r"\]\(([^)#\s]+)", file.read_text(encoding="utf-8")):
        if not re.match(r"[a-z]+:", target):
            assert (file.parent / target).exists(), f"{file.name} links to {target}, which is not there"


@pytest.mark.parametrize("file", PAGES, ids=lambda file: file.name)
def test_makefile_targets_in_the_pages_exist(file: Path) -> None:
    targets = set(re.findall(r"^([a-z-]+):", (CHECKOUT / "Makefile").read_text(), flags=re.M))
    for target in re.findall(r"(?:^|`)make ([a-z-]+)", file.read_text(encoding="utf-8"), flags=re.M):
        assert target in targets
