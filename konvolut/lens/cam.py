"""Where in a picture the net sees a class: class activation maps and their generalisation by gradients."""

from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float, Int64
from torch import Tensor, nn
from torch.nn.functional import interpolate

from konvolut.errors import ArchError
from konvolut.lens.maps import is_map
from konvolut.nets.features import evaluating, logits_of, rows, tapped
from konvolut.types import Picture

RAMP = ((252, 222, 112), (222, 92, 26), (116, 16, 40))  # weak, middle, strong: ochre, vermilion, wine
STRENGTH = 0.78  # of the colour where the heat is greatest


@dataclass(frozen=True, slots=True, eq=False)
class ClassMap:
    """How much each place of the last maps speaks for a class."""

    row: str  # whose maps they are
    how: str  # "CAM" or "Grad-CAM"
    heat: Float[Tensor, "n h w"]  # CAM: logits, places against the class below 0; Grad-CAM: relative, never below 0


def class_map(net: nn.Module, batch: Float[Tensor, "n c h w"], labels: Int64[Tensor, "n"]) -> ClassMap:
    """CAM where the net ends in a global average and one dense layer, Grad-CAM on the last row with maps elsewhere.

    Raises ArchError when no row gives a map.
    """
    row, maps, weight = _ending(net, batch)
    if weight is not None:
        return ClassMap(row, "CAM", _weighed(weight[labels], maps))
    return ClassMap(row, "Grad-CAM", grad_cam(net, batch, labels, row))


def cam(net: nn.Module, batch: Float[Tensor, "n c h w"], labels: Int64[Tensor, "n"]) -> Float[Tensor, "n h w"]:
    """The last maps weighed by the class's dense weights; its mean is the class's logit less the bias.

    Zhou et al. 2016, eq. 2. Raises ArchError when the net does not end in a global average and one dense layer.
    """
    _, maps, weight = _ending(net, batch)
    if weight is None:
        raise ArchError("this net does not end in a global average and one dense layer; grad_cam works for any")
    return _weighed(weight[labels], maps)


def grad_cam(
    net: nn.Module, batch: Float[Tensor, "n c h w"], labels: Int64[Tensor, "n"], row: str | None = None
) -> Float[Tensor, "n h w"]:
    """relu of the maps of `row` (or of the last one that has any), each weighed by the mean gradient of the logit.

    Selvaraju et al. 2017, eq. 1 and 2; in evaluation mode. Raises ArchError for an unknown row or one without maps.
    """
    with evaluating(net), tapped(net, rows(net) if row is None else [row]) as held, torch.enable_grad():
        logits = logits_of(net(batch.detach().requires_grad_()))
        last = _last(held) if row is None else row
        maps = held.get(last)
        if maps is None or maps.ndim != 4:
            raise ArchError(f"row {last!r} gives no maps, and Grad-CAM weighs maps; take an earlier row")
        (slope,) = torch.autograd.grad(logits.gather(1, labels[:, None]).sum(), maps)
    return _weighed(slope.mean((2, 3)), maps.detach()).relu()


def overlay(picture: Picture, heat: Float[Tensor, "h w"]) -> Picture:
    """The picture in grey under the heat in colour: clear at 0 and below, strongest at the largest. (h, w, 3) uint8.

    The heat is brought to the picture's size bilinearly.
    """
    height, width, channels = picture.shape
    grown = interpolate(heat[None, None].double(), (height, width), mode="bilinear", align_corners=False)[0, 0]
    level = grown.relu() / grown.max().clamp_min(torch.finfo(torch.float64).tiny)  # (h, w) in [0, 1]
    share = level.cpu().numpy()
    grey = picture.astype(np.float64) @ np.full(channels, 1 / channels)
    stops = np.linspace(0, 1, len(RAMP))
    colour = np.stack([np.interp(share, stops, [stop[i] for stop in RAMP]) for i in range(3)], axis=2)
    cover = STRENGTH * share[..., None]
    return np.asarray(((1 - cover) * grey[..., None] + cover * colour).round(), dtype=np.uint8)


def _weighed(weights: Float[Tensor, "n c"], maps: Float[Tensor, "n c h w"]) -> Float[Tensor, "n h w"]:
    return torch.einsum("nc,nchw->nhw", weights, maps)


def _last(held: dict[str, Tensor]) -> str:
    found = [name for name, gives in held.items() if is_map(gives)]
    if not found:
        raise ArchError("no row of this net gives maps, so there is no place to point at")
    return found[-1]


def _ending(net: nn.Module, batch: Tensor) -> tuple[str, Tensor, Tensor | None]:
    """The last row with maps, its maps, and the dense weights if their mean goes straight into the only dense layer.

    Told by numbers rather than by types: whichever layers stand between, the dense layer takes the maps' means.
    """
    took: list[tuple[nn.Linear, Tensor, Tensor]] = []
    hooks = [
        module.register_forward_hook(lambda one, takes, gives: took.append((one, takes[0], gives)))
        for module in net.modules()
        if isinstance(module, nn.Linear)
    ]
    try:
        with evaluating(net), tapped(net, rows(net)) as held, torch.no_grad():
            logits = logits_of(net(batch))
    finally:
        for hook in hooks:
            hook.remove()
    row = _last(held)
    maps = held[row]
    if len(took) == 1:
        dense, takes, gives = took[0]
        means = maps.mean((2, 3))
        if gives.shape == logits.shape and torch.equal(gives, logits) and takes.shape == means.shape:
            near = 1e-4 * float(means.abs().max())
            if torch.allclose(takes, means, rtol=1e-4, atol=near):
                return row, maps, dense.weight.detach()
    return row, maps, None
