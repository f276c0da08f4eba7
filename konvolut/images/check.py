"""What is wrong with a set of pictures, found in one pass that changes nothing. No torch.

Each file is read once; what cannot be decoded is met in a process of its own. Of a picture stay some hundred bytes in
memory, and its sketch in a temporary file.
"""

import os
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import closing
from dataclasses import astuple, dataclass
from functools import cached_property
from hashlib import sha256
from io import BytesIO
from pathlib import Path
from sys import intern
from tempfile import TemporaryFile
from typing import Any, cast

import numpy as np
from jaxtyping import Int64, UInt8
from numpy import ndarray
from PIL import Image

from konvolut.errors import DataError
from konvolut.images import alike, shards
from konvolut.images.decode import Header, decode, describe, pixels
from konvolut.images.division import Given
from konvolut.images.files import Entry, Listing
from konvolut.images.folders import hidden
from konvolut.images.quality import FAULTS, faults
from konvolut.images.shards import ROLES
from konvolut.images.sources import MADE, listed, lost, mirrors_of, stored
from konvolut.images.worker import inspected
from konvolut.language import later

UNEVEN = 10  # times the pictures of the smallest class of a split, from which on the largest is too many
DEPTH = 3  # folders below the root that are looked over for what was passed over

KINDS = (  # worst first
    "unreadable",
    "leaks",  # one content in several splits
    "near-leaks",
    "two-classes",  # one content in several classes
    "near-two-classes",
    "one-class",
    "missing",  # a class that a split lacks
    "names-alike",  # classes whose names differ only by case or space
    "copies",  # one content several times in a class of a split
    "near-copies",
    *FAULTS,
    "uneven",
    "hidden",
    "passed-over",
)
COPIES = ("leaks", "near-leaks", "two-classes", "near-two-classes", "copies", "near-copies")
LISTS = ("bad", "duplicates", "leaks")

Holders = dict[bytes, list[int]]  # contents -> the numbers of the entries that have them, in the order of their names

SPLITS = {"train": later("train"), "val": later("val"), "test": later("test")}
# fmt: off
WORDS = {
    "unreadable": later("files that cannot be read: {n}"),
    "leaks": later("pictures with exact copies in several splits: {n}"),
    "near-leaks": later("pictures with near duplicates in several splits: {n}"),
    "two-classes": later("pictures with exact copies in several classes: {n}"),
    "near-two-classes": later("pictures with near duplicates in several classes: {n}"),
    "one-class": later("only one class, where there must be two to tell apart: {n}"),
    "missing": later("classes that a split lacks: {n}"),
    "names-alike": later("class names that differ only by case or space: {n}"),
    "copies": later("pictures with exact copies in one class: {n}"),
    "near-copies": later("pictures with near duplicates in one class: {n}"),
    "blank": later("blank pictures: {n}"),
    "tiny": later("pictures with a side below 16 px: {n}"),
    "dark": later("very dark pictures: {n}"),
    "bright": later("very bright pictures: {n}"),
    "blurred": later("blurred pictures: {n}"),
    "aspect": later("pictures more than 4 times as long as wide, or as wide as long: {n}"),
    "frames": later("pictures with several frames or pages, of which the first is used: {n}"),
    "uneven": later("splits whose largest class has 10 times the pictures of the smallest: {n}"),
    "hidden": later("hidden folders, which are not read: {n}"),
    "passed-over": later("files passed over, as no pictures of a class: {n}"),
}
# fmt: on


@dataclass(frozen=True, slots=True)
class Seen:
    """One picture, looked at."""

    digest: bytes  # SHA-256 of its contents
    header: Header
    faults: tuple[str, ...]  # of quality.FAULTS


@dataclass(frozen=True, slots=True)
class Finding:
    """All that was found of one kind. A group is what belongs together: copies of one picture, or one file alone."""

    kind: str  # of KINDS
    groups: tuple[tuple[str, ...], ...]  # of names, or of folders or classes where the kind is about these
    reasons: tuple[str, ...] = ()  # one a group, where it needs one

    @property
    def count(self) -> int:
        return len(self.groups)


@dataclass(frozen=True, eq=False)
class Report:
    """A set, and what was found in it."""

    where: str
    listing: Listing
    seen: tuple[Seen | DataError, ...]  # one an entry
    pairs: tuple[alike.Pair, ...]  # of near duplicates, by the number of the first entry with their contents
    findings: tuple[Finding, ...]  # worst first
    drawn: bool = False  # are the pictures arrays, and not files?

    @cached_property
    def counts(self) -> dict[str, dict[str, int]]:
        """Class -> split -> pictures, the unreadable ones too."""
        return counted(self.listing.entries)

    @cached_property
    def roles(self) -> tuple[str, ...]:
        held = {entry.role for entry in self.listing.entries}
        return tuple(role for role in ROLES if role in held)

    def tally(self, what: Callable[[Header], str]) -> dict[str, int]:
        """How many pictures have which format, mode, ...; the most frequent first."""
        return dict(Counter(what(one.header) for one in self.seen if isinstance(one, Seen)).most_common())

    def sizes(self) -> tuple[tuple[int, int], tuple[int, int], tuple[int, int]] | None:
        """(width, height) in px of the smallest, the middle and the largest picture by area; None when there is none."""
        found = sorted(
            ((one.header.width, one.header.height) for one in self.seen if isinstance(one, Seen)),
            key=lambda size: (size[0] * size[1], size),
        )
        return (found[0], found[len(found) // 2], found[-1]) if found else None

    def of(self, kind: str) -> Finding | None:
        return next((one for one in self.findings if one.kind == kind), None)

    def listed(self, what: str) -> tuple[str, ...]:
        """Names of one of LISTS, in order.

        bad: what cannot be read, and blank pictures. duplicates: of each group of copies, exact and near, all but the one
        to keep. leaks: of each picture that two splits share, exactly or nearly, the copies to take out of the first.
        """
        if what == "bad":
            return tuple(sorted(name for kind in ("unreadable", "blank") for (name,) in self._groups(kind)))
        kinds: tuple[str, ...] = ("leaks", "near-leaks")
        if what == "duplicates":
            kinds += ("two-classes", "near-two-classes", "copies", "near-copies")
        found: set[str] = set()
        for kind in kinds:
            for group in self._groups(kind):
                ordered = sorted(group, key=self._worth)
                kept = self._roles[ordered[-1]]
                found |= {name for name in ordered[:-1] if what == "duplicates" or self._roles[name] != kept}
        return tuple(sorted(found))

    @cached_property
    def quarantine(self) -> dict[str, str]:
        """Name -> why, of what training is better without.

        Unreadable files; every copy of a content that two classes claim; of other exact copies all but one, which is kept
        where a test part has it; blank pictures; and of near duplicates only those that leak, out of the earlier split.
        """
        why: dict[str, str] = {}
        for group, reason in zip(self._groups("unreadable"), self._reasons("unreadable"), strict=True):
            why[group[0]] = reason
        for group in self._groups("two-classes"):
            for name in group:
                why.setdefault(name, "one content in two classes")
        for kind in ("leaks", "copies"):
            for group in self._groups(kind):
                ordered = sorted((name for name in group if name not in why), key=self._worth)
                for name in ordered[:-1]:
                    if name != ordered[-1]:  # a table may give one file twice: leaving it out would leave none
                        why[name] = f"an exact copy of {ordered[-1]}"
        for (name,) in self._groups("blank"):
            why.setdefault(name, "blank")
        for name, other in self._near_leaks():
            if name != other and name not in why and other not in why:
                why[name] = f"nearly the same as {other}, in {self._roles[other]}"
        return why

    @cached_property
    def lost(self) -> tuple[tuple[str, str], ...]:
        """What training refuses to go without and the quarantine leaves none of; see `sources.lost`."""
        kept = (entry for entry in self.listing.entries if entry.name not in self.quarantine)
        return lost(*({(entry.role, entry.label) for entry in entries} for entries in (self.listing.entries, kept)))

    @cached_property
    def holders(self) -> Holders:
        return holders(self.listing.entries, self.seen)

    def as_numbers(self) -> dict[str, Any]:
        """All of it, as JSON may hold it."""
        sizes = self.sizes()
        return {
            "where": self.where,
            "pictures": len(self.seen),
            "classes": {label: {role: held[role] for role in self.roles} for label, held in self.counts.items()},
            "formats": self.tally(lambda header: header.format),
            "modes": self.tally(lambda header: header.mode),
            "sizes": dict(zip(("smallest", "middle", "largest"), sizes, strict=True)) if sizes else {},
            "findings": [
                {"kind": one.kind, "count": one.count, "groups": one.groups, "reasons": one.reasons}
                for one in self.findings
            ],
            "quarantine": self.quarantine,
            "lost": self.lost,
        }

    def _near_leaks(self) -> Iterator[tuple[str, str]]:
        """Pictures that are nearly one of a later split, and which."""
        for pair in self.pairs:
            sides = [
                [self.listing.entries[i] for i in self.holders[_digest(self.seen[n])]]
                for n in (pair.first, pair.second)
            ]
            for one in sides[0]:
                for other in sides[1]:
                    if one.role != other.role:
                        early, late = sorted((one, other), key=lambda entry: ROLES.index(entry.role))
                        yield early.name, late.name

    @cached_property
    def _roles(self) -> dict[str, str]:
        return {entry.name: entry.role for entry in self.listing.entries}

    def _worth(self, name: str) -> tuple[int, list[int]]:
        """Of copies, the one of the latest split is kept; of those of one split, the first by name."""
        return ROLES.index(self._roles[name]), [-ord(letter) for letter in name] + [1]

    def _groups(self, kind: str) -> tuple[tuple[str, ...], ...]:
        found = self.of(kind)
        return found.groups if found else ()

    def _reasons(self, kind: str) -> tuple[str, ...]:
        found = self.of(kind)
        return found.reasons if found else ()


def check(where: str | Path, told: Callable[[int, int], None] | None = None, workers: int | None = None) -> Report:
    """Look at every picture of what `where` names, as `open_images` does, and say what is wrong with the set.

    told: called with how many pictures were looked at, and of how many. workers: processes that decode files (one a
    core). Raises DataError when `where` is no set at all.
    """
    pixels()  # a limit that is no number is said once, and not of every picture
    text = f"./{where}" if isinstance(where, Path) and str(where) in MADE else str(where)
    path = Path(text).expanduser()
    listing = None if text in MADE else listed(path, text)
    drawn = listing is None
    if listing is None:
        listing = _of_arrays(MADE[text]() if text in MADE else stored(path, text))
    entries = listing.entries
    results: Iterator[Any]
    if drawn:
        results = (look(listing.contents(entry.name), entry.name) for entry in entries)
    else:
        names = (entry.name for entry in entries)
        function = "konvolut.images.check:look"
        results = inspected(names, listing.contents, function, workers=workers, called=listing.called)
    seen: list[Seen | DataError] = []
    with closing(Shelf()) as shelf:
        for result in results:
            seen.append(result if isinstance(result, DataError) else _seen(result, shelf))
            if told:
                told(len(seen), len(entries))
        held = holders(entries, seen)
        pairs = _near(held, seen, shelf, mirrors_of(text, tuple(counted(entries)))[0])
    findings = [
        *_broken(entries, seen), *_exact(entries, held), *_alike(entries, held, seen, pairs), *_structure(entries),
        *_faulty(entries, seen), *(_around(path, listing) if path.is_dir() and not drawn and not shards.holds_pack(path) else ()),
    ]  # fmt: skip
    findings.sort(key=lambda finding: KINDS.index(finding.kind))
    return Report(text, listing, tuple(seen), tuple(pairs), tuple(findings), drawn)


def joined(finding: Finding, group: Sequence[str], most: int = 1000) -> str:
    """A group in words, `most` names of it: copies are equal, other things stand beside each other."""
    link = " = " if finding.kind in COPIES else ", "
    rest = f"{link}... (+{len(group) - most})" if len(group) > most else ""
    return link.join(group[:most]) + rest


def look(data: bytes, path: str) -> dict[str, Any]:
    """What is kept of one picture; called in a process that may die of it. Raises DataError as `decode` does."""
    header = describe(data, path)
    picture = decode(data, path)
    return {
        "digest": sha256(data).digest(),
        "header": list(astuple(header)),
        "faults": list(faults(picture, header)),
        "sketch": alike.sketch(picture).tobytes(),
    }


class Shelf:
    """Sketches in a temporary file, in the order they came: what is read again and again stays in the system's cache."""

    def __init__(self) -> None:
        self._file = TemporaryFile()  # noqa: SIM115  (open as long as the shelf)
        self._count = 0
        self._held: UInt8[ndarray, "n b"] | None = None

    def __len__(self) -> int:
        return self._count

    def add(self, sketch: bytes) -> None:
        assert len(sketch) == alike.BYTES
        self._file.write(sketch)
        self._held = None
        self._count += 1

    def __getitem__(self, rows: Int64[ndarray, "m"]) -> UInt8[ndarray, "m b"]:
        if self._held is None:
            self._file.flush()
            self._held = np.memmap(self._file, np.uint8, "r", shape=(self._count, alike.BYTES))
        return np.asarray(self._held[rows])

    def close(self) -> None:
        self._held = None
        self._file.close()


@dataclass(frozen=True, slots=True)
class _Rows:
    """Some of the sketches on a shelf."""

    shelf: Shelf
    rows: Int64[ndarray, "m"]

    def __len__(self) -> int:
        return len(self.rows)

    def __getitem__(self, rows: Int64[ndarray, "m"]) -> UInt8[ndarray, "m b"]:
        return self.shelf[self.rows[rows]]


def _of_arrays(given: Given) -> Listing:
    """Arrays as if each picture were a PNG."""
    entries = tuple(
        Entry(name, given.classes[label], role)
        for role, split in given.splits.items()
        for name, label in zip(split.names, split.labels.tolist(), strict=True)
    )

    places = {name: (split, i) for split in given.splits.values() for i, name in enumerate(split.names)}

    def contents(name: str) -> bytes:
        split, index = places[name]
        picture = split.picture(index)
        file = BytesIO()
        Image.fromarray(picture[..., 0] if picture.shape[2] == 1 else picture).save(file, "PNG", compress_level=1)
        return file.getvalue()

    return Listing(entries, contents, str, given.notes)


def _seen(result: dict[str, Any], shelf: Shelf) -> Seen:
    shelf.add(result["sketch"])
    kind, mode, *numbers = result["header"]
    return Seen(result["digest"], Header(intern(kind), intern(mode), *numbers), tuple(map(intern, result["faults"])))


def _digest(one: Seen | DataError) -> bytes:
    return cast(Seen, one).digest


def counted(entries: Iterable[Entry]) -> dict[str, dict[str, int]]:
    """Class -> split -> pictures; classes by name, splits in the order of ROLES."""
    found: dict[str, dict[str, int]] = {}
    for entry in entries:
        of_class = found.setdefault(entry.label, {})
        of_class[entry.role] = of_class.get(entry.role, 0) + 1
    return {label: {role: found[label].get(role, 0) for role in ROLES} for label in sorted(found)}


def holders(entries: Sequence[Entry], seen: Sequence[Seen | DataError]) -> Holders:
    found: Holders = {}
    for number in sorted(range(len(entries)), key=lambda i: entries[i].name):
        one = seen[number]
        if isinstance(one, Seen):
            found.setdefault(one.digest, []).append(number)
    return found


def _near(held: Holders, seen: Sequence[Seen | DataError], shelf: Shelf, mirrored: bool) -> list[alike.Pair]:
    """Near duplicates among different contents. Blank pictures all look alike, and are found to be blank instead."""
    place = np.cumsum([isinstance(one, Seen) for one in seen]) - 1  # of an entry's sketch on the shelf
    firsts = (numbers[0] for numbers in held.values())
    first = np.array([i for i in firsts if "blank" not in cast(Seen, seen[i]).faults], np.int64)
    rows = _Rows(shelf, place[first].astype(np.int64) if len(first) else first)
    headers = (cast(Seen, seen[i]).header for i in first.tolist())
    proportions = np.array([header.width / header.height for header in headers], np.float32)
    return [
        alike.Pair(int(first[pair.first]), int(first[pair.second]), pair.likeness, pair.mirrored)
        for pair in alike.pairs(rows, mirrored, proportions)
    ]


def _finding(kind: str, groups: Sequence[tuple[str, ...]], reasons: Sequence[str] = ()) -> Iterator[Finding]:
    if groups:
        yield Finding(kind, tuple(groups), tuple(reasons))


def _broken(entries: Sequence[Entry], seen: Sequence[Seen | DataError]) -> Iterator[Finding]:
    broken = [(entry.name, str(one)) for entry, one in zip(entries, seen, strict=True) if isinstance(one, DataError)]
    yield from _finding("unreadable", [(name,) for name, _ in broken], [reason for _, reason in broken])


def _exact(entries: Sequence[Entry], held: Holders) -> Iterator[Finding]:
    groups = [[entries[i] for i in numbers] for numbers in held.values() if len(numbers) > 1]
    yield from _sorted_out(groups, ("leaks", "two-classes", "copies"))


def _alike(
    entries: Sequence[Entry], held: Holders, seen: Sequence[Seen | DataError], pairs: Sequence[alike.Pair]
) -> Iterator[Finding]:
    """Pairs to groups: whatever is linked belongs together. Of exact copies in one place, the first stands for all."""
    root: dict[int, int] = {}

    def top(number: int) -> int:
        while root.setdefault(number, number) != number:
            root[number] = root[root[number]]
            number = root[number]
        return number

    for pair in pairs:
        root[top(pair.second)] = top(pair.first)
    groups: dict[int, dict[tuple[bytes, str, str], Entry]] = {}
    for number in sorted(root):
        digest = _digest(seen[number])
        for i in held[digest]:
            groups.setdefault(top(number), {}).setdefault((digest, entries[i].role, entries[i].label), entries[i])
    yield from _sorted_out(
        [list(group.values()) for group in groups.values()], ("near-leaks", "near-two-classes", "near-copies")
    )


def _sorted_out(groups: Sequence[Sequence[Entry]], kinds: tuple[str, str, str]) -> Iterator[Finding]:
    """Groups across splits, across classes, and within one class of one split; a group may be of the first two."""
    found: dict[str, list[tuple[str, ...]]] = {kind: [] for kind in kinds}
    for group in groups:
        names = tuple(sorted(entry.name for entry in group))
        across = [len({entry.role for entry in group}) > 1, len({entry.label for entry in group}) > 1]
        for kind, is_so in zip(kinds, (*across, not any(across)), strict=True):
            if is_so:
                found[kind].append(names)
    for kind in kinds:
        yield from _finding(kind, sorted(found[kind]))


def _structure(entries: Sequence[Entry]) -> Iterator[Finding]:
    """What the counts and the names of the classes say."""
    counts = counted(entries)
    roles = [role for role in ROLES if any(of_class[role] for of_class in counts.values())]
    if len(counts) == 1:
        yield from _finding("one-class", [tuple(counts)])
    missing = [(label, role) for role in roles for label, of_class in counts.items() if not of_class[role]]
    yield from _finding("missing", [(label,) for label, _ in missing], [role for _, role in missing])
    same: dict[str, list[str]] = {}
    for label in counts:
        same.setdefault("".join(label.split()).casefold(), []).append(label)
    yield from _finding("names-alike", [tuple(labels) for labels in same.values() if len(labels) > 1])
    uneven = []
    for role in roles:
        held = [(of_class[role], label) for label, of_class in counts.items() if of_class[role]]
        (least, few), (most, many) = min(held), max(held)
        if most >= UNEVEN * least:
            uneven.append(((many, few), f"{role}: {most} / {least}"))
    yield from _finding("uneven", [labels for labels, _ in uneven], [reason for _, reason in uneven])


def _faulty(entries: Sequence[Entry], seen: Sequence[Seen | DataError]) -> Iterator[Finding]:
    found: dict[str, list[tuple[str, ...]]] = {fault: [] for fault in FAULTS}
    for entry, one in zip(entries, seen, strict=True):
        for fault in one.faults if isinstance(one, Seen) else ():
            found[fault].append((entry.name,))
    for fault, names in found.items():
        yield from _finding(fault, sorted(names))


def _around(root: Path, listing: Listing) -> Iterator[Finding]:
    """Hidden folders that hold something, and files that belong to no class, in the upper folders."""
    known = {entry.name for entry in listing.entries}
    unseen, passed = [], []
    waiting = [(root, 1)]
    while waiting:
        folder, depth = waiting.pop()
        found = _held(folder)
        for one in found:
            name = Path(one.path).relative_to(root).as_posix()
            covered = hidden(one.name)
            if one.is_dir(follow_symlinks=False):
                if covered and _held(Path(one.path)):
                    unseen.append((name,))
                elif not covered and depth < DEPTH:
                    waiting.append((Path(one.path), depth + 1))
            elif not covered and name not in known:
                passed.append((name,))
    yield from _finding("hidden", sorted(unseen))
    yield from _finding("passed-over", sorted(passed))


def _held(folder: Path) -> list[os.DirEntry[str]]:
    try:
        with os.scandir(folder) as held:
            return sorted(held, key=lambda one: one.name)
    except OSError:
        return []  # the listing has said so where it matters
