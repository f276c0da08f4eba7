"""The two READMEs say the same, and every command in them works, in the order they give, in one folder."""

import json
import os
import re
import subprocess
import sys
from pathlib import Path
from statistics import fmean, median, stdev

import pytest
from PIL import Image
from untidy import untidy

ROOT = Path(__file__).parents[1]
ENGLISH, CHINESE = ((ROOT / name).read_text(encoding="utf-8") for name in ("README.md", "README.zh-CN.md"))


def blocks(text: str, language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```", text, re.MULTILINE | re.DOTALL)


def commands(text: str) -> list[str]:
    lines = [line.partition("  #")[0].strip() for block in blocks(text, "sh") for line in block.splitlines()]
    return list(dict.fromkeys(line for line in lines if line))


@pytest.fixture(scope="module")
def desk(tmp_path_factory):
    """A folder as a reader has it: photos/ and photo.png."""
    root = tmp_path_factory.mktemp("desk")
    untidy(root / "photos", per_class=6)
    Image.new("L", (28, 28), 200).save(root / "photo.png")
    return root


def run(words: list[str] | str, desk: Path) -> None:
    path = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
    done = subprocess.run(
        words, cwd=desk, env={**os.environ, "PATH": path}, shell=isinstance(words, str), capture_output=True, text=True,
    )  # fmt: skip
    found = 1 if words[:14] == "konvolut check" else 0  # the folder is untidy, and has a copy in it
    assert done.returncode == found, done.stderr


def test_both_languages_give_the_same_commands_and_code():
    assert commands(ENGLISH) == commands(CHINESE)
    assert blocks(ENGLISH, "python") == blocks(CHINESE, "python")
    english, chinese = (
        re.findall(r"\d+\.\d+", text.partition("<!-- figures -->")[2].partition("\n\n")[0])
        for text in (ENGLISH, CHINESE)
    )
    assert english == chinese


def test_the_figures_are_those_of_the_stored_results():
    stored = {f.stem: json.loads(f.read_text()) for f in (ROOT / "bench" / "results").glob("*.json")}
    accuracy, seconds = ([run[what] for run in stored["digits"]["runs"]] for what in ("accuracy", "seconds"))
    small, large = (case["ratios"] for case in stored["train_cpu"]["cases"])
    told = [
        f"{100 * fmean(accuracy):.2f}",
        f"{100 * stdev(accuracy):.2f}",
        f"{fmean(seconds):.1f}",
        f"{stdev(seconds):.1f}",
    ]
    told += [f"{what(ratios):.2f}" for ratios in (small, large) for what in (fmean, stdev)]
    told += [f"{median(times):.2f}" for times in stored["startup"]["seconds"].values()]
    held, times = stored["memory"]["held_ratio"], stored["memory"]["time_ratios"]
    told += [f"{held:.2f}", f"{fmean(times):.2f}", f"{stdev(times):.2f}"]
    for where in ("digits", "stamps"):
        gains = [100 * gain for gain in stored["finetune"]["gains"][f"{where}, tuned"]]
        told += [f"{abs(fmean(gains)):.1f}", f"{stdev(gains):.1f}"]
    loading, runs = stored["loading"], [run["ours"] for run in stored["duplicates"]["runs"].values()]
    for case, loader in (("500x375", "b"), ("4000x3000", "b"), ("500x375", "d, moved"), ("small", "small")):
        ratios = loading[case]["float"]["ratios"][loader]
        told += [f"{fmean(ratios):.1f}", f"{stdev(ratios):.1f}"]
    recalls = {kind: fmean(run["recall"][kind] for run in runs) for kind in runs[0]["recall"]}
    told += [f"{min(recalls[kind] for kind in ('jpeg', 'webp', 'resized', 'brightened', 'contrast')):.3f}"]
    told += [f"{recalls['cropped']:.3f}", f"{fmean(run['precision'] for run in runs):.3f}"]
    assert re.findall(r"\d+\.\d+", ENGLISH.partition("<!-- figures -->")[2].partition("\n\n")[0]) == told


@pytest.mark.parametrize("line", [c for c in commands(ENGLISH) if c.startswith("make ")])
def test_a_make_command_is_a_target(line):
    assert re.search(rf"^{line.removeprefix('make ')}:", (ROOT / "Makefile").read_text(), re.MULTILINE)


def test_the_install_line_names_extras_that_exist():
    (line,) = [c for c in commands(ENGLISH) if c.startswith("pip ")]
    extras = re.findall(r"\w+", re.search(r"\[(.*)\]", line)[1])
    assert all(re.search(rf"^{extra} = \[", (ROOT / "pyproject.toml").read_text(), re.MULTILINE) for extra in extras)


@pytest.mark.timeout(300)
@pytest.mark.parametrize("line", [c for c in commands(ENGLISH) if c.startswith(("konvolut ", "torchrun "))])
def test_a_command_works(line, desk):
    run(line, desk)


@pytest.mark.parametrize("code", blocks(ENGLISH, "python"))
def test_the_python_works(code, desk):
    run([sys.executable, "-c", code], desk)


def test_no_command_is_left_out():
    assert all(c.split()[0] in ("make", "pip", "konvolut", "torchrun") for c in commands(ENGLISH))
