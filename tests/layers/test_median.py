"""The median layer is exact, gives its gradient to the chosen pixel, and works at every size."""

import pytest
import torch
from scipy.ndimage import median_filter

from denoise_cli.layers import median
from denoise_cli.layers.median import MedianLayer


def test_by_hand() -> None:
    image = torch.tensor([[9.0, 2.0, 8.0], [1.0, 5.0, 3.0], [7.0, 4.0, 6.0]])[None, None]
    # the corner sees itself once, its two neighbours twice each, the diagonal one four times: 9, 2 2, 1 1, 5 5 5 5
    assert MedianLayer(3)(image)[0, 0, :2, :2].tolist() == [[5.0, 3.0], [4.0, 5.0]]


@pytest.mark.parametrize("side", [1, 3, 5, 7])
@pytest.mark.parametrize("at_once", [1, 300, 1 << 20])
def test_equals_scipy(side: int, at_once: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(median._AT_ONCE, "cpu", at_once)
    image = torch.rand((2, 3, 17, 11), generator=torch.Generator().manual_seed(side))
    oracle = median_filter(image.numpy(), size=(1, 1, side, side), mode="mirror")
    assert torch.equal(MedianLayer(side)(image), torch.from_numpy(oracle))


def test_the_gradient_is_that_of_the_chosen_pixel() -> None:
    image = torch.rand((2, 2, 6, 7), dtype=torch.float64, generator=torch.Generator().manual_seed(0)).requires_grad_()
    assert torch.autograd.gradcheck(MedianLayer(3), (image,))


def test_of_equal_values_one_gets_the_gradient() -> None:
    image = torch.ones((1, 1, 9, 9), requires_grad=True)
    MedianLayer(3)(image)[0, 0, 4, 4].backward()
    assert image.grad is not None and image.grad.sum() == 1 and image.grad.count_nonzero() == 1


@pytest.mark.parametrize("shape", [(1, 1, 1, 1), (1, 2, 2, 9), (1, 1, 3, 1)])
def test_an_image_smaller_than_the_window_is_continued_by_its_edge(shape: tuple[int, ...]) -> None:
    image = torch.rand(shape, generator=torch.Generator().manual_seed(0))
    oracle = median_filter(image.numpy(), size=(1, 1, 5, 5), mode="nearest")
    assert torch.equal(MedianLayer(5)(image), torch.from_numpy(oracle))
