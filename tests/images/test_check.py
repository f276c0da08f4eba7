"""`check` on folders whose faults were planted one by one: each is found, and nothing else is."""

import json
import os
import subprocess
import sys
from io import BytesIO
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from untidy import untidy

from konvolut.errors import DataError
from konvolut.images import check as checking
from konvolut.images import quarantine
from konvolut.images.check import KINDS, WORDS, check
from konvolut.images.contact import write_page
from konvolut.images.packing import pack
from konvolut.images.sources import open_images


def noise(seed: int, side: int = 40) -> Image.Image:
    """White noise averaged over a few pixels: no two seeds are alike, and a copy survives being saved as JPEG."""
    coarse = np.random.default_rng(seed).integers(0, 256, (10, 10, 3), dtype=np.uint8)
    return Image.fromarray(coarse).resize((side, side), Image.Resampling.BILINEAR)


def put(path: Path, image: Image.Image | bytes, **options) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    if isinstance(image, bytes):
        path.write_bytes(image)
    else:
        image.save(path, **options)
    return path


@pytest.fixture
def clean(tmp_path):
    """Two classes, two splits, nothing wrong."""
    root = tmp_path / "pets"
    seed = 0
    for role, count in (("train", 4), ("test", 2)):
        for label in ("cat", "dog"):
            for i in range(count):
                put(root / role / label / f"{i}.png", noise(seed))
                seed += 1
    return root


def found(root, **how) -> dict[str, tuple[tuple[str, ...], ...]]:
    report = check(root, workers=1, **how)
    assert [KINDS.index(one.kind) for one in report.findings] == sorted(
        KINDS.index(one.kind) for one in report.findings
    )
    return {one.kind: one.groups for one in report.findings}


def test_a_clean_folder_has_no_finding_and_right_counts(clean):
    seen = []
    report = check(clean, lambda done, of: seen.append((done, of)), workers=1)
    assert report.findings == ()
    assert report.counts == {label: {"train": 4, "val": 0, "test": 2} for label in ("cat", "dog")}
    assert report.tally(lambda header: header.format) == {"PNG": 12}
    assert report.sizes() == ((40, 40),) * 3
    assert seen == [(i + 1, 12) for i in range(12)]
    assert report.quarantine == {}


def test_unreadable_files_are_told_with_their_reasons(clean):
    put(clean / "train/cat/cut.jpg", (clean / "train/cat/0.png").read_bytes()[:-50])
    put(clean / "train/dog/empty.png", b"")
    report = check(clean, workers=1)
    (only,) = report.findings
    assert (only.kind, only.groups) == ("unreadable", (("train/cat/cut.jpg",), ("train/dog/empty.png",)))
    assert only.reasons[0].startswith(f"{clean}/train/cat/cut.jpg: ")
    assert only.reasons[1] == f"{clean}/train/dog/empty.png: an empty file; copy it again or remove it"
    assert list(report.quarantine) == list(report.listed("bad")) == ["train/cat/cut.jpg", "train/dog/empty.png"]


def test_what_is_no_file_among_the_pictures_is_told_and_the_rest_is_looked_at(clean, tmp_path):
    os.mkfifo(clean / "train/cat/pipe.png")
    (clean / "train/dog/gone.png").symlink_to(tmp_path / "nowhere.png")
    report = check(clean, workers=1)
    (only,) = report.findings
    assert only.groups == (("train/cat/pipe.png",), ("train/dog/gone.png",))
    assert [reason.partition(": ")[2] for reason in only.reasons] == [
        "neither a file nor a folder; move it away",
        "a link that leads to no file; mend it, or remove it",
    ]
    out = quarantine.write(tmp_path / "out.txt", report.quarantine)
    assert sum(map(len, open_images(clean, exclude=out).splits.values())) == 12


def test_a_file_that_may_not_be_read_is_told_too(clean):
    if os.geteuid() == 0:
        pytest.skip("root may read everything")
    (clean / "train/cat/0.png").chmod(0)
    assert found(clean) == {"unreadable": (("train/cat/0.png",),)}


def test_exact_copies_are_sorted_by_what_they_cross(clean):
    put(clean / "train/cat/copy.png", (clean / "train/cat/0.png").read_bytes())
    put(clean / "train/dog/cat 1.png", (clean / "train/cat/1.png").read_bytes())
    put(clean / "train/dog/leak.png", (clean / "test/dog/0.png").read_bytes())
    report = check(clean, workers=1)
    assert {one.kind: one.groups for one in report.findings} == {
        "leaks": (("test/dog/0.png", "train/dog/leak.png"),),
        "two-classes": (("train/cat/1.png", "train/dog/cat 1.png"),),
        "copies": (("train/cat/0.png", "train/cat/copy.png"),),
    }
    why = report.quarantine
    assert set(why) == {"train/cat/1.png", "train/dog/cat 1.png", "train/dog/leak.png", "train/cat/copy.png"}
    assert why["train/dog/leak.png"] == "an exact copy of test/dog/0.png"
    assert report.listed("leaks") == ("train/dog/leak.png",)
    assert report.listed("duplicates") == ("train/cat/copy.png", "train/dog/cat 1.png", "train/dog/leak.png")


def test_near_copies_are_sorted_likewise_and_only_leaks_are_quarantined(clean):
    put(clean / "train/cat/again.jpg", Image.open(clean / "train/cat/0.png"), quality=90)
    put(clean / "train/dog/cat 1.jpg", Image.open(clean / "train/cat/1.png"), quality=90)
    put(clean / "train/dog/leak.jpg", Image.open(clean / "test/dog/0.png").resize((60, 60)), quality=95)
    report = check(clean, workers=1)
    assert {one.kind: one.groups for one in report.findings} == {
        "near-leaks": (("test/dog/0.png", "train/dog/leak.jpg"),),
        "near-two-classes": (("train/cat/1.png", "train/dog/cat 1.jpg"),),
        "near-copies": (("train/cat/0.png", "train/cat/again.jpg"),),
    }
    assert report.quarantine == {"train/dog/leak.jpg": "nearly the same as test/dog/0.png, in test"}


def test_of_a_content_in_all_three_splits_the_test_copy_stays(clean):
    same = (clean / "test/cat/0.png").read_bytes()
    put(clean / "train/cat/a.png", same)
    put(clean / "train/cat/b.png", same)
    for i in range(2):
        put(clean / f"val/dog/{i}.png", noise(100 + i))
    put(clean / "val/cat/c.png", same)
    assert set(check(clean, workers=1).quarantine) == {"train/cat/a.png", "train/cat/b.png", "val/cat/c.png"}


def test_without_splits_of_its_own_a_folder_has_no_leak(clean):
    root = clean / "train"
    put(root / "cat/again.jpg", Image.open(root / "cat/0.png"), quality=90)
    assert found(root) == {"near-copies": (("cat/0.png", "cat/again.jpg"),)}


def test_faults_of_single_pictures(clean):
    put(clean / "train/cat/blank.png", Image.new("RGB", (40, 40), "navy"))
    put(clean / "train/cat/blank too.png", Image.new("RGB", (50, 40), "red"))  # alike, but not told as copies
    put(clean / "train/cat/long.png", noise(50).resize((100, 20)))
    put(clean / "train/cat/tiny.png", noise(51).resize((9, 9)))
    put(clean / "train/cat/dark.png", noise(52).point(lambda value: value // 8))
    put(clean / "train/dog/bright.png", noise(53).point(lambda value: 223 + value // 8))
    put(clean / "train/dog/moving.gif", noise(54), save_all=True, append_images=[noise(55)])
    report = check(clean, workers=1)
    assert {one.kind: one.groups for one in report.findings} == {
        "blank": (("train/cat/blank too.png",), ("train/cat/blank.png",)),
        "tiny": (("train/cat/tiny.png",),),
        "dark": (("train/cat/dark.png",),),
        "bright": (("train/dog/bright.png",),),
        "aspect": (("train/cat/long.png",),),
        "frames": (("train/dog/moving.gif",),),
    }
    assert report.quarantine == {"train/cat/blank too.png": "blank", "train/cat/blank.png": "blank"}
    assert report.listed("bad") == tuple(report.quarantine)


def test_classes_that_a_split_lacks_and_names_that_are_nearly_equal(clean):
    for i, label in enumerate(("Cat", "big dog", "bigdog")):
        put(clean / "train" / label / "0.png", noise(60 + i))
    put(clean / "test" / "fox" / "0.png", noise(70))
    assert found(clean) == {
        "missing": (("fox",), ("Cat",), ("big dog",), ("bigdog",)),
        "names-alike": (("Cat", "cat"), ("big dog", "bigdog")),
    }


def test_one_class_alone_is_reported_and_not_refused(tmp_path):
    for i in range(3):
        put(tmp_path / "set/cat" / f"{i}.png", noise(i))
    assert found(tmp_path / "set") == {"one-class": (("cat",),)}
    with pytest.raises(DataError, match="one class only"):
        open_images(tmp_path / "set")


def test_uneven_classes_are_told_from_ten_to_one_on(tmp_path):
    for label, count in (("cat", 2), ("dog", 19)):
        for i in range(count):
            put(tmp_path / "set" / label / f"{i}.png", noise(100 * count + i))
    assert found(tmp_path / "set") == {}
    put(tmp_path / "set/dog/19.png", noise(9))
    report = check(tmp_path / "set", workers=1)
    assert [(one.kind, one.groups, one.reasons) for one in report.findings] == [
        ("uneven", (("dog", "cat"),), ("train: 20 / 2",))
    ]


def test_hidden_folders_and_files_that_belong_nowhere(clean):
    put(clean / ".thumbs/1.png", noise(80))
    put(clean / "train/.old/1.png", noise(81))
    put(clean / "train/cat/.DS_Store", b"x")
    put(clean / "Thumbs.db", b"x")
    (clean / ".empty").mkdir()
    put(clean / "README.txt", b"x")
    put(clean / "train/cat/notes.txt", b"x")
    assert found(clean) == {
        "hidden": ((".thumbs",), ("train/.old",)),
        "passed-over": (("README.txt",), ("train/cat/notes.txt",)),
    }


def test_the_untidy_folder_that_the_house_trains_on(tmp_path):
    kinds = found(untidy(tmp_path / "untidy"))
    assert kinds["copies"] == (("train/red_disc/0 cut.png", "train/red_disc/copy of 0 cut.png"),)
    assert kinds["hidden"] == (("train/.cache",),)
    assert kinds["passed-over"] == (("train/red_disc/notes.txt",),)
    assert len(kinds.get("near-leaks", ())) <= 1  # two squares of a few pixels
    assert set(kinds) <= {"copies", "hidden", "passed-over", "near-leaks"}


def test_a_table_a_pack_and_a_folder_are_told_the_same(clean, tmp_path):
    put(clean / "train/cat/copy.png", (clean / "train/cat/0.png").read_bytes())
    put(clean / "train/dog/blank.png", Image.new("RGB", (40, 40)))
    rows = [
        (path.relative_to(tmp_path), path.parent.name, path.parents[1].name) for path in sorted(clean.rglob("*.png"))
    ]
    table = tmp_path / "set.csv"
    table.write_text("path,label,split\n" + "".join(f"{path},{label},{role}\n" for path, label, role in rows))
    pack(clean, tmp_path / "packed")
    wanted = found(clean)
    assert set(wanted) == {"copies", "blank"}
    assert found(tmp_path / "packed") == wanted
    assert found(table) == {
        kind: tuple(tuple(f"pets/{name}" for name in group) for group in groups) for kind, groups in wanted.items()
    }


def test_a_table_that_gives_one_file_twice_does_not_lose_it(clean, tmp_path):
    names = [f"pets/train/{label}/{i}.png" for label in ("cat", "dog") for i in range(3)]
    rows = [f"{name},{name.split('/')[2]}\n" for name in [*names, names[0]]]
    (tmp_path / "set.csv").write_text("path,label\n" + "".join(rows))
    report = check(tmp_path / "set.csv", workers=1)
    assert [(one.kind, one.groups) for one in report.findings] == [("copies", ((names[0], names[0]),))]
    assert report.quarantine == {}


def test_arrays_are_looked_at_as_they_are_stored(tmp_path):
    held = np.stack([np.asarray(noise(i)) for i in range(10)])
    held[7] = held[2]  # in test what train has
    held[3] = 90
    labels = np.array([0, 1] * 5)
    labels[7] = 0
    np.savez(tmp_path / "set.npz", x_train=held[:6], y_train=labels[:6], x_test=held[6:], y_test=labels[6:])
    report = check(tmp_path / "set.npz")
    assert {one.kind: one.groups for one in report.findings} == {
        "leaks": (("test/1", "train/2"),),
        "blank": (("train/3",),),
    }
    assert list(report.quarantine) == ["train/2", "train/3"]
    assert report.sizes() == ((40, 40),) * 3


def test_letters_are_not_taken_for_their_mirror_images(clean):
    mirrored = Image.open(clean / "train/cat/0.png").transpose(Image.Transpose.FLIP_LEFT_RIGHT)
    put(clean / "train/cat/m.png", mirrored)
    assert found(clean) == {"near-copies": (("train/cat/0.png", "train/cat/m.png"),)}
    for role in ("train", "test"):
        (clean / role / "cat").rename(clean / role / "b")
        (clean / role / "dog").rename(clean / role / "d")
    assert found(clean) == {}


def test_what_is_quarantined_is_what_training_then_leaves_out(clean, tmp_path):
    """The list goes through `open_images`, and the set that is left has no finding of those kinds."""
    put(clean / "train/cat/copy.png", (clean / "train/cat/0.png").read_bytes())
    put(clean / "train/dog/leak.png", (clean / "test/dog/0.png").read_bytes())
    put(clean / os.fsdecode(b"train/dog/\xff\n.png"), b"broken")
    report = check(clean, workers=1)
    out = quarantine.write(tmp_path / "out.txt", report.quarantine)
    opened = open_images(clean, exclude=out)
    names = {name for split in opened.splits.values() for name in split.names}
    assert names == {entry.name for entry in report.listing.entries} - set(report.quarantine)
    assert len(names) == 12


def test_nothing_of_the_users_is_changed(clean):
    put(clean / "train/cat/cut.jpg", b"\xff\xd8\xff")
    before = {path: (path.stat().st_mtime_ns, path.read_bytes()) for path in clean.rglob("*") if path.is_file()}
    check(clean, workers=1)
    assert {path: (path.stat().st_mtime_ns, path.read_bytes()) for path in clean.rglob("*") if path.is_file()} == before


def test_what_is_no_set_is_refused(tmp_path):
    with pytest.raises(DataError, match="no such file or folder"):
        check(tmp_path / "gone")
    (tmp_path / "set/cat").mkdir(parents=True)
    with pytest.raises(DataError, match="a class folder with no picture"):
        check(tmp_path / "set")


def test_json_holds_all_of_it(clean):
    put(clean / "train/cat/copy.png", (clean / "train/cat/0.png").read_bytes())
    told = json.loads(json.dumps(check(clean, workers=1).as_numbers()))
    assert told["pictures"] == 13
    assert told["classes"]["cat"] == {"train": 5, "test": 2}
    assert told["modes"] == {"RGB": 13}
    assert told["sizes"] == {"smallest": [40, 40], "middle": [40, 40], "largest": [40, 40]}
    assert [(one["kind"], one["count"]) for one in told["findings"]] == [("copies", 1)]
    assert told["quarantine"] == {"train/cat/copy.png": "an exact copy of train/cat/0.png"}


def test_every_kind_has_its_words():
    assert set(WORDS) == set(KINDS)


# ---- the page


def test_the_page_shows_the_pictures_and_needs_nothing_else(clean, tmp_path):
    put(clean / "train/cat/copy <b>.png", (clean / "train/cat/0.png").read_bytes())
    put(clean / "train/dog/broken.png", b"GIF89a")
    put(clean / "train/dog/wide.png", noise(90).resize((120, 40)))
    page = write_page(check(clean, workers=1), tmp_path / "check.html", size=20).read_text("utf-8")
    assert "copy <b>" not in page
    assert "copy &lt;b&gt;" in page
    assert "http" not in page.replace("http-equiv", "").replace("http://www.w3.org", "")
    assert page.count("<img ") == 2 + 4 * 4  # a group of two; four pictures, each as it is and fitted three times
    assert "broken.png: " in page


def test_the_thumbnails_are_few_however_many_findings_there_are(tmp_path):
    for i in range(60):
        put(tmp_path / "set" / ("cat", "dog")[i % 2] / f"{i}.png", noise(i).resize((8, 8)))
    page = write_page(check(tmp_path / "set", workers=1), tmp_path / "check.html").read_text("utf-8")
    assert page.count("<img ") <= 24 + 16


def test_a_preview_is_what_the_net_would_get(tmp_path):
    """A picture of two halves: crop sees both equally, pad adds white above, stretch fills the square."""
    from konvolut.images.contact import thumbnails

    file = BytesIO()
    halves = np.zeros((50, 100, 3), np.uint8)
    halves[:, 50:] = 200
    Image.fromarray(halves).save(file, "PNG")
    whole, crop, pad, stretch = (
        np.asarray(Image.open(BytesIO(one))).astype(int) for one in thumbnails(file.getvalue(), "x", 64)
    )
    assert whole.shape == (48, 96, 3)
    assert all(one.shape == (64, 64, 3) for one in (crop, pad, stretch))
    assert pad[4].min() > 240
    assert crop[4, 60].max() > 190
    assert stretch[4, 4].max() < 10


def test_a_page_replaces_a_page_and_no_other_file(clean, tmp_path):
    report = check(clean, workers=1)
    path = write_page(report, tmp_path / "check.html")
    write_page(report, path)
    for name in ("mine.html", "cat.jpg"):
        put(tmp_path / name, b"<!doctype html>\n<p>mine")
        with pytest.raises(DataError, match="already there and not a page of Konvolut"):
            write_page(report, tmp_path / name)
        assert (tmp_path / name).read_bytes() == b"<!doctype html>\n<p>mine"


# ---- bounds


def test_what_is_kept_of_a_picture_is_a_few_hundred_bytes(tmp_path):
    """Counted by Python itself, over what a report of 50 and one of 250 pictures hold."""
    import gc
    import tracemalloc

    kept = []
    for count in (50, 250):
        held = np.random.default_rng(count).integers(0, 256, (count, 12, 12, 3), dtype=np.uint8)
        np.savez(tmp_path / "set.npz", x_train=held, y_train=np.arange(count) % 2)
        listing = checking._of_arrays(checking.stored(tmp_path / "set.npz", "set"))
        gc.collect()
        tracemalloc.start()
        seen = []
        with checking.closing(checking.Shelf()) as shelf:
            for entry in listing.entries:
                seen.append(checking._seen(checking.look(listing.contents(entry.name), entry.name), shelf))
        gc.collect()
        kept.append(tracemalloc.get_traced_memory()[0])
        tracemalloc.stop()
        assert len(seen) == count
    assert (kept[1] - kept[0]) / 200 < 600


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_a_hundred_thousand_small_files_stay_within_bounded_memory(tmp_path):
    """In a process of its own, whose memory the kernel counts: what is not backed by a file stays below 200 MB above start."""
    if not Path("/proc/self/status").exists():
        pytest.skip("memory is read from /proc")
    rng = np.random.default_rng(0)
    for i in range(100_000):
        put(
            tmp_path / "set" / f"c{i % 10}" / f"{i}.png",
            Image.fromarray(rng.integers(0, 256, (32, 32, 3), dtype=np.uint8)),
        )
    told = subprocess.run(
        [sys.executable, "-c", MEASURED, tmp_path / "set"], capture_output=True, text=True, check=True
    )
    pictures, above = map(int, told.stdout.split())
    assert pictures == 100_000
    assert above < 200_000  # kB


MEASURED = """
import sys
from threading import Thread
from time import sleep
from konvolut.images.check import check

def anonymous():
    with open("/proc/self/status") as file:
        return next(int(line.split()[1]) for line in file if line.startswith("RssAnon"))

def watch():
    while True:
        top[0] = max(top[0], anonymous())
        sleep(0.05)

start, top = anonymous(), [0]
Thread(target=watch, daemon=True).start()
report = check(sys.argv[1])
print(len(report.seen), top[0] - start)
"""
