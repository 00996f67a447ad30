#!/usr/bin/env bash
# Write requirements.txt, requirements-dev.txt and requirements-train.txt: every package that a run, the tests or
# training need, each at one version. No registry is named: pip asks the one it is set up with.
set -euo pipefail
cd "$(dirname "$0")/.."
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
pip() { "$work/venv/bin/python" -m pip --disable-pip-version-check "$@"; }
freeze() { pip list --format freeze | grep -viE '^(collaparte|pip|setuptools|wheel)=' | LC_ALL=C sort -f; }

# Local versions ("+cpu") are dropped, since another machine's registry may not have them, and so are packages for
# graphics cards, which only some machines can install. MIDI ports have no wheel beyond Python 3.12.
portable() {
    sed -E -e 's/\+.*$//' -e "s/^(python-rtmidi==.*)\$/\1 ; python_version < '3.13'/" \
        -e "s/^(libsonare==.*)\$/\1 ; sys_platform == 'linux' or platform_machine == 'arm64'/" |
        grep -viE '^(nvidia-|triton=|cuda-)'
}

"${PYTHON:-python3}" -m venv "$work/venv"
: > "$work/before.txt"
for list in "requirements.txt:.:a run needs" "requirements-dev.txt:.[dev,studio]:the tests (the studio's among them) need beyond requirements.txt" \
    "requirements-train.txt:.[train,ray]:training needs beyond both"; do
    IFS=: read -r file target purpose <<< "$list"
    pip install --quiet "$target"
    freeze > "$work/now.txt"
    {
        echo "# What $purpose, each at one version. Written by: make lock"
        { grep -vxFf "$work/before.txt" "$work/now.txt" || true; } | portable
    } > "$work/$file"
    cp "$work/now.txt" "$work/before.txt"
done
mv "$work"/requirements*.txt .
wc -l requirements*.txt
