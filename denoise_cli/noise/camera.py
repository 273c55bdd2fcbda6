"""Noise of real photographs: made in the sensor, spread by the camera's processing."""

from dataclasses import dataclass

import torch
from torch import Generator, Tensor
from torch.nn import functional

from denoise_cli.errors import UsageError
from denoise_cli.noise.gaussian import Gaussian
from denoise_cli.noise.jpeg import Jpeg
from denoise_cli.noise.levels import Level
from denoise_cli.noise.pair import Pair
from denoise_cli.noise.poisson_gaussian import deviation
from denoise_cli.noise.processing import Colours, Smoothing, halve_chroma

_FARTHEST = 16.0  # pixels that noise can be smoothed by
_TOE = 0.003  # keeps the slope of the response finite in the dark, at about that of sRGB


@dataclass(frozen=True)
class Camera:
    """``y = JPEG(f(demosaic(mosaic(L) + n)))`` with the light ``L = f^-1(x)`` and ``n ~ N(0, shot^2 L + read^2)``.

    The noise model of CBDNet (Guo et al., CVPR 2019, section 3.1), with a random Bayer pattern for each image, bilinear
    demosaicing, and in place of 201 measured response curves a random gamma and contrast. ``Pair.clean`` is the same
    photograph without ``n`` and without what JPEG loses but for the halved resolution of colour: the detail that a
    mosaic and 4:2:0 lose is no noise, and the mean of many photographs, by which denoisers of real ones are judged,
    lacks it too. Images that are not in colour are, channel by channel, the mean of a gray scene's photograph.
    ``Pair.sigma`` is the deviation of ``n`` at each value of ``L``: the sensor's, before demosaicing and response,
    which is what CBDNet learns to estimate.

    ``smoothing`` goes beyond that model: white balance and a colour matrix make the noise stronger (then it is seen in
    ``Pair.sigma`` too), and the camera's own noise reduction smooths it, colour by so many pixels.
    """

    shot: Gaussian  # its sigma where there is most light, before the response
    read: Gaussian  # its sigma everywhere, before the response
    jpeg: Jpeg | None = None
    smoothing: Level | None = None  # pixels; needs ``jpeg`` to be written

    @classmethod
    def parse(cls, text: str) -> "Camera":
        """Read ``SHOT+READ``, ``SHOT+READ+QUALITY`` or ``SHOT+READ+QUALITY+PIXELS``.

        Such as ``0..0.16+0..0.06+60..100+0..3``; raises ``UsageError`` for anything else.
        """
        parts = text.split("+")
        if len(parts) not in (2, 3, 4) or not all(parts):
            raise UsageError(
                f"camera:{text} does not name its levels.",
                "Write the deviation by photons, a plus, that everywhere, plus a JPEG quality where wanted, and plus "
                "the pixels by which the camera smooths noise of colour: camera:0..0.16+0..0.06+60..100+0..3.",
            )
        jpeg = Jpeg.parse(parts[2]) if len(parts) > 2 else None
        smoothing = _pixels(parts[3]) if len(parts) > 3 else None
        return cls(Gaussian.parse(parts[0]), Gaussian.parse(parts[1]), jpeg, smoothing)

    def __str__(self) -> str:
        rest = "".join(f"+{level}" for level in (self.jpeg and self.jpeg.quality, self.smoothing) if level)
        return f"camera:{self.shot.level}+{self.read.level}{rest}"

    def __call__(self, clean: Tensor, generator: Generator) -> Pair:
        count, channels, height, width = clean.shape
        shot, read = self.shot.sigma.draw(count, generator), self.read.sigma.draw(count, generator)
        response = Response.draw(count, generator)
        corner = torch.randint(2, (2, count, 1, 1, 1), generator=generator, device=clean.device)
        colours = Colours.draw(count, generator) if self.smoothing else None
        smooth = Smoothing.draw(self.smoothing, count, generator) if self.smoothing else None
        # At least 2x2, so that each colour of the mosaic is there.
        scene = functional.pad(clean, (0, int(width == 1), 0, int(height == 1)), mode="replicate").clamp(0, 1)
        views = [scene] if channels == 3 else [part.expand(-1, 3, -1, -1) for part in torch.split(scene, 1, dim=1)]
        parts = []
        for view in views:
            light = response.undo(view)
            light = colours.undo(light) if colours else light
            unit = torch.randn(light.shape, generator=generator, device=light.device)
            sigma = deviation(light, shot, read)
            seen = [demosaic(sensed, corner) for sensed in (light, light + sigma * unit)]
            if colours:
                seen, sigma = [colours(sensed) for sensed in seen], colours.deviation(sigma)
            photos = [response(linear.clamp(0, 1)) for linear in seen]
            if smooth:
                photos[1] = (photos[0] + smooth(photos[1] - photos[0], photos[0])).clamp(0, 1)
            parts.append([*photos, sigma] if channels == 3 else [*(_gray(photo) for photo in photos), sigma[:, :1]])
        calm, noisy, sigma = (torch.cat(part, dim=1)[:, :, :height, :width] for part in zip(*parts, strict=True))
        if self.jpeg:
            noisy = self.jpeg(noisy, generator).noisy
            calm = halve_chroma(calm) if channels == 3 else calm
        return Pair(calm, noisy, sigma)


@dataclass(frozen=True)
class Response:
    """A curve from light to pixel values, both in [0, 1], for each image: a gamma, then contrast around the middle."""

    gamma: Tensor  # (N, 1, 1, 1)
    contrast: Tensor  # (N, 1, 1, 1), 1 for none

    @classmethod
    def draw(cls, count: int, generator: Generator) -> "Response":
        """Gamma between 1.8 and 2.6, contrast between 1 and 1.4."""
        uniform = torch.rand((2, count, 1, 1, 1), generator=generator, device=generator.device)
        return cls(1.8 + 0.8 * uniform[0], 1 + 0.4 * uniform[1])

    def __call__(self, light: Tensor) -> Tensor:
        """What the camera stores for ``light`` (N, C, H, W)."""
        low, high = self._ends()
        return _contrast((((light + _TOE) ** (1 / self.gamma) - low) / (high - low)).clamp(0, 1), self.contrast)

    def undo(self, values: Tensor) -> Tensor:
        """The light behind what the camera stored."""
        low, high = self._ends()
        light = (low + (high - low) * _contrast(values, 1 / self.contrast)) ** self.gamma - _TOE
        return light.clamp(0, 1)

    def _ends(self) -> tuple[Tensor, Tensor]:
        return _TOE ** (1 / self.gamma), (1 + _TOE) ** (1 / self.gamma)


def _pixels(text: str) -> Level:
    smoothing = Level.parse(text)
    if smoothing.high > _FARTHEST:
        raise UsageError(
            f"A camera does not smooth its noise by {text} pixels.", f"Name 0 to {_FARTHEST:g} pixels, as in 0..3."
        )
    return smoothing


def _gray(photo: Tensor) -> Tensor:
    return photo.mean(1, keepdim=True)


def _contrast(values: Tensor, power: Tensor) -> Tensor:
    """An S through 0, 1/2 and 1 with slope ``power`` in the middle; ``1 / power`` undoes it."""
    rising, falling = values**power, (1 - values) ** power
    return rising / (rising + falling)


def demosaic(sensed: Tensor, corner: Tensor) -> Tensor:
    """What is left of (N, 3, H, W), at least 2x2, when each pixel has one colour: the others come from its neighbours.

    ``corner`` (2, N, 1, 1, 1) holds the row and the column, 0 or 1, of the first red pixel in the Bayer pattern.
    """
    height, width = sensed.shape[-2:]
    row = torch.arange(height, device=sensed.device)[:, None] % 2 == corner[0]  # (N, 1, H, 1), red rows
    column = torch.arange(width, device=sensed.device) % 2 == corner[1]  # (N, 1, 1, W), red columns
    mask = torch.cat((row & column, row ^ column, ~row & ~column), dim=1).to(sensed.dtype)  # (N, 3, H, W)
    cross = [[0, 1, 0], [1, 4, 1], [0, 1, 0]]  # green is on every other pixel
    square = [[1, 2, 1], [2, 4, 2], [1, 2, 1]]  # red and blue on every fourth
    kernel = torch.tensor([square, cross, square], dtype=sensed.dtype, device=sensed.device).unsqueeze(1)
    known = functional.conv2d(mask, kernel, padding=1, groups=3)
    return functional.conv2d(mask * sensed, kernel, padding=1, groups=3) / known
