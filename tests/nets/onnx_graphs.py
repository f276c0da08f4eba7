"""The graphs that the wheel `onnx` carries to test backends with, run on weights of ours by onnxruntime.

They were exported from Caffe2 and hold no weights, only their shapes: here the weights become inputs, and are fed.
"""

from collections.abc import Callable, Iterator
from math import prod
from pathlib import Path

import numpy as np
import onnx
import onnxruntime  # type: ignore[import-untyped]
import pytest
import torch
from jaxtyping import Float32
from numpy import ndarray
from onnx import ModelProto, NodeProto, TensorProto, ValueInfoProto, helper, numpy_helper
from torch import nn

from konvolut.nets.arch import Network
from konvolut.types import Shape

FOLDER = Path(onnx.__file__).parent / "backend" / "test" / "data" / "light"
LAYERS: dict[str, type[nn.Module]] = {"Conv": nn.Conv2d, "BatchNormalization": nn.BatchNorm2d, "Gemm": nn.Linear}

Feeds = dict[str, ndarray]


def graph(name: str) -> ModelProto:
    """The graph light_`name`.onnx of the wheel, its weights turned into inputs; fails when there is no such file."""
    path = FOLDER / f"light_{name}.onnx"
    if not path.is_file():
        pytest.fail(f"onnx {onnx.__version__} carries no {path.name}; version 1.23.2 does")
    model = onnx.load(path)
    fillers = [node for node in model.graph.node if node.op_type == "ConstantOfShape"]
    constants = {tensor.name: tensor for tensor in model.graph.initializer}
    for node in fillers:
        shape = numpy_helper.to_array(constants[node.input[0]]).tolist()
        model.graph.input.append(helper.make_tensor_value_info(node.output[0], TensorProto.FLOAT, shape))
        model.graph.node.remove(node)
    read = {name for node in model.graph.node for name in node.input}
    for one in list(model.graph.input):
        if one.name not in read:  # the shapes of the fillers, and a label for training
            model.graph.input.remove(one)
    for tensor in constants.values():
        if tensor.name not in read or tensor.data_type == TensorProto.FLOAT:  # what stays is shapes to reshape to
            model.graph.initializer.remove(tensor)
    return model


def nodes(model: ModelProto, kind: str) -> list[NodeProto]:
    """The nodes of one kind, in the graph's order."""
    return [node for node in model.graph.node if node.op_type == kind]


def value(node: NodeProto, name: str) -> object:
    """One attribute of a node."""
    return next(helper.get_attribute_value(a) for a in node.attribute if a.name == name)


def put(node: NodeProto, name: str, new: object) -> None:
    """Give an attribute of a node another value, in place."""
    old = next(a for a in node.attribute if a.name == name)
    old.CopyFrom(helper.make_attribute(name, new))


def put_side(model: ModelProto, side: int) -> None:
    """Let the graph take pictures of side x side px, in place."""
    for axis in (2, 3):
        data(model).type.tensor_type.shape.dim[axis].dim_value = side


def data(model: ModelProto) -> ValueInfoProto:
    """The input that is the picture."""
    picture: ValueInfoProto = next(one for one in model.graph.input if one.name.endswith("data_0"))
    return picture


def shapes(model: ModelProto) -> dict[str, Shape]:
    """The shape of every tensor of the graph, batch axis included, as onnx infers it."""
    known = onnx.shape_inference.infer_shapes(model, strict_mode=True, data_prop=True).graph
    return {
        one.name: tuple(dim.dim_value for dim in one.type.tensor_type.shape.dim)
        for one in (*known.input, *known.value_info, *known.output)
    }


def weights(model: ModelProto) -> Iterator[tuple[NodeProto, list[str]]]:
    """The layers that have weights, in the graph's order, each with the names of its weights."""
    reshaped = {node.output[0]: node.input[0] for node in nodes(model, "Reshape")}
    for node in model.graph.node:
        if node.op_type in LAYERS:
            assert node.op_type != "Gemm" or value(node, "transB") == 1  # a dense weight is (out, in), as torch's
            yield node, [reshaped.get(name, name) for name in node.input[1:]]


def counts(model: ModelProto) -> tuple[int, int]:
    """Learnt numbers, and multiply-accumulates for one picture."""
    sizes, params, macs = shapes(model), 0, 0
    for node, names in weights(model):
        params += sum(prod(sizes[name]) for name in names[:2])  # a batch norm's other two are statistics
        if node.op_type != "BatchNormalization":
            macs += prod(sizes[names[0]]) * prod(sizes[node.output[0]][2:])
    return params, macs


def fed(model: ModelProto, net: Network) -> Feeds:
    """The n-th layer's weights of `net` for the n-th layer of the graph; kinds and shapes have to be the same."""
    sizes = shapes(model)
    trunk = (part for row in net.arch.rows for part in net.get_submodule(row.name).modules())
    ours = [part for part in trunk if isinstance(part, tuple(LAYERS.values()))]
    feeds: Feeds = {}
    for (node, names), layer in zip(weights(model), ours, strict=True):
        assert isinstance(layer, LAYERS[node.op_type]), (node.output[0], layer)
        kept = ("weight", "bias", "running_mean", "running_var")
        tensors = [t for t in (getattr(layer, name, None) for name in kept) if t is not None]
        for name, tensor in zip(names, tensors, strict=True):
            assert [side for side in sizes[name] if side != 1] == [side for side in tensor.shape if side != 1], name
            feeds[name] = tensor.detach().numpy().reshape(sizes[name])
    return feeds


def logits(model: ModelProto, feeds: Feeds, picture: Float32[ndarray, "1 c h w"]) -> Float32[ndarray, "1 k"]:
    """What the graph gives before the softmax in which all of them end."""
    last = model.graph.node[-1]
    assert last.op_type == "Softmax"
    bare = ModelProto()
    bare.CopyFrom(model)
    bare.graph.output[0].CopyFrom(helper.make_tensor_value_info(last.input[0], TensorProto.FLOAT, None))
    bare.graph.node.remove(bare.graph.node[-1])
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    session = onnxruntime.InferenceSession(bare.SerializeToString(), options, providers=["CPUExecutionProvider"])
    return np.asarray(session.run(None, {data(model).name: picture, **feeds})[0])


@torch.no_grad()
def stirred(net: Network) -> Network:
    """The same net in evaluation, with random numbers where initialisation leaves 0 and 1: no weight may hide."""
    dice = torch.Generator().manual_seed(0)
    for part in net.modules():
        if isinstance(part, nn.BatchNorm2d):
            assert part.running_mean is not None
            assert part.running_var is not None
            part.weight.uniform_(0.5, 1.5, generator=dice)
            part.running_mean.normal_(0, 10, generator=dice)
            part.running_var.uniform_(0.5, 1.5, generator=dice)
        bias = getattr(part, "bias", None)
        if isinstance(bias, torch.Tensor):
            bias.normal_(0, 10, generator=dice)
    return net.eval()


def apart(model: ModelProto, net: Network, spoil: Callable[[Feeds], None] = lambda feeds: None) -> float:
    """The largest difference between our logits and the graph's, as a share of the spread of ours."""
    dice = torch.Generator().manual_seed(1)
    picture = 60 * torch.randn(1, *shapes(model)[data(model).name][1:], generator=dice)  # Caffe's: 0-255 less the mean
    feeds = fed(model, net)
    spoil(feeds)
    with torch.no_grad():
        ours = net(picture).numpy()
    return float(np.abs(ours - logits(model, feeds, picture.numpy())).max() / np.ptp(ours))
