"""How long `konvolut --help` and `konvolut nets` take, as a user waits for them: whole processes, medians of 7.

python bench/startup.py [--json FILE]
"""

import argparse
import json
import subprocess
import sys
from pathlib import Path
from statistics import median
from time import perf_counter

from konvolut.training.run import machine, versions


def seconds(*words: str) -> float:
    command = Path(sys.executable).with_name("konvolut")
    start = perf_counter()
    subprocess.run([command, *words], check=True, capture_output=True)
    return perf_counter() - start


def main() -> None:
    words = argparse.ArgumentParser(description=__doc__)
    words.add_argument("--json", type=Path)
    asked = words.parse_args()
    found = {word: [seconds(word) for _ in range(7)] for word in ("--help", "nets")}
    for word, times in found.items():
        print(f"konvolut {word}: median {median(times):.2f} s, {min(times):.2f} to {max(times):.2f}, n = 7")
    if asked.json:
        asked.json.write_text(
            json.dumps({"seconds": found, "machine": machine("cpu"), "versions": versions()}, indent=1)
        )


if __name__ == "__main__":
    main()
