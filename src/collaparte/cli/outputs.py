"""What is written of a take beside the take itself: a recording, a MIDI file, a picture."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from collaparte.cli.say import progress, warn

if TYPE_CHECKING:
    from collaparte.measure import Truth
    from collaparte.score import Score
    from collaparte.takes import Take


def write_outputs(
    take: Take,
    score: Score,
    *,
    mix: Path | None = None,
    midi: Path | None = None,
    plot: Path | None = None,
    soundfont: Path | None = None,
    truth: Truth | None = None,
) -> None:
    """The recording, the MIDI file and the picture, as far as they were asked for."""
    if midi is not None:
        from collaparte.sound.midi_file import write_midi

        write_midi(midi, score.parts, [*take.orchestra, *take.clicks], [*take.solo, *take.pedals])
    if plot is not None:
        from collaparte.plots import plot_take

        plot_take(take, score, plot, truth)
    if mix is not None:
        from collaparte.sound.balance import USUAL_A_HZ, turned
        from collaparte.sound.render import mix as render_mix
        from collaparte.sound.render import write_wav
        from collaparte.sound.soundfont import find_soundfont

        font = find_soundfont(soundfont)
        if font is None:
            warn("There is no soundfont here, so the mix is thin. `collaparte doctor --fix` fetches one.")
        with progress() as bar:
            bar.add_task("rendering the sound", total=None)
            settings = take.header.config.get("settings", {})
            tuned = [command.value for command in take.commands if command.name == "tuning" and command.value]
            audio = render_mix(
                [*take.orchestra, *take.clicks],
                [*take.solo, *take.pedals],
                score.parts,
                font,
                levels=turned(take.commands, score.parts, dict(settings.get("balance", ()))),
                tuning_hz=tuned[-1] if tuned else settings.get("tuning_hz", USUAL_A_HZ),
            )
            write_wav(mix, audio)
