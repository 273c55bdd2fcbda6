"""Every word of noise reads back as itself, behaves as a seeded function of its image, and refuses nonsense."""

import pytest
import torch

from denoise_cli import noise
from denoise_cli.errors import UsageError

WORDS = [
    "sp:0.1", "sp:0..0.7", "gaussian:25", "gaussian:0..55", "gaussian:0.1", "poisson:30", "poisson:1..8", "jpeg:30",
    "jpeg:10..90", "mixed:25+0.05", "mixed:0..55+0..0.5", "patch:sp:0.5", "patch:gaussian:25", "patch:jpeg:10",
    "patch:mixed:25+0.05", "poisson-gaussian:0.1+0.02", "poisson-gaussian:0..25+0..10", "camera:0+0",
    "camera:0..0.16+0..0.06", "camera:0.1+0.02+60..100", "lowres:3", "lowres:2..4",
    "0.5*gaussian:0..55 + 0.5*jpeg:10..90",
    "2*sp:0.1", "patch:1*sp:0.1 + 1*lowres:2",
]  # fmt: skip

FINE_OR_LARGE = [
    "mixed:1000000+0.05", "gaussian:1.0000001", "gaussian:0.0000001..1000000", "sp:0.1234567", "camera:0.1+0.00001",
    "0.5*gaussian:0.0000001 + 0.5*mixed:25+0.0000001",
]  # fmt: skip


@pytest.mark.parametrize("word", WORDS + FINE_OR_LARGE)
def test_a_word_parses_back(word: str) -> None:
    assert str(noise.parse(word)) == word
    assert noise.parse(word) == noise.parse(word)


@pytest.mark.parametrize("word", WORDS)
@pytest.mark.parametrize("shape", [(2, 3, 37, 53), (3, 1, 1, 1), (1, 3, 1, 40)])
def test_the_pair_follows_from_the_seed(word: str, shape: tuple[int, ...]) -> None:
    clean = torch.rand(shape, generator=torch.Generator().manual_seed(1))
    kept = clean.clone()
    one, two = (noise.parse(word)(clean, torch.Generator().manual_seed(7)) for _ in range(2))
    assert torch.equal(one.noisy, two.noisy)
    assert one.noisy.shape == shape and one.noisy.dtype == torch.float32
    assert one.sigma.shape in ((shape[0], 1, 1, 1), shape)
    assert torch.equal(clean, kept) and torch.equal(one.clean, two.clean)
    assert one.clean.shape == shape and ("camera" in word or torch.equal(one.clean, clean))
    assert torch.isfinite(one.noisy).all()


@pytest.mark.parametrize(
    "word",
    ["foo:1", "sp", "sp:", "sp:2", "sp:-0.1", "sp:x", "gaussian:nan", "poisson:0", "poisson:0..3", "jpeg:0", "jpeg:101",
     "mixed:25", "mixed:+0.1", "mixed:25+", "mixed:25+3", "patch:sp", "patch:0.3", "patch:patch:sp:0.3",
     "poisson-gaussian:0.1", "poisson-gaussian:+0.1", "poisson-gaussian:0.1+x", "camera:0.1", "camera:0.1+0.1+0",
     "camera:0.1+0.1+60+1+1",
        "camera:0.1+0.1+60+17", "camera:0.1++60", "lowres:0", "lowres:2.5", "lowres:17", "0*sp:0.1", "x*sp:0.1",
     "0.5*sp:0.1 + sp:0.2", "0.5*spp:0.1", "inf*sp:0.1", "0.5*0.5*sp:0.1", "0.5*sp:0.1 + 0.5*patch:0.5*sp:0.1", "0.5*"],
)  # fmt: skip
def test_nonsense_is_refused_with_a_way_out(word: str) -> None:
    with pytest.raises(UsageError) as caught:
        noise.parse(word)
    assert caught.value.hint


def test_a_near_miss_is_named() -> None:
    with pytest.raises(UsageError, match="Did you mean 'gaussian'"):
        noise.parse("gausian:25")
