"""Low resolution keeps an even image and the coarse part of any, and loses more the smaller it gets."""

import numpy as np
import torch
from PIL import Image

from denoise_cli import noise


def test_the_small_image_is_that_of_pillow() -> None:
    clean = torch.rand((1, 1, 30, 45), generator=torch.Generator().manual_seed(0))
    image = Image.fromarray(clean[0, 0].numpy())
    expected = image.resize((15, 10), Image.Resampling.BICUBIC).resize((45, 30), Image.Resampling.BICUBIC)
    noisy = noise.parse("lowres:3")(clean, torch.Generator()).noisy
    assert torch.allclose(noisy[0, 0], torch.from_numpy(np.array(expected)), atol=1e-5)


def test_more_is_lost_the_smaller_it_gets() -> None:
    clean = torch.rand((1, 3, 37, 53), generator=torch.Generator().manual_seed(0))
    sigmas = [noise.parse(f"lowres:{factor}")(clean, torch.Generator()).sigma.item() for factor in (1, 2, 4)]
    assert sigmas == sorted(sigmas) and sigmas[0] < 1e-6 < 0.1 < sigmas[1]
    even = torch.full((1, 3, 37, 53), 0.3)
    assert torch.allclose(noise.parse("lowres:4")(even, torch.Generator()).noisy, even, atol=1e-5)


def test_a_range_draws_every_whole_factor() -> None:
    clean = torch.rand((1, 1, 24, 24), generator=torch.Generator().manual_seed(0)).expand(60, -1, -1, -1).contiguous()
    drawn = noise.parse("lowres:2..4")(clean, torch.Generator().manual_seed(0)).sigma.flatten()
    fixed = [noise.parse(f"lowres:{factor}")(clean[:1], torch.Generator()).sigma.item() for factor in (2, 3, 4)]
    counts = [((drawn - sigma).abs() < 1e-5).sum().item() for sigma in fixed]
    assert sum(counts) == 60 and min(counts) >= 10
