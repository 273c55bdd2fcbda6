"""One of several kinds of noise."""

import re
from dataclasses import dataclass

import torch
from torch import Generator, Tensor

from denoise_cli.errors import UsageError
from denoise_cli.noise.pair import Noise, Pair

_PLUS = re.compile(r"\s\+\s|(?<![0-9.]e)\+(?=\s*[0-9.]+(?:e[+-]?[0-9]+)?\s*\*)")  # not the one of mixed:25+0.05
_EXAMPLE = "Write weights above 0 and noises, as in 0.6*gaussian:0..55 + 0.4*jpeg:10..90."


def parts(noise: Noise) -> tuple[Noise, ...]:
    """The noises of a mixture, or the one that it is."""
    return noise.noises if isinstance(noise, Mixture) else (noise,)


@dataclass(frozen=True)
class Mixture:
    """Each image draws one of the noises, as often as its weight says, and gets its ``Pair.sigma`` from it."""

    weights: tuple[float, ...]  # above 0; only their ratios count
    noises: tuple[Noise, ...]  # no mixtures

    @classmethod
    def parse(cls, text: str) -> "Mixture":
        """Read ``0.6*gaussian:0..55 + 0.4*jpeg:10..90``; raises ``UsageError`` for a part that cannot be."""
        from denoise_cli.noise import parse  # the table there names this class

        weights, noises = [], []
        for part in _PLUS.split(text):
            number, times, word = part.strip().partition("*")
            try:
                weight = float(number)
            except ValueError:
                weight = 0.0
            if not (times and 0 < weight < float("inf")):
                raise UsageError(f"{part.strip()!r} is no part of a mixture.", _EXAMPLE)
            noise = parse(word.strip())
            if "*" in str(noise):
                raise UsageError(f"{text!r} puts a mixture into a mixture.", _EXAMPLE)
            weights.append(weight)
            noises.append(noise)
        return cls(tuple(weights), tuple(noises))

    def __str__(self) -> str:
        pairs = zip(self.weights, self.noises, strict=True)
        return " + ".join(f"{repr(weight).removesuffix('.0')}*{noise}" for weight, noise in pairs)

    def __call__(self, clean: Tensor, generator: Generator) -> Pair:
        weights = torch.tensor([weight / max(self.weights) for weight in self.weights], device=clean.device)
        kinds = torch.multinomial(weights, len(clean), replacement=True, generator=generator).tolist()
        members = {kind: [index for index, drawn in enumerate(kinds) if drawn == kind] for kind in sorted(set(kinds))}
        pairs = {kind: self.noises[kind](clean[chosen], generator) for kind, chosen in members.items()}
        shape = max((pair.sigma.shape[1:] for pair in pairs.values()), key=torch.Size.numel)
        mixed = Pair(torch.empty_like(clean), torch.empty_like(clean), clean.new_empty((len(clean), *shape)))
        for kind, chosen in members.items():
            for whole, part in zip(mixed[:3], pairs[kind][:3], strict=True):
                whole[chosen] = part
        return mixed
