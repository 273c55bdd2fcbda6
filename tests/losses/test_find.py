import pytest
import torch

from denoise_cli import losses
from denoise_cli.errors import UsageError

CLEAN = torch.zeros((1, 1, 1, 2))
ESTIMATE = torch.tensor([[[[0.1, -0.5]]]])


@pytest.mark.parametrize(
    ("word", "value"),
    [("l1", 0.3), ("mse", 0.13), ("l2", 0.13), ("charbonnier", 0.3), ("log-mse", 11.775297), ("tv", 0.6)],
)
def test_each_word_is_its_loss(word: str, value: float) -> None:
    assert losses.find(word)(ESTIMATE, CLEAN).item() == pytest.approx(value, rel=1e-4)


def test_a_word_that_is_no_loss() -> None:
    with pytest.raises(UsageError) as caught:
        losses.find("charbonier")
    assert str(caught.value) == (
        "There is no loss 'charbonier'.\n"
        "Did you mean 'charbonnier'? Known: charbonnier, l1, l2, log-mse, mix, ms-ssim, mse, perceptual, ssim, tv."
    )
