"""DnCNN."""

import pytest
import torch
from torch import nn

from denoise_cli.layers.folding import fold_batch_norm
from denoise_cli.method import Recipe
from denoise_cli.methods.dncnn import METHOD, Config, DnCNN, Options
from denoise_cli.noise import parse, stored


def net_of(config: Config) -> DnCNN:
    with torch.random.fork_rng():
        torch.manual_seed(0)
        return DnCNN(config)


@pytest.mark.parametrize(
    ("config", "count"),
    [(METHOD.config, 669_312), (Config(channels=1, depth=17), 556_032), (Config(channels=1, depth=20), 667_008)],
)
def test_the_published_number_of_weights(config: Config, count: int) -> None:
    assert sum(weights.numel() for weights in net_of(config).parameters()) == count


def test_without_batch_normalisation_there_are_biases() -> None:
    net = net_of(Config(depth=4, features=8, batch_norm=False))
    assert not any(isinstance(module, nn.BatchNorm2d) for module in net.modules())
    assert all(conv.bias is not None for conv in net.modules() if isinstance(conv, nn.Conv2d))


def test_it_predicts_what_is_to_be_taken_away() -> None:
    net = net_of(Config(depth=4, features=8))
    noisy = torch.rand((1, 3, 8, 8), generator=torch.Generator().manual_seed(0))
    for weights in net.parameters():
        nn.init.zeros_(weights)
    assert torch.equal(net(noisy), noisy)


def test_folded_it_is_the_same_net() -> None:
    net = net_of(Config(depth=5, features=8))
    generator = torch.Generator().manual_seed(1)
    net.train()
    for _ in range(5):
        net(torch.rand((2, 3, 16, 16), generator=generator))  # moves the running statistics
    net.eval().requires_grad_(False)
    noisy = torch.rand((1, 3, 16, 16), generator=generator)
    before = net(noisy)
    folded = fold_batch_norm(net)
    assert not any(isinstance(module, nn.BatchNorm2d) for module in folded.modules())
    assert sum(isinstance(module, nn.Conv2d) for module in folded.modules()) == 5
    torch.testing.assert_close(folded(noisy), before, atol=1e-5, rtol=0)


def test_a_short_training_beats_the_noisy_image() -> None:
    net = net_of(Config(channels=1, depth=4, features=12))
    recipe = Recipe(noise="gaussian:25", patch=24, batch=4, steps=150, loss="mse")
    optimiser = torch.optim.Adam(net.parameters(), lr=5e-3)
    generator = torch.Generator().manual_seed(0)
    kind = parse(recipe.noise)

    def scenes(count: int) -> torch.Tensor:
        coarse = torch.rand((count, 1, 4, 4), generator=generator)
        return nn.functional.interpolate(coarse, size=(24, 24), mode="bicubic").clamp(0.1, 0.9)

    for _ in range(recipe.steps):
        pair = kind(scenes(recipe.batch), generator)
        optimiser.zero_grad()
        net.loss(pair, recipe, generator).backward()  # type: ignore[no-untyped-call]
        optimiser.step()
    net.eval().requires_grad_(False)
    pair = kind(scenes(8), generator)
    noisy = stored(pair.noisy)
    before = (noisy - pair.clean).square().mean()
    assert (net.denoise(noisy, Options()) - pair.clean).square().mean() < 0.6 * before
