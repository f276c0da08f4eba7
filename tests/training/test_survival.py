"""A run that is killed and resumed, however often and whenever, is the run that was not."""

import json
import signal
import subprocess
import sys

import pytest
from safetensors.torch import load_file
from untidy import album

from konvolut.cli.main import konvolut

CLOCK = ("seconds", "waited", "images_per_s", "waiting", "memory_mb")
KILLS = """
import json, os, random, signal, sys, time
from pathlib import Path
import torch
from konvolut.blocks.basic import Conv, Dense, GlobalAvgPool
from konvolut.blocks.spec import Row
from konvolut.images.sources import open_images
from konvolut.nets.arch import Arch
from konvolut.training.course import Course, resume
from konvolut.training.plan import plan
from konvolut.training.run import open_run

torch.set_num_threads(1)
folder, root, wanted, more = Path(sys.argv[1]), Path(sys.argv[2]), int(sys.argv[3]), json.loads(sys.argv[4])
net = Arch("small", "this test", (3, 16, 16), (
    Row("conv1", Conv(8, 3, s=2, p=1, norm="bn", bias=False)), Row("gap", GlobalAvgPool()),
    Row("fc", Dense(2, act="none", drop=0.1)),
))
images = open_images(folder, val=0.2)
settings = {"epochs": 4, "batch": 4, "keep": "best", "shift": 0.1, "flip": True} | more

def began(out):
    return Course(images, plan(images, net, settings=settings, size=16), out, steps=3)

if not (child := os.fork()):
    list(began(root / "whole"))
    os._exit(0)
start = time.perf_counter()
assert os.waitpid(child, 0)[1] == 0
took = time.perf_counter() - start
chance, kills, deaths = random.Random(0), 0, []
while kills < wanted:
    out = root / str(len(deaths))
    deaths.append(0)
    while True:
        if not (child := os.fork()):
            os.cpu_count = lambda: 1 + kills % 3  # threads that decode crops
            list(resume(open_run(out), images) if (out / "card.json").exists() else began(out))
            os._exit(0)
        if kills == wanted:
            assert os.waitpid(child, 0)[1] == 0
            break
        time.sleep(chance.random() * took)
        if os.waitpid(child, os.WNOHANG)[0]:  # it was done before
            break
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)
        kills, deaths[-1] = kills + 1, deaths[-1] + 1
print(*deaths)
"""


def outcome(run):
    """Weights as bytes, what is logged and what the card says came of it, without the clock."""
    weights = {name: value.numpy().tobytes() for name, value in load_file(run / "weights.safetensors").items()}
    log = [json.loads(line) for line in (run / "log.jsonl").read_text().splitlines()]
    log = [{name: value for name, value in entry.items() if name not in CLOCK} for entry in log]
    return weights, log, json.loads((run / "card.json").read_text())["results"]


WAYS = {
    "crops": {"crop": 0.3},
    "all": {
        "mixup": 0.2,
        "cutmix": 1.0,
        "ema": 0.9,
        "balance": "sampling",
        "grow": 0.5,
        "optimizer": "muon",
        "micro": 3,
    },
}


def killed(tmp_path, kills, more):
    folder = album(tmp_path / "data", {"a": 30, "b": 30})
    line = [sys.executable, "-c", KILLS, str(folder), str(tmp_path), str(kills), json.dumps(more)]
    done = subprocess.run(line, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    deaths = [int(word) for word in done.stdout.split()]
    assert sum(deaths) == kills
    whole = outcome(tmp_path / "whole")
    for number in range(len(deaths)):
        assert outcome(tmp_path / str(number)) == whole


@pytest.mark.parametrize("way", WAYS)
def test_killed_at_random_it_ends_as_the_run_that_was_not(tmp_path, way):
    killed(tmp_path, 5, WAYS[way])


@pytest.mark.slow
@pytest.mark.parametrize("way", WAYS)
def test_killed_a_hundred_times_it_ends_as_the_run_that_was_not(tmp_path, way):
    killed(tmp_path, 100, WAYS[way])


@pytest.mark.parametrize(("number", "status"), [(signal.SIGTERM, 143), (signal.SIGINT, 130)])
def test_a_signal_lets_the_step_end_and_says_how_to_go_on(tmp_path, number, status):
    folder = album(tmp_path / "data", {"a": 30, "b": 30})
    line = [sys.executable, "-m", "konvolut", "train"]
    new = [str(folder), "--net", "lenet", "--epochs", "200", "--batch", "8", "--out", str(tmp_path / "run")]
    process = subprocess.Popen([*line, *new], stderr=subprocess.PIPE, text=True)
    while not process.stderr.readline().startswith("epoch 1/"):
        assert process.poll() is None
    process.send_signal(number)
    said = process.communicate(timeout=60)[1].splitlines()
    assert process.returncode == status
    assert said[-1] == f"  konvolut train --resume {tmp_path / 'run'}"
    epochs = sum(line.startswith("epoch") for line in said) + 1
    log = [json.loads(one) for one in (tmp_path / "run" / "log.jsonl").read_text().splitlines()]
    assert sum("train_loss" in one for one in log) == epochs
    assert list((tmp_path / "run" / "checkpoints").glob("*.pt"))
    assert not (tmp_path / "run" / "weights.safetensors").exists()


def test_a_signal_that_comes_after_the_last_step_does_not_call_a_finished_run_stopped(tmp_path, monkeypatch):
    def late(course, note):
        list(course)
        course.stop = True

    monkeypatch.setattr("konvolut.cli.course.watch", late)
    folder, run = album(tmp_path / "data", {"a": 30, "b": 30}), tmp_path / "run"
    line = ["train", str(folder), "--net", "lenet", "--epochs", "1", "--batch", "8", "--out", str(run)]
    konvolut.main(line, standalone_mode=False)
    assert (run / "report.html").exists()


def test_a_second_signal_ends_at_once(tmp_path):
    script = """
import os, signal, sys
from konvolut.cli.course import stopping
class Course: stop = False
with stopping(Course) as caught:
    os.kill(os.getpid(), signal.SIGTERM)
    assert Course.stop and caught == [signal.SIGTERM]
    os.kill(os.getpid(), signal.SIGTERM)
print("never")
"""
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (143, "")
    assert "again to stop at once" in done.stderr
