"""A CSV file `path,label[,split]` to a list of picture files."""

import csv
import os
from pathlib import Path

from konvolut.errors import DataError, nearest
from konvolut.images.files import Entry
from konvolut.images.folders import ROLES


def table(path: Path) -> list[Entry]:
    """One entry a row; paths are relative to the CSV's folder. The first row names the columns; others are ignored.

    A byte-order mark is accepted. Raises DataError, with the row's number (the header is row 1), for a missing file, an
    empty cell or an unknown split.
    """
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            rows = [(number, row) for number, row in enumerate(csv.reader(file), 1) if any(row)]
    except UnicodeDecodeError:
        raise DataError(f"{path}: not UTF-8; save the table as CSV UTF-8") from None
    except (OSError, csv.Error) as error:
        raise DataError(f"{path}: cannot be read ({error}); give a CSV with the columns path,label") from None
    header = [cell.strip().casefold() for cell in rows[0][1]] if rows else []
    if "path" not in header or "label" not in header:
        held = ",".join(header) or "nothing"
        raise DataError(f"{path}: its first row holds {held}; the columns path,label are needed (split as a third)")
    return [_entry(path, number, dict(zip(header, map(str.strip, row), strict=False))) for number, row in rows[1:]]


def _entry(path: Path, number: int, row: dict[str, str]) -> Entry:
    name, label, split = row.get("path", ""), row.get("label", ""), row.get("split")
    if not name or not label:
        raise DataError(f"{path}, row {number}: no {'label' if name else 'path'}; fill it in, or remove the row")
    if split is not None and split.casefold() not in ROLES:
        raise DataError(f"{path}, row {number}: split {split!r}{nearest(split.casefold(), ROLES)}")
    if not os.path.isfile(path.parent / name):
        raise DataError(f"{path}, row {number}: no file {name}; paths are relative to {path.parent}")
    return Entry(Path(name).as_posix(), label, "train" if split is None else ROLES[split.casefold()])
