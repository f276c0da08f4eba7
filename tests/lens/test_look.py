"""A look at a small trained run and at untrained nets: what is told agrees with the run's own answers."""

import json
import re
from dataclasses import replace
from html.parser import HTMLParser

import numpy as np
import pytest
import torch
from PIL import Image

from konvolut.errors import ArchError, DataError, RunError
from konvolut.images.decode import read
from konvolut.images.imageset import ImageSet
from konvolut.images.preprocess import preprocess
from konvolut.images.sources import open_images
from konvolut.lens import look as looking
from konvolut.lens.look import class_number, look, subject
from konvolut.lens.look_page import enlarged, page_of, write_look
from konvolut.lens.look_told import as_numbers, as_sentences
from konvolut.training.course import train
from konvolut.training.predict import predict
from konvolut.training.run import open_run

EMPTY = ("meta", "img", "br", "image")


class Reader(HTMLParser):
    """Fails on a tag closed out of turn; counts tags and keeps addresses."""

    def __init__(self, text):
        super().__init__()
        self.open, self.tags, self.fetched = [], [], []
        self.feed(text)
        self.close()
        assert not self.open

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)
        self.fetched += [value for name, value in attrs if name in ("src", "href", "xlink:href")]
        if tag not in EMPTY:
            self.open.append(tag)

    def handle_startendtag(self, tag, attrs):
        self.handle_starttag(tag, attrs)
        if tag not in EMPTY:
            self.open.pop()

    def handle_endtag(self, tag):
        if tag not in EMPTY:
            assert self.open.pop() == tag


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """One epoch of forty drawn pictures, in a net that ends in a mean and a dense layer."""
    root = tmp_path_factory.mktemp("look")
    rng = np.random.default_rng(0)
    for kind, level in (("dark", 40), ("light", 200)):
        for i in range(20):
            (root / "photos" / kind).mkdir(parents=True, exist_ok=True)
            pixels = np.clip(rng.normal(level, 30, (20, 20, 3)), 0, 255).astype(np.uint8)
            Image.fromarray(pixels).save(root / "photos" / kind / f"{i}.png")
    train(open_images(root / "photos"), "resnet-20", out=root / "run", epochs=1, batch=8)
    return open_run(root / "run")


@pytest.fixture(scope="module")
def image(run):
    return run.path.parent / "photos" / "dark" / "3.png"


def test_the_answers_are_those_of_the_run(run, image):
    found = look(subject(run.path), image)
    (answer,), _ = predict(run, [str(image)], top=2)
    assert [name for name, _ in found.answers] == [name for name, _ in answer.labels]
    assert [p for _, p in found.answers] == pytest.approx([p for _, p in answer.labels], rel=1e-5)
    assert list(found.class_maps) == [found.answers[0][0]]
    assert {one.how for one in found.class_maps.values()} == {"CAM"}
    still = next(one for one in found.shifts if (one.dx, one.dy) == (0, 0))
    assert still.probability == pytest.approx(found.answers[0][1], rel=1e-5)
    assert set(still.moved.values()) == {0.0}
    assert not any(p.grad is not None for p in found.subject.net.parameters())


def test_patches_are_cut_from_the_training_pictures(run, image):
    found = look(subject(run.path), image)
    held = found.examples
    names = set(open_images(run.card.data["where"], seed=run.card.data["seed"]).splits["train"].names)
    assert held.total == len(names) == sum(run.card.data["counts"]["train"])
    assert set(held.names) == names  # few enough to look at all of them
    assert {row for row, _ in held.patches} == set(found.maps)
    for (row, channel), patches in held.patches.items():
        values = [patch.value for patch in patches]
        assert values == sorted(values, reverse=True)
        assert channel in [one.channel for one in found.maps[row][1]]
    i = next(iter(held.patches.values()))[0].index
    where = run.path.parent / "photos"
    assert (held.pictures[i] == preprocess(read(where / held.names[i]), run.card.input)).all()


def test_a_named_row_and_channel_are_the_only_ones_shown(run, image):
    opened = subject(run.path)
    row = list(dict(opened.net.named_children()))[1]
    found = look(opened, image, row=f"{row}.0", channel=3)
    assert list(found.maps) == [f"{row}.0"]
    total, (one,) = found.maps[f"{row}.0"]
    assert (total, one.channel) == (16, 3)  # He et al. 2015, section 4.2: the first stage is 16 maps wide
    assert list(found.examples.patches) == [(f"{row}.0", 3)]
    assert all(list(one.moved) == [f"{row}.0"] for one in found.shifts)


def test_a_class_asked_for_is_explained_beside_the_best(run, image):
    found = look(subject(run.path), image)
    best, other = (name for name, _ in found.answers)
    both_maps = look(subject(run.path), image, label=other).class_maps
    assert list(both_maps) == [best, other]
    assert list(look(subject(run.path), image, label=best).class_maps) == [best]


def test_the_page_holds_every_section_and_fetches_nothing(run, image, tmp_path):
    found = look(subject(run.path), image)
    path = write_look(found, tmp_path / "page.html")
    html = path.read_text("utf-8")
    read = Reader(html)
    assert all(address.startswith(("data:", "#")) for address in read.fetched)
    sections = re.findall(r"<h2>(?:<span lang=\"en\">)?([^<]+)", html)
    assert len(sections) == 6
    shown = (
        1 + len(found.class_maps) + 16 + sum(len(most) for _, most in found.maps.values())
    )  # the picture, filters (section 4.2: 16), maps
    assert read.tags.count("img") == shown + sum(map(len, found.examples.patches.values()))
    assert f"{found.answers[0][0]}" in html
    again = write_look(found, tmp_path / "page.html")
    assert again.read_text("utf-8").count("<h2>") == 6


def test_what_is_told_to_machines_can_be_written_as_json(run, image):
    found = look(subject(run.path), image)
    told = json.loads(json.dumps(as_numbers(found), allow_nan=False))
    assert told["trained"]
    assert told["looked_at"] == len(found.examples.pictures)
    assert [one["name"] for one in told["norms"]] == [one.name for one in found.norms]
    heat = torch.tensor(told["class_maps"][0]["heat"])
    assert torch.equal(heat, found.class_maps[told["class_maps"][0]["label"]].heat[0])


def test_pictures_that_are_gone_or_changed_are_said_to_be(run, image, monkeypatch):
    opened = subject(run.path)
    elsewhere = replace(run, card=replace(run.card, data={**run.card.data, "where": "/nowhere/photos"}))
    found = look(replace(opened, run=elsewhere), image)
    assert found.examples is None
    assert "could not be opened: " in found.missing["en"]
    assert any("could not be opened" in line for line in as_sentences(found))
    assert as_numbers(found)["patches"] == []
    other = replace(run, card=replace(run.card, data={**run.card.data, "digest": "0" * 64}))
    found = look(replace(opened, run=other), image)
    assert found.examples is None
    assert "no longer those of the training" in found.missing["en"]


def test_no_more_pictures_are_looked_at_than_the_work_allows(run, image, monkeypatch):
    monkeypatch.setattr(looking, "WORK", 20 * subject(run.path).macs)
    found = look(subject(run.path), image)
    assert len(found.examples.pictures) == 20
    assert found.examples.total > 20
    monkeypatch.setattr(looking, "MOST", 5)
    assert len(look(subject(run.path), image).examples.pictures) == 5
    assert isinstance(open_images(run.card.data["where"]), ImageSet)


def test_an_untrained_net_says_so_and_its_classes_are_numbers(image, tmp_path):
    found = look(subject("lenet"), image, label="7")
    assert found.subject.classes == tuple("0123456789")
    assert "7" in found.class_maps
    assert {one.how for one in found.class_maps.values()} == {"Grad-CAM"}
    assert found.picture.shape == (32, 32, 1)  # LeCun et al. 1998: 32 x 32, grey
    assert "untrained" in next(iter(as_sentences(found)))
    html = write_look(found, tmp_path / "page.html").read_text("utf-8")
    assert "This net is untrained" in html
    assert "Nobody has trained this net" in html


def test_where_the_page_goes(run, tmp_path):
    opened = subject(run.path)
    assert page_of(opened) == run.path / "look.html"
    assert str(page_of(replace(opened, run=None, name="vgg-11/4"))) == "vgg-11-4-look.html"
    assert page_of(opened, tmp_path / "a.html") == tmp_path / "a.html"
    (tmp_path / "a.html").write_text("mine")
    with pytest.raises(RunError, match="nothing is overwritten"):
        page_of(opened, tmp_path / "a.html")


@pytest.mark.parametrize(
    ("words", "kind", "said"),
    [
        ({"row": "conv2"}, ArchError, "no row or part 'conv2' in this net; did you mean 'conv"),
        ({"row": "fc"}, ArchError, "row 'fc' gives 2 numbers and no maps"),
        ({"row": "conv1", "channel": 16}, ArchError, "has no channel 16; it has 16, from 0"),
        ({"row": "conv1", "channel": -1}, ArchError, "has no channel -1"),
        ({"label": "lihgt"}, DataError, "no class is called 'lihgt'; did you mean 'light'"),
    ],
)
def test_what_is_not_there_is_refused_in_one_line(run, image, words, kind, said):
    with pytest.raises(kind) as caught:
        look(subject(run.path), image, **words)
    assert said in str(caught.value)
    assert "\n" not in str(caught.value)


def test_of_a_thousand_classes_only_the_ends_are_listed():
    many = tuple(map(str, range(1000)))
    assert class_number(many, "999") == 999
    with pytest.raises(DataError, match="there are 1000, from '0' to '999'"):
        class_number(many, "zebra")


def test_a_subject_that_is_neither_run_nor_net_is_refused(tmp_path):
    with pytest.raises(ArchError, match=r"no run folder, and no net of the catalogue .*did you mean 'resnet-18'"):
        subject("resnet-19x")
    with pytest.raises(RunError, match=r"no run folder, it has no card\.json"):
        subject(tmp_path)


def test_a_picture_that_cannot_be_read_is_refused(run, tmp_path):
    (tmp_path / "text.png").write_text("no picture")
    with pytest.raises(DataError, match="not an image"):
        look(subject(run.path), tmp_path / "text.png")
    with pytest.raises(DataError, match="no such file"):
        look(subject(run.path), tmp_path / "gone.png")


def test_a_small_picture_is_enlarged_by_whole_pixels():
    pixels = np.arange(12, dtype=np.uint8).reshape(2, 2, 3)
    large = enlarged(pixels)
    assert large.shape == (240, 240, 3)
    assert (large[::120, ::120] == pixels).all()
    assert (large == np.kron(pixels, np.ones((120, 120, 1), np.uint8))).all()
    assert enlarged(np.zeros((500, 300, 1), np.uint8)).shape == (500, 300, 1)
