"""What is published, and what its answers are called."""

from konvolut.nets.catalogue import named
from konvolut.nets.published import imagenet, published


def test_imagenet_has_a_thousand_names_in_the_order_of_its_synsets():
    names = imagenet()
    assert len(names) == len(set(names)) == 1000
    places = {0: "tench", 1: "goldfish", 207: "golden retriever", 281: "tabby", 999: "toilet tissue"}
    assert {place: names[place] for place in places} == places


def test_every_published_file_fits_a_net_of_the_catalogue():
    assert {named(one.net).name for one in published()} == {one.net for one in published()}
