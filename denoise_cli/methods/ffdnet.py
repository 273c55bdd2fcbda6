"""FFDNet: one net for every noise level, which it is told by a map, on an image folded to half its size.

Kai Zhang, Wangmeng Zuo, Lei Zhang, "FFDNet: Toward a Fast and Flexible Solution for CNN-based Image Denoising", IEEE
Transactions on Image Processing, 2018.
"""

from dataclasses import dataclass

import torch
from torch import Generator, Tensor, nn
from torch.nn import functional

from denoise_cli import losses
from denoise_cli.layers.identity import start_near_identity
from denoise_cli.layers.local import locally
from denoise_cli.layers.reach import reach_of
from denoise_cli.method import Graph, Method, Recipe
from denoise_cli.noise import Pair
from denoise_cli.noise.estimate import known_sigma, noise_level

_GRAY, _COLOUR = (15, 64), (12, 96)  # depth and features
_LIGHT = 2  # pixels around each over which the light is averaged, where noise grows with it


@dataclass(frozen=True)
class Config:
    """The shape of the net."""

    channels: int = 3  # 1 gray, 3 colour
    depth: int | None = None  # convolutions; None: 15 for gray, 12 for colour
    features: int | None = None  # None: 64 for gray, 96 for colour


@dataclass(frozen=True)
class Options:
    """What can be turned at run time."""

    sigma: float | None = None  # standard deviation of the noise on [0, 1], or 0..255 if above 1; measured if not given
    shot: float | None = None  # that of noise that grows with the light, where it is white: variance shot^2 x + sigma^2


class FFDNet(nn.Module):
    """Predicts the image itself; 485,316 weights for gray, 852,108 for colour at the published sizes."""

    stride = 2

    def __init__(self, config: Config) -> None:
        super().__init__()
        self.channels = config.channels
        published = _GRAY if config.channels == 1 else _COLOUR
        depth = published[0] if config.depth is None else config.depth
        width = published[1] if config.features is None else config.features
        folded = 4 * config.channels
        layers: list[nn.Module] = [_conv(folded + 1, width), nn.ReLU(inplace=True)]
        for _ in range(depth - 2):
            layers += [_conv(width, width), nn.ReLU(inplace=True)]
        self.fold = nn.PixelUnshuffle(2)
        self.layers = nn.Sequential(*layers, _conv(width, folded))
        self.unfold = nn.PixelShuffle(2)

    def forward(self, noisy: Tensor, sigma: Tensor) -> Tensor:
        """The estimate, not clipped: (N, C, H, W), H and W even, from noisy images of that shape.

        ``sigma`` on [0, 1] is a level for each image, (N or 1, 1, 1, 1), or a map, (N or 1, 1, H, W).
        """
        folded = self.fold(noisy)  # (N, 4 C, H / 2, W / 2)
        levels = functional.avg_pool2d(sigma, 2) if sigma.shape[-2:] == noisy.shape[-2:] else sigma
        levels = levels.to(folded.dtype).expand(len(folded), 1, *folded.shape[-2:])
        return self.unfold(self.layers(torch.cat((folded, levels), dim=1)))  # type: ignore[no-any-return]

    def settle(self, noisy: Tensor, options: Options) -> Options:
        """The noise on [0, 1], measured on the whole image (1, C, H, W) unless given; no ``shot`` where sigma alone is.

        Raises ``UsageError`` for a level below 0.
        """
        shot, sigma = (
            _measured(noisy[0]) if options.sigma is None else (0.0, known_sigma(options.sigma, noisy, "ffdnet"))
        )
        return Options(sigma, shot if options.shot is None else known_sigma(options.shot, noisy, "ffdnet", "shot"))

    def denoise(self, noisy: Tensor, options: Options) -> Tensor:
        """The estimate in [0, 1]: (N, C, H, W); a level that is not given is measured on each image."""
        known = options.sigma is not None and options.shot is not None
        settled = [options] if known else [self.settle(image[None], options) for image in noisy]
        return self.denoise_mapped(noisy, _levels(noisy, settled), options)

    def levels(self, noisy: Tensor, options: Options) -> Tensor:
        """The noise at every pixel on [0, 1], (N, 1, H, W), by options that are settled."""
        return _levels(noisy, [options]).expand(len(noisy), 1, *noisy.shape[-2:])

    def denoise_mapped(self, noisy: Tensor, sigma: Tensor, options: Options) -> Tensor:
        """The estimate in [0, 1]: (N, C, H, W), at levels ``sigma`` (N or 1, 1, H, W), whatever the options say."""
        return self(noisy, sigma).clamp(0, 1)  # type: ignore[no-any-return]

    def reach(self, options: Options) -> int:
        """Two pixels for each 3x3 convolution at half size, and one within a folded pixel; more to see the light."""
        constant = options.sigma is not None and not options.shot
        return reach_of(self.fold, self.layers, self.unfold, stride=self.stride) + (0 if constant else _LIGHT)

    def graph(self) -> Graph:
        """Noisy image and noise levels in, the estimate out, not clipped."""
        noisy, sigma = torch.rand(1, self.channels, 48, 64), torch.full((1, 1, 48, 64), 0.1)
        usage = "sigma: the noise level at every pixel, on [0, 1]. Clip the estimate to [0, 1]."
        return Graph(self, {"noisy": noisy, "sigma": sigma}, ("estimate",), usage)

    def loss(self, pair: Pair, recipe: Recipe, generator: Generator) -> Tensor:
        """The recipe's loss between estimate and clean images, where the net is told the true level, at every pixel."""
        return losses.find(recipe.loss)(self(pair.noisy, pair.sigma.mean(dim=1, keepdim=True)), pair.clean)


def _measured(noisy: Tensor) -> tuple[float, float]:
    """``shot`` and ``sigma`` of one image (C, H, W); of noise that is not white, its finest part."""
    level = noise_level(noisy)
    return (level.shot, level.read) if level.white else (0.0, min(1.0, level.fine))


def _levels(noisy: Tensor, settled: list[Options]) -> Tensor:
    """The standard deviations at settled options: (N or 1, 1, 1, 1), or (N, 1, H, W) where they grow with the light."""
    shot, sigma = (
        torch.tensor(parts, device=noisy.device)[:, None, None, None]
        for parts in zip(*((options.shot, options.sigma) for options in settled), strict=True)
    )
    if not any(options.shot for options in settled):
        return sigma
    light = locally(_light, _LIGHT, noisy)
    return (shot.square() * light + sigma.square()).sqrt()


def _light(noisy: Tensor) -> Tensor:
    """The mean of the channels, and of the pixels around: (N, 1, H, W)."""
    mean = noisy.float().mean(dim=1, keepdim=True).clamp(0, 1)
    return functional.avg_pool2d(mean, 2 * _LIGHT + 1, stride=1, padding=_LIGHT, count_include_pad=False)


def _conv(inputs: int, outputs: int) -> nn.Conv2d:
    return start_near_identity(nn.Conv2d(inputs, outputs, 3, padding=1))


METHOD = Method(
    make=FFDNet,
    config=Config(),
    options=Options(),
    summary="one net for every noise level, which it is told or measures",
    paper="Zhang, Zuo, Zhang: FFDNet: Toward a Fast and Flexible Solution for CNN-based Image Denoising, IEEE TIP 2018",
    recipe=Recipe(noise="gaussian:0..75", patch=64, batch=64, steps=100_000, rate=1e-3),
)
