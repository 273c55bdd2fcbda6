"""The involution, against its definition pixel by pixel."""

import torch

from denoise_cli.layers.involution import Involution


def _layer(features: int, side: int) -> Involution:
    with torch.random.fork_rng():
        torch.manual_seed(0)
        layer = Involution(features, side=side).double()
        for parameter in layer.parameters():
            torch.nn.init.normal_(parameter)
    return layer


def test_every_pixel_weighs_its_window_by_its_own_kernel() -> None:
    layer = _layer(3, 3).eval()
    features = torch.rand((2, 3, 5, 6), dtype=torch.float64, generator=torch.Generator().manual_seed(1))
    kernels = layer.span(layer.reduce(features))
    assert (kernels.abs().sum(dim=1) > 1).any()
    kernels = torch.stack([kernel / max(1, kernel.abs().sum()) for kernel in kernels.movedim(1, -1).reshape(-1, 9)])
    kernels = kernels.unflatten(0, (2, 5, 6)).movedim(-1, 1)
    expected = torch.zeros_like(features)
    for row in range(5):
        for column in range(6):
            for index in range(9):
                above, before = row + index // 3 - 1, column + index % 3 - 1
                if 0 <= above < 5 and 0 <= before < 6:
                    weight = kernels[:, index, row, column]
                    expected[..., row, column] += weight[:, None] * features[..., above, before]
    torch.testing.assert_close(layer(features), expected)


def test_its_weights_are_those_of_the_paper() -> None:
    assert sum(parameter.numel() for parameter in Involution(23).parameters()) == 127


def test_it_starts_near_the_identity() -> None:
    with torch.random.fork_rng():
        torch.manual_seed(0)
        layer = Involution(23)
    features = torch.rand((2, 23, 8, 8), generator=torch.Generator().manual_seed(1))
    change = (layer(features) - features).norm() / features.norm()
    assert 0 < change < 0.2


def test_applied_again_and_again_it_does_not_grow() -> None:
    layer = _layer(3, 3).eval()
    features = 100 * torch.rand((1, 3, 5, 6), dtype=torch.float64, generator=torch.Generator().manual_seed(1))
    bound = features.abs().max()
    for _ in range(20):
        features = layer(features)
        assert features.abs().max() <= bound


def test_gradients() -> None:
    layer = _layer(2, 3).train()
    features = torch.rand((2, 2, 4, 4), dtype=torch.float64, generator=torch.Generator().manual_seed(1))
    assert torch.autograd.gradcheck(layer, (features.requires_grad_(),))
