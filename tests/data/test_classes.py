import os
from collections import Counter
from pathlib import Path

import pytest

from denoise_cli.data.classes import of_folders, of_word, of_wordnet
from denoise_cli.data.sources import open_source


@pytest.mark.parametrize(
    ("wnid", "group"),
    [
        ("n01443537", "animals"),  # goldfish
        ("n02509815", "animals"),  # lesser panda
        ("n02666196", "objects"),  # abacus
        ("n02814533", "vehicles"),  # beach wagon
        ("n04366367", "scenery"),  # suspension bridge
        ("n06596364", "objects"),  # comic book
        ("n07873807", "food"),  # pizza
        ("n09193705", "scenery"),  # alp
        ("n12267677", "food"),  # acorn
    ],
)
def test_groups_of_wordnet(wnid: str, group: str) -> None:
    assert of_wordnet(wnid) == f"{group}/{wnid}"


def test_words_and_folders() -> None:
    assert (of_word("frog"), of_word("truck")) == ("animals/frog", "vehicles/truck")
    assert of_folders("train/animals/cat/1.png") == of_folders("animals/cat/1.png") == "animals/cat"
    assert of_folders("1.png") == of_folders("val/1.png") == ""


@pytest.mark.skipif("DENOISE_DATA" not in os.environ, reason="DENOISE_DATA names no folder with Tiny ImageNet")
def test_every_image_of_tiny_imagenet_has_a_class() -> None:
    source = open_source(Path(os.environ["DENOISE_DATA"]) / "tiny-imagenet-subset.tar")
    counts = Counter(source.classes[name] for name in source.names)
    assert len(counts) == 200 and set(counts.values()) == {105}
    groups = Counter(label.partition("/")[0] for label in counts)
    assert groups == {"animals": 59, "food": 18, "objects": 87, "scenery": 21, "vehicles": 15}
