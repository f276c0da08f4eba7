"""Every error a user of Konvolut can meet.

KonvolutError
├── ArchError      a table of rows cannot be built, or contradicts its paper
├── DataError      an image set on disk is not what it says it is
├── WeightsError   a file of weights that cannot be read, or holds more than weights
├── RecipeError    a training recipe that cannot be run
├── RunError       a run folder that is incomplete, in use or from another version
├── ArtifactError  an exported model that does not match its card
└── ClaimError     a claim that is not in the notes, or a study that cannot be run

A message is one line: what, where, what would work. The command line prints it and exits with status 2.
"""

from collections.abc import Iterable
from difflib import get_close_matches


class KonvolutError(Exception):
    """Base class of every mistake that is the user's to mend; ours are asserts."""


class ArchError(KonvolutError):
    """A table of rows cannot be built, or contradicts its paper."""


class DataError(KonvolutError):
    """An image set on disk is not what it says it is."""


class WeightsError(KonvolutError):
    """A file of weights that cannot be read, or holds more than weights."""


class RecipeError(KonvolutError):
    """A training recipe that cannot be run."""


class RunError(KonvolutError):
    """A run folder that is incomplete, in use or from another version."""


class ArtifactError(KonvolutError):
    """An exported model that does not match its card."""


class ClaimError(KonvolutError):
    """A claim that is not in the notes, or a study that cannot be run."""


def nearest(word: str, known: Iterable[str]) -> str:
    """The end of an error message about an unknown name.

    >>> nearest("resnet-8", ["resnet-18", "vgg-11"])
    "; did you mean 'resnet-18'?"
    """
    known = {name.casefold(): name for name in known}
    close = get_close_matches(word.casefold(), known, n=1, cutoff=0.5)
    return f"; did you mean {known[close[0]]!r}?" if close else f"; known: {', '.join(known.values())}"
