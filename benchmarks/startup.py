"""How long the first answer takes: a fresh process for each, the median and the slowest of several.

python benchmarks/startup.py [--times 11]
"""

from __future__ import annotations

import argparse
import statistics
import subprocess
import sys
import time

LINES = {
    "python -c pass": ["-c", "pass"],
    "import collaparte": ["-c", "import collaparte"],
    "collaparte --help": ["-m", "collaparte.cli", "--help"],
    "collaparte version": ["-m", "collaparte.cli", "version"],
    "collaparte score (a shipped piece, read before)": ["-m", "collaparte.cli", "score", "washerwoman"],
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--times", type=int, default=11, help="how often each is run")
    times = parser.parse_args().times
    print("| what | median ms | slowest ms |\n|---|---|---|")
    for name, words in LINES.items():
        took_ms = []
        for _ in range(times + 1):
            began = time.perf_counter()
            subprocess.run([sys.executable, *words], check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
            took_ms.append((time.perf_counter() - began) * 1000)
        warm = took_ms[1:]  # the first fills the disk's cache
        print(f"| {name} | {statistics.median(warm):.0f} | {max(warm):.0f} |")


if __name__ == "__main__":
    main()
