import pytest
import torch

from denoise_cli.losses.variation import total_variation, variation_of_colours


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


def test_the_variation_of_an_edge_by_hand() -> None:
    """An edge of height 0.6 between two columns of four is one difference in four, from either corner."""
    gray = torch.tensor([0.2, 0.2, 0.8, 0.8]).expand(1, 1, 3, 4)
    rounded = 0.75 * 2.5e-5**0.5  # of the other three
    assert variation_of_colours(gray).item() == pytest.approx(0.6 / 4 + rounded, abs=1e-4)
    light = variation_of_colours(gray.expand(1, 3, 3, 4)).item()
    assert light == pytest.approx(3**0.5 * 0.6 / 4 / 3, abs=0.01)
    colour = variation_of_colours(torch.cat((gray, 1 - gray, torch.full_like(gray, 0.5)), dim=1)).item()
    assert colour == pytest.approx(3 * 2**0.5 * 0.6 / 4 / 3, abs=0.01) and colour > 2 * light


def test_the_variation_is_that_of_the_turned_image() -> None:
    image = torch.rand((1, 3, 5, 7), generator=torch.Generator().manual_seed(0))
    for turned in (image.flip(-1), image.flip(-2), image.mT):
        assert variation_of_colours(turned).item() == pytest.approx(variation_of_colours(image).item())
    assert variation_of_colours(image[..., :1, :1]).item() == pytest.approx(4 / 3 * 2.5e-5**0.5)


def test_the_variation_has_a_gradient_where_nothing_varies() -> None:
    flat = torch.full((1, 3, 4, 4), 0.5, requires_grad=True)
    variation_of_colours(flat).backward()
    assert flat.grad is not None and flat.grad.isfinite().all()
