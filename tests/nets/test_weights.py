"""Weights in and out of files: what is read, what is refused, and what is said of it."""

import os
import pickle
import struct
from dataclasses import replace

import pytest
import torch
from safetensors.torch import save_file
from test_naming import net

from konvolut.errors import ArchError, WeightsError
from konvolut.nets.arch import build, facts, head_facts
from konvolut.nets.catalogue import named
from konvolut.nets.published import published
from konvolut.nets.variants import with_classes
from konvolut.nets.weights import load_weights, put, save_weights, state_dict


def drawn(name, whole=False):
    """A net with weights of its own, its running statistics too."""
    made = build(named(name)) if whole else net(name)
    dice = torch.Generator().manual_seed(5)
    with torch.no_grad():
        for tensor in made.state_dict().values():
            if tensor.ndim > 1:
                tensor.neg_()
            elif tensor.is_floating_point():
                tensor.uniform_(0.5, 1, generator=dice)
    return made


def same(one, other):
    a, b = one.state_dict(), other.state_dict()
    return list(a) == list(b) and all(torch.equal(a[name], b[name]) for name in a)


TRIPS = [
    *((name, "torchvision") for name in ("alexnet@torchvision", "vgg-13@torchvision", "vgg-16+bn@torchvision")),
    *((name, "torchvision") for name in ("googlenet@torchvision", "resnet-34@torchvision", "resnet-50@torchvision")),
    *((name, "timm") for name in ("vgg-13+bn@torchvision", "resnet-50@torchvision")),
    *((name, "konvolut") for name in ("resnet-50", "googlenet", "alexnet")),
]


@pytest.mark.parametrize("suffix", ["safetensors", "pth"])
@pytest.mark.parametrize(("name", "naming"), TRIPS)
def test_a_round_trip_is_exact(name, naming, suffix, tmp_path):
    source, target = drawn(name), net(name)
    loaded = load_weights(target, save_weights(source, tmp_path / f"w.{suffix}", naming))
    assert same(source, target)
    assert loaded.naming == ("torchvision" if "resnet" in name and naming == "timm" else naming)
    assert (loaded.kept, loaded.notes) == ((), ())


def test_inception_v3_goes_round_too():
    source, target = drawn("inception-v3@torchvision", whole=True), build(named("inception-v3@torchvision"))
    put(target, state_dict(source, "torchvision"))
    assert same(source, target)


@pytest.mark.parametrize(
    ("wrap", "inside"),
    [
        (lambda s: s, ""),
        (lambda s: {"model": s, "epoch": 3}, "model"),
        (lambda s: {"state_dict": s, "arch": "resnet18", "best": 0.7}, "state_dict"),
        (lambda s: {"state_dict": {n: t * 0 for n, t in s.items()}, "state_dict_ema": s}, "state_dict_ema"),
        (lambda s: {"model_ema": {"n_averaged": torch.tensor(3), **{f"module.{n}": t for n, t in s.items()}}}, "model_ema"),
        (lambda s: {f"module.{n}": t for n, t in s.items()}, ""),
        (lambda s: {"model": {f"_orig_mod.module.{n}": t for n, t in s.items()}}, "model"),
        (lambda s: {n: t for n, t in s.items() if "num_batches_tracked" not in n}, ""),
    ],
    ids=["plain", "model", "state_dict", "ema-first", "averaged", "parallel", "compiled", "of-2017"],
)  # fmt: skip
def test_weights_are_found_however_they_are_wrapped(wrap, inside, tmp_path):
    source, target = drawn("resnet-18@torchvision"), net("resnet-18@torchvision")
    torch.save(wrap(state_dict(source, "torchvision")), tmp_path / "w.pt")
    loaded = load_weights(target, tmp_path / "w.pt")
    assert same(source, target)
    assert (loaded.naming, loaded.inside) == ("torchvision", inside)


def test_a_bottleneck_file_of_theirs_is_not_the_papers_net(tmp_path):
    """Same names, same shapes, other logits: the stride is in no tensor."""
    theirs, papers = drawn("resnet-50@torchvision"), net("resnet-50")
    state = theirs.state_dict()
    assert {n: t.shape for n, t in state.items()} == {n: t.shape for n, t in papers.state_dict().items()}
    pictures = torch.rand(2, 3, 64, 64, generator=torch.Generator().manual_seed(0))
    papers.load_state_dict(state)
    with torch.no_grad():
        one, other = theirs.eval()(pictures), papers.eval()(pictures)
    assert ((one - other).norm() / one.norm()).item() > 1e-3
    file = save_weights(theirs, tmp_path / "w.pth", "torchvision")
    before = [tensor.clone() for tensor in papers.state_dict().values()]
    with pytest.raises(ArchError, match=r"v1\.5.* other logits; .*resnet-50/16@torchvision"):
        load_weights(papers, file)
    with pytest.raises(ArchError, match="resnet-50/16@torchvision is the one"):
        state_dict(papers, "torchvision")
    assert all(map(torch.equal, before, papers.state_dict().values()))
    load_weights(papers, save_weights(theirs, tmp_path / "own.pth"))  # our own names say whose table: no such doubt


def test_the_papers_googlenet_names_the_edition_that_fits():
    state = state_dict(build(named("googlenet@torchvision")), "torchvision")
    with pytest.raises(ArchError, match="no local response norm; it fits googlenet@torchvision"):
        put(build(named("googlenet")), state)


def test_another_number_of_classes_replaces_the_classifier_alone():
    source = drawn("resnet-18@torchvision")
    target = build(with_classes(source.arch, 7), seed=3)
    before = target.fc.dense.weight.clone()
    loaded = put(target, state_dict(source, "torchvision"))
    assert loaded.kept == ("fc.dense.weight", "fc.dense.bias")
    assert loaded.notes == ("fc: 10 classes in the file, 7 in the net; kept as initialised",)
    assert torch.equal(target.fc.dense.weight, before)
    assert torch.equal(target.conv1.conv.weight, source.conv1.conv.weight)


def test_heads_of_another_number_of_classes_are_kept_too():
    source = drawn("googlenet@torchvision")
    loaded = put(build(with_classes(source.arch, 7)), state_dict(source, "torchvision"))
    assert {name.rsplit(".", 2)[0] for name in loaded.kept} == {"fc", "heads.aux1.fc2", "heads.aux2.fc2"}
    assert len(loaded.notes) == 3


@pytest.mark.parametrize("naming", ["torchvision", "konvolut"])
def test_heads_that_one_side_lacks_are_said(naming):
    source = drawn("googlenet@torchvision")
    bare = build(replace(source.arch, heads=()))
    loaded = put(bare, state_dict(source, naming))
    assert loaded.notes == (f"aux1, aux2: in the file, but {bare.arch.name} has no such head; left out",)
    loaded = put(build(source.arch), state_dict(bare, naming))
    assert loaded.notes == tuple(f"aux{n}: not in the file; kept as initialised" for n in (1, 2))
    half = {name: tensor for name, tensor in state_dict(source, naming).items() if "aux1.fc1" not in name}
    with pytest.raises(ArchError, match=r"lacks (heads\.)?aux1\.fc1"):
        put(build(source.arch), half)


def test_missing_and_strange_names_are_listed():
    state = state_dict(drawn("resnet-18@torchvision"), "torchvision")
    for name in ("bn1.bias", "fc.weight", "layer1.0.conv1.weight", "layer1.0.bn1.weight"):
        state[f"{name}.old"] = state.pop(name)
    message = r"lacks bn1\.bias, layer1\.0\.conv1\.weight, layer1\.0\.bn1\.weight and 1 more; .* has nothing for bn1\.bias\.old"
    with pytest.raises(ArchError, match=message):
        put(net("resnet-18@torchvision"), state)


def test_another_architecture_is_named_by_its_first_difference():
    """AlexNet's first kernels are 11 px wide, VGG's 3; a VGG's file says by its count which net it is."""
    with pytest.raises(ArchError, match=r"features\.0\.weight: 4x3x11x11 in the file, 8x3x11x11 in .*conv1\.conv"):
        put(net("alexnet@torchvision", 8), state_dict(net("alexnet@torchvision"), "torchvision"))
    file = state_dict(build(named("resnet-18@torchvision")), "torchvision")
    with pytest.raises(ArchError, match=r"lacks layer1\.2\.conv1\.weight.*; it fits resnet-18@torchvision"):
        put(build(named("resnet-34@torchvision")), file)


def test_integers_are_no_weights():
    state = {name: tensor.to(torch.int8) for name, tensor in net("resnet-18").state_dict().items()}
    with pytest.raises(ArchError, match="numbers of type int8 in the file, float32"):
        put(net("resnet-18"), state)


def test_numbers_that_are_not_finite_are_said():
    source = drawn("resnet-18@torchvision")
    with torch.no_grad():
        source.fc.dense.bias.fill_(float("nan"))
    assert put(net("resnet-18@torchvision"), state_dict(source, "torchvision")).notes == ("not finite: fc.dense.bias",)


def test_half_precision_becomes_the_nets_own():
    source, target = drawn("resnet-18@torchvision"), net("resnet-18@torchvision")
    put(target, {name: t.half() if t.is_floating_point() else t for name, t in source.state_dict().items()})
    assert torch.equal(target.fc.dense.bias, source.fc.dense.bias.half().float())


def test_a_table_fitted_to_small_pictures_takes_the_file_of_the_whole_one():
    whole = drawn("vgg-13@torchvision")
    rows = tuple(row for row in whole.arch.rows if row.name != "pool1")
    fitted = build(replace(whole.arch, rows=rows))
    put(fitted, state_dict(whole, "torchvision"))
    assert torch.equal(fitted.conv5_2.conv.weight, whole.conv5_2.conv.weight)


class Planted:
    """A pickle that would make a file where it is opened."""

    def __init__(self, mark):
        self.mark = mark

    def __reduce__(self):
        return os.mkdir, (str(self.mark),)


@pytest.mark.parametrize("how", ["torch", "legacy", "pickle"])
def test_a_file_that_would_run_something_is_refused_and_nothing_runs(how, tmp_path):
    file, mark = tmp_path / "w.pth", tmp_path / "mark"
    held = {"state_dict": {}, "args": Planted(mark)}
    if how == "pickle":
        file.write_bytes(pickle.dumps(held))
    else:
        torch.save(held, file, _use_new_zipfile_serialization=how == "torch")
    with pytest.raises(WeightsError, match=r"w\.pth: needs .*(posix|nt)\.mkdir.*refused") as refusal:
        load_weights(net("resnet-18"), file)
    assert "\n" not in str(refusal.value)
    assert not mark.exists()
    torch.load(file, weights_only=False) if how != "pickle" else pickle.loads(file.read_bytes())
    assert mark.exists()  # the plant does what it says


def whole(tmp_path):
    torch.save({"a": torch.zeros(999)}, tmp_path / "whole.pth")
    save_file({"a": torch.zeros(999)}, tmp_path / "whole.safetensors")
    return (tmp_path / "whole.pth").read_bytes(), (tmp_path / "whole.safetensors").read_bytes()


def lying(body):
    """A safetensors header that says its tensor ends beyond the file, and one that is longer than the file."""
    header = b'{"a":{"dtype":"F32","shape":[999999],"data_offsets":[0,3999996]}}'
    return struct.pack("<Q", len(header)) + header + body[-3996:], struct.pack("<Q", 1 << 60) + body[8:]


BAD = {
    "missing.pth": (lambda zip_, safe: None, "no such file"),
    "cut.pth": (lambda zip_, safe: zip_[:900], "not a whole file of torch"),
    "cut.safetensors": (lambda zip_, safe: safe[:900], "not a whole safetensors file"),
    "empty.pth": (lambda zip_, safe: b"", "empty; copy or download it again"),
    "empty.safetensors": (lambda zip_, safe: b"", "empty"),
    "page.pth": (lambda zip_, safe: b"<html>404 not found</html>", "not a whole file of torch"),
    "page.safetensors": (lambda zip_, safe: b"<html>404 not found</html>", "not a whole safetensors file"),
    "lie.safetensors": (lambda zip_, safe: lying(safe)[0], "not a whole safetensors file"),
    "longer.safetensors": (lambda zip_, safe: lying(safe)[1], "not a whole safetensors file"),
    "weights.onnx": (lambda zip_, safe: zip_, r"\.safetensors, \.pt, \.pth are read"),
}


@pytest.mark.parametrize("name", BAD)
def test_a_file_that_is_not_what_it_says_is_one_line(name, tmp_path):
    make, message = BAD[name]
    content = make(*whole(tmp_path))
    if content is not None:
        (tmp_path / name).write_bytes(content)
    with pytest.raises(WeightsError, match=f"{name}: .*{message}") as refusal:
        load_weights(net("resnet-18"), tmp_path / name)
    assert "\n" not in str(refusal.value)


@pytest.mark.parametrize(
    ("held", "message"),
    [
        ([torch.zeros(1)], "holds a list; a state dict"),
        ({}, "holds an empty dict"),
        ({"epoch": 3, "fc.weight": torch.zeros(1)}, "an? int under 'epoch'"),
        ({"fc.weight": torch.zeros(2, 2).to_sparse()}, "sparse"),
    ],
)
def test_what_is_no_state_dict_is_refused(held, message, tmp_path):
    torch.save(held, tmp_path / "w.pth")
    with pytest.raises(WeightsError, match=message):
        load_weights(net("resnet-18"), tmp_path / "w.pth")


def test_a_folder_and_a_net_without_a_table_are_refused(tmp_path):
    (tmp_path / "w.pth").mkdir()
    with pytest.raises(WeightsError, match="not a file"):
        load_weights(net("resnet-18"), tmp_path / "w.pth")
    with pytest.raises(ArchError, match="Linear was not built from a table"):
        state_dict(torch.nn.Linear(2, 2))


def test_nothing_is_written_over(tmp_path):
    source = net("resnet-18")
    file = save_weights(source, tmp_path / "w.pth")
    with pytest.raises(WeightsError, match="there already"):
        save_weights(source, file)
    with pytest.raises(WeightsError, match="no folder"):
        save_weights(source, tmp_path / "none" / "w.pth")
    with pytest.raises(WeightsError, match=r"\.safetensors, \.pt, \.pth are written"):
        save_weights(source, tmp_path / "w.bin")
    assert [path.name for path in tmp_path.iterdir()] == ["w.pth"]


def test_published_files_have_as_many_numbers_as_the_net_they_fit():
    """torchvision's counts: GoogLeNet's without its heads, Inception-v3's with it."""
    for file in published():
        made = {name: t for name, t in shapes(file.net).items() if not name.endswith(("_mean", "_var", "_tracked"))}
        if file.net.startswith("googlenet"):
            made = {name: count for name, count in made.items() if not name.startswith("heads.")}
        assert sum(made.values()) == file.params, file
    assert len(published()) == 20


def shapes(name):
    arch = named(name)
    rows = {fact.name: fact.params for fact in facts(arch)}
    return rows | {f"heads.{head}": sum(f.params for f in found) for head, found in head_facts(arch).items()}
