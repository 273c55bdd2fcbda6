"""What became of many images: a line for each, a summary, and an exit code."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from denoise_cli.cli import screen
from denoise_cli.errors import DenoiseError, PartialError

if TYPE_CHECKING:
    from denoise_cli.inference.pipeline import Result

_SHOWN = 30  # failures that the summary names


class Failures:
    """The errors with some of ``count`` images, or other ``things``, which were to be ``done``: such as denoised."""

    def __init__(self, count: int, done: str, things: str = "images") -> None:
        self._count, self._done, self._things = count, done, things
        self._reasons: dict[str, None] = {}  # the first of the different ones, in their order
        self._first: DenoiseError | None = None
        self.number = 0

    def add(self, error: DenoiseError) -> None:
        """Take in what is wrong with one image."""
        self.number += 1
        self._first = self._first or error
        if len(self._reasons) <= _SHOWN:
            self._reasons[error.what] = None

    def conclude(self) -> None:
        """Raise what they amount to: the only one, one of the kind of the first where all failed, ``PartialError``."""
        if self._first is None:
            return
        if self._count == 1:
            raise self._first
        named = "".join(f"\n  {reason}" for reason in list(self._reasons)[:_SHOWN])
        if len(self._reasons) > _SHOWN:
            named += "\n  ... and others"
        hint = self._first.hint if len(self._reasons) == 1 else ""
        if self.number < self._count:
            raise PartialError(
                f"{self.number} of {self._count} {self._things} failed, the others are done:{named}", hint
            )
        raise type(self._first)(f"None of the {self._count} {self._things} could be {self._done}:{named}", hint)


class Tally:
    """Counts the results of ``count`` images and tells of them."""

    def __init__(self, count: int) -> None:
        self._count = count
        self._denoised, self._skipped = 0, 0
        self._failures = Failures(count, "denoised")
        self._began = time.monotonic()

    def add(self, result: Result, bar: screen.Bar) -> None:
        """Take in what became of one image."""
        for warning in result.warnings:
            bar.say(warning)
        if result.error is not None:
            self._failures.add(result.error)
            if self._count > 1:
                bar.say(f"{result.item.name}: failed. {result.error.what}")
        elif result.skipped:
            self._skipped += 1
            if self._count == 1:
                bar.say(f"{result.item.name}: done before -> {result.outputs[0]}")
        else:
            self._denoised += 1
            bar.say(_line(result))
            if screen.verbose():
                bar.say(f"  {_details(result)}")

    def conclude(self) -> None:
        """Say how many there are of each kind. Raises what the failures amount to."""
        if self._count != 1:
            seconds = time.monotonic() - self._began
            skipped = f", {self._skipped} skipped as done before" if self._skipped else ""
            failed = f", {self._failures.number} failed" if self._failures.number else ""
            screen.say(f"{self._denoised} images denoised{skipped}{failed} in {seconds:.1f} s")
        self._failures.conclude()


def _details(result: Result) -> str:
    """What was seen of the noise, and what was computed with."""
    assert result.choice is not None
    seen, engine = result.choice.seen, result.choice.engine
    words = []
    if seen is not None:
        grows = f", of it with the light {255 * seen.shot:.1f}" if seen.shot else ""
        words.append(f"noise of sigma {255 * seen.sigma:.1f}{grows}, {'' if seen.white else 'not '}white")
        words.append(f"{100 * seen.clipped_share:.1f} % clipped")
        words += ["blocks of JPEG"] if seen.jpeg_blocks else []
        words += [f"a JPEG of quality {seen.jpeg_quality:.0f}"] if seen.jpeg_quality else []
    words += [f"weights {result.choice.digest[:12]}"] if result.choice.digest else []
    words += [f"tiles of {engine.tile} pixels"] if engine.tile else []
    return ", ".join((*words, str(engine.device), str(engine.dtype).removeprefix("torch.")))


def _line(result: Result) -> str:
    assert result.choice is not None
    reason = result.choice.shown or result.choice.seen
    words = [f"{reason}: {result.choice.name}" if reason else result.choice.name]
    if result.counts:
        words.append(f"{','.join(map(str, result.counts))} iterations")
    if result.residual_gain is not None:
        words.append(f"residual x {result.residual_gain:g}")
    where = ", ".join(map(str, result.outputs)) or "stdout"
    return f"{result.item.name}: {', '.join(words)}, {result.seconds:.1f} s -> {where}"
