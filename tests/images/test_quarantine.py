"""A list of names goes out and comes back, whatever a file may be called, and replaces nothing but such a list."""

import os
from hashlib import sha256

import pytest
from hypothesis import given
from hypothesis import strategies as st

from konvolut.errors import DataError
from konvolut.images.quarantine import HEADER, digest, on_one_line, read, write

ODD = (
    "cat/1.jpg", "with space .jpg", " leading and trailing ", "# no comment.png", "two\nlines.png", "cr\r.png", "\\n.png",
    "back\\slash\\", os.fsdecode(b"caf\xe9/\xff.png"), "黄色/方框.png", "\ufeffmark.png", "tab\t.png", "a\u2028b.png", "\\",
)  # fmt: skip


def test_odd_names_come_back_as_they_were(tmp_path):
    path = write(tmp_path / "out.txt", dict.fromkeys(ODD, "why\nnot"), ("said\nhere",))
    assert read(path) == ODD


@given(
    st.lists(st.text(st.characters(blacklist_characters="\0", blacklist_categories=["Cs"]), min_size=1), unique=True)
)
def test_any_names_come_back(tmp_path_factory, names):
    path = tmp_path_factory.mktemp("list") / "out.txt"
    assert read(write(path, dict.fromkeys(names, "x"))) == tuple(names)


def test_what_is_written_is_plain_text_with_reasons(tmp_path):
    path = write(tmp_path / "new" / "out.txt", {"a.png": "blank", "b.png": "blank", "c.png": "cut short"}, ("about",))
    assert path.read_text().splitlines() == [HEADER, "# about", "# blank", "a.png", "b.png", "# cut short", "c.png"]


def test_bytes_of_a_name_are_those_of_the_system(tmp_path):
    path = write(tmp_path / "out.txt", {os.fsdecode(b"\xff.png"): "blank"})
    assert b"\n\xff.png\n" in path.read_bytes()


def test_a_list_written_by_hand_is_read_too(tmp_path):
    (tmp_path / "own.txt").write_bytes(b"\xef\xbb\xbfcat/1.png\r\n\r\n# a note\r\ncat/1.png\r\ndog/2.png")
    assert read(tmp_path / "own.txt") == ("cat/1.png", "dog/2.png")


def test_two_lists_that_leave_out_the_same_have_one_digest(tmp_path):
    (tmp_path / "a").write_bytes(b"# by hand\ncat/1.png\r\ndog/2.png\ncat/1.png\n")
    (tmp_path / "b").write_bytes(b"dog/2.png\n\ncat/1.png")
    (tmp_path / "c").write_bytes(b"dog/2.png\n")
    a, b, c = (digest(read(tmp_path / name)) for name in "abc")
    assert a == b == sha256(b"cat/1.png\ndog/2.png").hexdigest()
    assert c != a


@pytest.mark.parametrize(("name", "line"), [("a\nb\\", r"a\nb\\"), ("a\\b", "a\\b"), ("a\u2028b\t", "a\u2028b\t")])
def test_a_name_goes_on_one_line_and_stays_as_it_is_where_it_is_one(name, line):
    assert on_one_line(name) == line


def test_a_list_replaces_a_list_and_nothing_else(tmp_path):
    write(tmp_path / "out.txt", {"a": "x"})
    assert read(write(tmp_path / "out.txt", {"b": "x"})) == ("b",)
    (tmp_path / "mine.txt").write_text("a\n")
    (tmp_path / "folder").mkdir()
    (tmp_path / "link.txt").symlink_to(tmp_path / "nowhere")
    for name in ("mine.txt", "folder", "link.txt"):
        with pytest.raises(DataError, match=r"already there and not a quarantine list; .* give another name"):
            write(tmp_path / name, {"b": "x"})
    assert (tmp_path / "mine.txt").read_text() == "a\n"
    assert sorted(os.listdir(tmp_path)) == ["folder", "link.txt", "mine.txt", "out.txt"]


@pytest.mark.parametrize(
    ("held", "said"),
    [
        (None, "no such file; `konvolut check DATA --quarantine"),
        (b"a\0b\n", "not a list of names"),
        (b"what\\ever\n", "a backslash stands before n, r, # or another"),
        (b"at the end\\\n", "a backslash stands before n, r, # or another"),
    ],
)
def test_what_is_no_list_is_refused_in_one_line(tmp_path, held, said):
    if held is not None:
        (tmp_path / "x").write_bytes(held)
    with pytest.raises(DataError) as caught:
        read(tmp_path / "x")
    assert said in str(caught.value)
    assert "\n" not in str(caught.value)
