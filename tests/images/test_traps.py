"""Folders that are traps: a clear message or the right pictures, and never a wait."""

import os
import shutil
import socket
import subprocess
import sys
from pathlib import Path

import pytest
from untidy import album, paint

from konvolut.errors import DataError
from konvolut.images import decode, folders
from konvolut.images.sources import open_images


@pytest.fixture
def pets(tmp_path):
    return album(tmp_path / "pets", {"cat": 3, "dog": 3})


def refusal(where) -> str:
    with pytest.raises(DataError) as caught:
        open_images(where)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def unread(where) -> str:
    """The same of a picture that cannot be read, less the end: how to find the others."""
    said, _, rest = refusal(where).partition("; `konvolut check ")
    assert rest == f"{where}` finds every such picture"
    return said


def names(where) -> set[str]:
    return {name for split in open_images(where).splits.values() for name in split.names}


PETS = {f"{label}/{i}.png" for label in ("cat", "dog") for i in range(3)}

# ---- what is no file


def test_a_pipe_among_the_pictures_is_refused_and_not_waited_for(pets):
    os.mkfifo(pets / "cat" / "x.png")
    assert unread(pets) == f"{pets}/cat/x.png: neither a file nor a folder; move it away"


def test_a_link_to_a_pipe_is_refused_and_not_waited_for(pets, tmp_path):
    os.mkfifo(tmp_path / "pipe")
    (pets / "cat" / "x.png").symlink_to(tmp_path / "pipe")
    assert unread(pets) == f"{pets}/cat/x.png: a link that leads to no file; mend it, or remove it"


def test_a_socket_among_the_pictures_is_refused(pets, monkeypatch):
    monkeypatch.chdir(pets / "cat")  # the name of a socket may not be long
    with socket.socket(socket.AF_UNIX) as one:
        one.bind("x.png")
        assert unread(pets) == f"{pets}/cat/x.png: neither a file nor a folder; move it away"


def test_a_device_among_the_pictures_is_refused(pets):
    """/dev/zero never ends."""
    (pets / "cat" / "x.png").symlink_to("/dev/zero")
    assert unread(pets) == f"{pets}/cat/x.png: a link that leads to no file; mend it, or remove it"


def test_a_pipe_beside_the_classes_is_passed_over_and_one_that_is_hidden_too(pets):
    os.mkfifo(pets / "pipe")
    os.mkfifo(pets / "cat" / ".pipe")
    assert names(pets) == PETS
    assert "passed over, as no pictures of a class: 1, the first pipe" in open_images(pets).notes


@pytest.mark.parametrize("name", ["pipe", "pipe.csv", "pipe.npz"])
def test_a_pipe_in_the_place_of_the_data_is_refused(tmp_path, name):
    os.mkfifo(tmp_path / name)
    assert refusal(tmp_path / name).startswith(f"{tmp_path}/{name}: neither a file nor a folder; give a folder with")


def test_a_row_of_a_table_that_names_a_pipe_is_refused(tmp_path):
    os.mkfifo(tmp_path / "x.png")
    (tmp_path / "t.csv").write_text("path,label\nx.png,cat\n")
    assert "row 2: no file x.png" in refusal(tmp_path / "t.csv")


# ---- links


def test_a_link_to_nothing_is_refused(pets):
    (pets / "dog" / "x.png").symlink_to(pets / "gone.png")
    assert unread(pets) == f"{pets}/dog/x.png: a link that leads to no file; mend it, or remove it"


def test_links_that_go_round_in_circles_end(pets):
    (pets / "cat" / "in").mkdir()
    (pets / "cat" / "in" / "up").symlink_to(pets / "cat")
    (pets / "cat" / "root").symlink_to(pets)
    (pets / "again").symlink_to(pets)
    assert names(pets) == PETS
    (pets / "cat" / "self.png").symlink_to("self.png")
    assert unread(pets) == f"{pets}/cat/self.png: a link that leads to no file; mend it, or remove it"


def test_data_that_are_a_link_to_themselves_are_refused(tmp_path):
    (tmp_path / "self").symlink_to("self")
    assert refusal(tmp_path / "self").startswith(
        f"{tmp_path}/self: cannot be opened (Too many levels of symbolic links)"
    )


def test_a_class_that_is_a_link_to_another_is_a_class_of_copies(pets):
    (pets / "wolf").symlink_to("dog")
    opened = open_images(pets)
    assert opened.classes == ("cat", "dog", "wolf")
    assert "3 pictures are in more than one class" in opened.notes


# ---- what may not be read

NOBODY = """
import os, sys
from konvolut.images.sources import open_images
open_images(sys.argv[1])  # whatever loads late has loaded
if os.getuid() == 0:
    os.setgroups([])
    os.setgid(65534)
    os.setuid(65534)
for where in sys.argv[2:]:
    try:
        open_images(where)
        print("opened")
    except Exception as error:
        print(type(error).__name__, error, sep=": ")
"""


def test_folders_and_files_that_may_not_be_read_are_named(tmp_path):
    """As a user who is not root, whom no permission keeps out."""
    for path in (tmp_path, *tmp_path.parents[:3]):
        path.chmod(0o755)
    closed = []
    for name, shut, mode in (
        ("root", ".", 0), ("class", "cat", 0), ("deep", "cat/in", 0), ("file", "cat/0.png", 0), ("blind", "cat", 0o444),
        ("parent", ".", 0),
    ):  # fmt: skip
        album(tmp_path / name, {"cat": 3, "dog": 3})
        paint(tmp_path / name / "cat" / "in" / "x.png", 77)
        closed.append((tmp_path / name / shut, mode))
    album(tmp_path / "good", {"cat": 3, "dog": 3})
    for path, mode in closed:
        path.chmod(mode)
    where = [str(tmp_path / name) for name in ("root", "class", "deep", "file", "blind")]
    try:
        words = [sys.executable, "-c", NOBODY, str(tmp_path / "good"), *where, str(tmp_path / "parent" / "in")]
        told = subprocess.run(words, capture_output=True, text=True, check=False)
    finally:
        for path, _ in closed:
            path.chmod(0o755)
    assert told.stderr == ""
    listing = "cannot be listed (Permission denied); give a folder you may open"
    lines = told.stdout.replace(f"{tmp_path}/", "").splitlines()
    assert lines[:4] == [
        f"DataError: root: {listing}",
        f"DataError: class/cat: {listing}",
        f"DataError: deep/cat/in: {listing}",
        "DataError: file/cat/0.png: cannot be read (Permission denied); give a file you may open; `konvolut check file`"
        " finds every such picture",
    ]
    assert lines[4].startswith("DataError: blind/cat")  # the names are there, and nothing behind them
    assert "(Permission denied)" in lines[4]
    assert lines[5].startswith("DataError: parent/in: cannot be opened (Permission denied); give a folder with")
    assert len(lines) == 6


# ---- names


def test_names_that_are_not_utf_8_are_names(pets):
    try:
        os.makedirs(os.path.join(os.fsencode(pets), b"caf\xe9"))
    except OSError:
        pytest.skip("this file system holds no such names")
    for i in range(3):
        os.rename(paint(pets / "x.png", 70 + i), os.path.join(os.fsencode(pets), b"caf\xe9", b"\xff%d.png" % i))
    opened = open_images(pets)
    assert os.fsencode(opened.classes[0]) == b"caf\xe9"
    assert {os.fsencode(name) for name in names(pets)} >= {b"caf\xe9/\xff0.png", b"caf\xe9/\xff2.png"}
    assert len(opened.digest) == 64


def test_names_with_line_feeds_and_long_names_are_names(pets):
    odd = ["two\nlines.png", "a" * 251 + ".png", " .png", "-rf.png", "%s{0}.png"]
    for i, name in enumerate(odd):
        paint(pets / "cat" / name, 70 + i)
    assert names(pets) == PETS | {f"cat/{name}" for name in odd}


def test_a_path_that_is_too_long_for_the_system_is_told(tmp_path):
    assert refusal(f"{tmp_path}/{'x' * 300}").startswith(f"{tmp_path}/xxx")
    assert "cannot be opened (File name too long)" in refusal(f"{tmp_path}/{'x' * 300}")
    assert "no such folder, and no set of that name" in refusal("a\0b")


def test_a_folder_deeper_than_a_path_may_be_long_is_told(pets):
    here = os.open(pets / "cat", os.O_RDONLY)
    for _ in range(20):
        os.mkdir("d" * 250, dir_fd=here)
        below = os.open("d" * 250, os.O_RDONLY, dir_fd=here)
        os.close(here)
        here = below
    os.close(here)
    told = refusal(pets)
    shutil.rmtree(pets / "cat")  # before anything that walks by paths finds it
    assert "cannot be listed (File name too long)" in told


# ---- files and folders in each other's place


def test_a_file_where_a_class_folder_should_be_is_passed_over_and_said(pets):
    paint(pets / "cow", 99)
    paint(pets / "bird.png", 98)
    assert names(pets) == PETS
    assert "passed over, as no pictures of a class: 2, the first bird.png" in open_images(pets).notes


def test_a_file_called_train_is_no_split(tmp_path):
    paint(tmp_path / "train", 1)
    assert refusal(tmp_path).endswith("no class folders; put the pictures of each class in a folder of its own")


def test_a_folder_with_the_name_of_a_picture_is_a_folder(pets):
    paint(pets / "cat" / "album.png" / "x.png", 99)
    assert names(pets) == PETS | {"cat/album.png/x.png"}


def test_an_empty_file_is_refused(pets):
    (pets / "cat" / "0.png").write_bytes(b"")
    assert unread(pets) == f"{pets}/cat/0.png: an empty file; copy it again or remove it"


def test_a_folder_without_classes_is_refused(tmp_path):
    assert refusal(tmp_path).endswith("no class folders; put the pictures of each class in a folder of its own")
    (tmp_path / ".hidden").mkdir()
    assert refusal(tmp_path).endswith("no class folders; put the pictures of each class in a folder of its own")
    (tmp_path / "train").mkdir()
    assert "train: no class folders" in refusal(tmp_path)


# ---- many, and moving


def test_4000_classes_open_and_each_folder_is_listed_once(tmp_path, monkeypatch):
    for i in range(4000):
        (tmp_path / f"{i:04d}x").mkdir()
    one = paint(tmp_path / "0000x" / "0.png", 0).read_bytes()
    for i in range(1, 4000):
        paint(tmp_path / f"{i:04d}x" / "0.png", i)
    looked = []
    monkeypatch.setattr(folders.os, "scandir", lambda path, scan=os.scandir: looked.append(str(path)) or scan(path))
    opened = open_images(tmp_path, val=0.0)
    assert opened.classes == tuple(f"{i:04d}x" for i in range(4000))
    assert opened.splits["train"].counts(4000) == [1] * 4000
    assert one == (tmp_path / "0000x" / "0.png").read_bytes()
    assert len(looked) == 4001  # one more a class: the time grows as the classes do


def test_a_picture_that_goes_while_the_folder_is_read_is_named(pets, monkeypatch):
    real = decode.contents

    def late(path: Path) -> bytes:
        (pets / "dog" / "2.png").unlink(missing_ok=True)  # another program, between the listing and the reading
        return real(path)

    monkeypatch.setattr("konvolut.images.files.contents", late)
    assert refusal(pets).startswith(f"{pets}/dog/2.png: no such file")


def test_a_folder_that_goes_while_it_is_listed_is_named(pets, monkeypatch):
    def late(path, scan=os.scandir):
        if Path(path) == pets / "dog":
            (pets / "dog").rename(pets.parent / "away")
        return scan(path)

    monkeypatch.setattr(folders.os, "scandir", late)
    assert refusal(pets) == f"{pets}/dog: cannot be listed (No such file or directory); give a folder you may open"
