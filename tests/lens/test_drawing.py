"""The drawing of a net: which boxes there are, of which colour, and that blocks are to scale."""

import re
from xml.etree import ElementTree

import pytest
import torch

from konvolut.blocks.basic import Conv, Dense, Dropout, GlobalAvgPool, MaxPool
from konvolut.blocks.inception import Inception
from konvolut.blocks.norm import Norm
from konvolut.blocks.residual import Basic, Bottleneck, Stage
from konvolut.errors import RunError
from konvolut.lens.drawing import CHANNEL, OTHER, SPACE, Box, Lanes, Repeated, Shortcut, Way, row_node
from konvolut.lens.drawn import LEAST, svg, write_drawing
from konvolut.lens.ledger import ledger
from konvolut.nets.catalogue import CATALOGUE, named

SVG = "{http://www.w3.org/2000/svg}"


def drawn(spec, *takes):
    with torch.device("meta"):
        return row_node(spec.make(takes))


def test_an_inception_block_has_white_boxes_for_channels_and_blue_ones_for_space():
    lanes = drawn(Inception(64, 96, 128, 16, 32, 32), 192, 28, 28)
    assert lanes == Lanes((
        Box("1x1 64", CHANNEL),
        Way((Box("1x1 96", CHANNEL), Box("3x3 128", SPACE))),
        Way((Box("1x1 16", CHANNEL), Box("5x5 32", SPACE))),
        Way((Box("max 3x3", SPACE), Box("1x1 32", CHANNEL))),
    ))  # fmt: skip


def test_residual_blocks_that_are_alike_are_drawn_once():
    first, others = drawn(Stage(4, Basic(128), s=2), 64, 56, 56).steps
    body = Way((Box("3x3 128", SPACE), Box("3x3 128", SPACE)))
    assert first == Shortcut(body, Box("1x1 128", CHANNEL))
    assert others == Repeated(Shortcut(body, None), 3)


def test_a_plain_stage_has_no_dashed_box():
    assert drawn(Stage(2, Basic(8, shortcut="none")), 8, 8, 8) == Way((Box("3x3 8", SPACE),) * 4)


def test_shortcut_a_pads_with_zeros():
    assert drawn(Stage(1, Basic(16, shortcut="A"), s=2), 8, 8, 8).over == Box("zeros", OTHER)


@pytest.mark.parametrize(("spec", "box"), [
    (Conv(8, (1, 7), p=(0, 3), norm="bn"), Box("1x7 8", SPACE)),
    (MaxPool(2, 2), Box("max 2x2", SPACE)),
    (GlobalAvgPool(), Box("mean of all", SPACE)),
    (Dense(10), Box("dense 10", OTHER)),
    (Norm("lrn"), Box("lrn", OTHER)), (Norm("bn", act="relu"), Box("bn", OTHER)), (Dropout(0.5), Box("drop", OTHER)),
])  # fmt: skip
def test_the_box_of_a_row(spec, box):
    assert drawn(spec, 8, 16, 16) == box


def rectangles(text, kind):
    root = ElementTree.fromstring(text)
    return [node for node in root.iter(f"{SVG}rect") if node.get("class") == kind]


def test_blocks_are_to_scale():
    held = ledger(named("alexnet"))
    blocks = [(float(r.get("width")), float(r.get("height"))) for r in rectangles(svg(held), "map")]
    shapes = [held.input, *(line.gives for line in held.lines)]
    assert len(blocks) == len(shapes)
    per_channel, per_px = blocks[9][0] / 4096, blocks[0][1] / 227  # fc6 is the longest, the picture the tallest
    for (wide, high), shape in zip(blocks, shapes, strict=True):
        assert wide == pytest.approx(max(LEAST, shape[0] * per_channel), abs=0.1)
        assert high == pytest.approx(max(LEAST, per_px * (shape[1] if len(shape) > 1 else 1)), abs=0.1)


def test_a_bottleneck_stage_is_dashed_and_nothing_leaves_the_picture():
    text = svg(ledger(named("resnet-50")))
    assert len(rectangles(text, "block")) == 8  # of four stages, the first block and those like each other
    root = ElementTree.fromstring(text)
    wide, high = float(root.get("width")), float(root.get("height"))
    for node in root.iter(f"{SVG}rect"):
        x, y, w, h = (float(node.get(key)) for key in ("x", "y", "width", "height"))
        assert x >= 0
        assert y >= 0
        assert x + w <= wide + 0.5
        assert y + h <= high + 0.5


def test_boxes_of_one_row_do_not_overlap():
    node = drawn(Stage(2, Bottleneck(64, shortcut="C")), 16, 8, 8)
    assert isinstance(node, Repeated)
    root = ElementTree.fromstring(f'<svg xmlns="{SVG[1:-1]}">{"".join(node.draw(0, 100))}</svg>')
    boxes = [
        [float(r.get(key)) for key in ("x", "y", "width", "height")] for r in root if r.get("class") in (SPACE, CHANNEL)
    ]
    assert len(boxes) == 4
    for number, (x, y, w, h) in enumerate(boxes):
        for x2, y2, w2, h2 in boxes[:number]:
            assert x + w <= x2 or x2 + w2 <= x or y + h <= y2 or y2 + h2 <= y


@pytest.mark.parametrize(
    "name", [n for n in CATALOGUE if n.split("@")[0] in ("lenet", "nin", "googlenet", "inception-v3")]
)
def test_every_kind_of_row_can_be_drawn(name):
    ElementTree.fromstring(svg(ledger(named(name))))


def test_the_page_needs_nothing_else_and_is_not_overwritten(tmp_path):
    out = write_drawing([ledger(named("googlenet"))], tmp_path / "net.html", 8)
    text = out.read_text(encoding="utf-8")
    assert set(re.findall(r'https?://[^"\s<]+', text)) == {SVG[1:-1]}  # a name, not a place
    assert "aux1" in text
    assert "4c: the paper prints" in text
    with pytest.raises(RunError, match="already there"):
        write_drawing([ledger(named("lenet"))], out, 8)


def test_two_nets_are_drawn_below_each_other(tmp_path):
    text = write_drawing([ledger(named("lenet")), ledger(named("lenet@d2l"))], tmp_path / "two.html", 8).read_text()
    assert text.count("<svg") == 2
