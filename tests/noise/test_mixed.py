"""Mixed noise is Gaussian where no impulse fell, and impulses are pure."""

import pytest
import torch

from denoise_cli import noise


def test_impulses_lie_over_the_gaussian() -> None:
    pair = noise.parse("mixed:25+0.2")(torch.full((1, 3, 300, 300), 0.5), torch.Generator().manual_seed(0))
    struck = ((pair.noisy == 0) | (pair.noisy == 1)).all(1)
    assert struck.float().mean().item() == pytest.approx(0.2, abs=0.01)
    rest = pair.noisy.permute(0, 2, 3, 1)[~struck]
    assert rest.std().item() == pytest.approx(25 / 255, rel=0.01)
    assert pair.sigma.item() == pytest.approx(25 / 255)
