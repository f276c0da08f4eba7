"""G2: white boxes act on channels, blue ones on space (S28)."""

from collections.abc import Iterator

import torch

from konvolut.blocks.basic import Conv, MaxPool
from konvolut.blocks.spec import Spec
from konvolut.lab.study import Check, Claim, Exact
from konvolut.language import later

CLAIM = Claim(
    id="G2",
    sentence="S28",
    text=later(
        "In the Inception block the 1x1 boxes take information from channels, the 3x3, 5x5 and pool boxes from space."
    ),
    expected="exact",
    why=later("Stirring the pixels of a map commutes with every 1x1 and with none of the others."),
)

BOXES: dict[str, tuple[Spec, float]] = {  # and whether stirred pixels give the same, stirred
    "1x1": (Conv(8, 1), 1),
    "3x3": (Conv(8, 3, p=1), 0),
    "5x5": (Conv(8, 5, p=2), 0),
    "pool": (MaxPool(3, 1, 1), 0),
}


def checks() -> Iterator[Check]:
    dice = torch.Generator().manual_seed(0)
    maps = torch.randn(2, 6, 7, 7, dtype=torch.float64, generator=dice)
    order = torch.randperm(49, generator=dice)

    def stir(batch: torch.Tensor) -> torch.Tensor:
        return batch.flatten(2)[:, :, order].view_as(batch)

    for name, (spec, said) in BOXES.items():
        box = spec.make((6, 7, 7)).double()
        with torch.no_grad():
            same = torch.allclose(box(stir(maps)), stir(box(maps)), rtol=0, atol=1e-12)
        yield Check(f"{name}: acts at each pixel alone (1 yes, 0 no)", said, float(same))


STUDY = Exact(claim=CLAIM, checks=checks)
