"""Random crops: where they lie, what they look like, and that nothing but (seed, epoch, index) decides either."""

import threading
from dataclasses import replace
from io import BytesIO

import numpy as np
import pytest
from PIL import Image
from untidy import album

from konvolut.errors import DataError
from konvolut.images.augment import Augment
from konvolut.images.batches import Batches
from konvolut.images.crops import ASPECT, Crops, box, cut
from konvolut.images.imageset import Split
from konvolut.images.preprocess import InputSpec
from konvolut.images.sources import open_images

SPEC = InputSpec(size=24)
CHANCE = np.random.default_rng(0)


def shelf(count: int = 20) -> Split:
    """Pictures of many shapes; each is grey of its own number, so that a crop says whose it is."""
    sizes = CHANCE.integers(20, 90, (count, 2))
    held = {str(i): np.full((*size, 3), 10 * i, np.uint8) for i, size in enumerate(sizes)}
    return Split(tuple(held), np.arange(count), tuple(held), lambda name, **_: held[name])


def test_a_crop_lies_inside_and_has_the_area_and_the_proportions_it_was_dealt():
    shares = []
    for chance in CHANCE.random((4000, 4)).tolist():
        left, top, wide, high = box(chance, 640, 480, 0.08)
        assert left >= 0 <= top
        assert left + wide <= 640
        assert top + high <= 480
        assert wide >= 1 <= high
        shares.append(wide * high / (640 * 480))
        if wide < 640 and high < 480:
            assert ASPECT[0] - 0.01 < wide / high < ASPECT[1] + 0.01
            assert shares[-1] == pytest.approx(0.08 + 0.92 * chance[0], rel=0.02)
    assert 0.45 < np.mean(shares) < 0.54  # uniform on 0.08 to 1 has the mean 0.54; what would not fit is narrowed
    assert box([1 - 1e-12, 0.5, 0.0, 0.0], 100, 100, 1.0) == (0, 0, 100, 100)


def test_every_place_is_as_likely():
    lefts = [box([0.1, 0.5, chance, 0.5], 100, 100, 0.08)[0] for chance in np.linspace(0, 1, 1000, endpoint=False)]
    assert min(lefts) == 0
    _, _, wide, _ = box([0.1, 0.5, 0.0, 0.5], 100, 100, 0.08)
    assert max(lefts) == 100 - wide
    assert np.ptp(np.bincount(lefts)) <= 1


def test_a_crop_resized_by_torch_is_that_resized_by_pillow_within_one_step_of_grey():
    smooth = Image.fromarray(CHANCE.integers(0, 256, (12, 16, 3), dtype=np.uint8)).resize((160, 120))
    whole = np.array(smooth)
    for where in ((0, 0, 160, 120), (13, 7, 100, 75), (50, 40, 20, 18)):
        room = np.empty((24, 24, 3), np.uint8)
        cut(whole, where, SPEC, room)
        left, top, wide, high = where
        theirs = smooth.crop((left, top, left + wide, top + high)).resize((24, 24), Image.Resampling.BICUBIC)
        assert np.abs(room.astype(int) - np.asarray(theirs)).max() <= 1


def test_steps_bring_the_pictures_that_were_asked_for_in_that_order():
    crops = Crops(shelf(), SPEC, 0.08, threads=3)
    parts = [np.array([3, 1, 4]), np.array([15]), np.array([9, 2, 6, 5])]
    for part, pictures in zip(parts, crops.steps(0, parts), strict=True):
        assert pictures.shape == (len(part), 24, 24, 3)
        assert pictures.reshape(len(part), -1).max(1).tolist() == [10 * i for i in part]


@pytest.fixture(scope="module")
def ramps() -> Split:
    """Pictures whose every pixel says where it is, so that different crops differ."""
    y, x = np.mgrid[:60, :80]
    ramp = np.stack([3 * x, 4 * y, x + y], -1).astype(np.uint8)
    return Split(tuple("abcdef"), np.arange(6), tuple("abcdef"), lambda name, **_: ramp)


def epoch(split: Split, number: int, seed: int = 0, threads: int = 1, size: int = 2) -> np.ndarray:
    batches = Batches(
        Crops(split, SPEC, 0.2, seed, threads), split.labels, SPEC, size, seed, Augment(crop=0.2, flip=True)
    )
    found = {
        int(i): image for batch in batches.epoch(number) for i, image in zip(batch.index, batch.images, strict=True)
    }
    return np.stack([found[i].numpy() for i in sorted(found)])


def test_neither_threads_nor_the_size_of_a_step_nor_what_came_before_changes_a_crop(ramps):
    first = epoch(ramps, 3)
    assert (first == epoch(ramps, 3, threads=4, size=5)).all()
    assert (first != epoch(ramps, 4)).any()
    assert (first != epoch(ramps, 3, seed=1)).any()
    assert all((first[0] != other).any() for other in first[1:])


def test_a_jpeg_that_was_decoded_smaller_is_cropped_at_the_same_place(tmp_path):
    coarse = CHANCE.integers(0, 256, (15, 20, 3), dtype=np.uint8)
    for name in ("cat", "dog"):
        (tmp_path / name).mkdir()
        for i in range(2):
            photo = Image.fromarray(coarse + np.uint8(i)).resize((1600, 1200), Image.Resampling.BICUBIC)
            photo.save(tmp_path / name / f"{i}.jpg", quality=95)
    split = open_images(tmp_path, val=0.0).splits["train"]
    whole, scaled = (
        np.concatenate(list(Crops(split, replace(SPEC, jpeg=jpeg), 0.3).steps(0, [np.arange(len(split))])))
        for jpeg in ("whole", "scaled")
    )
    assert (whole != scaled).any()  # it was decoded smaller
    assert np.abs(whole.astype(int) - scaled).mean() < 4


def test_a_picture_that_cannot_be_read_stops_the_epoch_with_its_path(tmp_path):
    split = open_images(album(tmp_path, {"cat": 6, "dog": 6}), val=0.0).splits["train"]
    file = BytesIO()
    Image.new("RGB", (9, 9)).save(file, "PNG")
    (tmp_path / split.names[3]).write_bytes(file.getvalue()[:-30])
    with pytest.raises(DataError, match=split.names[3]):
        list(Crops(split, SPEC, 0.5).steps(0, [np.arange(len(split))]))


def test_whoever_stops_in_the_middle_leaves_no_thread_behind(ramps):
    before = threading.active_count()
    steps = Crops(ramps, SPEC, 0.5, threads=3).steps(0, [np.array([i % 6]) for i in range(50)])
    next(steps)
    steps.close()
    assert threading.active_count() == before
