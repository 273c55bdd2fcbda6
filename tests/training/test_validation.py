import math
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from denoise_cli import noise
from denoise_cli.noise import Pair
from denoise_cli.training.validation import Accuracy, Validation

CPU = torch.device("cpu")


class Halving(nn.Module):
    """Moves every pixel half-way to a level."""

    channels = None
    stride = 1

    def __init__(self, level: float) -> None:
        super().__init__()
        self.level = level
        self.sizes: list[tuple[int, ...]] = []

    def settle(self, noisy: Tensor, options: Any) -> Any:
        raise AssertionError("a batch is not one image")

    def reach(self, options: Any) -> int:
        return 0

    def denoise(self, noisy: Tensor, options: Any) -> Tensor:
        assert all(side % self.stride == 0 for side in noisy.shape[-2:])
        self.sizes.append(tuple(noisy.shape))
        return (noisy + self.level) / 2


def _flat(level: int, side: int = 16, channels: int = 1) -> Tensor:
    return torch.full((channels, side, side), level, dtype=torch.uint8)


def test_the_score_is_the_mean_over_all_images_of_all_sizes() -> None:
    pairs = [torch.cat((_flat(100, side), _flat(noisy, side))) for side, noisy in ((16, 110), (16, 110), (8, 120))]
    validation = Validation.make(pairs, None, 0, CPU)
    ten, twenty = 20 * math.log10(255 / 10), 20 * math.log10(255 / 20)
    assert validation.floor() == pytest.approx((2 * ten + twenty) / 3, abs=1e-3)
    verdict = validation.judge(Halving(100 / 255), None, torch.float32)
    assert verdict.score == pytest.approx((2 * ten + twenty) / 3 + 20 * math.log10(2), abs=1e-3)
    assert verdict.gain == pytest.approx(20 * math.log10(2), abs=1e-3)


def test_the_gain_is_that_of_the_image_that_gains_most() -> None:
    validation = Validation.make([torch.cat((_flat(100), _flat(noisy))) for noisy in (104, 120)], None, 0, CPU)
    score, gain = validation.judge(Halving(92 / 255), None, torch.float32)  # 98 and 106
    assert gain == pytest.approx(20 * math.log10(20 / 6), abs=1e-3)
    assert score == pytest.approx(5 * math.log10(255**4 / (2 * 6) ** 2), abs=1e-3)


def test_an_image_whose_noise_is_lost_in_rounding_counts_as_rounded() -> None:
    """Its PSNR is infinite, and a mean with it would hide what the others say."""
    pairs = [torch.cat((_flat(100), _flat(noisy))) for noisy in (100, 110)]
    validation = Validation.make(pairs, None, 0, CPU)
    assert validation.floor() == pytest.approx((58.92 + 20 * math.log10(255 / 10)) / 2, abs=0.01)
    assert validation.judge(Halving(100 / 255), None, torch.float32).score == pytest.approx(
        (58.92 + 20 * math.log10(255 / 5)) / 2, abs=0.01
    )


def test_the_noise_is_always_the_same_and_fits_into_eight_bits() -> None:
    images = [_flat(10), _flat(200)]
    one, other = (Validation.make(images, noise.parse("gaussian:50"), 3, CPU).pairs[0].noisy for _ in range(2))
    assert torch.equal(one, other)
    assert torch.equal((one * 255).round() / 255, one)
    assert one.min() >= 0
    assert not torch.equal(one, Validation.make(images, noise.parse("gaussian:50"), 4, CPU).pairs[0].noisy)


def test_large_images_are_judged_by_their_centre() -> None:
    image = torch.zeros((1, 300, 201), dtype=torch.uint8)
    image[:, 86:214, 36:164] = 255
    (pair,) = Validation.make([image], noise.parse("gaussian:0"), 0, CPU).pairs
    assert pair.clean.shape == (1, 1, 128, 128)
    assert pair.clean.min() == 1


def test_many_images_are_judged_in_several_batches() -> None:
    net = Halving(0.5)
    validation = Validation.make([_flat(100) for _ in range(70)], noise.parse("sp:0.1"), 0, CPU)
    validation.judge(net, None, torch.float32)
    assert net.sizes == [(64, 1, 16, 16), (6, 1, 16, 16)]


def test_where_memory_runs_out_fewer_are_judged_at_once() -> None:
    class Large(Halving):
        def denoise(self, noisy: Tensor, options: Any) -> Tensor:
            estimate = super().denoise(noisy, options)
            if len(noisy) > 20:
                raise torch.OutOfMemoryError("CUDA out of memory.")
            return estimate

    net = Large(0.5)
    validation = Validation.make([_flat(level) for level in range(50)], noise.parse("sp:0.1"), 0, CPU)
    assert validation.judge(net, None, torch.float32).score == validation.judge(Halving(0.5), None, torch.float32).score
    assert [size[0] for size in net.sizes] == [50, 25, 13, 13, 13, 11]


def test_images_are_padded_to_the_stride_of_the_net() -> None:
    net = Halving(0.5)
    net.stride = 8
    image = torch.arange(7 * 18, dtype=torch.uint8).view(1, 7, 18)
    validation = Validation.make([image], noise.parse("gaussian:0"), 0, CPU)
    expected = ((image.double() / 255 - 0.5) / 2).square().mean()
    assert validation.judge(net, None, torch.float32).score == pytest.approx(-10 * math.log10(expected), abs=1e-3)
    assert net.sizes == [(1, 1, 8, 24)]


class Naming(nn.Module):
    """Says of a picture what its first pixel says."""

    channels = 1
    classes = ("black", "gray", "white")

    def scores(self, images: Tensor) -> Tensor:
        level = images[:, 0, 0, 0]
        return -(level[:, None] - torch.tensor([0.0, 0.5, 1.0])).abs()

    def features(self, images: Tensor) -> Tensor:
        return images

    def loss(self, pair: Pair, recipe: Any, generator: torch.Generator) -> Tensor:
        raise AssertionError("nothing is learned")


def test_accuracy_is_the_share_of_the_images_that_are_named_right() -> None:
    levels, labels = [0, 0, 0, 130, 250, 250], [0, 0, 1, 1, 2, 0]
    images = [_flat(level, 16 if number % 2 else 8) for number, level in enumerate(levels)]
    accuracy = Accuracy.make(images, noise.parse("gaussian:0"), 0, CPU, labels)
    assert accuracy.floor() == pytest.approx(50)
    assert accuracy.judge(Naming(), None, torch.float32) == pytest.approx((400 / 6, 400 / 6 - 50))
    assert [pair.label is not None and len(pair.label) for pair in accuracy.pairs] == [3, 3]
    assert (accuracy.measure, accuracy.unit) == ("accuracy", "%")
