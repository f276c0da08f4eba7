"""Memory by counting on the meta device, held against bytes that autograd really keeps, and against arithmetic."""

from dataclasses import replace

import pytest
import torch
from torch.autograd.graph import saved_tensors_hooks

from konvolut.blocks.basic import Conv, Dense, MaxPool
from konvolut.blocks.residual import Basic, Stage
from konvolut.blocks.spec import Row
from konvolut.lens.cost import Memory, keeps, row_keeps, shallow
from konvolut.lens.ledger import ledger
from konvolut.nets.arch import Arch, build, least_side
from konvolut.nets.catalogue import named
from konvolut.nets.variants import narrow, with_stochastic_depth

MIB = 2**20


def measured(net, batch):
    """Bytes of all storages that a real forward pass saves, each once, without the net's own weights."""
    own = {tensor.untyped_storage().data_ptr() for tensor in (*net.parameters(), *net.buffers())}
    saved = {}

    def pack(tensor):
        storage = tensor.untyped_storage()
        if storage.data_ptr() not in own:
            saved[storage.data_ptr()] = storage
        return tensor

    with saved_tensors_hooks(pack, lambda tensor: tensor):
        answer = net.train()(batch)
    assert answer is not None  # it holds the graph, and with it every saved storage, until here
    return sum(storage.nbytes() for storage in saved.values())


@pytest.mark.parametrize(
    "name", ["resnet-20", "preact-18/8", "vgg-11/8+bn", "nin-cifar", "lenet", "alexnet/8", "googlenet/4"]
)
def test_predicted_activations_are_what_autograd_keeps(name):
    """Within 2 % at 8 pictures: what is kept once a batch, as the statistics of a norm and LeNet's kernels, is left out."""
    arch = named(name)
    channels, side, _ = arch.input
    side = {224: 96, 227: 96}.get(side, side)
    shape, count = (channels, side, side), 8
    net = build(arch, shape)
    real = measured(net, torch.rand(count, *shape))
    assert ledger(arch, shape).memory(count).activations == pytest.approx(real, rel=0.02)


@pytest.mark.parametrize("name", ["alexnet/8", "googlenet/4"])
def test_without_norms_the_prediction_is_exact(name):
    arch, shape = named(name), (3, 96, 96)
    real = measured(build(arch, shape), torch.rand(2, *shape))
    assert ledger(arch, shape).memory(2).activations == real


def test_three_rows_by_hand():
    arch = Arch("tiny", "made here", (3, 8, 8), (
        Row("conv", Conv(4, 3, p=1)),
        Row("pool", MaxPool(2, 2)),
        Row("fc", Dense(10, act="none")),
    ))  # fmt: skip
    conv, pool, dense = ledger(arch).lines
    assert conv.kept == (3 * 64 + 4 * 64) * 4  # the picture, for the kernels' gradient; the rectified maps
    assert pool.kept == 4 * 16 * 8  # where each maximum stood; its input is kept already
    assert dense.kept == 4 * 16 * 4  # its input
    assert conv.pair == (4 * 64 + 4 * 64) * 4  # the activation's input and output
    held = ledger(arch).memory(2)
    weights = 4 * 27 + 4 + 10 * 64 + 10
    assert held.training == 3 * 4 * weights + 2 * (conv.kept + pool.kept + dense.kept)
    assert held.inference == 4 * weights + 2 * conv.pair


def test_vgg_keeps_its_maps_and_the_places_of_its_maxima():
    """51.7 MiB of convolution and dense outputs, fp32; a pool adds its output and, 8 bytes each, the places."""
    pools = 64 * 112**2 + 128 * 56**2 + 256 * 28**2 + 512 * 14**2 + 512 * 7**2
    picture, dropped = 3 * 224**2, 2 * 4096  # what dropout multiplies by
    expected = 51.7 + (pools * 12 + (picture + dropped * 2) * 4) / MIB
    kept = sum(line.kept for line in ledger(named("vgg-16")).lines)
    assert kept / MIB == pytest.approx(expected, abs=0.06)  # the table of outputs is rounded to 0.1


def test_a_long_stage_is_counted_from_its_first_blocks():
    stage = Stage(7, Basic(16), s=2)
    assert row_keeps(stage, (8, 12, 12)) == keeps(stage, (8, 12, 12))


def test_stochastic_depth_is_counted_at_its_most():
    arch = named("resnet-20")
    lines = zip(ledger(arch).lines, ledger(with_stochastic_depth(arch)).lines, strict=True)
    assert all(one.kept == other.kept for one, other in lines)


def test_heads_take_part_in_training_alone():
    arch = named("googlenet")
    bare = replace(arch, heads=())
    with_heads, without = ledger(arch).memory(4), ledger(bare).memory(4)
    assert with_heads.inference == without.inference
    assert with_heads.weights - without.weights == 4 * 6_379_728
    assert with_heads.activations > without.activations


def test_training_memory_grows_with_the_batch_by_its_maps_alone():
    held = [Memory(n, params=10, head_params=2, kept=100, pair=7) for n in (1, 2, 3)]
    assert [one.training for one in held] == [3 * 48 + 100, 3 * 48 + 200, 3 * 48 + 300]
    assert [one.inference for one in held] == [40 + 7, 40 + 14, 40 + 21]


def test_fewer_blocks_take_the_same_pictures():
    arch = narrow(named("resnet-34"), 8)
    assert least_side(shallow(arch), 3) == least_side(arch, 3)
    assert len(shallow(arch).rows) == len(arch.rows)
