"""The mlpconv layer (Lin et al. 2013, section 3.1 and figure 1b): a small perceptron that slides over the map."""

from dataclasses import replace

from konvolut.blocks.basic import Conv
from konvolut.blocks.spec import Row


def mlpconv(first: str, conv: Conv, **ones: int) -> tuple[Row, ...]:
    """A convolution row named `first`, then a 1x1 convolution for every `name=width`.

    A 1x1 convolution is a dense layer over the maps at each pixel, so each is a row: it has its own width and weights.
    """
    pixelwise = replace(conv, k=1, s=1, p=0, groups=1)
    return (Row(first, conv), *(Row(name, replace(pixelwise, out=width)) for name, width in ones.items()))
