"""Names of other packages, by rule: what their documentation and files have, for nets that are in no file of ours."""

from dataclasses import replace

import pytest

from konvolut.blocks.basic import Dense
from konvolut.blocks.norm import TF
from konvolut.errors import ArchError
from konvolut.nets.arch import Network, build
from konvolut.nets.catalogue import named
from konvolut.nets.naming import recognised, renumbered, theirs
from konvolut.nets.resnet import resnet
from konvolut.nets.variants import narrow, with_activation, with_classes, with_norm
from konvolut.nets.vgg import vgg
from konvolut.nets.weights import state_dict


def small(arch):
    """Its dense rows 8 wide, 10 classes: names do not depend on widths."""
    rows = (
        replace(row, spec=replace(row.spec, out=8)) if isinstance(row.spec, Dense) and row.spec.act == "relu" else row
        for row in with_classes(arch, 10).rows
    )
    return replace(arch, rows=tuple(replace(row, out=None) for row in rows))


def net(name, divisor=None):
    divisor = divisor or (8 if name.startswith("googlenet") else 16)
    return build(small(narrow(named(name), divisor)))


def test_alexnet_counts_activations_pools_and_dropouts():
    assert list(theirs(net("alexnet@torchvision"), "torchvision")) == [
        "features.0", "features.3", "features.6", "features.8", "features.10",
        "classifier.1", "classifier.4", "classifier.6",
    ]  # fmt: skip


def test_vgg_16_with_batch_norm_counts_three_a_convolution():
    """cfg D of torchvision's VGG: 2, 2, 3, 3, 3 convolutions, each three modules, and a pool after each group."""
    firsts, position = [], 0
    for convs in (2, 2, 3, 3, 3):
        firsts += [position + 3 * n for n in range(convs)]
        position += 3 * convs + 1
    names = list(theirs(net("vgg-16+bn@torchvision"), "torchvision"))
    assert [name for name in names if name.startswith("features")][::2] == [f"features.{n}" for n in firsts]
    assert names[-3:] == ["classifier.0", "classifier.3", "classifier.6"]


def test_timms_vgg_ends_in_convolutions_that_read_the_last_map():
    table = vgg((1, 1), (4, 6), input=(3, 12, 12), classes=5)
    state = state_dict(build(small(table)), "timm")
    assert [(name, tuple(tensor.shape)) for name, tensor in state.items()] == [
        ("features.0.weight", (4, 3, 3, 3)), ("features.0.bias", (4,)),
        ("features.3.weight", (6, 4, 3, 3)), ("features.3.bias", (6,)),
        ("pre_logits.fc1.weight", (8, 6, 3, 3)), ("pre_logits.fc1.bias", (8,)),
        ("pre_logits.fc2.weight", (8, 8, 1, 1)), ("pre_logits.fc2.bias", (8,)),
        ("head.fc.weight", (10, 8)), ("head.fc.bias", (10,)),
    ]  # fmt: skip


@pytest.mark.parametrize("naming", ["torchvision", "timm"])
def test_resnet_34_has_the_names_of_its_code(naming):
    """Depths 3, 4, 6, 3; two convolutions a block; a downsample where a stage begins with a stride."""
    want = ["conv1", "bn1"]
    for stage, blocks in enumerate((3, 4, 6, 3), start=1):
        for block in range(blocks):
            place = f"layer{stage}.{block}"
            want += [f"{place}.{part}" for part in ("conv1", "bn1", "conv2", "bn2")]
            want += [f"{place}.downsample.0", f"{place}.downsample.1"] if block == 0 and stage > 1 else []
    assert list(theirs(net("resnet-34@torchvision"), naming)) == [*want, "fc"]


def test_a_resnet_of_any_depth_and_width_is_named_by_the_same_rule():
    table = narrow(resnet(50, strider=2, blocks=(1, 1, 2, 1)), 16)
    assert [name for name in theirs(build(table), "torchvision") if name.startswith("layer3.1")] == [
        f"layer3.1.{part}{n}" for n in (1, 2, 3) for part in ("conv", "bn")
    ]


@pytest.mark.parametrize(
    ("name", "naming"),
    [
        ("features.0.weight", "torchvision"),
        ("layer4.2.bn3.running_var", "torchvision"),
        ("layer2.0.downsample.0.weight", "konvolut"),  # said by conv1 beside it; alone it could be a row of ours
        ("inception3a.branch2.0.conv.weight", "torchvision"),
        ("Mixed_7c.branch_pool.bn.bias", "torchvision"),
        ("pre_logits.fc1.weight", "timm"),
        ("conv2_x.0.body.0.conv.weight", "konvolut"),
        ("3a.branches.1x1.0.conv.weight", "konvolut"),
        ("features.0.conv.weight", "konvolut"),  # a table of the user's may have a row called features
    ],
)
def test_a_naming_is_recognised_by_names_that_only_it_has(name, naming):
    assert recognised({name, "fc.weight"}) == naming


def test_a_table_that_lost_a_pool_finds_its_layers_by_their_order():
    layers = {"features.0": "conv1.conv", "features.2": "conv2.conv", "classifier.0": "fc.dense"}
    file = {"features.0.weight", "features.3.weight", "features.3.bias", "classifier.1.weight"}
    assert renumbered(layers, file) == {
        "features.0": "conv1.conv", "features.3": "conv2.conv", "classifier.1": "fc.dense",
    }  # fmt: skip
    assert renumbered(layers, file | {"features.5.weight"})["features.2"] == "conv2.conv"  # another net: as it is


REFUSED = {
    "the paper's resnet-50": (lambda: named("resnet-50"), r"v1\.5.*other logits; resnet-50@torchvision is the one"),
    "the paper's googlenet": (lambda: named("googlenet"), "no local response norm; googlenet@torchvision is the one"),
    "the paper's alexnet": (lambda: named("alexnet"), "no local response norm; alexnet@torchvision"),
    "batch norm elsewhere": (lambda: named("vgg-11+bn.after"), r"'bn' on the after .*vgg-11\+bn@torchvision"),
    "another epsilon": (lambda: with_norm(named("googlenet@torchvision"), "bn"), f"'bn' on the output .*{TF!r}"),
    "another activation": (lambda: with_activation(named("resnet-18"), "tanh"), "then a ReLU; resnet-18@torchvision"),
    "pre-activation": (lambda: named("preact-18"), "then a ReLU; the naming 'konvolut' fits every net"),
    "no shortcuts": (lambda: named("plain-18"), "has shortcuts"),
    "dense norms": (lambda: with_norm(named("vgg-11"), "bn", dense=True), "no norm on its dense rows"),
    "no such family": (lambda: named("nin"), "torchvision has no net of these rows"),
}


@pytest.mark.parametrize("what", REFUSED)
def test_a_net_they_do_not_have_gets_none_of_their_names(what):
    table, message = REFUSED[what]
    with pytest.raises(ArchError, match=message):
        theirs(without_numbers(table()), "torchvision")


def without_numbers(arch):
    """A net that is refused by its table alone needs no weights."""
    return Network(arch, {}, {})


def test_timm_has_no_googlenet_and_no_naming_is_made_up():
    with pytest.raises(ArchError, match="ResNet and VGG only"):
        theirs(without_numbers(named("googlenet@torchvision")), "timm")
    with pytest.raises(ArchError, match="did you mean 'torchvision'"):
        state_dict(net("resnet-18@torchvision"), "torchvison")
