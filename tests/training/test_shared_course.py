"""`konvolut train` on several processes: the run of one, whoever they are and whichever of them end."""

import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from time import monotonic, sleep

import pytest
from safetensors.torch import load_file
from untidy import album

from konvolut.blocks.basic import Conv, Dense, GlobalAvgPool
from konvolut.blocks.spec import Row
from konvolut.nets.arch import Arch
from konvolut.nets.tables import write_table
from konvolut.training.run import open_run

WORDS = ["--batch", "10", "--set", "precision=fp32", "--set", "schedule=flat", "--lr", "0.01"]
BLENDED = [word for field in ("mixup=0.2", "cutmix=1.0", "ema=0.9", "balance=weights") for word in ("--set", field)]
ENV = os.environ | {"OMP_NUM_THREADS": "1"}
RUNNER = [sys.executable, "-m", "torch.distributed.run"]


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return album(tmp_path_factory.mktemp("shared") / "data", {"a": 37, "b": 36})  # no even share


@pytest.fixture(scope="module")
def table(tmp_path_factory):
    """A net with batch norm and dropout, small enough for a few seconds."""
    path = tmp_path_factory.mktemp("table") / "net.toml"
    arch = Arch(
        "tiny", "this test", (3, 16, 16),
        (
            Row("conv1", Conv(8, 3, s=2, p=1, norm="bn")), Row("gap", GlobalAvgPool()),
            Row("fc", Dense(2, act="none", drop=0.2)),
        ),
    )  # fmt: skip
    path.write_text(write_table(arch))
    return path


def trained(line: list[str], out: Path, *words: str) -> Path:
    done = subprocess.run(
        [*line, "-m", "konvolut", "train", *words, "--out", str(out)],
        env=ENV,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return out


def alike(one: Path, other: Path, within: float) -> None:
    for name, value in load_file(one / "weights.safetensors").items():
        assert (value.double() - load_file(other / "weights.safetensors")[name].double()).abs().max() <= within, name
    logs = [[entry["val_loss"] for entry in open_run(run).log()] for run in (one, other)]
    assert logs[0] == pytest.approx(logs[1], abs=1e-5)
    evaluations = [open_run(run).evaluation() for run in (one, other)]
    assert evaluations[0].names == evaluations[1].names  # every picture once, in order
    assert evaluations[0].logits == pytest.approx(evaluations[1].logits, abs=1e-5)


@pytest.mark.parametrize(
    "words",
    [["--net", "lenet", *BLENDED], ["--net", "TABLE", "--set", "norm_over=ranks"]],
    ids=["no norm, blended", "norm over ranks"],
)
def test_two_processes_come_to_the_weights_of_one(folder, table, tmp_path, words):
    words = [str(table) if word == "TABLE" else word for word in words]
    words = [str(folder), *words, *WORDS, "--epochs", "4"]  # 24 steps
    one = trained([sys.executable], tmp_path / "one", *words)
    two = trained([*RUNNER, "--nproc-per-node", "2"], tmp_path / "two", *words)
    alike(one, two, 1e-5 if "norm_over=ranks" in words else 1e-6)  # 20 steps agree to 1e-6 (test_world), these are 24
    assert json.loads((two / "log.jsonl").read_text().splitlines()[0])["note"] == "2 processes share batches of 10"


def test_each_norm_sees_its_own_equal_share_and_the_log_says_so(folder, table, tmp_path):
    run = trained(
        [*RUNNER, "--nproc-per-node", "2"], tmp_path / "run", str(folder), "--net", str(table), *WORDS, "--epochs", "1"
    )
    count = sum(open_run(run).card.data["counts"]["train"])
    (epoch,) = open_run(run).log()
    seen = round(epoch["images_per_s"] * epoch["seconds"])
    assert seen == count - count % 2
    (note,) = [entry["note"] for entry in open_run(run).entries() if "note" in entry]
    assert f"{count % 2} of the last pictures sit each epoch out" in note


def test_two_machines_that_are_stopped_go_on_as_one(folder, tmp_path):
    """Two torchruns that meet on the loopback; a signal reaches both, and one process goes on to the run of one."""
    words = [str(folder), "--net", "lenet", *WORDS, "--epochs", "10"]
    one = trained([sys.executable], tmp_path / "one", *words)
    line = [
        *RUNNER,
        "--nnodes",
        "2",
        "--nproc-per-node",
        "1",
        "--rdzv-backend",
        "c10d",
        "--rdzv-endpoint",
        "localhost:29511",
    ]
    two = tmp_path / "two"
    machines = [
        subprocess.Popen(
            [*line, "-m", "konvolut", "train", *words, "--out", str(two)], env=ENV, stderr=subprocess.PIPE, text=True
        )
        for _ in range(2)
    ]
    log, late = two / "log.jsonl", monotonic() + 90
    while not (log.exists() and '"train_loss"' in log.read_text()):
        assert monotonic() < late
        assert all(one.poll() is None for one in machines)
        sleep(0.05)
    machines[0].send_signal(signal.SIGTERM)
    for machine in machines:
        machine.communicate(timeout=60)
    assert list((two / "checkpoints").glob("*.pt"))
    assert not (two / "weights.safetensors").exists()
    rest = subprocess.run(
        [sys.executable, "-m", "konvolut", "train", "--resume", str(two)],
        env=ENV,
        capture_output=True,
        text=True,
        check=False,
    )
    assert rest.returncode == 0, rest.stderr
    alike(one, two, 1e-5)
