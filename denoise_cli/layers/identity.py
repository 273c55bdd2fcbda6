"""How a plain net that predicts the image itself starts: near the identity, as one that predicts the noise does."""

import torch
from torch import nn

_STIRRED = 0.3  # singular values of the orthogonal part of a kernel


def start_near_identity(conv: nn.Conv2d, stirred: float = _STIRRED) -> nn.Conv2d:
    """Let ``conv`` hand on its first channels as they come, stirred by a little of an orthogonal kernel; no bias.

    The deeper the net, the less it is to be: ``stirred`` are the singular values of what is added.

    Then the untrained net returns about its input, and gradients reach its first layer; after Zagoruyko and Komodakis,
    "DiracNets: Training Very Deep Neural Networks Without Skip-Connections", 2017, equation 2. Returns ``conv``.
    """
    outputs, inputs, height, width = conv.weight.shape
    nn.init.orthogonal_(conv.weight, gain=stirred)
    with torch.no_grad():
        conv.weight[:, :, height // 2, width // 2] += torch.eye(outputs, inputs)
        if conv.bias is not None:
            conv.bias.zero_()
    return conv
