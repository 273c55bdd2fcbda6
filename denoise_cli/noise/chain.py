"""Several kinds of noise, one after the other."""

from dataclasses import dataclass

from torch import Generator, Tensor

from denoise_cli.errors import UsageError
from denoise_cli.noise.pair import Noise, Pair, stored

THEN = " then "
_EXAMPLE = "Write it as in 'gaussian:0..50 then jpeg:50..95'."


def links(noise: Noise) -> tuple[Noise, ...]:
    """The noises of a chain, or the one that it is."""
    return noise.noises if isinstance(noise, Chain) else (noise,)


@dataclass(frozen=True)
class Chain:
    """Each noise strikes what the one before it left: a grainy photograph, then its JPEG.

    In between the image is stored in 8 bits, as by whatever took it. ``Pair.clean`` and ``Pair.sigma`` are those of the
    first: what comes after changes the noise, not what there is to find.
    """

    noises: tuple[Noise, ...]  # at least two, no mixtures or chains; ``camera``, whose clean image is its own, first

    @classmethod
    def parse(cls, text: str) -> "Chain":
        """Read ``gaussian:0..50 then jpeg:50..95``; raises ``UsageError`` for what cannot follow."""
        from denoise_cli.noise import parse  # the table there names this class
        from denoise_cli.noise.camera import Camera
        from denoise_cli.noise.patch import bare

        noises = tuple(parse(word.strip()) for word in text.split(THEN))
        for noise in noises[1:]:
            if "*" in str(noise):
                raise UsageError(f"{text!r} puts a mixture into a chain.", _EXAMPLE)
            if any(isinstance(part, Camera) for part in bare(noise)):
                raise UsageError(f"{text!r} takes a photograph of noise.", f"Put {noise} first.")
        return cls(noises)

    def __str__(self) -> str:
        return THEN.join(map(str, self.noises))

    def __call__(self, clean: Tensor, generator: Generator) -> Pair:
        first, *rest = self.noises
        pair = first(clean, generator)
        noisy = pair.noisy
        for noise in rest:
            noisy = noise(stored(noisy), generator).noisy
        return Pair(pair.clean, noisy, pair.sigma)
