"""One noise after the other: the second meets what the first left."""

import pytest
import torch

from denoise_cli import noise
from denoise_cli.data.synthesize import folder_of
from denoise_cli.errors import UsageError
from denoise_cli.noise import stored


def test_the_second_noise_meets_what_the_first_left_in_eight_bits() -> None:
    clean = torch.rand((2, 3, 32, 40), generator=torch.Generator().manual_seed(0))
    pair = noise.parse("gaussian:25 then jpeg:60")(clean, torch.Generator().manual_seed(1))
    grainy = noise.parse("gaussian:25")(clean, torch.Generator().manual_seed(1))
    coded = noise.parse("jpeg:60")(stored(grainy.noisy), torch.Generator())
    assert torch.equal(pair.noisy, coded.noisy)
    assert torch.equal(pair.clean, clean) and torch.equal(pair.sigma, grainy.sigma)


def test_a_photograph_keeps_its_own_clean_image() -> None:
    clean = torch.rand((1, 3, 16, 16), generator=torch.Generator().manual_seed(0))
    alone = noise.parse("camera:10+5")(clean, torch.Generator().manual_seed(1))
    pair = noise.parse("camera:10+5 then sp:0.1 then jpeg:90")(clean, torch.Generator().manual_seed(1))
    assert torch.equal(pair.clean, alone.clean) and not torch.equal(pair.clean, clean)


def test_its_word_is_its_own_also_in_a_mixture() -> None:
    for word in ("gaussian:0..50 then jpeg:50..95", "patch:sp:0.5 then lowres:2", "mixed:25+0.05 then jpeg:90"):
        assert str(noise.parse(word)) == word
    mixture = noise.parse("0.5*gaussian:0..50 then jpeg:50..95+0.5*camera:10+5+90 then sp:0.1")
    assert str(mixture) == "0.5*gaussian:0..50 then jpeg:50..95 + 0.5*camera:10+5+90 then sp:0.1"
    assert folder_of("gaussian:25 then jpeg:80") == "gaussian-25-then-jpeg-80"


@pytest.mark.parametrize(
    ("word", "words"),
    [
        ("gaussian:25 then camera:10+5", "photograph of noise"),
        ("gaussian:25 then patch:camera:10+5", "photograph of noise"),
        ("gaussian:25 then 0.5*jpeg:30 + 0.5*jpeg:60", "mixture into a chain"),
        ("gaussian:25 then", "25 then"),
        ("gaussian:25 then jpg:80", "no noise 'jpg'"),
    ],
)
def test_what_cannot_follow(word: str, words: str) -> None:
    with pytest.raises(UsageError, match=words):
        noise.parse(word)
