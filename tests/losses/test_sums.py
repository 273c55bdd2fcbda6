"""Sums of losses are read once, print as they were written, and add up."""

import pytest
import torch

from denoise_cli import losses
from denoise_cli.errors import UsageError
from denoise_cli.losses.sums import Sum, Term

CLEAN = torch.zeros((1, 1, 1, 2))
ESTIMATE = torch.tensor([[[[0.1, -0.5]]]])  # mse 0.13, l1 0.3, tv 0.6


@pytest.mark.parametrize(
    "text", ["l1", "l2", "mse + 0.08*tv", "ssim:5", "0.84*ms-ssim + 0.16*l1", "mix:0.5 + 1e-05*tv", "1e+16*l1 + 0*tv"]
)
def test_a_sum_parses_back(text: str) -> None:
    total = losses.find(text)
    assert str(total) == text and Sum.parse(str(total)) == total
    assert str(losses.parse(text)) == text


def test_a_sum_adds_up() -> None:
    assert losses.find("mse+.5 * tv + 2*l1")(ESTIMATE, CLEAN).item() == pytest.approx(0.13 + 0.3 + 0.6)
    assert str(losses.find("mse+.5 * tv + 2*l1")) == "mse + 0.5*tv + 2*l1"
    assert losses.find("0.1234567*l1").terms == (Term(0.1234567, "l1"),)


def test_gradients_of_a_sum() -> None:
    generator = torch.Generator().manual_seed(0)
    estimate, clean = (torch.rand((1, 2, 5, 6), dtype=torch.float64, generator=generator) for _ in range(2))
    estimate.requires_grad_()
    total = losses.find("0.5*charbonnier + log-mse + 0.1*ssim:2 + 0.2*tv + l1")
    assert torch.autograd.gradcheck(lambda image: total(image, clean), (estimate,))


def test_a_method_takes_its_own_terms_out() -> None:
    total = losses.parse("mse + 0.08*similarity", own=("similarity",)).at(0, 1)
    assert str(total) == "mse + 0.08*similarity"
    assert total.parted("similarity") == (0.08, losses.find("mse"))
    assert total.parted("tv") == (0, total)
    weight, rest = Sum.parse("similarity", own=("similarity",)).parted("similarity")
    assert weight == 1 and rest(ESTIMATE, CLEAN).item() == 0
    with pytest.raises(UsageError, match=r"no loss 'similarty'.\nDid you mean 'similarity'"):
        Sum.parse("mse + similarty", ("similarity",))
    with pytest.raises(UsageError, match="no loss 'similarity'"):
        losses.find("mse + 0.08*similarity")


@pytest.mark.parametrize(
    ("text", "what"),
    [
        ("mse + 0.08*tvv", r"There is no loss 'tvv'.(.|\n)*'tv'"),
        ("mse + ", "'mse \\+ ' lacks a term"),
        ("", "'' lacks a term"),
        ("-1*tv", "'-1' is no weight for the loss 'tv'"),
        ("x*tv", "'x' is no weight"),
        ("inf*tv", "'inf' is no weight"),
        ("*tv", "'' is no weight"),
        ("0.5*", "There is no loss ''"),
        ("ssim:0", "'ssim:0' has no window"),
        ("ssim:x", "'ssim:x' has no window"),
        ("ssim:inf", "'ssim:inf' has no window"),
        ("mix:2", "'mix:2' has no share"),
        ("l1:3", "'l1' has nothing to set"),
    ],
)
def test_nonsense_is_refused_with_a_way_out(text: str, what: str) -> None:
    with pytest.raises(UsageError, match=what) as caught:
        losses.find(text)
    assert caught.value.hint
