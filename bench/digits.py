"""`konvolut train digits` with no other argument but the seed: test accuracy and seconds of training, seed by seed.

python bench/digits.py [--seeds 5] [--net NET] [--json FILE]
"""

import argparse
import json
import subprocess
import sys
import tempfile
from pathlib import Path
from statistics import fmean, stdev

from konvolut.training.run import machine, versions


def main() -> None:
    words = argparse.ArgumentParser(description=__doc__)
    words.add_argument("--seeds", type=int, default=5)
    words.add_argument("--data", default="digits")
    words.add_argument("--net", help="a family instead of the one that is chosen")
    words.add_argument("--json", type=Path)
    asked = words.parse_args()
    more = ["--net", asked.net] if asked.net else []
    found = []
    for seed in range(asked.seeds):
        with tempfile.TemporaryDirectory() as folder:
            line = ["train", asked.data, "--seed", str(seed), "--out", f"{folder}/run", "--json", *more]
            done = subprocess.run([sys.executable, "-m", "konvolut", *line], capture_output=True, text=True, check=True)
            told = json.loads(done.stdout)
        found.append({"seed": seed, "accuracy": told["test"]["accuracy"], "seconds": told["seconds"]})
        print(f"seed {seed}: {found[-1]['accuracy']:.4f} in {found[-1]['seconds']:.1f} s", flush=True)
    for what in ("accuracy", "seconds"):
        values = [f[what] for f in found]
        print(f"{what}: mean {fmean(values):.4f}, sd {stdev(values) if len(values) > 1 else 0:.4f}, n = {len(values)}")
    if asked.json:
        result = {
            "data": Path(asked.data).name,
            "net": asked.net,
            "runs": found,
            "machine": machine("cpu"),
            "versions": versions(),
        }
        asked.json.write_text(json.dumps(result, indent=1))


if __name__ == "__main__":
    main()
