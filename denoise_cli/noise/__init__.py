"""Noise: what it is, how its words are read. ``parse("sp:0.3")`` gives a noise whose ``str`` is ``sp:0.3`` again."""

from collections.abc import Callable

from denoise_cli.errors import UsageError, did_you_mean
from denoise_cli.noise.camera import Camera
from denoise_cli.noise.chain import THEN, Chain
from denoise_cli.noise.gaussian import Gaussian
from denoise_cli.noise.impulse import SaltAndPepper
from denoise_cli.noise.jpeg import Jpeg
from denoise_cli.noise.lowres import LowResolution
from denoise_cli.noise.mixed import Mixed
from denoise_cli.noise.mixture import Mixture
from denoise_cli.noise.pair import Noise, Pair, as_pair, stored
from denoise_cli.noise.patch import Patch
from denoise_cli.noise.poisson import Poisson
from denoise_cli.noise.poisson_gaussian import PoissonGaussian

__all__ = ["Noise", "Pair", "as_pair", "parse", "stored"]

_KINDS: dict[str, Callable[[str], Noise]] = {
    "camera": Camera.parse,
    "gaussian": Gaussian.parse,
    "jpeg": Jpeg.parse,
    "lowres": LowResolution.parse,
    "mixed": Mixed.parse,
    "patch": Patch.parse,
    "poisson": Poisson.parse,
    "poisson-gaussian": PoissonGaussian.parse,
    "sp": SaltAndPepper.parse,
}

_EXAMPLES = {
    "camera": "0..0.16+0..0.06", "gaussian": "25", "jpeg": "30", "lowres": "2..4", "mixed": "25+0.05",
    "patch": "sp:0.5", "poisson": "30", "poisson-gaussian": "0.1+0.02", "sp": "0.1",
}  # fmt: skip


def parse(word: str) -> Noise:
    """Read ``kind:level``, such as ``sp:0.1``, ``gaussian:0..55``, ``mixed:25+0.05`` or ``patch:sp:0.5``.

    ``0.6*gaussian:0..55 + 0.4*jpeg:10..90`` is a mixture, of which each image draws one, and
    ``gaussian:0..50 then jpeg:50..95`` one after the other. Raises ``UsageError`` for an unknown kind or a level out of
    its range.
    """
    kind, colon, level = word.partition(":")
    if "*" in kind:
        return Mixture.parse(word)
    if THEN in word:
        return Chain.parse(word)
    if kind not in _KINDS:
        raise UsageError(f"There is no noise {kind!r}.", did_you_mean(kind, _KINDS))
    if not colon or not level:
        raise UsageError(
            f"The noise {word!r} has no level.", f"Write it after a colon, such as {kind}:{_EXAMPLES[kind]}."
        )
    return _KINDS[kind](level)
