"""The engine for each image: the weights that suit its noise, each file loaded once, when it is first needed."""

from collections.abc import Callable
from contextlib import suppress
from dataclasses import asdict, dataclass, fields, replace
from hashlib import sha256
from pathlib import Path
from typing import Any, NamedTuple

import torch

from denoise_cli import checkpoint, methods, shelf
from denoise_cli.errors import UsageError, WeightsError
from denoise_cli.image import Image, Source
from denoise_cli.inference.choose import (
    GLANCE,
    IMPULSES,
    MIXED,
    Look,
    choose,
    come_apart,
    has_learnt,
    look,
    nearest,
    restores_jpeg,
)
from denoise_cli.inference.load import load_net, without_weights
from denoise_cli.inference.patterns import Grain
from denoise_cli.inference.route import Guess, Router
from denoise_cli.inference.run import Asked, Engine, ready
from denoise_cli.method import Method


@dataclass(frozen=True)
class Wish:
    """What the user asked for."""

    model: str | None = None  # a method (dt) or shipped weights (dt.sp); None: by the look of each image
    file: Path | None = None  # weights that are not on the shelf
    counts: tuple[int, ...] | None = None  # iterations to save, ascending
    device: torch.device = torch.device("cpu")  # noqa: RUF009  (immutable)
    dtype: torch.dtype = torch.float32
    tile: int | None = None
    asked: Asked = Asked()  # noqa: RUF009  (immutable)
    shown: str | None = None  # the class of all images, for a method with weights for each; None: a classifier picks
    classifier: str | None = None  # which; None: the first on the shelf that can
    most_memory: int | None = None  # bytes that the process may take
    look: bool = False  # at the noise of each image, if only at a glance, also where that decides nothing
    notice: Callable[[str], None] = lambda _: None  # is told what the user should know meanwhile


@dataclass(frozen=True)
class Choice:
    """An engine, and why it was taken."""

    engine: Engine
    name: str  # of the weights, or of the method that needs none
    seen: Look | None  # None where its noise was not looked at
    digest: str | None = None  # sha256 of the weights file; None where the method needs none
    shown: Guess | None = None  # what it shows, where a classifier told
    grain: Grain | None = None  # the noise as measured, where what cannot have been noise is to stay
    warning: str = ""  # where the model that was named learned other noise
    restores: bool = False  # what JPEG lost, which a file is not to lose again

    def told(self) -> "Choice":
        """The same for this image alone: a noise level that the engine would measure is told, where it was seen."""
        seen = self.seen
        return self if seen is None or not seen.whole else replace(self, engine=_told(self.engine, seen))

    def on(self, source: Source) -> "Choice":
        """The same with what was seen as it is in the values of the ``source``, to be told."""
        return self if self.seen is None else replace(self, seen=self.seen.on(source))


class Sight(NamedTuple):
    """What was seen in an image."""

    look: Look | None  # at its noise; None where nothing depends on it
    apart: bool  # whether each channel has impulses of its own, for weights that are named


class Workbench:
    """Keeps what was loaded. ``options_of`` gives a method's options as the user set them, or raises ``UsageError``."""

    def __init__(self, wish: Wish, options_of: Callable[[Method], Any]) -> None:
        self._wish, self._options_of = wish, options_of
        self._engines: dict[str, Engine] = {}
        self._apart: dict[str, Engine] = {}  # the same, channel by channel
        self._bad: dict[str, WeightsError] = {}
        name = wish.model
        if wish.file is not None and name is None:
            name = checkpoint.load(wish.file).model
        self._method = name.partition(".")[0] if name else None
        self._outer = "".join(name.rpartition(":")[:2]) if name else ""  # nn3d: before the name of what it wraps
        self._fixed: str | None = None  # the one engine for all images
        self._restores = False  # whether it learned what JPEG loses
        self._for_impulses = False  # whether it learned those of whole pixels
        self._digest: str | None = None  # of its weights
        self._router: Router | None = None  # picks among the weights of the method
        if self._method is not None and name is not None:
            card = methods.find(self._method)
            self._options(card)  # a wrong knob is told before any work
            if card.per_class and "." not in name and wish.file is None:
                if wish.shown is None:
                    self._router = Router(name, wish.classifier, wish.device)
                else:
                    name = f"{name}.{wish.shown}"
            elif wish.shown is not None or wish.classifier is not None:
                raise UsageError(f"{name} does not ask what an image shows.", "Leave --class and --classifier out.")
            if wish.file is not None and "." in name:
                raise UsageError(
                    f"{name} names weights, and {str(wish.file)!r} is other ones.",
                    f"Name the model alone, {name.rpartition('.')[0]}, or leave --weights out.",
                )
            if wish.file is not None or "." in name or not card.learns:
                self._fixed = name
                self._engine(name)
                entry = shelf.find(name.removeprefix(self._outer)) if card.learns and wish.file is None else None
                self._for_impulses = entry is not None and IMPULSES in entry.kinds
                self._restores = entry is not None and restores_jpeg(entry)
        elif wish.shown is not None or wish.classifier is not None:
            raise UsageError("A class of images is of no use without --model.", "Name a model with weights by class.")
        self._able = [] if self._fixed is not None else self._accepted()

    def see(self, image: Image) -> Sight:
        """What there is to be seen in ``image`` before an engine is chosen; may be done in another thread."""
        decides = self._fixed is None and self._router is None
        seen = look(image) if decides else look(image, GLANCE) if self._wish.look else None
        return Sight(seen, self._for_impulses and come_apart(image))

    def choose(self, image: Image, sight: Sight | None = None) -> Choice:
        """The engine for ``image``, of which this was seen already, if anything.

        Of a model that was named the weights that suit it, else the nearest. Raises ``WeightsError`` where none suit it
        and no model was named, or those that do are damaged.
        """
        seen, apart = self.see(image) if sight is None else sight
        if self._fixed is not None:
            engine = self._engine(self._fixed)
            if apart:
                engine = self._channel_by_channel(self._fixed, engine)
            return Choice(engine, self._fixed, seen, self._digest, restores=self._restores)
        if self._router is not None:
            shown = self._router.pick(image)
            name = f"{self._method}.{shown.name}"
            return Choice(self._engine(name), name, seen, shelf.find(name).sha256, shown)
        assert seen is not None
        entry, warning = self._entry(seen, image)
        name = self._outer + entry.name
        engine = self._engine(name)
        grain = None if self._method is not None or _is_told(engine) else seen.grain
        if seen.apart:
            engine = self._channel_by_channel(name, engine)
        restores = seen.compressed and restores_jpeg(entry)
        chosen = Choice(engine, name, seen, entry.sha256, grain=grain, warning=warning, restores=restores)
        if seen.grainy_beside and MIXED not in entry.kinds and not self._outer:
            with suppress(WeightsError):  # where nothing suits the rest, the impulses alone are removed
                return self._followed(chosen, choose(seen.beside, image.channels, self._able))
        return chosen

    def _entry(self, seen: Look, image: Image) -> tuple[shelf.Entry, str]:
        """The weights for what was seen in ``image``, and a warning where they learned other noise."""
        try:
            return choose(seen, image.channels, self._able), ""
        except WeightsError:
            if self._method is None:
                raise
        entry = nearest(seen, image.channels, self._able)
        warning = f"{image.source.name}: {entry.name} learned {entry.noise}, and this shows {seen}"
        return entry, "" if has_learnt(entry, seen) else warning

    def _channel_by_channel(self, name: str, engine: Engine) -> Engine:
        """One object for all images whose impulses come apart, which go together by it."""
        return self._apart.setdefault(name, replace(engine, apart=True))

    def _followed(self, chosen: Choice, entry: shelf.Entry) -> Choice:
        """What removes the impulses, followed by what removes the noise that was seen beside them."""
        assert chosen.seen is not None
        asked, counts = chosen.engine.asked, chosen.engine.counts
        first = replace(chosen.engine, asked=replace(asked, box=None), counts=None if counts is None else counts[-1:])
        engine = replace(_told(self._engine(entry.name), chosen.seen), first=first)
        digest = f"{chosen.digest}+{entry.sha256}"
        return replace(chosen, engine=engine, name=f"{chosen.name}, then {entry.name}", digest=digest)

    @property
    def identity(self) -> dict[str, Any]:
        """What this bench does to images, JSON-plain: the weights that it may take; their options where it is one."""
        if self._fixed is not None:
            return {self._fixed: [self._digest, asdict(self._engine(self._fixed).options)]}
        eyes = {} if self._router is None else {"classifier": self._router.seer.digest}
        return {entry.name: entry.sha256 for entry in self._able} | eyes

    def _accepted(self) -> list[shelf.Entry]:
        """What may be chosen among.

        Raises ``UsageError`` where no model is named and no weights take the knobs, and ``WeightsError`` where the one
        that is named has none.
        """
        if self._method is not None:
            own = [entry for entry in shelf.entries() if self._outer + entry.model == self._method]
            if not own:
                hint = "Train some with `denoise train` and name them with --weights, or see `denoise models`."
                raise WeightsError(f"There are no weights of {self._method} here.", hint)
            return own
        accepted: list[shelf.Entry] = []
        refusals: list[UsageError] = []
        for entry in shelf.entries():
            if not entry.kinds:
                continue
            card = methods.find(entry.model)
            if self._lacking(card):
                continue
            try:
                self._options_of(card)
                accepted.append(entry)
            except UsageError as error:
                refusals.append(error)
        if refusals and not accepted:
            raise UsageError(f"No weights here take these knobs: {refusals[0].what}", "Name the model with --model.")
        return accepted

    def _engine(self, name: str) -> Engine:
        if name in self._bad:
            raise self._bad[name]
        if name not in self._engines:
            try:
                self._engines[name] = self._load(name)
            except WeightsError as error:
                self._bad[name] = error
                raise
        return self._engines[name]

    def _load(self, name: str) -> Engine:
        wish, card = self._wish, methods.find(name.partition(".")[0])
        if not card.learns and "." not in name and wish.file is None:
            denoiser = without_weights(card)
        elif not card.learns:
            raise UsageError(f"{card.name} needs no weights.", f"Use --model {card.name} by itself.")
        else:
            path = wish.file if wish.file is not None else shelf.path_of(shelf.find(name.removeprefix(self._outer)))
            denoiser = load_net(path, card)
            if self._fixed is not None:
                self._digest = sha256(path.read_bytes()).hexdigest()
        options = self._options(card)
        return ready(
            Engine(
                denoiser, options, wish.device, wish.dtype, wish.counts, wish.tile, wish.asked, wish.most_memory,
                wish.notice,
            )
        )  # fmt: skip

    def _options(self, card: Method) -> Any:
        lacking = self._lacking(card)
        if lacking:
            able = ", ".join(name for name in methods.names() if not self._lacking(methods.find(name)))
            hint = f"Leave it out, or use a model that can: {able or 'none here'}."
            raise UsageError(f"{card.name} {lacking}.", hint)
        return self._options_of(card)

    def _lacking(self, card: Method) -> str:
        """Why the method cannot do what is wished for; nothing where it can."""
        wish = self._wish
        if card.classifies:
            return f"denoises nothing: it {card.summary}"
        if (wish.counts is not None or wish.asked.until_converged) and not _iterates(card):
            return "does not iterate: it has no --iters"
        if wish.asked.until_converged and not card.can_converge:
            return "decides for itself when to stop: it has no --iters auto"
        if wish.asked.sigma_map is not None and not card.takes_map:
            return "takes no map of noise levels"
        return ""


def _is_told(engine: Engine) -> bool:
    """Whether the user said how strong the noise is."""
    said = (getattr(engine.options, name, None) for name in ("sigma", "shot"))
    return engine.asked.sigma_map is not None or any(level is not None for level in said)


def _told(engine: Engine, seen: Look) -> Engine:
    """The engine, which is told the noise that was seen where it would measure it."""
    options = engine.options
    if getattr(options, "sigma", 0.0) is not None:
        return engine
    known = replace(options, sigma=min(1.0, seen.fine))
    if seen.white and getattr(options, "shot", 0.0) is None:
        known = replace(options, sigma=seen.read, shot=seen.shot)
    return replace(engine, options=known, measured=True)


def _iterates(card: Method) -> bool:
    return "iters" in {field.name for field in fields(card.options)}
