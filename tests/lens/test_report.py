"""The report of small made-up runs, read back by an HTML parser; figures by hand."""

import json
import os
import re
import tomllib
from collections import Counter
from html.parser import HTMLParser
from io import BytesIO

import numpy as np
import pytest
from PIL import Image

from konvolut.errors import DataError, RunError
from konvolut.images.augment import Augment
from konvolut.images.imageset import ImageSet, Split
from konvolut.images.preprocess import InputSpec
from konvolut.lens import report
from konvolut.lens.findings import grouped
from konvolut.lens.pictures import augmented_again, found, thumbnail
from konvolut.lens.progress import duration, progress
from konvolut.lens.report import write_report
from konvolut.nets.arch import digest
from konvolut.nets.nin import nin
from konvolut.nets.tables import read_table, to_plain
from konvolut.training.course import Course
from konvolut.training.metrics import Evaluation
from konvolut.training.plan import plan
from konvolut.training.recipe import Recipe, changed
from konvolut.training.run import Card, Run

NASTY = "<script>alert(1)</script>"
TABLE = [{"name": "conv1", "takes": "1×8×8", "gives": "4×8×8", "params": "40", "MACs": "2,304", "printed": ""}]


class Reader(HTMLParser):
    """Fails on a tag closed out of turn; keeps ids, addresses and what is visible."""

    def __init__(self, text):
        super().__init__()
        self.open, self.ids, self.fetched, self.tags, self.seen = [], [], [], Counter(), []
        self.feed(text)
        self.close()
        assert not self.open

    def handle_starttag(self, tag, attrs):
        self.tags[tag] += 1
        self.ids += [value for name, value in attrs if name == "id"]
        self.fetched += [value for name, value in attrs if name in ("src", "href", "xlink:href")]
        if tag not in ("meta", "img", "br"):
            self.open.append(tag)

    def handle_startendtag(self, tag, attrs):
        self.handle_starttag(tag, attrs)
        self.open.pop()

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        self.seen.append(data)


def picture(name):
    if "gone" in name:
        raise DataError(f"{name}: no such file")
    return np.full((8, 8, 1), 200, np.uint8)


def image_set(names, labels, classes, role="test"):
    split = Split(tuple(names), np.array(labels), tuple(names), picture)
    return ImageSet("things", "my things/", classes, {"train": split, role: split})


def run_in(path, classes, epochs=3, **fields):
    counts = {"train": [5] * len(classes), "test": [2] * len(classes)}
    data = {
        "name": "things",
        "where": "my things/",
        "val": 0.1,
        "seed": 0,
        "digest": "d" * 64,
        "notes": ["by folder"],
        "counts": counts,
    }
    recipe = Recipe(epochs=7, lr=0.05, augment=Augment(flip=True))
    path.mkdir(exist_ok=True)
    if epochs:
        lines = [
            {"epoch": e, "lr": 0.1, "train_loss": 1 / e, "train_accuracy": 0.5, "val_loss": 1 / e, "val_accuracy": 0.6}
            for e in range(1, epochs + 1)
        ]
        (path / "log.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    held = {"net": "lenet", "fitted": True, "table": "t" * 64, "changes": ("stem: stride 2 -> 1",), "reasons": ("why",)}
    held |= {"versions": {"konvolut": "0.1.0"}, "machine": {"threads": 2}, "seconds": 125.0, **fields}
    return Run(path, Card(classes=classes, input=InputSpec(size=8, channels=1), data=data, recipe=recipe, **held))


def answers(right, wrong, classes, split="test"):
    """`right` pictures answered rightly, then `wrong` ones answered with the next class; labels go round."""
    n, k = right + wrong, len(classes)
    labels = np.arange(n) % k
    logits = np.zeros((n, k), np.float32)
    logits[np.arange(n), (labels + (np.arange(n) >= right)) % k] = 3
    return Evaluation(split, classes, tuple(f"p{i}.png" for i in range(n)), labels, logits)


def test_the_headline_is_the_accuracy_with_its_wilson_interval(tmp_path):
    classes = ("cat", "dog")
    held = answers(8, 2, classes)
    run, images = run_in(tmp_path / "run", classes), image_set(held.names, held.labels, classes)
    path = write_report(run, images, held, np.zeros((2, 8, 8, 1), np.uint8), TABLE)
    assert path == run.path / "report.html"
    html = path.read_text("utf-8")
    read = Reader(html)
    # Wilson 1927 for 8 of 10, z = 1.96: (0.8 + 0.1921) / 1.3841 -+ 1.96 sqrt(0.016 + 0.0096) / 1.3841 = 0.490, 0.943
    assert "80.0\xa0%</strong>" in html
    assert "8 of 10; 95 % interval 49.0\xa0% to 94.3\xa0%" in html
    assert "10 张中有 8 张" in html
    assert "2 min 5 s" in html
    assert read.tags["img"] == 2 + 2  # mistakes and augmented examples
    assert all(address.startswith(("data:", "#")) for address in read.fetched)
    assert len(read.ids) == len(set(read.ids))
    assert html.index("What was trained on what") < html.index("How it learnt") < html.index("Class by class")
    assert {p.name for p in run.path.iterdir()} == {"log.jsonl", "mistakes.csv", "recipe.toml", "report.html"}


def test_the_matrix_in_words_and_in_cells_is_what_was_counted(tmp_path):
    classes = ("cat", "dog", "eel")
    held = answers(4, 2, classes)  # labels 0 1 2 0 | 1 2: dog taken for eel, eel for cat
    html = write_report(run_in(tmp_path / "r", classes), None, held, None, TABLE).read_text("utf-8")
    assert "dog is taken for eel: 1 of 2 (50.0\xa0%)" in html
    assert "eel is taken for cat: 1 of 2 (50.0\xa0%)" in html
    matrix = html[html.index("What is taken for what") : html.index("How far its confidence")]
    one = matrix[matrix.index("<svg") : matrix.index("</svg>")]
    numbers = re.findall(r">(\d+)</text>", one)
    assert sorted(numbers) == ["1", "1", "1", "1", "2"]  # cat-cat 2; dog and eel once right and once wrong
    assert "could not be opened" in html


def test_what_the_user_named_is_escaped_everywhere(tmp_path):
    classes = (NASTY, "a\"b' & c")
    held = Evaluation("val", classes, (f"{NASTY}/'\".png",), np.array([0]), np.array([[0, 1]], np.float32))
    run = run_in(tmp_path / "r", classes, changes=(NASTY,), reasons=(NASTY,))
    read = Reader(write_report(run, None, held, None, [{NASTY: NASTY}]).read_text("utf-8"))
    assert read.tags["script"] == 1
    assert sum(NASTY in text for text in read.seen) > 5  # and can be read


@pytest.mark.parametrize("epochs", [0, 1])
@pytest.mark.parametrize(("right", "wrong"), [(4, 0), (0, 1)])
def test_no_log_one_epoch_no_mistake_and_one_mistake_are_all_right(tmp_path, epochs, right, wrong):
    classes = ("cat", "dog")
    held = answers(right, wrong, classes, split="val")
    html = write_report(run_in(tmp_path / "r", classes, epochs), None, held, None, []).read_text("utf-8")
    Reader(html)
    assert ("There is no log" in html) == (epochs == 0)
    assert ("every picture was answered rightly" in html) == (wrong == 0)
    assert "expect a little less" in html


def test_a_hundred_classes_keep_their_table_and_lose_their_numbers(tmp_path):
    classes = tuple(f"thing {i}" for i in range(100))
    html = write_report(run_in(tmp_path / "r", classes, 1), None, answers(150, 50, classes), None, TABLE).read_text(
        "utf-8"
    )
    table = html[html.index("Class by class") : html.index("What is taken for what")]
    assert table.count('<th scope="row">thing ') == 100
    assert html.count('class="gone"') == 24
    assert "24 of 50 mistakes" in html


def test_a_picture_that_is_gone_is_said_to_be(tmp_path):
    classes = ("cat", "dog")
    held = Evaluation("test", classes, ("gone.png", "b.png"), np.array([0, 0]), np.array([[0, 1], [0, 1]], np.float32))
    images = image_set(held.names, held.labels, classes)
    html = write_report(run_in(tmp_path / "r", classes), images, held, None, []).read_text("utf-8")
    assert "1 of the pictures below could not be read any more" in html
    assert Reader(html).tags["img"] == 1


def test_a_validation_picture_is_found_where_it_was_carved_from():
    images = image_set(["a.png"], [0], ("cat",), role="train")
    assert found(images, "val", "a.png")
    assert found(images, "val", "b.png") is None
    assert found(None, "val", "a.png") is None


@pytest.mark.parametrize(
    ("shape", "size"),
    [((28, 28, 1), (84, 84)), ((32, 16, 3), (48, 96)), ((64, 64, 3), (64, 64)), ((480, 960, 3), (96, 48)),
     ((1, 500, 3), (96, 1))],
)  # fmt: skip
def test_a_thumbnail_is_at_most_96_px_and_small_ones_grow_by_whole_pixels(shape, size):
    pixels = np.random.default_rng(0).integers(0, 256, shape, np.uint8)
    image = Image.open(BytesIO(thumbnail(pixels)))
    assert image.size == size
    if max(shape) < 64:
        times = size[0] // shape[1]
        kept = np.asarray(image).reshape(size[1], size[0], -1)[::times, ::times]
        assert (kept == pixels).all()


def test_the_recipe_beside_the_report_gives_the_same_recipe(tmp_path):
    classes = ("cat", "dog")
    run = run_in(tmp_path / "r", classes, fitted=False)
    html = write_report(run, None, answers(1, 1, classes), None, [], tmp_path / "else.html").read_text("utf-8")
    assert changed(Recipe(), tomllib.loads((run.path / "recipe.toml").read_text())) == run.card.recipe
    assert "konvolut train &#x27;my things/&#x27; --net lenet --recipe" in html  # quoted for the shell
    assert "--seed 0 --size 8" in html


def test_a_report_is_written_anew_though_its_pictures_are_gone(tmp_path, monkeypatch):
    classes = ("cat", "dog")
    run, held = run_in(tmp_path / "r", classes), answers(3, 1, classes)
    np.savez(
        run.path / "evaluation.npz", split="test", names=np.array(held.names), labels=held.labels, logits=held.logits
    )
    monkeypatch.setattr(report, "as_rows", lambda ledger: TABLE)
    monkeypatch.setattr(report, "ledger", lambda arch: None)
    monkeypatch.setattr(Run, "arch", lambda run: None)
    html = report.report_again(run).read_text("utf-8")
    assert "75.0\xa0%</strong>" in html
    assert "could not be opened" in html


def test_a_table_of_ones_own_lies_beside_the_report_and_is_what_its_line_names(tmp_path):
    arch = nin(blocks=((4, 3, 1, 1),), input=(1, 8, 8), classes=2)
    run = run_in(tmp_path / "own", ("a", "b"), own=to_plain(arch), table=digest(arch), parent="mother/")
    page = write_report(run, None, answers(3, 1, ("a", "b")), None, []).read_text("utf-8")
    assert read_table(run.path / "net.toml") == arch
    assert f"--net {run.path / 'net.toml'}" in page
    assert "--weights mother/" in page


def test_the_report_of_a_users_module_gives_no_line_that_would_not_work(tmp_path):
    run = run_in(tmp_path / "module", ("a", "b"), module="Mine", table="")
    page = write_report(run, None, answers(3, 1, ("a", "b")), None, []).read_text("utf-8")
    assert "konvolut train" not in page
    assert "Mine" in page


def test_a_time_is_printed_in_units_one_can_read():
    assert [duration(s)["en"] for s in (9.51, 125, 12_000)] == ["9.5 s", "2 min 5 s", "3 h 20 min"]


def test_the_examples_made_anew_are_the_ones_of_the_run(tmp_path):
    rng = np.random.default_rng(0)
    held = {f"{i}.png": rng.integers(0, 256, (16, 16, 1), np.uint8) for i in range(12)}
    split = Split(tuple(held), np.arange(12) % 2, tuple(held), lambda name, **_: held[name])
    images = ImageSet("things", "things/", ("a", "b"), {"train": split})
    recipe = Recipe(epochs=1, batch=4, augment=Augment(flip=True, shift=0.2, rotate=15.0))
    course = Course(images, plan(images, "lenet", recipe), tmp_path / "run")
    assert (augmented_again(images, course.run.card, 8) == course.augmented(8)).all()


def window(step, of=40, **held):
    usual = {
        "epoch": 1,
        "lr": 0.1,
        "loss": 2.0,
        "grad_norm": 1.0,
        "images_per_s": 500.0,
        "waiting": 0.1,
        "memory_mb": 900.0,
    }
    return {"step": step, "of": of, **usual, **held}


def training(path, entries, tail="", **fields):
    """A run of 7 epochs over 10 pictures that has logged `entries`, and then begun a line with `tail`."""
    run = run_in(path, ("cat", "dog"), 0, **fields)
    (path / "log.jsonl").write_text("".join(json.dumps(entry) + "\n" for entry in entries) + tail)
    return run


def epoch(number, **held):
    return {"epoch": number, "lr": 0.1, "train_loss": 1.5, "train_accuracy": 0.5, "images_per_s": 400.0, **held}


def test_how_far_a_run_has_come_is_arithmetic_on_its_log(tmp_path):
    log = [window(4), epoch(1), window(12, images_per_s=20.0)]
    run = training(tmp_path / "r", log)
    os.utime(run.path / "log.jsonl", (1_000_000, 1_000_000))
    epochs, windows, _ = report.logged(run)
    found = progress(run, epochs, windows)
    assert (found.epochs, found.of) == (1, 7)
    assert found.rate == pytest.approx(2 / (1 / 500 + 1 / 20))  # as many pictures at each
    assert found.done == 12 / 40  # of all steps
    assert found.left == pytest.approx(49 * (1 / 500 + 1 / 20) / 2)  # 49 pictures of 70 are left
    assert found.end.timestamp() == pytest.approx(1_000_000 + 1.274)


def test_a_run_before_windows_were_logged_counts_by_its_epochs(tmp_path):
    run = training(tmp_path / "r", [epoch(1), epoch(2)])
    found = progress(run, *report.logged(run)[:2])
    assert (found.done, found.left) == (2 / 7, pytest.approx(50 / 400.0))


def test_a_report_can_be_read_while_the_run_trains(tmp_path, monkeypatch):
    monkeypatch.setattr(report, "table_of", lambda run: TABLE)
    run = training(tmp_path / "r", [window(4), epoch(1), window(12)], tail='{"step": 16, "of": 40, "lo')
    page = report.report_again(run)
    assert page == run.path / "report.html"
    html = page.read_text("utf-8")
    read = Reader(html)
    assert "30.0\xa0%</strong>" in html  # step 12 of 40
    assert "1 of 7 epochs are finished" in html
    assert "expected end" in html
    assert "over 2 windows" in html  # the third is being written
    assert f"konvolut train --resume {run.path}" in html
    assert all(address.startswith(("data:", "#")) for address in read.fetched)
    assert {p.name for p in run.path.iterdir()} == {"log.jsonl", "report.html"}


@pytest.mark.parametrize(
    ("entries", "words"),
    [
        ([], "Nothing has been logged yet"),
        ([window(4)], "No epoch has ended yet"),
        ([epoch(1)], "after each of 1 epochs"),
    ],
    ids=["nothing", "a window", "an epoch"],
)
def test_what_there_is_so_far_is_enough(tmp_path, monkeypatch, entries, words):
    monkeypatch.setattr(report, "table_of", lambda run: [])
    html = report.report_again(training(tmp_path / "r", entries)).read_text("utf-8")
    Reader(html)
    assert words in html
    assert ("expected end" in html) == bool(entries)


def test_a_run_that_has_not_even_a_log_has_a_report(tmp_path, monkeypatch):
    monkeypatch.setattr(report, "table_of", lambda run: [])
    run = run_in(tmp_path / "r", ("cat", "dog"), 0)
    assert "Nothing has been logged yet" in report.report_again(run).read_text("utf-8")


def test_a_damaged_line_of_the_log_is_named_and_not_left_out(tmp_path):
    run = training(tmp_path / "r", [epoch(1)], tail='{"epoch": 2, "lr"\n' + json.dumps(epoch(3)) + "\n")
    with pytest.raises(RunError, match=r"log\.jsonl: a line of it is no JSON"):
        report.report_again(run)


def test_the_steps_are_drawn_and_what_they_took_is_a_table(tmp_path):
    classes = ("cat", "dog")
    log = [window(4 * i, waiting=0.1 * i, memory_mb=900.0 + i, images_per_s=100.0 * i) for i in (1, 2, 3)]
    run = training(tmp_path / "r", [*log[:2], epoch(1, stuck="has not moved"), log[2], {"step": 11, "skipped": "inf"}])
    html = write_report(run, None, answers(3, 1, classes), None, []).read_text("utf-8")
    learnt = html[html.index("How it learnt") : html.index("Class by class")]
    assert "norm of the gradient" in learnt
    rows = {row[0]: row[1:] for row in cells(learnt)}
    assert rows["pictures/s"] == ["200", "100", "300", "300"]
    assert rows["share of the time waiting for pictures"] == ["20.0\xa0%", "10.0\xa0%", "30.0\xa0%", "30.0\xa0%"]
    assert rows["memory (MB)"] == ["902", "901", "903", "903"]
    assert "<li>has not moved</li><li>inf</li>" in learnt


def cells(html):
    """The rows of the tables in `html`, in English."""
    rows = []
    for row in re.findall(r"<tr>(.*?)</tr>", html):
        texts = re.findall(r"<t[hd][^>]*>(.*?)</t[hd]>", row)
        rows.append([re.sub(r'<span lang="zh">.*?</span>|<[^>]*>', "", text) for text in texts])
    return rows


def test_many_windows_are_drawn_in_groups_that_keep_their_extremes():
    log = [window(i, grad_norm=float(i)) for i in range(1, 251)]
    rows = grouped(log, "grad_norm")
    assert len(rows) == 100
    assert rows[0] == {"step": 3, "value": 2.0, "lower": 1.0, "upper": 3.0}  # 250 = 50 * 3 + 50 * 2
    assert rows[-1] == {"step": 250, "value": 249.5, "lower": 249.0, "upper": 250.0}
    few = grouped(log[:2], "grad_norm")
    assert [row["value"] for row in few] == [1.0, 2.0]


@pytest.mark.parametrize("lost", [float("nan"), float("inf"), None])
def test_a_window_without_a_finite_norm_is_not_drawn_and_is_counted(tmp_path, lost):
    run = training(tmp_path / "r", [epoch(1), window(4), window(8, grad_norm=lost), window(12)])
    html = write_report(run, None, answers(3, 1, ("cat", "dog")), None, []).read_text("utf-8")
    assert "1 windows held a value that is no finite number" in html
    assert [row["step"] for row in grouped(list(run.windows()), "grad_norm")] == [4, 12]
