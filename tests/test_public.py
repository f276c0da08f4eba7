"""The package's own door: every public name is there, and nothing else is promised."""

import pytest

import konvolut as kv


@pytest.mark.parametrize("name", kv.__all__)
def test_a_public_name_resolves_to_something_documented(name):
    assert getattr(kv, name).__doc__


def test_an_unknown_name_is_an_attribute_error():
    with pytest.raises(AttributeError, match="no attribute 'buidl'"):
        _ = kv.buidl


def test_build_and_facts_take_a_name_or_a_table():
    named, table = (list(kv.facts(net, classes=10)) for net in ("lenet", "resnet-20"))
    assert named[-1].gives == table[-1].gives == (10,)
    assert (
        sum(p.numel() for p in kv.build("resnet-20").parameters()) == 269_722
    )  # He et al. 2015, table 6, to the digit
