"""Charts are counted mark by mark in the SVG; the page is read back by an HTML parser."""

import re
from collections import Counter
from dataclasses import dataclass
from html.parser import HTMLParser
from itertools import combinations
from xml.etree import ElementTree

import numpy as np
import pytest

from konvolut.figures import (
    Page,
    bars,
    colour,
    curves,
    forest,
    histogram,
    matrix,
    points,
    regions,
    reliability,
    svg,
    timeline,
)  # fmt: skip
from konvolut.page import INK, SERIES, in_dark, places

NASTY = "<script>alert('x')</script>"


def marks(drawn, kind):
    """The shapes of one kind of mark, layer by layer."""
    tree = ElementTree.fromstring(drawn)
    groups = [g for g in tree.iter() if f"mark-{kind} role-mark" in g.get("class", "")]
    return [list(g) for g in groups]


def words(drawn):
    return ["".join(t.itertext()) for t in ElementTree.fromstring(drawn).iter("{http://www.w3.org/2000/svg}text")]


def test_curves_draw_a_dot_for_every_row_and_a_line_for_every_series():
    rows = [{"e": e, "v": 1 / e, "s": s} for s in ("train", "val") for e in (1, 2, 3)]
    drawn = svg(curves(rows, "e", "v", "s", titles=("epoch", "loss"), names={"train": "训练", "val": "验证"}))
    assert [len(layer) for layer in marks(drawn, "symbol")] == [6]
    assert sum(len(layer) for layer in marks(drawn, "line")) == 2
    assert {"训练", "验证", "epoch", "loss"} <= set(words(drawn))


def test_one_epoch_is_a_dot_and_bands_are_areas():
    one = [{"e": 1, "v": 0.5, "s": "a", "lower": 0.4, "upper": 0.6}]
    drawn = svg(curves(one, "e", "v", "s", titles=("x", "y"), bands=True, share=True))
    assert [len(layer) for layer in marks(drawn, "symbol")] == [1]
    assert len(marks(drawn, "area")) == 1


def test_a_matrix_prints_the_counts_and_leaves_zeros_blank():
    drawn = svg(matrix([[7, 1, 0], [0, 5, 0], [2, 0, 11]], ["a", "b", "c"], titles=("answer", "truth", "share")))
    assert len(marks(drawn, "rect")[0]) == 5
    printed = [t.text for layer in marks(drawn, "text") for t in layer]
    assert Counter(printed) == Counter(["7", "1", "5", "2", "11"])


def test_above_twenty_classes_a_matrix_has_no_numbers():
    k = 30
    drawn = svg(matrix(np.eye(k, dtype=int).tolist(), [f"c{i}" for i in range(k)], titles=("a", "t", "s")))
    assert len(marks(drawn, "rect")[0]) == k
    assert not marks(drawn, "text")


def test_a_forest_shows_every_seed_and_tells_the_decided_from_the_others():
    rows = [
        {"about": about, "mean": 2.0, "lower": 1.0, "upper": 3.0, "singles": [1.0, 2.0, 3.0], "decided": decided}
        for about, decided in (("first", True), ("second", False))
    ]
    chart = forest(rows, title="difference", beyond="it matters")
    drawn = svg(chart)
    seeds, means = marks(drawn, "symbol")
    assert [mark.get("aria-label") for mark in seeds][:2] == ["seed 0: +1", "seed 1: +2"]
    assert [mark.get("fill") for mark in means] == [INK["deep"][0], INK["paper"][0]]
    assert [len(layer) for layer in marks(drawn, "rule")] == [2, 2]  # 0 and 1; an interval each
    assert {"first", "second", "it matters", "difference"} <= set(words(drawn))
    page = Page("p")
    page.figure(chart, caption="c")
    assert page.html().count("<title>seed 0: +1</title>") == 4  # two rows, light and dark


def test_regions_close_their_outlines_and_only_points_have_dots():
    square = [{"name": "F", "x": x, "y": y, "turn": i} for i, (x, y) in enumerate([(0, 0), (1, 0), (1, 1), (0, 1)])]
    spots = [{"x": 0.5, "y": 0.5, "word": "F1", "dot": False}, {"x": 2.0, "y": 0.0, "word": "f*", "dot": True}]
    drawn = svg(regions(square, spots, title="nested"))
    (outline,) = marks(drawn, "line")
    assert outline[0].get("d").endswith("Z")
    assert [len(layer) for layer in marks(drawn, "symbol")] == [1]
    assert {"F1", "f*", "nested"} <= set(words(drawn))


def test_a_timeline_puts_every_event_at_its_year():
    events = [{"year": year, "what": f"in {year}"} for year in (2012, 2014, 2016)]
    drawn = svg(timeline(events, title="year"))
    (dots,) = marks(drawn, "symbol")
    along = [float(re.match(r"translate\(([\d.]+),", dot.get("transform"))[1]) for dot in dots]
    assert along[1] - along[0] == pytest.approx(along[2] - along[1])
    assert {"in 2012", "in 2014", "in 2016"} <= set(words(drawn))


def test_bars_and_points_draw_every_row():
    rows = [{"name": n, "v": 0.5, "lower": 0.4, "upper": 0.6} for n in "abc"]
    drawn = svg(bars(rows, "name", "v", title="recall", share=True))
    assert len(marks(drawn, "rect")[0]) == len(marks(drawn, "rule")[0]) == 3
    seeds = [{"arm": a, "acc": 0.9 + i / 100} for a in ("bn", "plain") for i in range(5)]
    means = [{"arm": a, "mean": 0.92, "lower": 0.91, "upper": 0.93} for a in ("bn", "plain")]
    drawn = svg(points(seeds, means, "arm", "acc", title="accuracy"))
    assert sorted(len(layer) for layer in marks(drawn, "symbol")) == [2, 10]
    assert len(marks(drawn, "rule")[0]) == 2


def test_a_histogram_counts_each_value_once_and_marks_one():
    """Heights by hand: 0.6 and 0.7 begin ranges of their own, though 0.7 / 0.1 is 6.999999999999999."""
    values = [0.05, 0.6, 0.65, 0.7, 0.7, 0.7, 0.79]
    titles = ("accuracy", {"en": "runs", "zh": "次数"})
    drawn = svg(histogram(values, 0.1, titles=titles, mark=(0.7, "yours")))
    (layer,) = marks(drawn, "rect")
    heights = [float(re.search(r"v(-?[\d.]+)h", bar.get("d"))[1]) for bar in layer]
    assert [h / heights[0] for h in heights] == pytest.approx([1, 2, 4])
    assert len(marks(drawn, "rule")[0]) == 1
    assert {"accuracy", "runs", "yours"} <= set(words(drawn))
    assert not marks(svg(histogram(values, 0.1, titles=titles)), "rule")


@dataclass
class Range:
    count: int
    confidence: float
    accuracy: float


def test_reliability_draws_a_dot_and_a_count_for_every_range():
    bins = [Range(30, 0.55, 0.5), Range(12_000, 0.95, 0.97)]
    drawn = svg(reliability(bins, titles=("confidence", "right"), ideal="ideal"))
    assert [len(layer) for layer in marks(drawn, "symbol")] == [2]
    assert {"30", "12k"} <= set(words(drawn))


def luminance(colour):
    """Relative luminance, WCAG 2.1."""
    linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in rgb(colour)]
    return float(np.dot([0.2126, 0.7152, 0.0722], linear))


def rgb(colour):
    return [int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)]


def contrast(a, b):
    high, low = sorted((luminance(a), luminance(b)), reverse=True)
    return (high + 0.05) / (low + 0.05)


@pytest.mark.parametrize("dark", [False, True])
def test_text_and_lines_stand_out_from_the_paper(dark):
    paper = INK["paper"][dark]
    assert min(contrast(INK[role][dark], paper) for role in ("ink", "quiet", "deep")) >= 4.5  # WCAG 2.1, 1.4.3
    assert min(contrast(pair[dark], paper) for pair, _ in SERIES) >= 4.5  # they colour labels too
    assert contrast(INK["ink"][dark], INK["pale"][dark]) >= 4.5
    assert contrast(paper, INK["deep"][dark]) >= 4.5


# how the sight without the long cones sees linear RGB: Machado et al. 2009, table of protanomaly and deuteranomaly, 1.0
PROTAN = [[0.152286, 1.052583, -0.204868], [0.114503, 0.786281, 0.099216], [-0.003882, -0.048116, 1.051998]]
DEUTAN = [[0.367322, 0.860646, -0.227968], [0.280085, 0.672501, 0.047413], [-0.011820, 0.042940, 0.968881]]


@pytest.mark.parametrize("sight", [PROTAN, DEUTAN], ids=["protan", "deutan"])
@pytest.mark.parametrize("dark", [False, True])
def test_series_differ_for_every_eye(sight, dark):
    def seen(colour):
        return np.clip(np.array(sight) @ (np.array(rgb(colour)) ** 2.2), 0, 1) ** (1 / 2.2)

    apart = [np.linalg.norm(seen(a[dark]) - seen(b[dark])) for (a, _), (b, _) in combinations(SERIES, 2)]
    dashes = {tuple(dash) for _, dash in SERIES}
    assert len(dashes) == len(SERIES)  # in grey the dashes tell them apart
    assert min(apart) > 0.1
    assert contrast(colour("train", dark), colour("val", dark)) > 1.5  # and the pair on every page by lightness


def test_a_series_has_one_colour_and_a_chart_no_two_alike():
    assert colour("val") == SERIES[0][0][0]
    assert colour("vgg-16") == colour("vgg-16")
    names = ["train", "val", "test", "a", "b", "c"]
    assert len(set(places(names).values())) == 6
    assert places(names) == places(reversed(names))


def test_dark_swaps_the_colours_and_leaves_the_data_alone():
    spec = bars([{"n": INK["ink"][0], "v": 1}], "n", "v", title="t")  # a class called like a colour
    light, dark = svg(spec), svg(spec, dark=True)
    assert INK["paper"][0] in light
    assert INK["paper"][0] not in dark
    assert INK["paper"][1] in dark
    assert INK["ink"][0] in words(dark)


def test_dark_is_derived_from_light_exactly_as_it_would_be_drawn():
    curve = curves([{"e": e, "v": e, "s": s} for e in (1, 2) for s in ("a", "b")], "e", "v", "s", titles=("x", "y"))
    named = bars([{"n": INK["ink"][0], "v": 1}], "n", "v", title="t")  # a class called like a colour
    ramp = matrix([[7, 1], [2, 11]], ["a", "b"], titles=("answer", "truth", "share"))  # colours between the house's
    for chart in (curve, named, ramp):
        derived, drawn = (
            re.sub(r"gradient_\d+", "", text) for text in (in_dark(chart, svg(chart)), svg(chart, dark=True))
        )
        assert derived == drawn


class Reader(HTMLParser):
    """Fails on a tag closed out of turn; keeps ids, addresses and what is visible."""

    VOID = frozenset({"meta", "img", "br"})

    def __init__(self, text):
        super().__init__()
        self.open, self.ids, self.fetched, self.tags, self.seen = [], [], [], Counter(), []
        self.feed(text)
        self.close()
        assert not self.open

    def handle_starttag(self, tag, attrs):
        self.tags[tag] += 1
        for name, value in attrs:
            if name == "id":
                self.ids.append(value)
            if name in ("src", "href", "xlink:href", "action", "srcset"):
                self.fetched.append(value)
        if tag not in self.VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag, attrs):
        self.handle_starttag(tag, attrs)
        if tag not in self.VOID:
            self.open.pop()

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        self.seen.append(data)


def full_page():
    page = Page({"en": "Title", "zh": "标题"}, NASTY)
    page.headline("98 %", NASTY)
    page.section(NASTY)
    page.text({"en": NASTY, "zh": "话"})
    page.items([NASTY])
    page.facts([(NASTY, NASTY)])
    page.code([NASTY])
    page.table((NASTY, "n"), [(NASTY, "1")], NASTY)
    page.table(("a",), [], "empty", folded=True)
    spec = matrix([[1, 0], [1, 1]], [NASTY, "b&'\""], titles=({"en": "answer", "zh": "预测"}, "truth", "share"))
    page.figure(spec, spec, caption=NASTY)
    page.pictures([(b"png", f'"{NASTY}', (NASTY,)), (None, NASTY, ())], NASTY)
    return page


def test_a_page_is_well_formed_fetches_nothing_and_escapes_everything():
    html = full_page().html()
    read = Reader(html)
    assert read.tags["script"] == 1  # its own
    assert read.tags["svg"] == 4
    assert len(read.ids) == len(set(read.ids)) > 4
    assert all(re.match(r"data:|#", address) for address in read.fetched)
    assert not re.search(r"url\((?!#)|@import", html)
    assert set(re.findall(r"url\(#([^)]+)\)", html)) <= set(read.ids)
    assert "default-src 'none'" in html


def test_a_page_holds_both_languages_and_shows_english_without_scripts():
    html = full_page().html()
    assert html.startswith('<!doctype html>\n<html lang="en">')
    assert '<span lang="zh">标题</span>' in html
    assert html.count('<tspan lang="zh">预测</tspan>') == 4
    assert ":root[lang=en] :is(span,tspan)[lang=zh]" in html


def test_a_file_name_that_is_no_unicode_can_be_printed(tmp_path):
    page = Page("caf\udce9.png")
    assert "caf\\udce9.png" in page.write(tmp_path / "p.html").read_text("utf-8")
    assert [p.name for p in tmp_path.iterdir()] == ["p.html"]


def test_numbers_are_set_to_the_right():
    page = Page("t")
    page.table(("class", "share", "spec"), [("0", "98.6 %", "3×3"), ("1", "–", "1")], "c")
    html = page.html()
    assert html.count('<td class="n">') == 2
    assert html.count('<th scope="row">') == 2
