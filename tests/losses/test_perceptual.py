import pytest
import torch
from torch import Tensor

from denoise_cli import losses
from denoise_cli.errors import UsageError

CLEAN = torch.tensor([[[[0.2, 0.4]]]])
ESTIMATE = torch.tensor([[[[0.5, 1.4]]]])


def _differences(images: Tensor) -> Tensor:
    return 10 * images.diff(dim=3)


def test_it_compares_what_is_seen_in_images_that_can_be_seen() -> None:
    with losses.seen_by(_differences):
        assert losses.find("perceptual")(ESTIMATE, CLEAN).item() == pytest.approx((10 * (1.0 - 0.5) - 10 * 0.2) ** 2)
        assert losses.find("mse + 0.1*perceptual")(CLEAN, CLEAN).item() == 0
        with losses.seen_by(torch.zeros_like):
            assert losses.find("perceptual")(ESTIMATE, CLEAN).item() == 0
        assert losses.find("perceptual")(ESTIMATE, CLEAN).item() > 0


def test_the_gradient_goes_to_the_estimate() -> None:
    estimate, clean = torch.rand((2, 1, 3, 4, 4), dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    estimate.requires_grad_()
    with losses.seen_by(_differences):
        assert torch.autograd.gradcheck(lambda image: losses.find("perceptual")(image, clean), (estimate,))


def test_without_eyes_there_is_a_way_out() -> None:
    with losses.seen_by(None), pytest.raises(UsageError, match=r"nothing to see with.\n.*--perceptual classifier"):
        losses.find("perceptual")(ESTIMATE, CLEAN)


def test_the_sum_of_the_paper_prints_as_it_was_written() -> None:
    text = "mse + 0.08*similarity + 0.1*perceptual"
    schedule = losses.parse(text, own=("similarity",))
    assert str(schedule) == text and schedule.words() == {"mse", "similarity", "perceptual"}
    assert losses.parse("l2@0..50%,perceptual@50%..").words() == {"l2", "perceptual"}
