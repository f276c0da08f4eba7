"""The languages Konvolut speaks: gettext catalogues, with the English sentence as the key. No torch, no numpy."""

import gettext
import locale
import os
from collections.abc import Callable, Mapping
from functools import cache
from pathlib import Path

from konvolut.errors import KonvolutError, nearest

CODES = ("en", "zh")  # the source language first
CATALOGUES = Path(__file__).parent / "locale"  # CODE/LC_MESSAGES/konvolut.{po,mo}; scripts/words keeps them

Text = str | Mapping[str, str]  # what a page shows: a name that is the same everywhere, or one sentence a language

_chosen: list[str] = []  # the code in force, once somebody asked or said so


def set_language(code: str | None) -> str:
    """Speak `code` from now on, and return it; None asks KONVOLUT_LANG, then the locale.

    `zh_CN.UTF-8` and `zh-Hans` count as `zh`. A locale we do not speak means English.
    Raises KonvolutError when `code`, or KONVOLUT_LANG, names a language that has no catalogue.
    """
    asked, source = (code, "--lang") if code is not None else (os.environ.get("KONVOLUT_LANG", ""), "KONVOLUT_LANG")
    found = _known(asked)
    if asked and not found:
        raise KonvolutError(f"{source}: no language {asked!r}{nearest(asked, CODES)}")
    _chosen[:] = [found or _known(_of_the_locale()) or CODES[0]]
    return _chosen[0]


def language() -> str:
    """The code in force."""
    return _chosen[0] if _chosen else set_language(None)


def _(sentence: str) -> str:
    """`sentence` in the language in force; looked up when called, so never call it while importing."""
    return translation(language())(sentence)


def later(sentence: str) -> str:
    """`sentence` as it is; marks it for the catalogues where it is written down long before it is shown."""
    return sentence


def both(sentence: str, **values: object) -> dict[str, str]:
    """`sentence` in every language, `values` filled in by str.format: for pages that hold all of them.

    A value that is itself one text a language goes into each in that language.

    >>> both("{n} of them", n=3)["en"]
    '3 of them'
    """
    return {
        code: translation(code)(sentence).format(
            **{name: value[code] if isinstance(value, Mapping) else value for name, value in values.items()}
        )
        for code in CODES
    }


@cache
def translation(code: str) -> Callable[[str], str]:
    """The look-up of one language: `translation("zh")("accuracy")`. A sentence without a translation stays English."""
    if code not in CODES:
        raise KonvolutError(f"no language {code!r}{nearest(code, CODES)}")
    if code == CODES[0]:
        return str
    return gettext.translation("konvolut", CATALOGUES, [code]).gettext


def _known(tag: str) -> str:
    """The code that `tag` begins with, or nothing: `zh-Hans-CN`, `en_GB.UTF-8`, `Chinese (Simplified)_China.936`."""
    head = tag.lower().replace("_", "-").split("-")[0].split(".")[0].split("@")[0].strip()
    head = {"chinese (simplified)": "zh", "chinese": "zh", "english": "en"}.get(head, head)  # as Windows spells them
    return head if head in CODES else ""


def _of_the_locale() -> str:
    # gettext's own order: the first that is set decides, and LANGUAGE may hold several
    for name in ("LANGUAGE", "LC_ALL", "LC_MESSAGES", "LANG"):
        if tag := os.environ.get(name):
            return tag.split(":")[0]
    return locale.getlocale()[0] or ""
