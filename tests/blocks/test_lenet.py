"""The layers of 1998 by hand."""

import pytest
import torch
from torch.nn.functional import conv2d

from konvolut.blocks.lenet import Rbf, SparseConv, SparseConv2d, Subsample2d, code
from konvolut.errors import ArchError

TABLE = ((0, 2), (1,), (0, 1, 2))


def test_a_sparse_convolution_is_a_convolution_with_zeros():
    layer = SparseConv2d(TABLE, 3, 2)
    kernels, row = torch.zeros(3, 3, 2, 2), iter(layer.weight.detach())
    for out, seen in enumerate(TABLE):
        for channel in seen:
            kernels[out, channel] = next(row)
    batch = torch.randn(2, 3, 4, 4)
    torch.testing.assert_close(layer(batch), conv2d(batch, kernels, layer.bias))
    assert layer.weight.numel() == 6 * 4


def test_a_map_gets_no_gradient_from_maps_it_does_not_see():
    batch = torch.randn(1, 3, 4, 4, requires_grad=True)
    SparseConv2d(TABLE, 3, 2)(batch)[0, 1].sum().backward()
    assert [bool(channel.any()) for channel in batch.grad[0]] == [False, True, False]


def test_subsampling_is_coefficient_times_sum_plus_bias():
    layer = Subsample2d(2, 2)
    layer.weight.data, layer.bias.data = torch.tensor([1.0, 0.5]), torch.tensor([0.0, 10.0])
    image = torch.tensor([[1.0, 2.0], [3.0, 4.0]]).expand(1, 2, 2, 2)
    assert layer(image).flatten().tolist() == [10, 15]


def test_an_output_is_minus_the_squared_distance_to_its_code():
    layer = Rbf(10).make((84,))
    logits = layer(layer.codes[3:4])
    assert logits[0, 3] == 0
    assert logits[0, 5].item() == -4 * int((layer.codes[3] != layer.codes[5]).sum())  # (1 - -1)**2 for each sign apart
    assert Rbf(10, scale=4.0).make((84,))(layer.codes[3:4])[0, 5] == logits[0, 5] / 4
    assert not list(layer.parameters())


def test_a_class_keeps_its_code_however_many_classes_there_are():
    assert Rbf(10).make((84,)).codes.tolist() == Rbf(100).make((84,)).codes[:10].tolist()
    assert set(code(0, 600)) == {-1.0, 1.0}
    assert len(code(0, 600)) == 600
    assert len({tuple(code(number, 84)) for number in range(1000)}) == 1000


def test_a_connection_table_is_for_its_own_number_of_maps():
    with pytest.raises(ArchError, match="for 3 maps, not for 4"):
        SparseConv(TABLE, 2).make((4, 4, 4))
