"""Many methods on one image, or a part of it: each with its estimate and the time it took, or why there is none."""

import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from denoise_cli import checkpoint, methods, shelf
from denoise_cli.errors import DenoiseError, UsageError, WeightsError
from denoise_cli.fields import fill
from denoise_cli.image import Box, Image
from denoise_cli.inference.choose import look
from denoise_cli.inference.run import answer
from denoise_cli.inference.suggest import rivals
from denoise_cli.inference.workbench import Choice, Wish, Workbench
from denoise_cli.method import Method

AUTO = "auto"  # the word for what is chosen by the look of the image
_FILE = ".safetensors"
_SHORT = 1.0  # seconds; what takes less is timed a second time, when all is warm


@dataclass(frozen=True)
class Contender:
    """A method, weights or ``AUTO``, as the user named it."""

    word: str
    bench: Workbench | None
    count: int | None = None  # iterations that were asked for
    error: WeightsError | None = None  # where there is no bench


@dataclass(frozen=True)
class Attempt:
    """What became of an image under one contender."""

    contender: Contender
    choice: Choice | None = None  # the weights that were taken; None where none could be
    estimate: Image | None = None
    counts: tuple[int, ...] | None = None  # iterations
    seconds: float = 0.0  # of denoising; weights are loaded before
    alone: bool = False  # the part was denoised by itself: the method looks at all of an image
    error: DenoiseError | None = None

    @property
    def name(self) -> str:
        """What it is called in a table: by the weights that were taken."""
        word, count = self.contender.word, self.contender.count
        taken = word if self.choice is None or word.endswith(_FILE) else self.choice.name
        if self.choice is not None and self.choice.engine.asked.until_converged and self.counts:
            count = self.counts[0]
        return (f"{AUTO}: " if AUTO == word != taken else "") + taken + (f", {count} iterations" if count else "")


def contenders(words: Sequence[str], wish: Wish, given: Mapping[str, Any]) -> list[Contender]:
    """What ``words`` name, each for every number of iterations that it can take, with the knobs that it has.

    A word is a method, weights, a weights file, or ``AUTO``. Raises ``UsageError`` for a word that is none of these,
    and for iterations or a knob that none of them takes; weights that are missing or damaged fail when they are tried.
    """
    found: list[Contender] = []
    cards: list[Method | None] = []  # None: may take any knob
    for word in words:
        try:
            cards.append(None)
            cards[-1] = _card(word)
            found += _entered(word, cards[-1], wish, given)
        except WeightsError as error:
            found.append(Contender(word, None, error=error))
    for name in given:
        if not any(card is None or hasattr(card.options, name) for card in cards):
            raise UsageError(f"None of {', '.join(words)} takes --{name}.", "Leave it out, or add a model that does.")
    if _iterations(wish) and not any(card is None or _iterates(card, wish) for card in cards):
        raise UsageError(f"None of {', '.join(words)} takes such --iters.", "Leave it out, or add a model that does.")
    return found


def words_for(image: Image) -> list[str]:
    """What is worth being compared on ``image``, by the look of its noise."""
    return [AUTO, *rivals(look(image), image.channels, shelf.entries())]


def middle(image: Image, side: int) -> Box:
    """The middle of ``image``, of at most ``side`` pixels each way."""
    width, height = min(side, image.width), min(side, image.height)
    return Box((image.width - width) // 2, (image.height - height) // 2, width, height)


def attempts(entered: Sequence[Contender], image: Image, box: Box) -> Iterator[Attempt]:
    """Each contender on the part of ``image`` in ``box``: as it would be in the whole, by the noise of the whole.

    A denoiser without a limited reach gets the part alone.
    """
    for contender in entered:
        try:
            if contender.bench is None:
                assert contender.error is not None
                raise contender.error
            yield _attempt(contender, contender.bench.choose(image).told(), image, box)
        except DenoiseError as error:
            yield Attempt(contender, error=error)


def _attempt(contender: Contender, choice: Choice, image: Image, box: Box) -> Attempt:
    engine = choice.engine
    alone = engine.denoiser.reach(engine.options) is None
    asked = replace(engine.asked, box=None if alone else box)
    engine, noisy = replace(engine, asked=asked), image.cut(box) if alone else image
    try:
        for _ in range(2):
            began = time.monotonic()
            found = answer(engine, noisy, choice.grain)
            seconds = time.monotonic() - began
            if seconds > _SHORT:
                break
    except DenoiseError as error:
        return Attempt(contender, choice, error=error)
    cut = (image.height, image.width) != (box.height, box.width)
    return Attempt(contender, choice, found.images[0], found.counts, seconds, alone and cut)


def _card(word: str) -> Method | None:
    if word == AUTO:
        return None
    return methods.find(checkpoint.load(Path(word)).model if word.endswith(_FILE) else word.partition(".")[0])


def _entered(word: str, card: Method | None, wish: Wish, given: Mapping[str, Any]) -> list[Contender]:
    if card is None:  # as where no model is named: what takes all that is asked
        own, taken = wish, given
    else:
        file = Path(word) if word.endswith(_FILE) else None
        own = replace(wish, model=None if file else word, file=file)
        taken = {name: value for name, value in given.items() if hasattr(card.options, name)}
        if not _iterates(card, wish):
            own = replace(own, counts=None, asked=replace(wish.asked, until_converged=False))
    counts = own.counts or (None,)
    wishes = [own if count is None else replace(own, counts=(count,)) for count in counts]
    return [
        Contender(word, Workbench(each, lambda card: fill(card.options, taken, card.name)), count)
        for each, count in zip(wishes, counts, strict=True)
    ]


def _iterations(wish: Wish) -> bool:
    return wish.counts is not None or wish.asked.until_converged


def _iterates(card: Method, wish: Wish) -> bool:
    """Whether it takes the iterations that are wished for, if any are."""
    return card.can_converge if wish.asked.until_converged else hasattr(card.options, "iters")
