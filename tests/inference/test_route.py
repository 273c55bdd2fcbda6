"""The class of an image picks its net."""

from dataclasses import replace
from hashlib import sha256
from pathlib import Path

import numpy as np
import pytest
import torch

from denoise_cli import checkpoint, shelf
from denoise_cli.errors import UsageError, WeightsError
from denoise_cli.image import Image, Source
from denoise_cli.inference.route import Guess, Router
from denoise_cli.inference.workbench import Wish, Workbench

CPU = torch.device("cpu")
SMALL = {"channels": 1, "depth": 3, "features": 4}
CLASSES = ("animals/cat", "animals/dog", "food/soup", "street")


def image(level: float, height: int = 40, width: int = 300) -> Image:
    return Image(np.full((3, height, width), level, np.float32), Source("x.png"))


def bench(**wish: object) -> Workbench:
    return Workbench(Wish(model="class-aware", **wish), lambda card: card.options)  # type: ignore[arg-type]


@pytest.fixture
def nets(stock) -> None:
    """Nets for animals, food and streets."""
    for tag in ("animals", "food", "street", "agnostic"):
        stock(f"class-aware.{tag}", **SMALL)


def put_classifier(stock, name: str = "classifier.small", classes: tuple[str, ...] = CLASSES, seen: int = 0) -> None:
    """One that says the class ``seen`` of every image, and a little more of its neighbours."""
    entry = stock(name, classes=classes, features=4)
    path = shelf.folder() / entry.file
    loaded = checkpoint.load(path)
    tensors = dict(loaded.tensors)
    tensors["last.weight"] = torch.zeros_like(tensors["last.weight"])
    tensors["last.bias"] = torch.tensor([2.0 if index == seen else 0.0 for index in range(len(classes))])
    checkpoint.save(path, checkpoint.Checkpoint(loaded.model, loaded.config, loaded.recipe, {}, tensors))


@pytest.mark.usefixtures("nets")
@pytest.mark.parametrize(("seen", "tag"), [(0, "animals"), (1, "animals"), (2, "food"), (3, "street")])
def test_the_chances_of_a_group_are_summed(stock, seen: int, tag: str, tmp_path: Path) -> None:
    put_classifier(stock, seen=seen)
    router = Router("class-aware", str(tmp_path / "shelf" / "classifier.small.safetensors"), CPU)
    guess = router.pick(image(0.5))
    most = np.exp(2)
    assert guess.name == tag
    assert guess.chance == pytest.approx((most + (tag == "animals")) / (most + 3))
    assert str(Guess("animals", 0.825)) == "animals (82 %)"


@pytest.mark.parametrize("size", [(1, 1), (5, 400), (400, 5), (64, 64), (90, 130)])
@pytest.mark.usefixtures("nets")
def test_images_of_any_size(stock, size: tuple[int, int], tmp_path: Path) -> None:
    put_classifier(stock)
    router = Router("class-aware", str(tmp_path / "shelf" / "classifier.small.safetensors"), CPU)
    shapes: list[tuple[int, ...]] = []
    scores = router.seer.net.scores
    router.seer.net.scores = lambda images: shapes.append(tuple(images.shape)) or scores(images)  # type: ignore
    assert router.pick(image(0.5, *size)).name == "animals"
    assert min(shapes[0][-2:]) == 64 and max(shapes[0][-2:]) <= 128


def write(path: Path) -> None:
    """The index again, with the sums that the files have now."""
    shelf.write_index(
        [replace(entry, sha256=sha256((path / entry.file).read_bytes()).hexdigest()) for entry in shelf.entries()]
    )


@pytest.mark.usefixtures("nets")
def test_the_bench_says_what_it_saw(stock, tmp_path: Path) -> None:
    stock("classifier.other", classes=("sea", "sky"), features=4)  # knows none of them
    put_classifier(stock, seen=2)
    write(tmp_path / "shelf")
    choice = bench().choose(image(0.5))
    assert choice.name == "class-aware.food" and choice.shown is not None and choice.shown.name == "food"
    forced = bench(shown="street").choose(image(0.5))
    assert forced.name == "class-aware.street" and forced.shown is None


def test_what_cannot_be_picked(stock, tmp_path: Path) -> None:
    with pytest.raises(WeightsError, match="for no class: there is nothing to pick from"):
        bench()
    stock("class-aware.animals", **SMALL)
    with pytest.raises(WeightsError, match=r"for a single class, animals: .*\n.*--model class-aware.animals"):
        bench()
    stock("class-aware.food", **SMALL)
    with pytest.raises(WeightsError, match=r"animals, food, and no classifier is here.*\n.*--class animals"):
        bench()
    stock("classifier.sky", classes=("sea", "sky", "food"), features=4)
    with pytest.raises(WeightsError, match=r"classifier.sky cannot tell the classes animals, food from each other"):
        bench()
    with pytest.raises(WeightsError, match=r"no weights 'class-aware.foot'.\nDid you mean 'class-aware.food'"):
        bench(shown="foot")
    with pytest.raises(UsageError, match=r"class-aware.food does not ask what an image shows"):
        Workbench(Wish(model="class-aware.food", shown="animals"), lambda card: card.options)
    with pytest.raises(UsageError, match="no use without --model"):
        Workbench(Wish(shown="animals"), lambda card: card.options)
    with pytest.raises(UsageError, match="classifier denoises nothing: it tells what a picture shows"):
        Workbench(Wish(model="classifier.sky"), lambda card: card.options)
