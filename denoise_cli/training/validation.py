"""Validation: how good a net is on images that are kept out of training, under noise that is always the same."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from math import log10
from typing import Any, ClassVar, NamedTuple, Self

import torch
from torch import Tensor, nn

from denoise_cli import seeds
from denoise_cli.method import Classifier, Denoiser
from denoise_cli.metrics.psnr import psnr
from denoise_cli.noise import Noise, Pair, as_pair, stored
from denoise_cli.shapes import pad_to_multiple
from denoise_cli.training.portions import Portions

_LARGEST = 128  # side of the centre crop that large images are judged by, pixels
_BATCH = 64  # images at once
_EXACT = 20 * log10(255 * 12**0.5)  # dB, of an image that is rounded to 8 bit and else right; the most that counts


class Verdict(NamedTuple):
    """What validation says of a net."""

    score: float  # mean over the images
    gain: float  # by how much it is better than no net, on the image where that is most


@dataclass(frozen=True)
class Validation:
    """Batches of clean images with noisy ones, as 8-bit files would hold them: judges denoisers by their PSNR."""

    measure: ClassVar[str] = "PSNR"
    unit: ClassVar[str] = "dB"
    fall: ClassVar[float] = 6.0  # so far below the best score counts as diverged
    chance: ClassVar[float] = 0.05  # a gain that says nothing
    beaten: ClassVar[str] = "the noisy images"  # what has the score ``floor``

    pairs: Sequence[Pair]
    portions: Portions = field(default_factory=Portions)

    @classmethod
    def make(
        cls,
        images: Sequence[Tensor],
        noise: Noise | None,
        seed: int,
        device: torch.device,
        labels: Sequence[int] | None = None,
    ) -> Self:
        """From uint8 images (C, H, W), with the numbers of their classes where it has any; one size forms a batch.

        Without ``noise`` they are pairs, (2 C, H, W).
        """
        crops = [_centre(image) for image in images]
        sizes: dict[tuple[int, ...], list[int]] = {}
        for number, crop in enumerate(crops):
            sizes.setdefault(tuple(crop.shape), []).append(number)
        pairs = []
        for index, numbers in enumerate(sizes.values()):
            images_of_size = torch.stack([crops[number] for number in numbers]).float().div(255)
            generator = seeds.generator(seed, "validation", index)
            pair = as_pair(images_of_size) if noise is None else noise(images_of_size, generator)
            pair = pair._replace(noisy=stored(pair.noisy))
            if labels is not None:
                pair = pair._replace(label=torch.tensor([labels[number] for number in numbers])[:, None, None, None])
            pairs += [batch.each(lambda part: part.to(device)) for batch in pair.parts(_BATCH)]
        return cls(pairs)

    def floor(self) -> float:
        """Mean PSNR of the noisy images, dB: what a net has to beat."""
        return self._inputs().mean().item()

    def _inputs(self) -> Tensor:
        return torch.cat([psnr(pair.noisy, pair.clean).clamp(max=_EXACT) for pair in self.pairs])

    def judge(self, net: nn.Module, options: Any, dtype: torch.dtype) -> Verdict:
        """PSNR of the estimates of ``net`` (a denoiser, in eval mode), dB, and the most that an image gains.

        What ``options`` leave to be measured is measured on each image for itself.
        """
        assert isinstance(net, Denoiser)

        def judged(pair: Pair) -> Tensor:
            with torch.autocast(pair.noisy.device.type, dtype, enabled=dtype != torch.float32):
                estimate = net.denoise(pad_to_multiple(pair.noisy, net.stride), options)
            height, width = pair.clean.shape[-2:]
            return psnr(estimate[..., :height, :width].float(), pair.clean).clamp(max=_EXACT)

        scores = self._each(judged)
        return Verdict(scores.mean().item(), (scores - self._inputs()).max().item())

    @torch.no_grad()
    def _each(self, judged: Callable[[Pair], Tensor]) -> Tensor:
        """What each image is ``judged`` by, (N,) of a pair; of fewer at once where the memory runs out."""
        return torch.cat([self._whole(judged, pair) for pair in self.pairs])

    def _whole(self, judged: Callable[[Pair], Tensor], pair: Pair) -> Tensor:
        height, width = pair.noisy.shape[-2:]
        return self.portions.fit(
            len(pair.noisy),
            lambda size: torch.cat([judged(part) for part in pair.parts(size)]),
            pair.noisy.device,
            f"the validation on one image of {width}x{height} pixels",
        )


@dataclass(frozen=True)
class Accuracy(Validation):
    """Judges classifiers: in how many of the noisy images, in percent, they see what the clean ones show."""

    measure: ClassVar[str] = "accuracy"
    unit: ClassVar[str] = "%"
    fall: ClassVar[float] = 50.0
    chance: ClassVar[float] = 0.0
    beaten: ClassVar[str] = "one class for all"

    def floor(self) -> float:
        """The accuracy of always naming the most frequent class."""
        counts = torch.bincount(torch.cat([_label(pair) for pair in self.pairs]))
        return 100 * (counts.max() / counts.sum()).item()

    def judge(self, net: nn.Module, options: Any, dtype: torch.dtype) -> Verdict:
        """The accuracy of ``net`` (a classifier, in eval mode), percent, and what it gains over one class for all."""
        assert isinstance(net, Classifier)

        def judged(pair: Pair) -> Tensor:
            with torch.autocast(pair.noisy.device.type, dtype, enabled=dtype != torch.float32):
                scores = net.scores(pair.noisy)
            return (scores.argmax(dim=1) == _label(pair)).float().mul(100)

        score = self._each(judged).mean().item()
        return Verdict(score, score - self.floor())


def _label(pair: Pair) -> Tensor:
    assert pair.label is not None
    return pair.label.flatten()


def _centre(image: Tensor) -> Tensor:
    height, width = (min(_LARGEST, side) for side in image.shape[-2:])
    top, left = (image.shape[-2] - height) // 2, (image.shape[-1] - width) // 2
    return image[:, top : top + height, left : left + width]
