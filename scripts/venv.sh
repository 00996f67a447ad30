#!/usr/bin/env bash
# Make a virtual environment in the folder given, with the first Python that will do; say what to install if none does.
set -euo pipefail
folder=${1:?usage: venv.sh FOLDER}
[ -x "$folder/bin/python" ] && exit 0

will_do() { "$1" -c 'import sys; sys.exit(not (3, 11) <= sys.version_info[:2] <= (3, 13))' 2>/dev/null; }

# 3.12 and 3.11 come first: every package has a ready-made wheel for them.
for candidate in ${PYTHON:-python3.12 python3.11 python3 python3.13}; do
    if command -v "$candidate" >/dev/null && will_do "$candidate"; then
        python=$candidate
        break
    fi
done

if [ -z "${python:-}" ]; then
    echo "collaparte needs Python 3.11, 3.12 or 3.13, and found none here." >&2
    case "$(uname -s)" in
        Darwin) echo "Install one with:  brew install python@3.12" >&2 ;;
        *) echo "Install one with:  sudo apt install python3 python3-venv" >&2 ;;
    esac
    exit 1
fi

version=$("$python" -c 'import sys; print("%d.%d" % sys.version_info[:2])')
if ! "$python" -c 'import ensurepip, venv' 2>/dev/null; then
    echo "Python $version is here, but it cannot make virtual environments." >&2
    echo "Install what is missing with:  sudo apt install python$version-venv" >&2
    exit 1
fi
if [ "$version" = 3.13 ]; then
    echo "Note: live MIDI ports have no ready-made package for Python 3.13 yet; everything else works. To add them," >&2
    echo "with a C++ compiler (Debian: build-essential python3-dev libasound2-dev):  $folder/bin/pip install python-rtmidi" >&2
fi

echo "Setting up in $folder with Python $version ..."
# What is half made is removed, so that it is not taken for a finished one next time.
rm -rf "$folder"
if ! "$python" -m venv "$folder"; then
    rm -rf "$folder"
    exit 1
fi
