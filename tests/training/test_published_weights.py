"""Published weights from a server on this machine: what training starts from, and what answers with them."""

from dataclasses import replace
from hashlib import sha256

import numpy as np
import pytest
import torch
from PIL import Image
from serving import site
from test_loop import TINY
from test_tune import made

from konvolut import fetch
from konvolut.errors import RunError, WeightsError
from konvolut.images.preprocess import preprocess
from konvolut.nets import published as module
from konvolut.nets.catalogue import named
from konvolut.nets.open import build
from konvolut.nets.published import Published, imagenet, of_net
from konvolut.nets.weights import state_dict
from konvolut.training.known import known, prepared
from konvolut.training.parent import open_parent, starting
from konvolut.training.predict import predict
from konvolut.training.sizes import parent_scale

NET = "resnet-18@torchvision"


@pytest.fixture(scope="module")
def net():
    return build(NET, seed=4).eval()


@pytest.fixture(scope="module")
def body(net, tmp_path_factory):
    file = tmp_path_factory.mktemp("theirs") / "net.pth"
    torch.save(state_dict(net, "torchvision"), file)
    return file.read_bytes()


@pytest.fixture
def web(tmp_path, monkeypatch, body):
    """A server that has the weights, and a list of what is published that leads there."""
    monkeypatch.setenv("KONVOLUT_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    monkeypatch.setattr(fetch, "PAUSE", 0.0)
    name = f"/resnet18-{sha256(body).hexdigest()[:8]}.pth"
    with site() as running:
        address = running.serve(name, body)
        every = [replace(f, address=address, mib=round(len(body) / 2**20, 3)) if f.net == NET else f for f in ALL]
        monkeypatch.setattr(module, "published", lambda: every)
        yield running


ALL: list[Published] = module.published()


def test_a_net_names_pictures_with_imagenets_names(web, net, tmp_path):
    """The shorter side becomes 256 px and the middle 224 px are taken: what is outside them changes nothing."""
    pixels = np.random.default_rng(2).integers(0, 256, (256, 256, 3), dtype=np.uint8)
    pixels[16:240, 16:240] = 51
    Image.fromarray(pixels).save(tmp_path / "grey.png")
    found = known("resnet18", "imagenet")
    answers, refused = predict(found, [str(tmp_path / "grey.png")])
    assert not refused
    mean, std = torch.tensor([0.485, 0.456, 0.406]), torch.tensor([0.229, 0.224, 0.225])
    with torch.no_grad():
        sure = net(((51 / 255 - mean) / std).view(1, 3, 1, 1).expand(1, 3, 224, 224)).softmax(1)
    ((label, probability),) = answers[0].labels
    assert (label, probability) == (imagenet()[int(sure.argmax())], pytest.approx(float(sure.max()), rel=1e-4))
    assert len(web.asked) == 1
    known("resnet-18", "imagenet")
    assert len(web.asked) == 1


def test_the_file_itself_gives_the_same_as_its_name(web):
    path = of_net(NET).get()
    assert known(NET, path).spec == known(NET, "imagenet").spec
    assert known(NET, str(path)).classes == imagenet()


@pytest.mark.parametrize(
    ("net", "kind", "size", "zoom", "mean"),
    [
        ("resnet-50", "imagenet", 224, 224 / 256, 0.485),
        ("resnet-50", "imagenet-v2", 224, 224 / 232, 0.485),
        ("inception-v3", "imagenet", 299, 299 / 342, 0.5),
        ("googlenet", "imagenet", 224, 224 / 256, 0.5),
    ],
)
def test_each_file_is_given_pictures_as_it_was_measured_on(net, kind, size, zoom, mean):
    spec = prepared(of_net(net, kind))
    assert (spec.size, spec.zoom, spec.mean[0], spec.fit) == (size, zoom, mean, "crop")


def test_resize_and_crop_are_the_zoom():
    """Against Pillow: the shorter side resized to 256, then the middle 224, within what 8-bit rounding at two places gives."""
    y, x = np.mgrid[:600, :800]
    smooth = np.stack([x / 800, y / 600, (x + y) / 1400], 2)
    picture = (255 * smooth).astype(np.uint8)
    theirs = Image.fromarray(picture).resize((341, 256), Image.Resampling.BICUBIC).crop((58, 16, 282, 240))
    ours = preprocess(picture, prepared(of_net("resnet-50")))
    assert np.abs(ours.astype(int) - np.asarray(theirs).astype(int)).max() <= 2


def test_known_says_what_would_work(web, tmp_path):
    with pytest.raises(WeightsError, match="no weights are published for this net"):
        known("lenet", "imagenet")
    with pytest.raises(RunError, match="a net that knows nothing yet"):
        known(NET, "none")
    (tmp_path / "run").mkdir()
    with pytest.raises(RunError, match="a run has its own, so leave it out"):
        known(tmp_path / "run", "imagenet")
    web.files.clear()
    with pytest.raises(WeightsError, match=rf"weights of {NET}: not downloaded .*status 404.*put it into .*weights"):
        known(NET, "imagenet")


def test_training_starts_from_what_is_named(web, tmp_path):
    path = of_net(NET).remote.path
    why = f"net {NET}: the edition that the published weights fit"
    assert starting(None, "imagenet", 28, "resnet-18") == (NET, path, [why])
    assert starting("resnet-18", "imagenet", 28, "resnet-50") == (NET, path, [why])
    assert starting(NET, "imagenet", 28, "resnet-50") == (NET, path, [])
    assert open_parent(path)[0].sha256 == sha256(path.read_bytes()).hexdigest()
    assert starting("lenet", None, 28, "resnet-18") == ("lenet", None, [])
    assert starting("lenet", tmp_path / "a.pt", 280, "resnet-18") == ("lenet", tmp_path / "a.pt", [])
    for own in (TINY, build(TINY), "net.toml", tmp_path / "net.toml"):
        with pytest.raises(WeightsError, match="they go by the name of a net"):
            starting(own, "imagenet", 280, "resnet-18")


def test_what_is_left_open_starts_from_the_cache_where_pictures_are_large(web):
    """64 px is the side from which the issue's rule holds."""
    net, weights, (line,) = starting(None, None, 64, "resnet-18")
    assert (net, weights) == (None, None)
    assert f"`konvolut weights get {NET}`" in line
    assert not web.asked  # nothing is downloaded unasked
    path = of_net(NET).get()
    net, weights, (line,) = starting(None, None, 64, "resnet-18")
    assert (net, weights) == (NET, path)
    assert "--weights none" in line
    assert starting(None, None, 63, "resnet-18") == (None, None, [])
    assert starting(None, "none", 64, "resnet-18") == (None, None, [])
    assert starting("resnet-18", None, 64, "resnet-18") == ("resnet-18", None, [])


def test_a_damaged_file_in_the_cache_is_none(web):
    path = of_net(NET).get()
    path.write_bytes(path.read_bytes()[:-1])
    assert starting(None, None, 64, "resnet-18")[1] is None


def test_published_weights_keep_the_scale_of_their_training():
    own = ((0.1, 0.1, 0.1), (0.9, 0.9, 0.9))
    assert parent_scale(None, named("googlenet@torchvision"), own)[:2] == ((0.5,) * 3, (0.5,) * 3)
    features = next(f for f in ALL if f.weights == "IMAGENET1K_FEATURES")
    found = parent_scale(None, named("vgg-16@torchvision"), own, features.hash + "0" * 56)
    assert found[:2] == ((0.48235, 0.45882, 0.40784), (1 / 255,) * 3)
    assert parent_scale(None, named("lenet@d2l"), own)[:2] == own


def test_a_training_fine_tunes_from_them(web, tmp_path):
    from konvolut.training.course import Course
    from konvolut.training.plan import plan

    net, weights, _ = starting(None, "imagenet", 28, "resnet-18")
    planned = plan(made(1), net, weights=weights, size=32)
    assert planned.spec.mean == (0.485, 0.456, 0.406)
    Course(made(1), planned, tmp_path / "run")  # and they load
