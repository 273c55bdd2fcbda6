"""Images shrunk and enlarged as well: their sizes, what they show, and what is refused."""

import pytest
import torch

from denoise_cli.data.scales import at_scales, in_turn, parse_scales
from denoise_cli.errors import UsageError


def test_each_image_at_each_size_that_is_large_enough() -> None:
    images = [torch.zeros((3, 40, 60), dtype=torch.uint8), torch.zeros((3, 100, 50), dtype=torch.uint8)]
    sizes = [tuple(image.shape) for image in at_scales(images, (1, 0.5), 24)]
    assert sizes == [(3, 40, 60), (3, 100, 50), (3, 50, 25)]
    assert [image.shape for image in at_scales(images[:1], (0.5,), 24)] == [(3, 40, 60)]


def test_a_shrunk_image_shows_the_same() -> None:
    ramp = torch.arange(0, 256, 4, dtype=torch.uint8).expand(1, 32, 64).contiguous()
    whole, half = at_scales([ramp], (1, 0.5), 1)
    assert whole is ramp and half.dtype == torch.uint8
    inner = half.float()[0, 8, 4:-4] - (ramp[0, 0, ::2].float() + 2)[4:-4]
    assert inner.abs().max() <= 1


def test_an_enlarged_image_is_softer() -> None:
    image = torch.randint(256, (3, 30, 40), generator=torch.Generator().manual_seed(0)).to(torch.uint8)
    whole, double = at_scales([image], (1, 2), 24)
    assert tuple(double.shape) == (3, 60, 80)
    assert double.float().diff(dim=2).square().mean() < 0.5 * whole.float().diff(dim=2).square().mean()


def test_images_to_be_judged_by_are_at_one_size_each() -> None:
    images = [torch.zeros((3, 40, 60), dtype=torch.uint8)] * 4
    sizes = [tuple(image.shape[1:]) for image in in_turn(images, (1, 0.5, 2), 24)]
    assert sizes == [(40, 60), (40, 60), (80, 120), (40, 60)]  # half would be too small


@pytest.mark.parametrize("text", ["", "4.5", "0", "1,-0.5", "1;0.5", "1,,0.5", "nan"])
def test_what_is_no_scale(text: str) -> None:
    with pytest.raises(UsageError, match="no scales"):
        parse_scales(text)


def test_scales() -> None:
    assert parse_scales("1, 0.9,0.7") == (1, 0.9, 0.7) and parse_scales("4") == (4,)
