"""Groups of blocks: taken, transformed, shrunk and put back."""

from functools import partial

import pytest
import torch
from torch import Tensor

from denoise_cli.layers import grouping
from denoise_cli.layers.grouping import Transform, _haar, filter_groups, hard_threshold, wiener
from denoise_cli.layers.matching import Search


def plain(side: int) -> Transform:
    """No transform, and pixels that count by their place."""
    numbers = side * side
    return Transform(torch.eye(numbers), torch.eye(numbers), torch.linspace(0.5, 1, numbers))


def scene(channels: int, height: int, width: int) -> Tensor:
    return torch.rand((2, channels, height, width), generator=torch.Generator().manual_seed(height))


@pytest.mark.parametrize("size", [1, 2, 4, 32])
def test_haar_is_orthonormal(size: int) -> None:
    haar = _haar(size)
    torch.testing.assert_close(haar @ haar.t(), torch.eye(size))
    torch.testing.assert_close(haar[0], torch.full((size,), size**-0.5))


@pytest.mark.parametrize(("channels", "height", "width"), [(1, 21, 34), (3, 13, 16), (1, 2, 3), (2, 1, 40)])
def test_what_is_not_shrunk_comes_back(channels: int, height: int, width: int) -> None:
    images = scene(channels, height, width)
    transform = Transform(torch.eye(25) * 2, torch.eye(25) / 2, torch.linspace(0.5, 1, 25))

    def keep(spectra: list[Tensor]) -> tuple[Tensor, Tensor]:
        stack = spectra[0]
        return stack, 1 + stack.square().mean(dim=(0, 3))

    estimate = filter_groups([images], images[:, :1], Search(5, 3, 4, 8, 20000), transform, keep)  # type: ignore[arg-type]
    torch.testing.assert_close(estimate, images, atol=2e-6, rtol=0)


def test_against_loops(monkeypatch: pytest.MonkeyPatch) -> None:
    """The threshold step with everything written out, in double precision."""
    monkeypatch.setitem(grouping._NUMBERS_AT_ONCE, "cpu", 1 << 10)
    side, step, radius, limit, threshold = 4, 2, 3, 1500.0, 0.3
    image = (torch.rand((12, 16), generator=torch.Generator().manual_seed(3)) * 60 + 90).round() / 255
    window = torch.linspace(0.5, 1, side * side).view(side, side).double()
    total, weight = torch.zeros(12, 16).double(), torch.zeros(12, 16).double()
    for row in range(0, 12 - side + 1, step):
        for column in range(0, 16 - side + 1, step):
            own = image[row : row + side, column : column + side]
            found = []
            for y in range(max(0, row - radius), min(12 - side, row + radius) + 1):
                for x in range(max(0, column - radius), min(16 - side, column + radius) + 1):
                    block = image[y : y + side, x : x + side]
                    found.append((((255 * (block - own)).round() ** 2).mean().item(), y, x))
            alike = [item for item in sorted(found) if item[0] <= limit][:8]
            alike = alike[: 1 << (len(alike).bit_length() - 1)]
            stack = torch.stack([image[y : y + side, x : x + side] for _, y, x in alike]).double()
            haar = _haar(len(alike)).double()
            spectrum = torch.einsum("kj,jyx->kyx", haar, stack)
            spectrum = torch.where(spectrum.abs() > threshold, spectrum, 0)
            share = window / max(1, int(spectrum.count_nonzero()))
            for (_, y, x), block in zip(alike, torch.einsum("jk,jyx->kyx", haar, spectrum), strict=True):
                total[y : y + side, x : x + side] += share * block
                weight[y : y + side, x : x + side] += share
    search = Search(side, step, radius, 8, limit)
    estimate = filter_groups(
        [image[None, None]], image[None, None], search, plain(side), partial(hard_threshold, limit=threshold)
    )
    difference = (estimate[0, 0] - total / weight).abs()
    assert (difference > 1e-5).float().mean() < 0.3 and difference.max() < 0.05  # blocks equally alike may be swapped
    assert (difference < 1e-6).float().mean() > 0.5


def test_wiener_follows_the_estimate() -> None:
    noisy, estimate = torch.full((2, 1, 1, 4), 4.0), torch.tensor([0.0, 1.0, 3.0, 1e4]).expand(2, 1, 1, 4)
    shrunk, weights = wiener([noisy, estimate])
    torch.testing.assert_close(shrunk[0, 0, 0], torch.tensor([0.0, 2.0, 3.6, 4.0]))
    torch.testing.assert_close(weights, torch.tensor([[1 / (2 * (0.25 + 0.81 + 1))]]))


def test_the_same_under_autocast() -> None:
    images = scene(1, 20, 20)
    filtering = partial(filter_groups, [images], images, Search(4, 3, 3, 8), plain(4), wiener)
    alone = filtering()
    with torch.autocast("cpu", torch.bfloat16):
        assert torch.equal(filtering(), alone)
