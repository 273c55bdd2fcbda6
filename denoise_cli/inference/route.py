"""Which of a method's nets an image takes, where each is for one class of pictures: a classifier looks at it."""

from dataclasses import dataclass

import torch
from torch.nn import functional

from denoise_cli import methods, shelf
from denoise_cli.errors import WeightsError
from denoise_cli.image import Image
from denoise_cli.inference.perception import Seer, load_seer
from denoise_cli.shapes import to_channels, to_unit

_LONGEST = 2  # a picture is cut to at most so many times its shorter side


@dataclass(frozen=True)
class Guess:
    """What an image shows."""

    name: str  # of the class
    chance: float  # among the classes that there are weights for

    def __str__(self) -> str:
        return f"{self.name} ({100 * self.chance:.0f} %)"


class Router:
    """Picks among the classes that are the tags of a method's weights, ``class-aware.animals``.

    A class of the classifier belongs to a tag that is its name or its group: ``animals/frog`` to ``frog`` and to
    ``animals``; the chances of all that belong to a tag are summed.
    """

    def __init__(self, model: str, classifier: str | None, device: torch.device) -> None:
        """``classifier`` as ``load_seer`` reads it; ``None``: the first on the shelf that knows two of the classes.

        Raises ``WeightsError`` where there is nothing to pick from, or nothing that picks.
        """
        tags = [entry.name.partition(".")[2] for entry in shelf.entries() if entry.model == model]
        if len(tags) < 2:
            of = f"for a single class, {tags[0]}" if tags else "for no class"
            raise WeightsError(
                f"There are weights of {model} {of}: there is nothing to pick from.",
                f"Name them: --model {model}.{tags[0]}." if tags else "Use your own with --weights FILE.",
            )
        shelved = [entry.name for entry in shelf.entries() if methods.find(entry.model).classifies]
        names = shelved if classifier is None else [classifier]
        if not names:
            raise WeightsError(
                f"{model} has weights for {', '.join(tags)}, and no classifier is here to pick one.",
                f"Name the class: --class {tags[0]}; or a classifier of your own: --classifier FILE.",
            )
        for name in names:
            self.seer = load_seer(name, device)
            self._device = device
            self._members = _members(self.seer, tags)
            if len(self._members) >= 2:
                return
        raise WeightsError(
            f"{' and '.join(names)} cannot tell the classes {', '.join(tags)} from each other.",
            f"Name the class: --class {tags[0]}; or another classifier: --classifier FILE.",
        )

    def pick(self, image: Image) -> Guess:
        """The class of ``image``."""
        net = self.seer.net
        height, width = image.samples.shape[-2:]
        side = _LONGEST * min(height, width)
        top, left = max(0, height - side) // 2, max(0, width - side) // 2
        square = torch.from_numpy(image.samples)[None, :, top : top + side, left : left + side]
        pixels = to_unit(square.to(self._device))
        scale = self.seer.side / min(height, width)
        sides = [round(scale * length) for length in pixels.shape[-2:]]
        with torch.inference_mode():
            small = functional.interpolate(pixels, sides, mode="bilinear", antialias=True)
            chances = net.scores(to_channels(small, net.channels)).softmax(dim=1).mean(dim=0)
        sums = {tag: chances[members].sum().item() for tag, members in self._members.items()}
        best = max(sums, key=lambda tag: sums[tag])
        return Guess(best, sums[best] / sum(sums.values()))


def _members(seer: Seer, tags: list[str]) -> dict[str, list[int]]:
    """The numbers of the classes that belong to each tag, of the tags that have any."""
    parts = [label.split("/") for label in seer.net.classes]
    found = {tag: [number for number, part in enumerate(parts) if tag in part] for tag in tags}
    return {tag: members for tag, members in found.items() if members}
