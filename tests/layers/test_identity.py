"""Plain nets start near the identity."""

import pytest
import torch

from denoise_cli.layers.bias_free import stage
from denoise_cli.layers.identity import start_near_identity
from denoise_cli.methods.bf_unet import BiasFreeUNet, Config


def test_a_convolution_hands_on_its_first_channels() -> None:
    torch.manual_seed(0)
    conv = start_near_identity(torch.nn.Conv2d(5, 3, 3, padding=1))
    middle = conv.weight[:, :, 1, 1].detach()
    assert conv.bias is not None and not conv.bias.any()
    stirred = conv.weight.detach().clone()
    stirred[:, :, 1, 1] -= torch.eye(3, 5)
    assert torch.allclose(torch.linalg.svdvals(stirred.flatten(1)), torch.tensor(0.3))
    assert (middle.diagonal() > 0.6).all()


@pytest.mark.parametrize("seed", range(3))
def test_untrained_nets_return_about_their_input(seed: int) -> None:
    torch.manual_seed(seed)
    noisy = torch.rand((1, 1, 32, 32))
    nets = (stage(1, 1, 64, 5, bias=False, last_bias=False), BiasFreeUNet(Config()))
    for net in nets:
        with torch.no_grad():
            seen = torch.stack((net(noisy).flatten(), noisy.flatten()))
        assert torch.corrcoef(seen)[0, 1] > 0.4
