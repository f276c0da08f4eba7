"""Two real processes on gloo against one that knows nothing of others: plain torch on the whole batch."""

import os
import signal
import subprocess
import sys
from copy import deepcopy
from pathlib import Path
from socket import socket
from time import monotonic, sleep

import numpy as np
import pytest
import ranks
import torch
from torch import nn
from torch.nn.functional import cross_entropy

from konvolut.errors import RecipeError, RunError
from konvolut.training.reduced import GlobalBatch, ReducedNorm, RowDropout, masked, reduced
from konvolut.training.world import IN_STEP, SAID, World

TORCHRUN = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2"]
ONE_THREAD = {**os.environ, "OMP_NUM_THREADS": "1"}


@pytest.fixture(scope="module")
def found(tmp_path_factory):
    """What each of two ranks, started by torchrun, came to."""
    out = tmp_path_factory.mktemp("ranks")
    words = [*TORCHRUN, ranks.__file__, "all", str(out)]
    done = subprocess.run(words, env=ONE_THREAD, capture_output=True, text=True, timeout=150)
    assert done.returncode == 0, done.stderr
    return [dict(np.load(out / f"rank{rank}.npz")) for rank in (0, 1)]


@pytest.mark.slow
def test_two_machines_are_two_processes(found, tmp_path: Path):
    """Each "machine" is a torchrun of its own on loopback, with one process."""
    meet = ["--nnodes", "2", "--nproc-per-node", "1", "--rdzv-backend", "c10d", "--rdzv-id", "two"]
    words = [sys.executable, "-m", "torch.distributed.run", *meet, "--rdzv-endpoint", f"localhost:{free_port()}"]
    words += [ranks.__file__, "all", str(tmp_path)]
    pair = [subprocess.Popen(words, env=ONE_THREAD, stderr=subprocess.PIPE, text=True) for _ in range(2)]
    for one in pair:
        _, err = one.communicate(timeout=150)
        assert one.returncode == 0, err
    for rank in (0, 1):
        ours = np.load(tmp_path / f"rank{rank}.npz")
        assert all(np.array_equal(ours[key], value) for key, value in found[rank].items())


def part(found: dict[str, np.ndarray], name: str) -> dict[str, np.ndarray]:
    return {key.partition("/")[2]: value for key, value in found.items() if key.startswith(f"{name}/")}


@pytest.fixture
def one_thread():
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


def alone(name: str, dtype: torch.dtype) -> dict[str, np.ndarray]:
    """The same training by torch's layers in one process."""
    net = ranks.NETS[name]().to(dtype=dtype, memory_format=torch.channels_last)
    update = torch.optim.SGD(net.parameters(), lr=0.05, momentum=0.9, weight_decay=1e-3)
    images, labels = ranks.pictures(dtype)
    torch.manual_seed(ranks.SEED)
    for step in range(ranks.STEPS):
        now = slice(0, ranks.BATCH) if step % 2 == 0 else slice(ranks.BATCH, None)
        update.zero_grad()
        cross_entropy(net(images[now]), labels[now]).backward()
        update.step()
    return {k: v.numpy() for k, v in net.state_dict().items()} | {"draw": torch.rand(3).numpy()}


@pytest.mark.parametrize(("precision", "near"), [("fp32", 1e-6), ("fp64", 1e-13)])
@pytest.mark.parametrize("name", ranks.NETS)
def test_two_ranks_train_as_one_process(found, name: str, precision: str, near: float, one_thread):
    expected, begun = alone(name, ranks.PRECISIONS[precision]), ranks.NETS[name]().state_dict()
    for ours in (part(one, f"{name} {precision}") for one in found):
        assert list(ours) == list(expected)
        for key, value in expected.items():
            within = near * 10 if "running" in key else near  # sums over inputs, each of them that near
            np.testing.assert_allclose(ours[key], value, rtol=within, atol=within, err_msg=key)
        assert np.array_equal(ours["draw"], expected["draw"])  # masks took from the generator what one process takes
    assert max(np.abs(expected[key] - value.numpy()).max() for key, value in begun.items() if value.ndim > 1) > 0.01


@pytest.mark.parametrize(("mean", "near"), [(0.0, 1e-6), (100.0, 5e-5)], ids=["near 0", "far from 0"])
def test_a_reduced_norm_is_torchs_on_the_whole_batch(found, mean: float, near: float):
    """Far from 0, `near` is what torch's own norm in float32 is off by; sums of squares in float32 are off by 1e-3."""
    images, weight, push = (tensor.double() for tensor in ranks.normed_on(mean))
    norm = nn.BatchNorm2d(4).double()
    batch = images.requires_grad_()
    with torch.no_grad():
        norm.weight.copy_(weight)
    gives = norm(batch)
    (gives * push).sum().backward()
    expected = {
        "gives": gives, "d_batch": batch.grad, "d_weight": norm.weight.grad, "d_bias": norm.bias.grad,
        "mean": norm.running_mean, "var": norm.running_var, "later": norm.eval()(images),
    }  # fmt: skip
    for ours in (part(one, f"norm {mean:g}") for one in found):
        for key, value in expected.items():
            np.testing.assert_allclose(ours[key], value.detach().numpy(), rtol=1e-6, atol=near, err_msg=key)


def test_what_ranks_know_together(found):
    for ours in (part(one, "exchange") for one in found):
        assert ours["gathered"].tolist() == [[n, n**2] for n in range(7)]
        assert ours["gathered"].dtype == np.float32
        assert ours["truth"].tolist() == [n % 2 == 0 for n in range(7)]
        assert ours["one"].tolist() == [0]  # the second rank had none
        assert ours["summed"].tolist() == [2, 1, 1]
        assert ours["agreed"].tolist() == [5, 5]


def test_a_world_of_one_leaves_everything_as_it_is(monkeypatch):
    for name in SAID:
        monkeypatch.delenv(name, raising=False)
    world, net = World.here(), ranks.Stranger()
    kinds, index, loss = [type(part) for part in net.modules()], np.arange(5), torch.tensor(1 / 3)
    reduced(net, world)
    masked(net, GlobalBatch(world))
    assert [type(part) for part in net.modules()] == kinds
    assert world.wrapped(net) is net
    assert world.mean_of(loss, 5, 5) is loss
    assert world.gathered(index) is index
    assert np.array_equal(world.own(index), index)
    assert world.summed([0.1, 2]).tolist() == [0.1, 2]
    world.agree(net)
    world.barrier()
    world.closed()
    assert world.main
    assert not torch.distributed.is_initialized()
    expected = np.array_split(index, 2)
    for steps in (world.steps(index, 2), world.even_steps(index, 2)):
        assert all(map(np.array_equal, steps, expected))


@pytest.mark.parametrize("count", [0, 1, 2, 7, 100])
@pytest.mark.parametrize("size", [2, 3, 8])
def test_shares_are_numpys(count: int, size: int):
    index = np.arange(count) * 3
    for rank, expected in enumerate(np.array_split(index, size)):
        assert np.array_equal(World(rank, size).own(index), expected)


def test_even_steps_give_every_rank_equally_many():
    order = np.random.default_rng(0).permutation(101)
    steps = World(0, 4).even_steps(order, 7)
    assert np.array_equal(np.concatenate(steps), order[:100])  # the last one sits out
    assert {len(World(rank, 4).own(step)) for step in steps for rank in range(4)} == {3, 4}  # 25 rounds in 7 steps
    assert all(len({len(World(rank, 4).own(step)) for rank in range(4)}) == 1 for step in steps)


@pytest.mark.parametrize("divide", [World.steps, World.even_steps])
def test_a_step_too_small_for_the_world_is_refused(divide):
    with pytest.raises(RecipeError, match="7 pictures in 4 steps leave some of 2 processes"):
        divide(World(0, 2), np.arange(7), 4)


def test_the_mean_over_ranks_is_the_mean_over_the_batch():
    losses = torch.arange(7.0) ** 2
    means = [World(rank, 3).mean_of(losses[own].mean(), len(losses[own]), 7) for rank, own in enumerate(shares(7, 3))]
    assert torch.isclose(sum(means) / 3, losses.mean())


def shares(count: int, size: int) -> list[np.ndarray]:
    return np.array_split(np.arange(count), size)


@pytest.mark.parametrize("layout", [torch.contiguous_format, torch.channels_last])
@pytest.mark.parametrize("layer", [nn.Dropout, nn.Dropout2d])
def test_masks_are_the_rows_of_one_process(layer, layout: torch.memory_format):
    batch = (torch.rand(7, 5, 3, 4) + 1).contiguous(memory_format=layout)
    torch.manual_seed(0)
    expected = layer(0.4)(batch)
    for rank, own in enumerate(shares(7, 3)):
        world = World(rank, 3)
        net = nn.Sequential(layer(0.4))
        masked(net, whole := GlobalBatch(world))
        whole.takes(7, 0, len(own))
        torch.manual_seed(0)
        assert torch.equal(net(batch[own]), expected[own])
        assert torch.equal(net.eval()(batch), batch)
    assert not torch.equal(expected[:3], expected[3:6])


def test_a_copy_of_the_net_keeps_its_world():
    world = World(1, 2, group=iter("a process group cannot be copied"))
    net = nn.Sequential(nn.BatchNorm2d(2), nn.Dropout())
    reduced(net, world)
    masked(net, GlobalBatch(world))
    norm, dropout = deepcopy(net)
    assert isinstance(norm, ReducedNorm)
    assert isinstance(dropout, RowDropout)
    assert norm.world is dropout.whole.world is world


def test_alpha_dropout_is_refused():
    with pytest.raises(RunError, match="1: AlphaDropout cannot be drawn"):
        masked(nn.Sequential(nn.Linear(1, 1), nn.AlphaDropout()), GlobalBatch(World(0, 2)))


SOUND = {"WORLD_SIZE": "2", "RANK": "0", "LOCAL_RANK": "0", "MASTER_ADDR": "localhost", "MASTER_PORT": "1"}


@pytest.mark.parametrize(
    ("said", "device", "message"),
    [
        ({"RANK": ""}, "cpu", "WORLD_SIZE is '2', but RANK is ''"),
        ({"MASTER_ADDR": ""}, "cpu", "but MASTER_ADDR is ''"),
        ({"WORLD_SIZE": "two"}, "cpu", "WORLD_SIZE is 'two'"),
        ({"RANK": "2"}, "cpu", "RANK is 2 of WORLD_SIZE 2"),
        ({}, "cuda:1", "device 'cuda:1' on 2 processes"),
        ({"LOCAL_RANK": "512"}, "cuda", "process 512 of this machine has no GPU"),
    ],
)
def test_an_environment_that_does_not_fit_is_one_line(monkeypatch, said, device: str, message: str):
    for name, value in {**SOUND, **said}.items():
        monkeypatch.setenv(name, value)
    with pytest.raises(RunError, match=message) as refused:
        World.here(device)
    assert "\n" not in str(refused.value)


@pytest.mark.parametrize(
    "raised",
    [
        RuntimeError(
            "[/pytorch/third_party/gloo/gloo/transport/tcp/pair.cc:534] Connection closed by peer [127.0.0.1]"
        ),
        RuntimeError("Application timeout caused pair closure"),
        torch.distributed.DistBackendError("NCCL communicator was aborted on rank 0"),
    ],
    ids=["ended", "late", "nccl"],
)
def test_what_torch_raises_is_turned_into_one_line(raised: RuntimeError):
    with pytest.raises(RunError, match="process 0 of 0 to 1: another one has ended"), World(0, 2).together():
        raise raised


def test_other_mistakes_are_not_laid_on_the_others():
    with pytest.raises(RuntimeError, match="shapes"), World(0, 2).together():
        raise RuntimeError("mat1 and mat2 shapes cannot be multiplied")


@pytest.mark.parametrize(
    ("blow", "within"),
    [(signal.SIGKILL, 30), pytest.param(signal.SIGSTOP, 60, marks=pytest.mark.slow)],
    ids=["killed", "stopped"],
)
def test_without_one_rank_the_other_ends_with_a_line(tmp_path: Path, blow: signal.Signals, within: float):
    pair = [by_hand(rank, free, tmp_path) for free in [free_port()] for rank in (0, 1)]
    try:
        waiting = monotonic() + 60
        while not all((tmp_path / f"began{rank}").exists() for rank in (0, 1)):
            assert monotonic() < waiting
            assert all(one.poll() is None for one in pair)
            sleep(0.05)
        pair[1].send_signal(blow)
        _, err = pair[0].communicate(timeout=within)
    finally:
        for one in pair:
            one.kill()
            one.communicate()
    assert pair[0].returncode == 1
    (line,) = [line for line in err.splitlines() if line.startswith("konvolut: ")]
    assert line.startswith(f"konvolut: process 0 of 0 to 1: another one has ended, or is more than {IN_STEP} s late")
    assert "Traceback" not in err


def by_hand(rank: int, port: int, out: Path) -> "subprocess.Popen[str]":
    """A rank without torchrun, which would end the others itself."""
    said = {"RANK": rank, "LOCAL_RANK": rank, "WORLD_SIZE": 2, "MASTER_ADDR": "localhost", "MASTER_PORT": port}
    return subprocess.Popen(
        [sys.executable, ranks.__file__, "endless", str(out)],
        env=ONE_THREAD | {name: str(value) for name, value in said.items()},
        stderr=subprocess.PIPE,
        text=True,
    )


def free_port() -> int:
    with socket() as one:
        one.bind(("localhost", 0))
        return int(one.getsockname()[1])
