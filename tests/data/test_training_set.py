from pathlib import Path

import cv2
import numpy as np
import pytest
import torch

from denoise_cli.cli.app import main
from denoise_cli.data.training_set import Images, class_names, load, load_classes, load_pairs, split, split_classes
from denoise_cli.errors import InputError, UsageError
from denoise_cli.noise import as_pair


def _write(path: Path, level: int, shape: tuple[int, ...] = (8, 9, 3)) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    assert cv2.imwrite(str(path), np.full(shape, level, np.uint8))


def _set(count: int, start: int = 0) -> Images:
    return Images({f"{n}.png": [torch.full((1, 4, 4), start + n, dtype=torch.uint8)] for n in range(count)}, {})


def _levels(images: list[torch.Tensor]) -> list[int]:
    return sorted(int(image.amax()) for image in images)


def test_a_folder_is_read_as_the_channels_of_the_net(tmp_path: Path) -> None:
    bgr = np.zeros((8, 9, 3), np.uint8)
    bgr[:] = (10, 100, 200)
    cv2.imwrite(str(tmp_path / "colour.png"), bgr)
    _write(tmp_path / "gray.png", 50, (8, 9))
    (colour,) = load([str(tmp_path)], 3, None)
    assert colour.train["colour.png"][0].shape == (3, 8, 9)
    assert colour.train["colour.png"][0][:, 0, 0].tolist() == [200, 100, 10]
    assert colour.train["gray.png"][0][:, 0, 0].tolist() == [50, 50, 50]
    (gray,) = load([str(tmp_path)], 1, None)
    assert gray.train["colour.png"][0][:, 0, 0].tolist() == [round(0.299 * 200 + 0.587 * 100 + 0.114 * 10)]
    assert gray.train["gray.png"][0][:, 0, 0].tolist() == [50]


def test_a_set_in_parts_is_trained_on_one_and_measured_on_another(tmp_path: Path) -> None:
    for number in range(3):
        for place, part in enumerate(("train", "val", "test")):
            _write(tmp_path / part / f"{number}.png", 10 * place + number)
    groups, kept = split(load([str(tmp_path)], 1, None), 2, 0)
    assert _levels(groups[0]) == [0, 1, 2]
    assert len(kept) == 2
    assert set(_levels(kept)) < {10, 11, 12}


def test_limit(tmp_path: Path) -> None:
    for number in range(6):
        _write(tmp_path / f"{number}.png", number)
    assert len(load([str(tmp_path)], 1, 4)[0].train) == 4


def test_the_limit_counts_what_can_be_used_alone(tmp_path: Path) -> None:
    for number in range(20):
        _write(tmp_path / "test" / f"{number}.png", number)
    for part, level in (("train", 100), ("val", 200)):
        for number in range(3):
            _write(tmp_path / part / f"{number}.png", level + number)
    (images,) = load([str(tmp_path)], 1, 5)
    assert (len(images.train), len(images.held_out)) in ((3, 2), (2, 3))
    assert min(_levels([image for versions in images.train.values() for image in versions])) >= 100


@pytest.mark.parametrize(
    ("files", "limit"),
    [(["test/0.png"], None), (["val/0.png", "test/0.png"], None), (["train/1.png", "val/0.png"], 1)],
)
def test_where_nothing_is_left_to_train_on_it_says_so(tmp_path: Path, files: list[str], limit: int | None) -> None:
    for file in files:
        _write(tmp_path / file, 5)
    with pytest.raises(InputError, match="no image is to train on"):
        load([str(tmp_path)], 1, limit)


def test_what_a_folder_calls_test_is_left_alone(tmp_path: Path) -> None:
    for place, level in (("holiday", 1), ("test", 2), ("val", 3)):
        _write(tmp_path / place / "a.png", level)
    (images,) = load([str(tmp_path)], 1, None)
    assert (list(images.train), list(images.held_out)) == (["holiday/a.png"], ["val/a.png"])


def _stl10(folder: Path, **counts: int) -> str:
    """A small STL-10 whose images are flat: those to train on at 1, of the test at 2, without a label at 3."""
    for level, (part, count) in enumerate(counts.items(), 1):
        folder.mkdir(exist_ok=True)
        (folder / f"{part}_X.bin").write_bytes(bytes([level]) * count * 3 * 96 * 96)
        if part != "unlabeled":
            (folder / f"{part}_y.bin").write_bytes(bytes(1 + number % 2 for number in range(count)))
    return str(folder)


def test_images_without_a_label_are_for_denoisers(tmp_path: Path) -> None:
    word = _stl10(tmp_path / "stl10", train=2, test=9, unlabeled=3)
    (images,) = load([word], 3, None)
    assert _levels([image for versions in images.train.values() for image in versions]) == [1, 1, 3, 3, 3]
    names = class_names([word], 2)
    assert names == ("animals/bird", "vehicles/airplane"), "the limit counts neither the test nor what has no label"
    assert [len(images.train) for images in load_classes([word], 3, 2, names)] == [1, 1]
    with pytest.raises(InputError, match="no image is to train on"):
        load([_stl10(tmp_path / "other", test=3)], 3, None)


def test_what_is_not_used_is_not_read(tmp_path: Path) -> None:
    words = _class_folders(tmp_path, "train/cat", "train/dog", "test/cat")
    for place in ("test/cat", "unlabeled"):
        (tmp_path / place).mkdir(exist_ok=True)
        (tmp_path / place / "broken.png").write_text("no image")
    assert [len(images.train) for images in load_classes(words, 1, None, class_names(words, None))] == [3, 3]
    with pytest.raises(InputError, match=r"unlabeled.broken.png"):
        load(words, 1, None)


def test_what_is_measured_on_is_not_trained_on() -> None:
    groups, kept = split([_set(10)], 3, 0)
    assert len(kept) == 3
    assert sorted(_levels(groups[0]) + _levels(kept)) == list(range(10))


def test_the_seed_and_the_names_choose() -> None:
    choices = [_levels(split([_set(20)], 5, seed)[1]) for seed in (0, 0, 1)]
    assert choices[0] == choices[1] != choices[2]
    backwards = Images(dict(reversed(_set(20).train.items())), {})
    assert _levels(split([backwards], 5, 0)[1]) == choices[0]


def test_several_sets_are_groups_and_share_the_measured_images() -> None:
    groups, kept = split([_set(10), _set(20, 100)], 6, 0)
    assert [len(group) for group in groups] == [7, 17]
    assert sum(level < 100 for level in _levels(kept)) == 3


def test_too_few_images() -> None:
    with pytest.raises(UsageError, match=r"4 images are too few to keep 4 of them.*\n.*--val"):
        split([_set(4)], 4, 0)


def test_missing_and_empty_folders(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="does not exist"):
        load([str(tmp_path / "nowhere")], 3, None)
    (tmp_path / "empty").mkdir()
    with pytest.raises(InputError, match="no image"):
        load([str(tmp_path / "empty")], 3, None)


@pytest.fixture
def pairs(tmp_path: Path) -> Path:
    """A data set of make-data: eight images, two of them for validation, under two noises."""
    for number in range(8):
        _write(tmp_path / "photos" / f"{number}.png", 20 + 20 * number, (16, 16, 3))
    words = ["make-data", str(tmp_path / "photos"), "--noise", "sp", "--levels", "0.1,0.4", "--val", "0.25"]
    assert main([*words, "-o", str(tmp_path / "set"), "-q"]) == 0
    return tmp_path / "set"


def test_pairs_are_stacked_clean_channels_first(pairs: Path) -> None:
    (images,) = load_pairs([str(pairs)], 3, None)
    assert (len(images.train), len(images.held_out)) == (6, 2)
    for versions in (*images.train.values(), *images.held_out.values()):
        assert [version.shape for version in versions] == [(6, 16, 16), (6, 16, 16)]
        for version, low, high in zip(versions, (0.03, 0.25), (0.2, 0.55), strict=True):
            pair = as_pair(version[None].float())
            assert len(pair.clean.unique()) == 1
            changed = (pair.noisy != pair.clean).any(dim=1).float().mean()
            assert low < changed < high
            assert set(pair.noisy.unique().tolist()) <= {0.0, 255.0, pair.clean[0, 0, 0, 0].item()}


def test_pairs_keep_the_parts_of_their_set(pairs: Path) -> None:
    groups, kept = split(load_pairs([str(pairs)], 1, None), 2, 0)
    assert len(groups[0]) == 12  # two versions of six images
    assert len(kept) == 2  # one version of each
    trained = {int(image[0, 0, 0]) for image in groups[0]}
    measured = {int(image[0, 0, 0]) for image in kept}
    assert len(trained) == 6
    assert not trained & measured


def test_pairs_without_parts_are_split_by_image(tmp_path: Path, pairs: Path) -> None:
    words = ["make-data", str(tmp_path / "photos"), "--noise", "sp", "--levels", "0.1,0.4", "--val", "0"]
    assert main([*words, "-o", str(tmp_path / "whole"), "-q"]) == 0
    groups, kept = split(load_pairs([str(tmp_path / "whole")], 1, None), 3, 0)
    assert (len(groups[0]), len(kept)) == (10, 3)
    assert not {int(image[0, 0, 0]) for image in groups[0]} & {int(image[0, 0, 0]) for image in kept}
    changed = [(image[0] != image[1]).float().mean().item() for image in kept]
    assert max(changed) > 0.2 > min(changed)  # both noises are measured


def test_limited_pairs(pairs: Path) -> None:
    (images,) = load_pairs([str(pairs)], 1, 4)
    assert len(images.train) + len(images.held_out) == 4


def test_pairs_to_test_on_do_not_count(tmp_path: Path) -> None:
    word = _stl10(tmp_path / "stl10", train=4, test=8)
    words = ["make-data", word, "--noise", "sp", "--levels", "0.1", "--val", "0.25", "-o", str(tmp_path / "set"), "-q"]
    assert main(words) == 0
    (images,) = load_pairs([str(tmp_path / "set")], 3, 4)
    assert (len(images.train), len(images.held_out)) == (3, 1)


def test_pairs_of_another_number_of_channels_are_counted(pairs: Path) -> None:
    assert load_pairs([str(pairs)], 3, None)[0].converted == 0
    (images,) = load_pairs([str(pairs)], 1, None)
    assert images.converted == 8


def test_a_folder_without_a_manifest_holds_no_pairs(tmp_path: Path) -> None:
    _write(tmp_path / "a.png", 5)
    with pytest.raises(InputError, match=r"has no manifest.jsonl(.|\n)*make-data"):
        load_pairs([str(tmp_path)], 3, None)


def test_pairs_of_different_sizes(pairs: Path) -> None:
    noisy = next((pairs / "train" / "sp-0.4").iterdir())
    _write(noisy, 5, (12, 16, 3))
    with pytest.raises(InputError, match="different sizes"):
        load_pairs([str(pairs)], 3, None)


def test_a_pair_with_a_missing_file(pairs: Path) -> None:
    noisy = next((pairs / "train" / "sp-0.4").iterdir())
    noisy.unlink()
    with pytest.raises(InputError, match=noisy.name):
        load_pairs([str(pairs)], 3, None)


def _class_folders(root: Path, *labels: str) -> list[str]:
    for level, label in enumerate(labels):
        for number in range(3):
            _write(root / label / f"{number}.png", 10 * level + number)
    return [str(root)]


def test_the_images_of_each_class(tmp_path: Path) -> None:
    words = _class_folders(tmp_path / "one", "animals/dog", "animals/cat", "food")
    words += _class_folders(tmp_path / "two", "food")
    names = class_names(words, None)
    assert names == ("animals/cat", "animals/dog", "food")
    classes = load_classes(words, 1, None, names)
    assert [len(images.train) for images in classes] == [3, 3, 6]
    groups, kept = split_classes(classes, 3, 0)
    assert [len(images) for images in kept] == [1, 1, 1]
    for low, learned, measured in zip((10, 0), groups, kept, strict=False):
        assert sorted(_levels(learned) + _levels(measured)) == list(range(low, low + 3))
    assert class_names(words[:1], None, ["animals"]) == ("animals/cat", "animals/dog")
    assert len(load(words[:1], 1, None, ["animals"])[0].train) == 6


def test_the_parts_of_a_set_with_classes(tmp_path: Path) -> None:
    words = _class_folders(tmp_path, "train/cat", "train/dog", "val/dog", "test/cat")
    cat, dog = load_classes(words, 1, None, class_names(words, None))
    assert (len(cat.train), len(cat.held_out), len(dog.train), len(dog.held_out)) == (3, 0, 3, 3)
    assert _levels([version for versions in dog.held_out.values() for version in versions]) == [20, 21, 22]


@pytest.mark.parametrize(
    ("labels", "only", "what"),
    [
        (("cat",), [], "a single class, cat: there is nothing to tell apart"),
        (("train/cat", "val/dog", "test/cow"), [], "a single class, cat"),
        (("",), [], "no classes"),
        (("animals/cat", "animals/dog"), ["cat"], "a single class, animals/cat"),
    ],
)
def test_too_few_classes(tmp_path: Path, labels: tuple[str, ...], only: list[str], what: str) -> None:
    with pytest.raises(UsageError, match=what):
        class_names(_class_folders(tmp_path, *labels), None, only)


def test_a_class_that_no_image_has(tmp_path: Path) -> None:
    words = _class_folders(tmp_path, "animals/cat", "animals/dog")
    with pytest.raises(InputError, match=r"has no class 'animal'.\nDid you mean 'animals'"):
        load(words, 1, None, ["cat", "animal"])
