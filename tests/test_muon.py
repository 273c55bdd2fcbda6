"""Muon: what it does to one matrix, to what is no hidden layer, and to a net that Adam learns slowly."""

import torch
from torch import nn

from denoise_cli.muon import Muon, orthogonal


def test_orthogonal_matrices_have_singular_values_near_one() -> None:
    generator = torch.Generator().manual_seed(0)
    for shape in ((2, 20, 180), (1, 64, 9), (3, 8, 8)):
        values = torch.linalg.svdvals(orthogonal(torch.randn(shape, generator=generator)))
        assert values[..., :-1].min() > 0.5
        assert values.max() < 1.3


def test_half_the_digits_are_enough_to_be_orthogonal() -> None:
    matrices = torch.randn((2, 20, 180), generator=torch.Generator().manual_seed(0))
    result = orthogonal(matrices, torch.bfloat16)
    assert result.dtype == torch.float32
    values = torch.linalg.svdvals(result)
    assert 0.5 < values.min() <= values.max() < 1.3


def test_the_first_step_of_a_hidden_layer_is_orthogonal_and_of_the_stated_size() -> None:
    weight = nn.Parameter(torch.zeros(16, 8, 3, 3))
    weight.grad = torch.randn(weight.shape, generator=torch.Generator().manual_seed(1))
    Muon([weight], lr=0.1).step()
    values = torch.linalg.svdvals(weight.detach().flatten(1)) / (0.1 * 0.2 * 72**0.5)
    assert 0.5 < values.min() <= values.max() < 1.3


def test_a_step_does_not_depend_on_the_scale_of_the_gradient() -> None:
    moved = []
    for scale in (1.0, 1e-3):
        weight = nn.Parameter(torch.zeros(16, 8, 3, 3))
        weight.grad = scale * torch.randn(weight.shape, generator=torch.Generator().manual_seed(1))
        Muon([weight], lr=0.1).step()
        moved.append(weight.detach())
    torch.testing.assert_close(moved[0], moved[1], rtol=1e-3, atol=1e-5)


def test_other_parameters_move_as_adam_moves_them() -> None:
    generator = torch.Generator().manual_seed(2)
    ours, theirs = nn.Parameter(torch.ones(7)), nn.Parameter(torch.ones(7))
    muon, adam = Muon([ours], lr=0.05 / 3, weight_decay=0.1), torch.optim.AdamW([theirs], lr=0.01, weight_decay=0.1)
    for _ in range(5):
        ours.grad = torch.randn(7, generator=generator)
        theirs.grad = ours.grad.clone()
        muon.step()
        adam.step()
    torch.testing.assert_close(ours, theirs)


def test_the_layers_next_to_the_image_are_left_to_adam() -> None:
    first = nn.Parameter(torch.zeros(64, 3, 3, 3))
    first.grad = torch.ones_like(first)
    Muon([first], lr=0.1).step()
    torch.testing.assert_close(first.detach(), torch.full_like(first, -0.06))


def test_parameters_without_gradient_stay() -> None:
    weight = nn.Parameter(torch.ones(8, 8))
    Muon([weight], lr=0.1).step()
    assert weight.eq(1).all()


def test_a_badly_scaled_problem_is_learned_faster_than_by_adam() -> None:
    """Rows of the target on very different scales: the small ones are what plain descent leaves for last."""
    generator = torch.Generator().manual_seed(3)
    target = torch.randn(16, 32, generator=generator)
    mixing = torch.randn(32, 32, generator=generator) * torch.logspace(0, -2, 32)
    errors = {}
    for name in ("muon", "adam"):
        weight = nn.Parameter(torch.zeros(16, 32))
        optimiser = Muon([weight], lr=0.05) if name == "muon" else torch.optim.AdamW([weight], lr=0.05, weight_decay=0)
        for _ in range(300):
            optimiser.zero_grad()
            ((weight - target) @ mixing).square().mean().backward()  # type: ignore[no-untyped-call]
            optimiser.step()
        errors[name] = float((weight.detach() - target).square().mean())
    assert errors["muon"] < errors["adam"]


def test_nets_side_by_side_move_as_each_does_alone() -> None:
    generator = torch.Generator().manual_seed(3)
    for shape in ((16, 8, 3, 3), (3, 8, 1, 1), (16,)):  # a hidden layer, one next to the image, and biases
        starts = [torch.randn(shape, generator=generator) for _ in range(3)]
        gradients = [torch.randn(shape, generator=generator) for _ in range(3)]
        alone = [nn.Parameter(start.clone()) for start in starts]
        together = nn.Parameter(torch.cat(starts))
        together.grad = torch.cat(gradients)
        for weight, gradient in zip(alone, gradients, strict=True):
            weight.grad = gradient
            Muon([weight], lr=0.1).step()
        Muon([together], lr=0.1, nets=3).step()
        torch.testing.assert_close(together.detach(), torch.cat([weight.detach() for weight in alone]))
