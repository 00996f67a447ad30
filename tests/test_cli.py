"""The front door: what it imports, how it answers, how it ends."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import click
import pytest

from collaparte import errors
from collaparte.cli import main, program
from collaparte.cli.door import EXIT_CODES, OUR_FAULT, LazyGroup, run
from collaparte.cli.evaluate import evaluate
from collaparte.cli.reference import commands
from collaparte.events import SoloEvent, TakeHeader, to_line
from collaparte.takes import read_take

HEAVY = {
    "numpy",
    "partitura",
    "matplotlib",
    "torch",
    "scipy",
    "mido",
    "rtmidi",
    "miniaudio",
    "libsonare",
    "rich",
    "lxml",
}


@pytest.fixture(autouse=True)
def _own_folders(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLLAPARTE_DATA", str(tmp_path / "data"))
    monkeypatch.chdir(tmp_path)


@pytest.fixture
def say(capsys: pytest.CaptureFixture[str]) -> Callable[..., tuple[int, str, str]]:
    """``say("measure", "run.jsonl")`` -> exit code, standard output, standard error."""

    def ask(*words: str | Path) -> tuple[int, str, str]:
        code = main([str(word) for word in words])
        printed = capsys.readouterr()
        return code, printed.out, printed.err

    return ask


def simulate(say: Callable[..., tuple[int, str, str]], out: str, *more: str) -> dict[str, object]:
    words = ("simulate", "washerwoman", "--soloist", "simulated", "--out", out, "--json", *more)
    code, printed, _ = say(*words)
    assert code == 0
    answer: dict[str, object] = json.loads(printed)
    return answer


def python(code: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=True)


@pytest.mark.parametrize("line", ["import collaparte", "from collaparte.cli import main; main(['--help'])"])
def test_nothing_heavy_is_imported_before_it_is_needed(line: str) -> None:
    done = python(
        f"import sys\n{line}\nprint('|'.join({{name.split('.')[0] for name in sys.modules}}), file=sys.stderr)"
    )
    assert not HEAVY & set(done.stderr.strip().split("|"))
    assert done.stdout == "" or line.startswith("from")


LISTED = [(group, name) for group in (program, evaluate) for name in group.table]


@pytest.mark.parametrize(("group", "name"), LISTED, ids=lambda item: item if isinstance(item, str) else "")
def test_the_table_of_commands_says_what_each_command_says_of_itself(group: LazyGroup, name: str) -> None:
    command = group.get_command(click.Context(group), name)
    assert command is not None
    assert command.name == name
    assert (command.help or "").split("\n\n")[0].replace("\n", " ") == group.table[name][1]


@pytest.mark.parametrize(
    ("words", "command"), list(commands(program)), ids=lambda item: "-".join(item) if isinstance(item, tuple) else ""
)
def test_every_command_has_help_and_examples_that_parse(
    words: tuple[str, ...], command: click.Command, say: Callable[..., tuple[int, str, str]]
) -> None:
    code, printed, _ = say(*words, "--help")
    assert code == 0
    examples = getattr(command, "examples", ())
    assert examples
    for example in examples:
        assert f"  {example}\n" in printed
        assert example.startswith(f"collaparte {words[0]}")


def test_an_unknown_command_is_met_with_the_nearest_one(say: Callable[..., tuple[int, str, str]]) -> None:
    code, _, told = say("simulat")
    assert code == 2
    assert "'simulate'" in told


def test_each_error_has_its_documented_exit_code() -> None:
    family = [errors.CollaparteError]
    for kind in family:
        family += kind.__subclasses__()
        assert kind.exit_code in EXIT_CODES

    for kind in family:

        @click.command()
        def fail(kind: type[errors.CollaparteError] = kind) -> None:
            raise kind("the bow broke")

        assert run(fail, []) == kind.exit_code


def test_an_error_is_its_message_alone_unless_asked(
    say: Callable[..., tuple[int, str, str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    code, printed, told = say("score", "missing.musicxml")
    assert (code, printed) == (3, "")
    assert told == "Error: missing.musicxml does not exist.\n"
    _, _, told = say("score", "missing.musicxml", "--debug")
    assert "Traceback" in told
    monkeypatch.setenv("COLLAPARTE_DEBUG", "1")
    _, _, told = say("score", "missing.musicxml")
    assert "Traceback" in told


def test_a_fault_of_ours_is_called_one(capsys: pytest.CaptureFixture[str]) -> None:
    @click.command()
    def broken() -> None:
        raise ZeroDivisionError("no beats")

    assert run(broken, []) == OUR_FAULT
    told = capsys.readouterr().err
    assert "A fault in collaparte: ZeroDivisionError: no beats" in told
    assert "Traceback" not in told


def test_a_closed_pipe_is_no_error() -> None:
    done = subprocess.run(
        f"{sys.executable} -m collaparte.cli score washerwoman --json | head -1; echo ${{PIPESTATUS[0]}}",
        shell=True, executable="/bin/bash", capture_output=True, text=True, timeout=60, check=True,
    )  # fmt: skip
    assert done.stdout.splitlines() == ["{", "0"]
    assert done.stderr == ""


def test_an_interrupt_is_130_and_the_take_is_closed(tmp_path: Path) -> None:
    """Ctrl-C in mid-simulation: a long score, stopped as soon as the first lines are on the disk."""
    rows = "".join(
        f'<measure number="{bar}"><note><pitch><step>{"CDEFG"[bar % 5]}</step><octave>4</octave></pitch>'
        "<duration>4</duration><type>whole</type></note></measure>"
        for bar in range(2, 3000)
    )
    first = (
        '<measure number="1"><attributes><divisions>1</divisions><time><beats>4</beats><beat-type>4</beat-type></time>'
        "</attributes><note><rest/><duration>4</duration></note></measure>"
    )
    parts = "".join(f'<score-part id="P{n}"><part-name>Part {n}</part-name></score-part>' for n in (1, 2))
    score = tmp_path / "long.musicxml"
    score.write_text(
        f'<score-partwise version="4.0"><part-list>{parts}</part-list>'
        f'<part id="P1">{first}{rows}</part><part id="P2">{first}{rows}</part></score-partwise>'
    )
    out = tmp_path / "long.jsonl"
    words = ["simulate", str(score), "--solo", "1", "--soloist", "simulated", "--out", str(out)]
    process = subprocess.Popen(
        [sys.executable, "-m", "collaparte.cli", *words], stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )
    while process.poll() is None and not (out.is_file() and out.read_bytes().count(b"\n") > 50):
        pass
    process.send_signal(2)
    _, told = process.communicate(timeout=30)
    assert process.returncode == 130
    assert told.decode().strip().endswith("Stopped.")
    take = read_take(out)
    assert take.warnings == ()  # no torn line
    started = {event.note for event in take.orchestra if event.on}
    assert len(started) > 10


def test_several_parts_without_a_terminal_are_named(say: Callable[..., tuple[int, str, str]]) -> None:
    from collaparte.pieces import piece_path

    code, _, told = say("simulate", piece_path("washerwoman"), "--soloist", "simulated", "--out", "run.jsonl")
    assert code == 3
    assert "1 Solo Violin" in told
    assert "--solo" in told
    assert not Path("run.jsonl").exists()


def test_several_parts_on_a_terminal_are_asked_about(tmp_path: Path) -> None:
    pty = pytest.importorskip("pty", reason="this system has no pseudo-terminals")
    from collaparte.pieces import piece_path

    ours, theirs = pty.openpty()
    words = ["simulate", str(piece_path("washerwoman")), "--soloist", "simulated", "--out", "run.jsonl", "--json"]
    process = subprocess.Popen(
        [sys.executable, "-m", "collaparte.cli", *words], stdin=theirs, stderr=theirs, stdout=subprocess.PIPE
    )
    os.close(theirs)
    seen = b""
    while b"Number:" not in seen:
        seen += os.read(ours, 1024)
    os.write(ours, b"1\n")
    assert process.stdout is not None
    report = json.loads(process.stdout.read())["report"]
    assert process.wait(30) == 0
    os.close(ours)
    assert b"Solo Violin" in seen
    assert read_take(tmp_path / "run.jsonl").header.config["solo"] == ["1"]
    assert report["asynchrony"]["count"] > 100


def test_a_soloist_who_plays_something_else_is_questioned(say: Callable[..., tuple[int, str, str]]) -> None:
    simulate(say, "jig.jsonl")
    assert say("takes", "export", "jig.jsonl", "--midi", "jig.mid")[0] == 0
    words = ("simulate", "greensleeves", "--soloist", "jig.mid", "--out", "run.jsonl")
    code, _, told = say(*words)
    assert code == 0  # lost musically is no error
    assert "Is the soloist playing this piece?" in told


def test_one_seed_is_one_take_and_another_seed_another(say: Callable[..., tuple[int, str, str]]) -> None:
    simulate(say, "a.jsonl", "--seed", "5")
    simulate(say, "b.jsonl", "--seed", "5")
    simulate(say, "c.jsonl", "--seed", "6")
    assert Path("a.jsonl").read_bytes() == Path("b.jsonl").read_bytes()
    assert Path("a.jsonl").read_bytes() != Path("c.jsonl").read_bytes()


def test_a_simulated_take_replays_to_itself_and_a_changed_one_is_told_apart(
    say: Callable[..., tuple[int, str, str]],
) -> None:
    simulate(say, "run.jsonl")
    code, printed, _ = say("takes", "replay", "run.jsonl", "--out", "again.jsonl")
    assert code == 0
    assert printed.startswith("Identical: ")
    assert Path("again.jsonl").read_bytes() == Path("run.jsonl").read_bytes()
    lines = Path("run.jsonl").read_text().splitlines(keepends=True)
    number = max(index for index, line in enumerate(lines) if '"kind": "orchestra"' in line)
    del lines[number]
    Path("cut.jsonl").write_text("".join(lines))
    code, printed, _ = say("takes", "replay", "cut.jsonl", "--json")
    assert code == 6
    assert json.loads(printed)["first_difference"] == number - 1  # the header is not a value


def test_latency_is_in_what_was_heard_and_costs_what_it_must(say: Callable[..., tuple[int, str, str]]) -> None:
    """A soloist heard 150 ms late is predicted, not chased: the orchestra loses far less than the latency."""
    prompt = simulate(say, "prompt.jsonl")["report"]
    late = simulate(say, "late.jsonl", "--latency-ms", "150")["report"]
    heard = [event for event in read_take("late.jsonl").solo if isinstance(event, SoloEvent)]
    assert {round(event.heard_s - event.time_s, 6) for event in heard} == {0.15}
    loss_s = late["asynchrony"]["mean_abs_s"] - prompt["asynchrony"]["mean_abs_s"]  # type: ignore[index]
    assert 0 < loss_s < 0.15


def test_what_was_simulated_can_be_measured_again(say: Callable[..., tuple[int, str, str]]) -> None:
    report = simulate(say, "run.jsonl", "--level", "metronome")["report"]
    assert report["asynchrony"]["median_abs_s"] < 0.010  # type: ignore[index]
    code, printed, _ = say("measure", "run.jsonl", "--json")
    assert code == 0
    again = json.loads(printed)
    assert again["orchestra_notes"] == report["orchestra_notes"]  # type: ignore[index]
    assert again["asynchrony"]["median_abs_s"] < 0.010
    Path("copy.jsonl").write_bytes(Path("run.jsonl").read_bytes())
    code, printed, _ = say("measure", "run.jsonl", "copy.jsonl", "--json")
    assert json.loads(printed) == {"run.jsonl": again, "copy.jsonl": again}


def test_a_performance_is_never_written_over(say: Callable[..., tuple[int, str, str]]) -> None:
    live = to_line(TakeHeader("Air", "0" * 16, "me", started="2026-01-01T12:00:00+00:00")) + "\n"
    for content, what in ((live, "live performance"), ("my diary\n", "not a take")):
        Path("run.jsonl").write_text(content)
        code, _, told = say("simulate", "washerwoman", "--soloist", "simulated", "--out", "run.jsonl")
        assert code == 6
        assert what in told
        assert Path("run.jsonl").read_text() == content


def test_memory_is_only_touched_when_asked_and_forgets_when_told(say: Callable[..., tuple[int, str, str]]) -> None:
    simulate(say, "plain.jsonl")
    assert not Path("data").exists()
    first = simulate(say, "first.jsonl", "--memory", "mem", "--learn")["learnt"]
    assert first["reason"] is None  # type: ignore[index]
    second = simulate(say, "second.jsonl", "--memory", "mem", "--seed", "1")
    assert second["learnt"] is None
    config = read_take("second.jsonl").header.config
    identity = read_take("first.jsonl").identity
    assert config["memory"]["takes"] == [identity]
    assert say("takes", "replay", "second.jsonl")[0] == 0
    shown = json.loads(say("memory", "--memory", "mem", "show", "--json")[1])["run_throughs"]
    assert [run["take"] for run in shown] == [identity]
    bars = json.loads(say("memory", "--memory", "mem", "piece", "washerwoman", "--json")[1])["bars"]
    assert len(bars) > 20
    drawn = ("memory", "--memory", "mem", "piece", "washerwoman", "--take", "second.jsonl")
    assert say(*drawn, "--plot", "second.png")[0] == 0
    assert Path("second.png").read_bytes().startswith(b"\x89PNG")
    assert say(*drawn)[0] == 2  # a take to draw, and no picture named
    assert say("memory", "--memory", "mem", "export", "mem.json")[0] == 0
    assert say("memory", "--memory", "mem", "forget", identity)[0] == 6  # nobody is there to be asked
    assert say("memory", "--memory", "mem", "forget", identity, "--yes")[0] == 0
    code, _, told = say("takes", "replay", "second.jsonl")
    assert code == 6
    assert "forgotten" in told
    assert say("memory", "--memory", "mem", "import", "mem.json")[0] == 0
    assert say("takes", "replay", "second.jsonl")[0] == 0


def test_a_take_is_exported(say: Callable[..., tuple[int, str, str]]) -> None:
    import mido

    simulate(say, "run.jsonl")
    words = ("takes", "export", "run.jsonl", "--midi", "run.mid", "--csv", "run.csv", "--png", "run.png")
    assert say(*words)[0] == 0
    take = read_take("run.jsonl")
    notes = sum(message.type == "note_on" and message.velocity > 0 for message in mido.MidiFile("run.mid"))
    assert notes == sum(event.on for event in take.orchestra) + sum(event.on for event in take.solo)
    assert len(Path("run.csv").read_text().splitlines()) == len(take.values) + 1
    assert Path("run.png").read_bytes().startswith(b"\x89PNG")
    code, _, told = say("takes", "export", "run.jsonl")
    assert code == 2
    assert "--midi" in told


def test_a_take_is_aligned_and_the_match_file_is_its_truth(say: Callable[..., tuple[int, str, str]]) -> None:
    simulate(say, "run.jsonl", "--level", "amateur-2", "--seed", "4")
    code, printed, _ = say("takes", "align", "run.jsonl", "--out", "run.match", "--json")
    assert code == 0
    found = json.loads(printed)
    take = read_take("run.jsonl")
    assert found["match"] + found["insertion"] == sum(event.on for event in take.solo)
    assert found["match"] > 10 * found["insertion"]
    assert found["insertion"] > 0  # an amateur
    code, printed, _ = say("measure", "run.jsonl", "--truth", "run.match", "--json")
    assert code == 0
    following = json.loads(printed)["following"]
    assert not following["lost"]
    assert following["near_half_beat"] > 0.9


def test_the_score_command_says_what_is_on_the_page(say: Callable[..., tuple[int, str, str]]) -> None:
    found = json.loads(say("score", "washerwoman", "--json")[1])
    solo = [part["name"] for part in found["parts"] if part["solo"]]
    assert solo == ["Solo Violin"]
    assert found["repeats"]
    assert found["tutti"]
    _, printed, _ = say("score", "washerwoman")
    assert "Solo Violin" in printed


def test_a_marks_file_is_started_once_and_changes_nothing_by_itself(say: Callable[..., tuple[int, str, str]]) -> None:
    from collaparte.pieces import piece_path

    Path("tune.musicxml").write_bytes(piece_path("greensleeves").read_bytes())
    before = json.loads(say("score", "tune.musicxml", "--solo", "1", "--json")[1])
    assert say("score", "tune.musicxml", "--solo", "1", "--start-marks")[0] == 0
    assert json.loads(say("score", "tune.musicxml", "--solo", "1", "--json")[1]) == before
    written = Path("tune.marks.toml").read_text()
    code, _, told = say("score", "tune.musicxml", "--start-marks")
    assert code == 3
    assert "there already" in told
    assert Path("tune.marks.toml").read_text() == written


def test_the_doctor_finds_what_is_here_and_fails_for_what_is_needed(
    say: Callable[..., tuple[int, str, str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    code, printed, _ = say("doctor", "--json")
    findings = {finding["name"]: finding for finding in json.loads(printed)["findings"]}
    assert code == 0
    assert findings["partitura"]["well"]
    assert all(finding["mend"] for finding in findings.values() if not finding["well"])
    monkeypatch.setattr("collaparte.cli.doctor.NEEDED", {"a-package-nobody-has": "nothing"})
    code, printed, _ = say("doctor")
    assert code == 1
    assert "pip install a-package-nobody-has" in printed


def test_version_names_what_it_stands_on(say: Callable[..., tuple[int, str, str]]) -> None:
    found = json.loads(say("version", "--json")[1])
    assert re.fullmatch(r"\d+\.\d+\.\d+", found["collaparte"])
    assert found["numpy"] is not None
    assert "steady" in found["predictors"]
    for follower in found["followers"]:
        simulate(say, f"{follower}.jsonl", "--follower", follower)
        assert read_take(f"{follower}.jsonl").header.config["follower"] == follower


def test_a_lazy_group_lists_without_importing() -> None:
    group = LazyGroup("group", table={"far": ("no.such.module:command", "Not needed yet.")})
    ctx = click.Context(group, info_name="group")
    assert group.list_commands(ctx) == ["far"]
    assert "Not needed yet." in group.get_help(ctx)


def test_what_is_wished_is_in_the_take_and_replays(say: Callable[..., tuple[int, str, str]]) -> None:
    found = simulate(
        say, "wished.jsonl", "--mode", "wait", "--fastest", "1.2", "--mute-tuttis", "2", "--metronome", "rests",
        "--balance", "strings=0.5", "--tuning", "415", "--transpose", "-2", "--solo-sounds", "12",
        "--tutti-bars", "4",
    )  # fmt: skip
    assert found
    take = read_take("wished.jsonl")
    assert take.header.config["transpose"] == -2
    assert take.header.config["solo_sounds"] == 12
    assert take.header.config["settings"]["balance"] == [["strings", 0.5]]
    assert len(take.clicks) > 4
    code, out, _ = say("takes", "replay", "wished.jsonl", "--json")
    assert code == 0
    assert json.loads(out)["identical"] is True
    code, _, told = say("simulate", "washerwoman", "--soloist", "simulated", "--out", "x.jsonl", "--balance", "harp=1")
    assert code != 0
    assert "strings" in told
