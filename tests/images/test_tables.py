"""A CSV of paths and labels: what a row says is what is opened, and a row that is wrong is told by its number."""

import pytest
from untidy import album

from konvolut.errors import DataError
from konvolut.images.sources import open_images


def test_a_table_with_a_byte_order_mark_and_splits(tmp_path):
    album(tmp_path / "pictures", {"a": 6})
    lines = ["Path, Label ,split", *(f"pictures/a/{i}.png,{['x', 'y'][i % 2]},train" for i in range(4))]
    lines += ["pictures/a/4.png,x,validation", "", "pictures/a/5.png,y,test"]
    (tmp_path / "table.csv").write_text("\n".join(lines), encoding="utf-8-sig")
    opened = open_images(tmp_path / "table.csv")
    assert {role: split.names for role, split in opened.splits.items()} == {
        "train": ("pictures/a/0.png", "pictures/a/2.png", "pictures/a/1.png", "pictures/a/3.png"),
        "val": ("pictures/a/4.png",),
        "test": ("pictures/a/5.png",),
    }
    assert opened.splits["val"].picture(0)[0, 0].tolist() == [0, 0, 4]


def test_a_table_without_splits_is_divided_as_its_folder_is(tmp_path):
    album(tmp_path / "set", {"cat": 20, "dog": 20})
    lines = ["label,path", *(f"{path.parent.name},{path}" for path in sorted((tmp_path / "set").rglob("*.png")))]
    (tmp_path / "table.csv").write_text("\n".join(lines))
    assert open_images(tmp_path / "table.csv").digest == open_images(tmp_path / "set").digest


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("a/0.png,x\n", r"its first row holds a/0\.png,x; the columns path,label are needed"),
        ("", "its first row holds nothing"),
        ("path,label\na/0.png,x\na/9.png,y\n", r"row 3: no file a/9\.png; paths are relative to"),
        ("path,label\n\na/0.png,\n", "row 3: no label; fill it in"),
        ("path,label\n,x\n", "row 2: no path; fill it in"),
        ("path,label,split\na/0.png,x,tset\n", "row 2: split 'tset'; did you mean 'test'"),
        ("path,label,split\na/0.png,x,\n", "row 2: split ''; known: train, val"),
        ("path,label\na/0.png,x\n", r"one class only \('x'\); give pictures of at least two classes"),
        ("path,label\n", "no picture to train on; give pictures of at least two classes"),
    ],
)
def test_a_table_that_cannot_be_used_is_told_where(tmp_path, text, message):
    album(tmp_path, {"a": 1})
    (tmp_path / "t.csv").write_text(text)
    with pytest.raises(DataError, match=message):
        open_images(tmp_path / "t.csv")


def test_a_table_in_another_encoding_is_refused(tmp_path):
    (tmp_path / "t.csv").write_bytes("path,label\ncafé.png,x\n".encode("latin-1"))
    with pytest.raises(DataError, match=r"t\.csv: not UTF-8; save the table as CSV UTF-8"):
        open_images(tmp_path / "t.csv")
