"""The shapes all rooms share; arrays are numpy here, so that the torch-free rooms may use them."""

from jaxtyping import Float32, Int64, UInt8
from numpy import ndarray

Shape = tuple[int, ...]  # one image, no batch axis: (channels, height, width) or (features,)
Picture = UInt8[ndarray, "h w c"]  # c is 1 (grey) or 3 (RGB)
Pictures = UInt8[ndarray, "n h w c"]
Labels = Int64[ndarray, "n"]  # the number of each picture's class
Logits = Float32[ndarray, "n k"]
