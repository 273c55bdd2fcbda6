"""Muon: gradient descent with momentum whose every step is made orthogonal, so that all directions of a layer learn.

Keller Jordan et al., "Muon: An optimizer for hidden layers in neural networks", 2024; the size of a step follows
Jingyuan Liu et al., "Muon is Scalable for LLM Training", 2025, section 2.2, so that rates are like Adam's.
"""

from collections.abc import Iterable

import torch
from torch import Tensor, nn
from torch.optim import Optimizer
from torch.optim.adamw import adamw

_QUINTIC = (3.4445, -4.7750, 2.0315)  # steep at zero; leaves singular values between about 0.7 and 1.2
_SWEEPS = 5
_MOMENTUM = 0.95
_SIZE = 0.2  # root mean square of a step at rate 1, about that of Adam
_THIN = 3  # a kernel from or to so few channels is no hidden layer
_ADAM = 0.6  # share of the rate for what is not a hidden layer
_BETAS = (0.9, 0.999)
_EPSILON = 1e-8


class Muon(Optimizer):
    """Layers by Muon; biases, scales and layers from or to at most three channels by Adam, at 0.6 of the rate."""

    def __init__(
        self,
        params: Iterable[nn.Parameter],
        lr: float,
        weight_decay: float = 0.0,
        *,
        dtype: torch.dtype = torch.float32,
        nets: int = 1,
    ) -> None:
        """``weight_decay`` is decoupled: a step also takes ``lr * weight_decay`` of every weight.

        ``dtype`` is that of the products that make a step orthogonal; bfloat16 is enough for them. Every parameter
        holds the weights of so many ``nets`` one after the other along its first axis, each of which is a layer itself.
        """
        super().__init__(params, {"lr": lr, "weight_decay": weight_decay})
        self._dtype, self._nets = dtype, nets

    @torch.no_grad()
    def step(self, closure: None = None) -> None:  # type: ignore[override]
        """Move every parameter that has a gradient."""
        for group in self.param_groups:
            moving = [weight for weight in group["params"] if weight.grad is not None]
            hidden = [weight for weight in moving if self._is_hidden(weight)]
            rest = [weight for weight in moving if not self._is_hidden(weight)]
            self._orthogonal(hidden, group["lr"], group["weight_decay"])
            self._adam(rest, _ADAM * group["lr"], group["weight_decay"])

    def _orthogonal(self, weights: list[Tensor], rate: float, decay: float) -> None:
        steps = [self._momentum(weight) for weight in weights]
        for shape in dict.fromkeys(step.shape for step in steps):  # one batch for each shape of matrix
            chosen = [index for index, step in enumerate(steps) if step.shape == shape]
            matrices = orthogonal(torch.cat([steps[index] for index in chosen]), self._dtype)
            for index, matrix in zip(chosen, torch.split(matrices, self._nets), strict=True):
                weight = weights[index]
                weight.mul_(1 - rate * decay)
                weight.add_(matrix.reshape(weight.shape), alpha=-rate * _SIZE * max(shape[1:]) ** 0.5)

    def _momentum(self, weight: Tensor) -> Tensor:
        """Nesterov's look-ahead of the mean gradient, as matrices (nets, outputs, inputs times the kernel's area)."""
        assert weight.grad is not None
        state = self.state[weight]
        if not state:
            state["mean"] = torch.zeros_like(weight)
        mean = state["mean"].lerp_(weight.grad, 1 - _MOMENTUM)
        return weight.grad.lerp(mean, _MOMENTUM).reshape(self._nets, weight.shape[0] // self._nets, -1).float()

    def _is_hidden(self, weight: Tensor) -> bool:
        return weight.ndim >= 2 and min(weight.shape[0] // self._nets, weight.shape[1]) > _THIN

    def _adam(self, weights: list[Tensor], rate: float, decay: float) -> None:
        if not weights:
            return
        for weight in weights:
            state = self.state[weight]
            if not state:
                state.update(step=torch.zeros((), device=weight.device), mean=torch.zeros_like(weight))
                state["square"] = torch.zeros_like(weight)
        states = [self.state[weight] for weight in weights]
        adamw(
            weights,
            [weight.grad for weight in weights if weight.grad is not None],
            [state["mean"] for state in states],
            [state["square"] for state in states],
            [],
            [state["step"] for state in states],
            fused=True,  # one call for all of them, which are many and small
            amsgrad=False,
            beta1=_BETAS[0],
            beta2=_BETAS[1],
            lr=rate,
            weight_decay=decay,
            eps=_EPSILON,
            maximize=False,
        )


def orthogonal(matrices: Tensor, dtype: torch.dtype = torch.float32) -> Tensor:
    """The orthogonal matrices nearest to ``matrices`` (N, R, C), roughly: singular values end between 0.7 and 1.2.

    Newton and Schulz's iteration with a quintic polynomial, in ``dtype``; the result has that of ``matrices``.
    """
    tall = matrices.shape[-2] > matrices.shape[-1]
    now = matrices.mT if tall else matrices
    now = (now / (now.norm(dim=(-2, -1), keepdim=True) + 1e-7)).to(dtype)
    first, third, fifth = _QUINTIC
    for _ in range(_SWEEPS):
        square = now @ now.mT
        now = torch.baddbmm(now, torch.baddbmm(square, square, square, beta=third, alpha=fifth), now, beta=first)
    return (now.mT if tall else now).to(matrices.dtype)
