"""Noise of real photographs: made in the sensor, spread by the camera's processing."""

from dataclasses import dataclass

import torch
from torch import Generator, Tensor
from torch.nn import functional

from denoise_cli.errors import UsageError
from denoise_cli.noise.gaussian import Gaussian
from denoise_cli.noise.jpeg import Jpeg
from denoise_cli.noise.pair import Pair
from denoise_cli.noise.poisson_gaussian import deviation

_TOE = 0.003  # keeps the slope of the response finite in the dark, at about that of sRGB


@dataclass(frozen=True)
class Camera:
    """``y = JPEG(f(demosaic(mosaic(L) + n)))`` with the light ``L = f^-1(x)`` and ``n ~ N(0, shot^2 L + read^2)``.

    The noise model of CBDNet (Guo et al., CVPR 2019, section 3.1), with a random Bayer pattern for each image, bilinear
    demosaicing, and in place of 201 measured response curves a random gamma and contrast. ``Pair.clean`` is the same
    photograph without ``n`` and JPEG, ``f(demosaic(mosaic(L)))``: the detail that a mosaic loses is no noise, and the
    mean of many photographs, by which denoisers of real ones are judged, lacks it too. Images that are not in colour
    are, channel by channel, the mean of a gray scene's photograph. ``Pair.sigma`` is the deviation of ``n`` at each
    value of ``L``: the sensor's, before demosaicing and response, which is what CBDNet learns to estimate.
    """

    shot: Gaussian  # its sigma where there is most light, before the response
    read: Gaussian  # its sigma everywhere, before the response
    jpeg: Jpeg | None = None

    @classmethod
    def parse(cls, text: str) -> "Camera":
        """Read ``SHOT+READ`` or ``SHOT+READ+QUALITY``, such as ``0..0.16+0..0.06+60..100``."""
        parts = text.split("+")
        if len(parts) not in (2, 3) or not all(parts):
            raise UsageError(
                f"camera:{text} does not name its levels.",
                "Write the deviation by photons, a plus, that everywhere, and plus a JPEG quality where wanted: "
                "camera:0..0.16+0..0.06+60..100.",
            )
        jpeg = Jpeg.parse(parts[2]) if len(parts) == 3 else None
        return cls(Gaussian.parse(parts[0]), Gaussian.parse(parts[1]), jpeg)

    def __str__(self) -> str:
        quality = f"+{self.jpeg.quality}" if self.jpeg else ""
        return f"camera:{self.shot.level}+{self.read.level}{quality}"

    def __call__(self, clean: Tensor, generator: Generator) -> Pair:
        count, channels, height, width = clean.shape
        shot, read = self.shot.sigma.draw(count, generator), self.read.sigma.draw(count, generator)
        response = Response.draw(count, generator)
        corner = torch.randint(2, (2, count, 1, 1, 1), generator=generator, device=clean.device)
        # At least 2x2, so that each colour of the mosaic is there.
        scene = functional.pad(clean, (0, int(width == 1), 0, int(height == 1)), mode="replicate").clamp(0, 1)
        views = [scene] if channels == 3 else [part.expand(-1, 3, -1, -1) for part in torch.split(scene, 1, dim=1)]
        parts = []
        for view in views:
            light = response.undo(view)
            unit = torch.randn(light.shape, generator=generator, device=light.device)
            sigma = deviation(light, shot, read)
            photos = [response(demosaic(sensed, corner).clamp(0, 1)) for sensed in (light, light + sigma * unit)]
            parts.append([*photos, sigma] if channels == 3 else [*(_gray(photo) for photo in photos), sigma[:, :1]])
        calm, noisy, sigma = (torch.cat(part, dim=1)[:, :, :height, :width] for part in zip(*parts, strict=True))
        if self.jpeg:
            noisy = self.jpeg(noisy, generator).noisy
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
