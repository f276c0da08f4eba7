"""Two languages: what is chosen, what is looked up, and that no sentence is left without words."""

import runpy
from io import BytesIO
from pathlib import Path

import pytest
from babel.messages.mofile import read_mo

from konvolut import language
from konvolut.errors import KonvolutError
from konvolut.language import _, both, set_language, translation

ROOT = Path(__file__).parent.parent
WORDS = runpy.run_path(str(ROOT / "scripts" / "words"))
PO = ROOT / "konvolut/locale/zh/LC_MESSAGES/konvolut.po"


@pytest.fixture(autouse=True)
def _as_before(monkeypatch):
    for name in ("KONVOLUT_LANG", "LANGUAGE", "LC_ALL", "LC_MESSAGES", "LANG"):
        monkeypatch.delenv(name, raising=False)
    before = list(language._chosen)
    yield
    language._chosen[:] = before


def test_every_sentence_has_chinese():
    lacking = WORDS["missing"](WORDS["read"](PO), WORDS["template"]())
    assert not lacking, f"python scripts/words adds them to {PO.name}; then write their Chinese: {lacking}"


def test_the_compiled_catalogue_is_the_written_one():
    written = {m.id: m.string for m in WORDS["read"](PO) if m.id and m.string}
    held = {m.id: m.string for m in read_mo(BytesIO(PO.with_suffix(".mo").read_bytes())) if m.id}
    assert held == written, "python scripts/words compiles it"


def test_a_translation_fills_in_what_its_sentence_does():
    import re

    for message in WORDS["read"](PO):
        if message.id and message.string:
            assert set(re.findall(r"{\w*}", message.id)) == set(re.findall(r"{\w*}", message.string)), message.id


def test_a_planted_sentence_is_found_and_an_f_string_is_refused():
    assert list(WORDS["sentences"]('_("planted"); both("also", n=1); other("no")', "x.py")) == ["planted", "also"]
    with pytest.raises(SystemExit, match=r"x.py:1: _\(f-string\)"):
        list(WORDS["sentences"]('_(f"{a} b")', "x.py"))


@pytest.mark.parametrize(
    ("said", "code"),
    [("zh", "zh"), ("zh_CN.UTF-8", "zh"), ("zh-Hans", "zh"), ("en_GB", "en"), ("Chinese (Simplified)_China.936", "zh")],
)
def test_a_language_goes_by_all_its_names(said, code):
    assert set_language(said) == language.language() == code


def test_the_variable_comes_before_the_locale_and_an_unspoken_locale_means_english(monkeypatch):
    monkeypatch.setenv("LANG", "zh_CN.UTF-8")
    assert set_language(None) == "zh"
    monkeypatch.setenv("KONVOLUT_LANG", "en")
    assert set_language(None) == "en"
    monkeypatch.delenv("KONVOLUT_LANG")
    monkeypatch.setenv("LC_ALL", "de_DE.UTF-8")
    assert set_language(None) == "en"


def test_an_unknown_language_is_named_with_the_known_ones(monkeypatch):
    with pytest.raises(KonvolutError, match="--lang: no language 'xx'; known: en, zh"):
        set_language("xx")
    monkeypatch.setenv("KONVOLUT_LANG", "xx")
    with pytest.raises(KonvolutError, match="KONVOLUT_LANG: no language 'xx'; known: en, zh"):
        set_language(None)
    with pytest.raises(KonvolutError, match="no language 'xx'"):
        translation("xx")


def test_the_field_says_zhunquelv_and_a_name_stays_itself():
    set_language("zh")
    assert _("accuracy") == "准确率"
    assert _("no such sentence") == "no such sentence"
    assert both("{k} classes", k=3) == {"en": "3 classes", "zh": "3 个类别"}
    assert translation("en")("accuracy") == "accuracy"
