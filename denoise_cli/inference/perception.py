"""Nets that tell what an image shows, from their weights: classifiers, and the first layers of VGG-16."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from zipfile import is_zipfile

import torch
from safetensors.torch import load_file
from torch import Tensor, nn

from denoise_cli import checkpoint, methods, shelf
from denoise_cli.errors import UsageError, WeightsError
from denoise_cli.inference.load import load_module
from denoise_cli.layers.vgg import Vgg16Features
from denoise_cli.losses import Features
from denoise_cli.method import Classifier
from denoise_cli.shapes import to_channels

_VGG16 = "vgg16:"


@dataclass(frozen=True)
class Seer:
    """A classifier, and how large the pictures were that it learned from."""

    name: str  # as the user called it
    net: Classifier
    side: int  # pixels
    digest: str  # sha256 of its weights


def load_seer(word: str, device: torch.device) -> Seer:
    """The classifier that ``word`` names: ``classifier.TAG``, a weights file, or the folder of a run.

    Raises ``WeightsError`` where it cannot be loaded, ``UsageError`` where these are weights of a denoiser.
    """
    path = shelf.located(word)
    loaded = checkpoint.load(path)
    card = methods.find(loaded.model)
    if not card.classifies:
        able = [name for name in methods.names() if methods.find(name).classifies]
        raise UsageError(f"{word} holds weights of {loaded.model}, no classifier.", f"Classifiers: {', '.join(able)}.")
    net = load_module(path, card).to(device)
    assert isinstance(net, Classifier)
    return Seer(word, net, loaded.said("recipe", "patch", int), shelf.digest(path))


def features_of(word: str, device: torch.device) -> Features:
    """What the perceptual loss is to compare: the features of a classifier as in ``load_seer``, or of ``vgg16:FILE``.

    Gray images count as colour ones where the net takes these. Raises as ``load_seer``.
    """
    if word.startswith(_VGG16):
        published = _load_vgg16(file_of(word)).to(device)
        return lambda images: published(to_channels(images, 3))
    net = load_seer(word, device).net
    return lambda images: net.features(to_channels(images, net.channels))


def file_of(word: str) -> Path:
    """The weights file that a word of ``features_of`` names."""
    return Path(word.removeprefix(_VGG16)) if word.startswith(_VGG16) else shelf.located(word)


def _load_vgg16(path: Path) -> nn.Module:
    """The first layers of a file with torchvision's keys, a ``.pth`` or a safetensors; what else it has is left out."""
    net = Vgg16Features()
    tensors, wanted = _tensors(path), net.state_dict()
    wrong = [key for key, value in wanted.items() if key not in tensors or tensors[key].shape != value.shape]
    if wrong:
        there = tuple(tensors[wrong[0]].shape) if wrong[0] in tensors else "missing"
        raise WeightsError(
            f"{str(path)!r} does not fit VGG-16: {wrong[0]!r} is {there}, not {tuple(wanted[wrong[0]].shape)}.",
            "Take torchvision's vgg16, without batch normalisation.",
        )
    net.load_state_dict({key: tensors[key] for key in wanted})
    return net.eval().requires_grad_(False)


def _tensors(path: Path) -> Mapping[str, Tensor]:
    try:
        if path.suffix == ".safetensors":
            return load_file(path)
        mapped = is_zipfile(path)  # torchvision's file is in the format from before that
        tensors: Any = torch.load(path, map_location="cpu", weights_only=True, mmap=mapped)
    except Exception as error:  # whatever a damaged pickle makes its reader trip over
        reason = str(error).partition("\n")[0] or type(error).__name__
        raise WeightsError(
            f"The weights of VGG-16 in {str(path)!r} cannot be read: {reason}.",
            "Write vgg16:FILE, a .pth of torchvision's or a .safetensors with its keys.",
        ) from error
    if not isinstance(tensors, Mapping) or not all(isinstance(value, Tensor) for value in tensors.values()):
        raise WeightsError(f"{str(path)!r} holds no weights by name.", "Save the state_dict of torchvision's vgg16.")
    return tensors
