"""`konvolut check`, from words to lines, paths, pages and exit statuses."""

import json
import os
import re
import subprocess
import sys
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner
from PIL import Image
from spoken import konvolut

from konvolut.cli.check import command
from konvolut.language import set_language


def noise(seed: int) -> Image.Image:
    coarse = np.random.default_rng(seed).integers(0, 256, (10, 10, 3), dtype=np.uint8)
    return Image.fromarray(coarse).resize((40, 40), Image.Resampling.BILINEAR)


@pytest.fixture
def pets(tmp_path, monkeypatch):
    """Two classes, two splits, nothing wrong; the command is said in the folder that holds them."""
    monkeypatch.chdir(tmp_path)
    seed = 0
    for role, count in (("train", 4), ("test", 2)):
        for label in ("cat", "dog"):
            folder = tmp_path / "pets" / role / label
            folder.mkdir(parents=True)
            for i in range(count):
                noise(seed).save(folder / f"{i}.png")
                seed += 1
    return tmp_path / "pets"


@pytest.fixture
def faulty(pets):
    """A leak, a copy, a broken file and a blank picture; names that shells find hard."""
    (pets / "train/dog/a leak.png").write_bytes((pets / "test/dog/0.png").read_bytes())
    (pets / 'train/cat/it\'s "a" copy.png').write_bytes((pets / "train/cat/0.png").read_bytes())
    (pets / os.fsdecode(b"train/cat/\xff.png")).write_bytes(b"broken")
    Image.new("L", (40, 40), 200).save(pets / "train/cat/blank.png")
    return pets


BAD = {b"pets/train/cat/\xff.png", b"pets/train/cat/blank.png"}
COPIES = {b"pets/train/dog/a leak.png", b'pets/train/cat/it\'s "a" copy.png'}


def process(*words: str) -> subprocess.CompletedProcess[bytes]:
    """As a user's shell runs it: bytes out."""
    environment = {**os.environ, "KONVOLUT_LANG": "en"}
    return subprocess.run([sys.executable, "-m", "konvolut", *words], capture_output=True, env=environment)


def test_a_clean_set_exits_with_0_and_says_how_to_train(pets, capsys, monkeypatch):
    told = konvolut(capsys, monkeypatch, "check", "pets")
    assert (told.status, told.err) == (0, "")
    lines = [line.rstrip() for line in told.out.splitlines()]
    assert lines[0].split() == ["class", "train", "test"]
    assert lines[1].split()[:3] == ["cat", "4", "2"]
    assert set(lines[1].split()[3]) == {"█"}
    assert lines[3:] == [
        "12 pictures, 2 classes; PNG 12; RGB 12",
        "sizes from 40 x 40 to 40 x 40 px, the middle one 40 x 40",
        "nothing was found",
        "next:",
        "  konvolut train pets",
    ]


def test_findings_exit_with_1_worst_first_with_the_next_command(faulty, capsys, monkeypatch):
    told = konvolut(capsys, monkeypatch, "check", "pets")
    assert (told.status, told.err) == (1, "")
    heads = [line for line in told.out.splitlines() if line.endswith(": 1")]
    assert heads == [
        "files that cannot be read: 1",
        "pictures with exact copies in several splits: 1",
        "pictures with exact copies in one class: 1",
        "blank pictures: 1",
    ]
    assert "  test/dog/0.png = train/dog/a leak.png" in told.out.splitlines()
    assert told.out.splitlines()[-3:] == [
        "next:",
        "  konvolut check pets --quarantine exclude.txt",
        "  konvolut check pets --html check.html",
    ]


def test_the_bar_of_the_largest_class_is_the_longest(pets, capsys, monkeypatch):
    for i in range(6):
        noise(50 + i).save(pets / f"train/dog/more {i}.png")
    out = konvolut(capsys, monkeypatch, "check", "pets").out
    bars = {line.split()[0]: line.count("█") for line in out.splitlines() if "█" in line}
    assert bars == {"cat": 15, "dog": 30}  # 6 and 12 pictures


def test_lists_are_paths_byte_for_byte_and_nothing_else(faulty):
    """The oracle is the file system: each line names the file that was planted."""
    for what, wanted in (("bad", BAD), ("leaks", {b"pets/train/dog/a leak.png"})):
        told = CliRunner().invoke(command, ["pets", "--list", what])
        assert (told.exit_code, set(told.stdout_bytes.splitlines()), told.stderr) == (1, wanted, "")
    copies = process("check", "pets", "--list", "duplicates")
    assert (copies.returncode, set(copies.stdout.splitlines()), copies.stderr) == (1, COPIES, b"")
    removed = subprocess.run(["xargs", "-d", "\n", "rm"], input=copies.stdout, capture_output=True)
    assert (removed.returncode, removed.stderr) == (0, b"")
    assert not any(os.path.exists(path) for path in COPIES)


def test_json_is_nothing_but_json_and_says_the_same(faulty):
    told = process("check", "pets", "--json")
    assert (told.returncode, told.stderr) == (1, b"")
    held = json.loads(told.stdout)
    assert {one["kind"]: one["count"] for one in held["findings"]} == {
        "unreadable": 1,
        "leaks": 1,
        "copies": 1,
        "blank": 1,
    }
    assert {os.fsencode("pets/" + name) for name in held["quarantine"]} == BAD | COPIES


def test_the_quarantine_is_what_training_takes(faulty, capsys, monkeypatch):
    from konvolut.images.sources import open_images

    told = konvolut(capsys, monkeypatch, "check", "pets", "--quarantine", "my list.txt")
    assert told.status == 1
    assert told.out.splitlines()[-2] == "  konvolut train pets --set exclude='my list.txt'"
    held = open_images("pets", exclude="my list.txt")
    left = {os.fsencode(f"pets/{name}") for split in held.splits.values() for name in split.names}
    every = {os.fsencode(path.relative_to(faulty.parent)) for path in faulty.rglob("*.png")}
    assert left == every - BAD - COPIES


def test_the_page_is_well_formed_and_has_the_findings(faulty, capsys, monkeypatch):
    told = konvolut(capsys, monkeypatch, "check", "pets", "--html", "check.html")
    assert told.status == 1
    assert "page        check.html" in told.out.splitlines()
    page = Path("check.html").read_text("utf-8")
    heads = re.findall(r"<h2>(.*?)</h2>", page)
    assert [re.sub(r'<span lang="zh">.*?</span>|<[^>]+>', "", head) for head in heads] == [
        "Pictures of each class",
        "files that cannot be read: 1",
        "pictures with exact copies in several splits: 1",
        "pictures with exact copies in one class: 1",
        "blank pictures: 1",
        "Fitted to 64 x 64 px",
    ]
    assert balanced(page)


def balanced(page: str) -> bool:
    """Is every element of HTML closed in its turn? By the standard library's parser."""
    alone, found = {"meta", "img", "br", "link"}, []

    class Reader(HTMLParser):
        def handle_starttag(self, tag, attrs):
            if tag not in alone:
                found.append(tag)

        def handle_endtag(self, tag):
            assert found.pop() == tag

    Reader().feed(page)
    return not found


def test_chinese(faulty, capsys, monkeypatch):
    """Whatever the catalogue says of it by now, a sentence keeps its number and the paths stay as they are."""
    told = konvolut(capsys, monkeypatch, "--lang", "zh", "check", "pets")
    set_language("en")
    assert told.status == 1
    assert "  test/dog/0.png = train/dog/a leak.png" in told.out.splitlines()


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("gone",), "DataError: 'gone': no such folder|DataError: gone: no such folder"),
        (("pets", "--list", "worse"), "worse"),
        (("pets", "--json", "--list", "bad"), "--json and --list both say what is printed"),
        (("pets", "--size", "0"), "--size"),
        (("pets", "--size", "32"), "--size is of the preview on a page; give --html FILE too"),
        (("pets", "--html", "pets/train/cat/0.png"), "already there and not a page of Konvolut"),
        (("pets", "--quarantine", "pets/train/cat/0.png"), "already there and not a quarantine list"),
        (("pets", "--html", "pets"), "a folder; name a file"),
        ((), "Missing argument 'DATA'"),
    ],
)
def test_the_users_mistakes_are_one_line_and_exit_with_2(pets, capsys, monkeypatch, words, said):
    before = {path: path.read_bytes() for path in pets.rglob("*.png")}
    told = konvolut(capsys, monkeypatch, "check", *words)
    assert (told.status, told.out) == (2, "")
    assert re.search(said, told.err)
    assert told.err.count("\n") == 1
    assert {path: path.read_bytes() for path in pets.rglob("*.png")} == before


@pytest.mark.parametrize("option", ["--html", "--quarantine"])
@pytest.mark.parametrize("path", ["pets/train/cat/0.png/x", f"{'x' * 250}.html", "/proc/x.html"])
def test_what_cannot_be_written_is_told_before_the_pictures_are_looked_at(pets, capsys, monkeypatch, option, path):
    monkeypatch.setattr("konvolut.images.check.check", lambda *_: pytest.fail("a picture was looked at"))
    before = sorted(pets.parent.rglob("*"))
    told = konvolut(capsys, monkeypatch, "check", "pets", option, path)
    assert (told.status, told.out) == (2, "")
    assert re.fullmatch(
        r"DataError: .*: cannot be written \(.*\); name a file in a folder that you may write to\n", told.err
    )
    assert sorted(pets.parent.rglob("*")) == before


def test_a_list_that_leaves_a_class_without_pictures_says_so_and_train_agrees(pets, capsys, monkeypatch):
    for i in range(4):
        (pets / f"train/cat/{i}.png").write_bytes(b"broken")
    for words in ((), ("--quarantine", "list.txt")):
        told = konvolut(capsys, monkeypatch, "check", "pets", *words)
        *_, command, warning, page = told.out.splitlines()
        assert ("list.txt" if words else "--quarantine exclude.txt") in command
        assert warning == "  that list leaves out every training picture of 'cat': shorten it, or add some"
        assert page == "  konvolut check pets --html check.html"
    held = json.loads(konvolut(capsys, monkeypatch, "check", "pets", "--json").out)
    assert held["lost"] == [["train", "cat"]]
    told = konvolut(capsys, monkeypatch, "train", "pets", "--set", "exclude=list.txt")
    assert told.err.startswith("DataError: pets: list.txt leaves out every training picture of 'cat'; shorten it")


def test_a_list_that_leaves_no_test_picture_says_so(pets, capsys, monkeypatch):
    for path in (pets / "test").rglob("*.png"):
        path.write_bytes(b"broken")
    told = konvolut(capsys, monkeypatch, "check", "pets")
    assert "  that list leaves out every picture of test: shorten it, or remove that part" in told.out.splitlines()


def test_a_path_with_line_feeds_is_one_line(pets, capsys, monkeypatch):
    (pets / "train/cat/a\nb\\c\r.png").write_bytes(b"broken")
    (pets / "train/cat/d\\e.png").write_bytes(b"broken")
    told = CliRunner().invoke(command, ["pets", "--list", "bad"])
    assert told.stdout_bytes.split(b"\n") == [rb"pets/train/cat/a\nb\\c\r.png", rb"pets/train/cat/d\e.png", b""]


def test_training_on_a_picture_that_cannot_be_read_leads_to_check(pets, capsys, monkeypatch):
    """Both a file that does not begin as a picture, found on opening, and one cut short, found when it is decoded."""
    os.rename(pets, "my pets")
    end = "; `konvolut check 'my pets'` finds every such picture\n"
    path, whole = Path("my pets/train/cat/0.png"), Path("my pets/train/cat/0.png").read_bytes()
    for data in (b"this is text", whole[:-100]):
        path.write_bytes(data)
        told = konvolut(capsys, monkeypatch, "train", "my pets", "--net", "lenet", "--epochs", "1")
        assert told.status == 2
        assert told.err.startswith("DataError: my pets/train/cat/0.png: ")
        assert told.err.endswith(end)


def test_the_heads_of_tables_are_in_the_language(pets, capsys, monkeypatch):
    """The oracle is the catalogue, put together here: each word has another in its place."""
    words = {"class": "CLASS", "train": "TRAIN", "test": "TEST"}
    monkeypatch.setattr(
        "konvolut.language.translation", lambda code: lambda text: words.get(text, text) if code == "zh" else text
    )
    monkeypatch.setattr("konvolut.language._chosen", ["zh"])
    told = CliRunner().invoke(command, ["pets", "--html", "check.html"])
    assert told.stdout.splitlines()[0].split() == ["CLASS", "TRAIN", "TEST"]
    head = re.search("<thead>(.*?)</thead>", Path("check.html").read_text("utf-8"))
    assert re.findall('<span lang="zh">(.*?)</span>', head[1]) == ["CLASS", "TRAIN", "TEST"]


def test_help_shows_one_real_example_and_the_module_loads_only_click():
    assert command.epilog == "Example:  konvolut check photos/ --html check.html"
    code = "import sys, konvolut.cli.check; print([m for m in ('numpy', 'torch', 'PIL', 'rich') if m in sys.modules])"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True).stdout == "[]\n"
