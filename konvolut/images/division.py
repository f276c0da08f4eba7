"""Which pictures train, choose and test: what a source gave is completed, by content and never by name or order."""

from collections import Counter
from dataclasses import dataclass, replace
from hashlib import sha256

from konvolut.errors import DataError
from konvolut.images.imageset import Split

TEST = 0.2  # share of each class, where a source has no test split of its own


@dataclass(frozen=True, slots=True, eq=False)
class Given:
    """What a source holds, before the roles are completed: `train` always, `val` and `test` where it says so."""

    classes: tuple[str, ...]
    splits: dict[str, Split]
    notes: tuple[str, ...] = ()
    fit: str = ""  # how the pictures became squares, where they are squares already


def complete(given: Given, where: str, val: float, seed: int) -> Given:
    """Carve the roles that `given` lacks from its training pictures, class by class.

    Without `val` and `test`, a test part of 20 % is carved first, the same for every `seed`. Without `val`, a share
    `val` is carved; with `val` and no `test`, there is no test part. Raises DataError when a class has nothing left to
    train on.
    """
    splits, notes = dict(given.splits), list(given.notes)
    if set(splits) == {"train"}:
        notes.append(_carve(splits, "test", TEST, key="test"))
    if "test" not in splits and "val" in splits:
        notes.append("test: none was given; the validation figure was used for choices, so expect less on new pictures")
    if "val" not in splits and val > 0:
        notes.append(_carve(splits, "val", val, key=f"val {seed}") + f" with seed {seed}")
    for name, count in zip(given.classes, splits["train"].counts(len(given.classes)), strict=True):
        if count == 0:
            raise DataError(f"{where}: class {name!r} has no picture to train on; give it some that no other class has")
    return replace(given, splits=splits, notes=(*notes, *_absences(given.classes, splits), *_copies(splits)))


def taken(hashes: tuple[str, ...], labels: list[int], share: float, key: str) -> set[str]:
    """The contents that leave: `share` of each class's distinct contents, those whose hash under `key` is smallest.

    Of two or more at least one leaves and one stays; a single one stays. A content that has several labels counts for
    the smallest, so that copies are never parted.
    """
    owner: dict[str, int] = {}
    for content, label in zip(hashes, labels, strict=True):
        owner[content] = min(label, owner.get(content, label))
    owned: dict[int, list[str]] = {}
    for content, label in owner.items():
        owned.setdefault(label, []).append(content)
    leaving: set[str] = set()
    for contents in owned.values():
        contents.sort(key=lambda content: sha256(f"{key} {content}".encode()).digest())
        count = min(len(contents) - 1, max(1, int(share * len(contents) + 0.5)))
        leaving.update(contents[:count])
    return leaving


def _carve(splits: dict[str, Split], role: str, share: float, key: str) -> str:
    """Move part of `train` to `role`, in place. Returns the note."""
    train = splits["train"]
    leaving = taken(train.hashes, train.labels.tolist(), share, key)
    if not leaving:
        return f"{role}: none, since every class has a single picture; chosen by content hash"
    splits["train"] = train.part([i for i, content in enumerate(train.hashes) if content not in leaving])
    splits[role] = train.part([i for i, content in enumerate(train.hashes) if content in leaving])
    return (
        f"{role}: {len(splits[role])} of {len(train)} training pictures, {100 * share:g} % of each class with exact"
        " copies kept together, chosen by content hash"
    )


def _absences(classes: tuple[str, ...], splits: dict[str, Split]) -> list[str]:
    """One note for each split that lacks classes."""
    missing = {
        role: [repr(name) for name, count in zip(classes, split.counts(len(classes)), strict=True) if count == 0]
        for role, split in splits.items()
    }
    return [f"{role}: no picture of {', '.join(names)}" for role, names in missing.items() if names]


def _copies(splits: dict[str, Split]) -> list[str]:
    """Notes on pictures that are in two roles, or in two classes."""
    notes = []
    seen = set(splits["train"].hashes)
    for role in ("val", "test"):
        if role in splits:
            count = sum(content in seen for content in splits[role].hashes)
            if count:
                notes.append(f"{role}: {count} of its pictures are exact copies of training pictures")
    labels: dict[str, set[int]] = {}
    for split in splits.values():
        for content, label in zip(split.hashes, split.labels.tolist(), strict=True):
            labels.setdefault(content, set()).add(label)
    torn = Counter(len(found) > 1 for found in labels.values())[True]
    if torn:
        notes.append(f"{torn} pictures are in more than one class")
    return notes
