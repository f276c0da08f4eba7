"""Looking inside a net with one picture: everything the page shows, as numbers and small arrays."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

from konvolut.errors import ArchError, DataError, KonvolutError, nearest
from konvolut.images.batches import hold, normalise, unit
from konvolut.images.decode import read
from konvolut.images.preprocess import InputSpec, preprocess
from konvolut.images.shards import holds_pack
from konvolut.language import Text, both
from konvolut.lens.cam import ClassMap, class_map
from konvolut.lens.excite import Patch, check, exciting
from konvolut.lens.gradients import RowNorm, norms
from konvolut.lens.maps import Map, filter_pictures, first_filters, map_pictures, map_rows, spread
from konvolut.lens.shift import Shifted, shifts
from konvolut.nets.arch import Arch, build, facts
from konvolut.nets.catalogue import named
from konvolut.nets.features import evaluating, features, logits_of
from konvolut.training.run import Run, open_run, opened_again
from konvolut.types import Labels, Picture, Pictures

MOST = 2000  # training pictures looked at for what excites a channel
FEWEST = 16  # of them, however large the net
WORK = 8_000_000_000  # multiply-adds spent on them at most: about half a second on two cores
CHANNELS = 2  # of each row whose exciting patches are shown, when no row is named
OF_ONE_ROW = 6  # and when one is
BEST = 5  # answers that are told


@dataclass(frozen=True, slots=True, eq=False)
class Subject:
    """A net to look into, and what is known about it."""

    name: str
    net: nn.Module  # in evaluation mode
    spec: InputSpec
    classes: tuple[str, ...]
    macs: int  # multiply-adds for one picture
    run: Run | None = None  # None: its training is not known here
    weights: str = ""  # the file they are from, where there is no run


@dataclass(frozen=True, slots=True, eq=False)
class Examples:
    """Training pictures, and the places in them that excite channels most."""

    pictures: Pictures
    names: tuple[str, ...]
    labels: Labels
    total: int  # training pictures there are, looked at or not
    patches: dict[tuple[str, int], list[Patch]]  # (row, channel) -> the strongest first


@dataclass(frozen=True, slots=True, eq=False)
class Look:
    """What was seen."""

    subject: Subject
    image: str  # where the picture came from
    picture: Picture  # as the net takes it
    answers: tuple[tuple[str, float], ...]  # label and probability, the most probable first
    class_maps: dict[str, ClassMap]  # of the best class, and of the one asked for
    filters: list[Picture] | None  # of the first convolution; None: the net has none
    maps: dict[str, tuple[int, list[Map]]]  # row -> its number of maps, and the most active ones
    norms: list[RowNorm]
    shifts: list[Shifted]  # of the best class
    examples: Examples | None
    missing: Text  # why there are no examples


def subject(what: str | Path) -> Subject:
    """Open a run folder, or build a net of the catalogue from seed 0: that one is untrained, its classes are numbers.

    A run folder wins over a net of that name. Raises ArchError when it is neither, RunError for a folder that is no
    sound run.
    """
    if Path(what, "card.json").exists():
        return of_run(open_run(what))
    try:
        return untrained(named(str(what)))
    except ArchError as error:
        if Path(what).exists():
            return of_run(open_run(what))  # which says what is wrong with it
        raise ArchError(f"{what}: no run folder, and no net of the catalogue ({error})") from None


def of_run(run: Run) -> Subject:
    card = run.card
    macs = sum(fact.macs for fact in facts(run.arch()))
    return Subject(card.net, run.net(), card.input, card.classes, macs, run)


def untrained(arch: Arch) -> Subject:
    channels, side, _ = arch.input
    *_, last = found = list(facts(arch))
    spec = InputSpec(size=side, channels=channels)
    classes = tuple(map(str, range(last.gives[0])))
    return Subject(arch.name, build(arch).eval(), spec, classes, sum(fact.macs for fact in found))


def look(
    subject: Subject, image: str | Path, row: str | None = None, channel: int | None = None, label: str | None = None
) -> Look:
    """Look into a net while it answers for the picture at `image`.

    row: whose maps and exciting patches to show; without it, a few spread over the net. channel: of that row; without
    it, the most active ones. label: a class to explain beside the best one.
    Raises DataError when the picture cannot be read, or is a folder or a pack, and when no class is called `label`;
    ArchError for an unknown row, one without maps, or a channel that it does not have.
    """
    if Path(image).is_dir():
        kind = "a pack" if holds_pack(Path(image)) else "a folder"
        raise DataError(f"{image}: {kind}, and a look takes one picture; give the path of a file")
    picture = preprocess(read(Path(image), **subject.spec.decoding), subject.spec)
    net, batch = subject.net, normalise(unit(picture[None]), subject.spec)
    wanted = None if label is None else class_number(subject.classes, label)
    names = [row] if row is not None else spread(list(map_rows(net, batch)))
    held = features(net, batch, names)
    for name, gives in held.items():
        check(name, gives, [] if channel is None else [channel])
    with evaluating(net), torch.no_grad():
        sure = logits_of(net(batch))[0].softmax(0)
    order = torch.argsort(sure, descending=True, stable=True).tolist()
    best = torch.tensor(order[:1])
    explained = dict.fromkeys([order[0], *([] if wanted is None else [wanted])])
    maps = {name: shown(gives[0], channel) for name, gives in held.items()}
    examples, missing = excited(subject, {name: [one.channel for one in most] for name, (_, most) in maps.items()}, row)
    with evaluating(net):
        by_row = norms(net, batch, best)
    return Look(
        subject=subject,
        image=str(image),
        picture=picture,
        answers=tuple((subject.classes[k], float(sure[k])) for k in order[:BEST]),
        class_maps={subject.classes[k]: class_map(net, batch, torch.tensor([k])) for k in explained} if maps else {},
        filters=filters_of(net),
        maps=maps,
        norms=by_row,
        shifts=shifts(net, picture, subject.spec, order[0], names),
        examples=examples,
        missing=missing,
    )


def class_number(classes: Sequence[str], label: str) -> int:
    """Where `label` stands. Raises DataError, with the nearest, when no class is called so."""
    if label in classes:
        return classes.index(label)
    near = nearest(label, classes)
    if near.startswith("; known") and len(classes) > 20:
        near = f"; there are {len(classes)}, from {classes[0]!r} to {classes[-1]!r}"
    raise DataError(f"no class is called {label!r}{near}")


def shown(maps: Tensor, channel: int | None) -> tuple[int, list[Map]]:
    """How many maps a row has, and the most active ones, or the one of `channel`."""
    if channel is None:
        return len(maps), map_pictures(maps)
    return len(maps), [one for one in map_pictures(maps, len(maps)) if one.channel == channel]


def filters_of(net: nn.Module) -> list[Picture] | None:
    try:
        return filter_pictures(first_filters(net))
    except ArchError:
        return None


def excited(subject: Subject, channels: dict[str, list[int]], row: str | None) -> tuple[Examples | None, Text]:
    """The training pictures that excite the first few of each row's `channels`, or the reason why there are none."""
    run = subject.run
    if run is None and subject.weights:
        return None, both("The training pictures of {weights} are not known here.", weights=subject.weights)
    if run is None:
        return None, both("Nobody has trained this net, so there are no training pictures that excite it.")
    data = run.card.data
    try:
        images = opened_again(run.card)
        if images.digest != data.get("digest"):
            return None, both(
                "The pictures at {where} are no longer those of the training, so none are shown.", where=data["where"]
            )
        train = images.splits["train"]
        count = min(MOST, len(train), max(FEWEST, WORK // max(1, subject.macs)))
        some = train.part(np.linspace(0, len(train) - 1, count).round().astype(int).tolist())
        pictures = hold(some, subject.spec)
    except KonvolutError as error:
        return None, both("The training pictures could not be opened: {error}", error=error)
    most = CHANNELS if row is None else OF_ONE_ROW
    wanted = {name: of[:most] for name, of in channels.items()}
    patches = exciting(subject.net, pictures, subject.spec, wanted)
    return Examples(pictures, some.names, some.labels, len(train), patches), ""
