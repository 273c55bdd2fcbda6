import pytest
import torch

from denoise_cli.losses.variation import total_variation


def test_total_variation_by_hand() -> None:
    estimate = torch.tensor([[0.0, 1.0], [3.0, 6.0]])[None, None]
    assert total_variation(estimate, estimate).item() == (3 + 5) / 2 + (1 + 3) / 2
    assert total_variation(torch.full((2, 3, 4, 5), 0.7), torch.zeros(2, 3, 4, 5)).item() == 0


def test_a_single_row_varies_only_across() -> None:
    assert total_variation(torch.tensor([[[[0.0, 0.5, 1.0]]]]), torch.zeros(1, 1, 1, 3)).item() == pytest.approx(0.5)
    assert total_variation(torch.ones(1, 1, 1, 1), torch.zeros(1, 1, 1, 1)).item() == 0


def test_gradient() -> None:
    estimate = torch.rand((2, 2, 4, 5), dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    estimate.requires_grad_()
    assert torch.autograd.gradcheck(lambda image: total_variation(image, image.detach()), (estimate,))
