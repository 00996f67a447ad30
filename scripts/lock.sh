#!/usr/bin/env bash
# Write requirements.txt and requirements-dev.txt: every package that a run, or the tests, need, each at one version.
# No registry is named: pip asks the one it is set up with. Packages that ours ask for but never use are left out.
set -euo pipefail
cd "$(dirname "$0")/.."
unused='^(pyaudio|collaparte|pip|setuptools|wheel)([=@ ]|$)'
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
VENV_PYTHON=${PYTHON:-python3}

freeze() { "$work/venv/bin/python" -m pip list --format freeze --disable-pip-version-check | grep -viE "$unused" | LC_ALL=C sort -f; }

"$VENV_PYTHON" -m venv "$work/venv"
"$work/venv/bin/python" -m pip install --quiet --disable-pip-version-check .
# Its one dependency, pyaudio, is for a player of its own that we do not use, and does not install without a compiler.
"$work/venv/bin/python" -m pip install --quiet --disable-pip-version-check --no-deps "tinysoundfont>=0.3.7,<0.4"
"$work/venv/bin/python" -m pip install --quiet --disable-pip-version-check ".[synth]"
{
    echo "# What a run needs, each at one version. Written by: make lock"
    freeze
} > requirements.txt
cp requirements.txt "$work/run.txt"
"$work/venv/bin/python" -m pip install --quiet --disable-pip-version-check ".[dev]"
{
    echo "# What the tests need beyond requirements.txt. Written by: make lock"
    freeze | grep -vxFf "$work/run.txt"
} > requirements-dev.txt
wc -l requirements.txt requirements-dev.txt
