"""When to stop iterating: where the estimate no longer changes."""

from itertools import islice
from typing import Any

import torch
from torch import Tensor

from denoise_cli.method import Unending
from denoise_cli.shapes import pad_to_multiple

MOST = 100  # iterations at most
DIRECT = 1 << 20  # pixels up to which an image is watched itself, above only samples of it
_SPAN = 5  # iterations over which a change is measured: dt asks for a fifth of the impulses in each
_STILL = 0.25 / 255  # root mean square of a change that nobody sees
_SAMPLE, _ACROSS = 192, 3  # side of the samples, and how many each way


def converge(denoiser: Unending, noisy: Tensor, options: Any) -> tuple[int, Tensor]:
    """How many iterations images (N, C, H, W) take until they change no more, and their estimates then.

    Where that does not happen in ``MOST`` iterations, the count after which they changed least. Raises
    ``ArithmeticError`` as soon as an estimate is not finite: it never comes to rest.
    """
    height, width = noisy.shape[-2:]
    recent: list[Tensor] = []
    least, best = float("inf"), (1, noisy)
    refining = islice(denoiser.refine(pad_to_multiple(noisy, denoiser.stride), options), MOST)
    for count, estimate in enumerate(refining, 1):
        recent.append(estimate[..., :height, :width].float())
        if not recent[-1].sum().isfinite():
            raise ArithmeticError("the result is not finite")
        if count > _SPAN:
            change = (recent[-1] - recent.pop(0)).square().mean().sqrt().item()
            waits = change > 0 and torch.equal(recent[-1], recent[-2])  # for the next part of the mean that it tells
            if change < least and not waits:
                least, best = change, (count, recent[-1])
            if least < _STILL:
                break
    return best


def samples(image: Tensor, stride: int) -> Tensor:
    """Squares spread evenly over ``image`` (N, C, H, W), cut at multiples of ``stride``; a short side is whole.

    Along a side of less than three squares they overlap, and leave less than ``stride`` of its end out.
    """
    side = -(-_SAMPLE // stride) * stride
    rows, columns = (_starts(length, side, stride) for length in image.shape[-2:])
    return torch.cat([image[..., top : top + side, left : left + side] for top in rows for left in columns])


def _starts(length: int, side: int, stride: int) -> list[int]:
    """Where squares begin along a side of ``length``, in the middles of equal parts but within it."""
    count = min(_ACROSS, -(-length // side))
    middles = (int((index + 0.5) * length / count - side / 2) for index in range(count))
    return sorted({max(0, min(middle, length - side)) // stride * stride for middle in middles})
