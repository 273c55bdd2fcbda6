"""The training loop: resumable to the byte, limited in time, and able to recover from a run that diverges."""

import time
from collections.abc import Callable, Iterator
from dataclasses import asdict
from math import isfinite, isnan
from pathlib import Path
from typing import Any

import torch
from torch import nn

from denoise_cli import noise, seeds
from denoise_cli.checkpoint import Checkpoint
from denoise_cli.checkpoint import save as save_weights
from denoise_cli.data.patches import Patches
from denoise_cli.errors import DenoiseError
from denoise_cli.method import Method, Recipe, Trainable
from denoise_cli.noise import Noise, Pair, as_pair, stored
from denoise_cli.shapes import LUMA
from denoise_cli.training import log
from denoise_cli.training.folder import BEST, LAST, LOG, SAFE, discard
from denoise_cli.training.log import Report
from denoise_cli.training.run import PAIRS, Run, at_step, check
from denoise_cli.training.schedule import rate_at
from denoise_cli.training.state import State
from denoise_cli.training.validation import Validation

WINDOW = 50  # steps over which the loss is averaged for the log and for the watch over it
SAVE_SECONDS = 60.0  # a kill loses at most this much work
_EXPLODED = 4.0  # a window's mean loss so many times the lowest one counts as diverged
_FALLEN = 6.0  # dB below the attempt's best validation PSNR that count as diverged
_PATIENCE = 500  # steps before which, and before a quarter of the run, a net may be worse than its input
_ATTEMPTS = 6
_VALIDATIONS = 20  # in the whole run


class Diverged(Exception):
    """The loss is not finite, or many times what it was; ``afresh``: nothing was learned, so start from new weights."""

    def __init__(self, reason: str, *, afresh: bool = False) -> None:
        super().__init__(reason)
        self.afresh = afresh


def train(
    run: Run,
    make: Callable[[], nn.Module],
    patches: Patches,
    validation: Validation,
    folder: Path,
    stop: Callable[[float], bool],
) -> Iterator[Report]:
    """Train until the recipe's last step, or until ``stop(seconds since the start of this call)`` says so.

    ``folder`` receives the files of ``training.folder``; a ``LAST`` that is there already is continued, and ends in
    the same weights as if it had never been stopped. ``make`` builds the net on the patches' device; it is called
    under the seed of the run. A run that is stopped before its first validation is measured then, so that there are
    weights to use; these are replaced when it goes on. Raises ``UsageError`` for a recipe that cannot be,
    ``WeightsError`` for a damaged ``LAST``, ``OutputError`` where the folder takes no more, and ``DenoiseError`` where
    the run diverges again and again.
    """
    recipe = run.recipe
    check(recipe)
    last, safe, diary = folder / LAST, folder / SAFE, folder / LOG
    state = _fresh(make, run, 0)
    if last.exists():
        state.restore(last)
        log.cut(diary, state.progress.attempt, state.progress.step)
    else:
        discard(folder)
        state.save(last, run.settings())
    kind = None if recipe.noise == PAIRS else noise.parse(recipe.noise)
    every = max(1, -(-recipe.steps // _VALIDATIONS))
    floor = validation.noisy_psnr()
    began = saved = time.monotonic()
    before = state.progress.seconds
    while state.progress.step < recipe.steps:
        message, score = "", None
        _step(state, run, kind, patches)
        step = state.progress.step
        finished, halt = step == recipe.steps, stop(time.monotonic() - began)
        changes = at_step(recipe, step) != at_step(recipe, step - 1)
        due, ends = step % every == 0 or finished, step % WINDOW == 0 or finished or changes
        saves = finished or halt or time.monotonic() - saved > SAVE_SECONDS
        loss = state.read_loss() if due or ends or saves else None  # waits for the device
        state.advance(seconds=before + time.monotonic() - began)
        try:
            if loss is not None:
                _watch(state, loss, ends=ends, changes=changes)
            if due:
                score = _validate(state, run, validation, floor, folder)
                state.save(safe, run.settings())
        except Diverged as reason:
            state, message = _roll_back(state, run, make, safe, reason)
        if halt and state.progress.best_psnr == float("-inf"):
            score = validation.psnr(state.average, run.options, run.dtype)
            save_weights(folder / BEST, _weights(state, run, score))
        if ends and not message:
            state.open_window()
        report = Report(
            step=state.progress.step,
            loss=loss,
            rate=rate_at(state.progress.step, recipe) * state.progress.rate_scale,
            psnr=score,
            best_psnr=state.progress.best_psnr,
            seconds=state.progress.seconds,
            message=message,
            attempt=state.progress.attempt,
        )
        tells = bool(message) or ends or score is not None
        if tells:
            log.write(diary, report)
        if saves or message:
            state.save(last, run.settings())
            saved = time.monotonic()
        if tells:
            yield report
        if halt:
            return


def maker(card: Method, config: Any, device: torch.device, *, compiled: bool) -> Callable[[], nn.Module]:
    """A function that builds the net of ``config`` on ``device``, with its forward pass compiled where asked."""

    def make() -> nn.Module:
        net = card.make(config)
        assert isinstance(net, nn.Module)
        if compiled:
            net.compile()
        return net.to(device)

    return make


def batch(patches: Patches, kind: Noise | None, recipe: Recipe, attempt: int, step: int) -> Pair:
    """The pairs of one step: a function of the seed, the attempt and the step alone.

    ``kind`` is ``None`` where the patches hold clean and noisy channels already.
    """
    key = (attempt, step)
    clean = patches.draw(recipe.batch, seeds.generator(recipe.seed, "patches", *key))
    if kind is None:
        return as_pair(clean)
    pair = kind(clean, seeds.generator(recipe.seed, "noise", *key, device=clean.device))
    if clean.shape[1] == 3 and recipe.gray:
        pair = _with_gray(pair, kind, recipe.gray, seeds.generator(recipe.seed, "gray", *key, device=clean.device))
    count = round(recipe.eight_bit * recipe.batch)  # patches are in random order: the first ones are any ones
    return pair._replace(noisy=torch.cat((stored(pair.noisy[:count]), pair.noisy[count:])))


def _with_gray(pair: Pair, kind: Noise, share: float, generator: torch.Generator) -> Pair:
    """``pair`` (N, 3, H, W) with about a ``share`` of its images made gray, their noise the same in all channels.

    A net that saw independent noise only takes such noise for texture, and leaves it.
    """
    chosen = torch.rand((len(pair.clean), 1, 1, 1), generator=generator, device=pair.clean.device) < share
    luma = (pair.clean * pair.clean.new_tensor(LUMA)[:, None, None]).sum(dim=1, keepdim=True)
    gray = kind(luma, generator)
    return Pair(*(torch.where(chosen, new, old) for new, old in zip(gray, pair, strict=True)))


def _step(state: State, run: Run, kind: Noise | None, patches: Patches) -> None:
    """One step of the optimiser; nothing in it waits for the device."""
    progress = state.progress
    recipe = at_step(run.recipe, progress.step)
    net = state.net
    assert isinstance(net, Trainable)
    pair = batch(patches, kind, recipe, progress.attempt, progress.step)
    pair = Pair(*(part.contiguous(memory_format=torch.channels_last) for part in pair))
    rate = rate_at(progress.step, recipe) * progress.rate_scale
    for group in state.optimiser.param_groups:
        group["lr"] = rate
    with torch.autocast(pair.clean.device.type, run.dtype, enabled=run.dtype != torch.float32):
        loss = net.loss(pair, recipe, seeds.generator(recipe.seed, "loss", progress.attempt, progress.step))
    state.optimiser.zero_grad(set_to_none=True)
    loss.backward()  # type: ignore[no-untyped-call]
    norm = nn.utils.clip_grad_norm_(state.net.parameters(), recipe.clip)
    state.optimiser.step()
    state.advance(step=progress.step + 1)
    state.count(loss.detach(), norm)
    state.blend(recipe.ema)


def _watch(state: State, loss: float, *, ends: bool, changes: bool) -> None:
    """Look at the mean ``loss`` of the window; where the window ``ends`` it must not be far above an earlier one.

    Where it ``changes`` after this step, those to come are not measured by it.
    """
    if not isfinite(loss):
        raise Diverged("the loss or its gradient is not finite")
    if ends:
        lowest = state.progress.lowest_loss
        if loss > _EXPLODED * lowest and state.latest_loss() > _EXPLODED * lowest:
            raise Diverged(f"the mean loss rose to {loss:.4g}, from {lowest:.4g}")
        state.advance(lowest_loss=float("inf") if changes else min(lowest, loss))


def _validate(state: State, run: Run, validation: Validation, floor: float, folder: Path) -> float:
    """The validation PSNR, which must not fall, nor stay at ``floor``; the best weights so far are written."""
    score = validation.psnr(state.average, run.options, run.dtype)
    if isnan(score):
        raise Diverged("the estimates are not finite")
    highest = state.progress.attempt_psnr
    if score < highest - _FALLEN:
        raise Diverged(f"validation fell to {score:.2f} dB, from {highest:.2f} dB")
    if not score > floor and state.progress.step >= max(_PATIENCE, run.recipe.steps // 4):
        raise Diverged(f"validation is at {score:.2f} dB, its input at {floor:.2f} dB", afresh=True)
    if score > state.progress.best_psnr:
        state.advance(best_psnr=score)
        save_weights(folder / BEST, _weights(state, run, score))
    state.advance(attempt_psnr=max(score, highest))
    return score


def _roll_back(
    state: State, run: Run, make: Callable[[], nn.Module], safe: Path, reason: Diverged
) -> tuple[State, str]:
    """Back to the last safe state, or to new weights, with half the rate and other random numbers."""
    was = state.progress
    attempt, scale = was.attempt + 1, was.rate_scale / 2
    if attempt >= _ATTEMPTS:
        raise DenoiseError(
            f"Training diverged at step {was.step} ({reason}) and again after {attempt - 1} rollbacks.",
            f"Train with a lower rate than {run.recipe.rate:g} (--rate), or another --loss.",
        )
    state = _fresh(make, run, attempt)
    if reason.afresh:
        safe.unlink(missing_ok=True)
    if safe.exists():
        state.restore(safe)
    state.open_window()
    state.advance(attempt=attempt, rate_scale=scale, best_psnr=was.best_psnr, seconds=was.seconds)
    return state, f"diverged at step {was.step}: {reason}; back to step {state.progress.step}, rate x {scale:g}"


def _fresh(make: Callable[[], nn.Module], run: Run, attempt: int) -> State:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seeds.derive(run.recipe.seed, "weights", attempt))
        net = make()
    return State(net.to(memory_format=torch.channels_last), run.recipe)  # type: ignore[call-overload]


def _weights(state: State, run: Run, score: float) -> Checkpoint:
    provenance = {
        "command": run.command,
        "data": list(run.data),
        "step": state.progress.step,
        "seconds": round(state.progress.seconds, 1),
        "validation_psnr": round(score, 4),
        "torch": torch.__version__,
    }
    return Checkpoint(run.model, asdict(run.config), asdict(run.recipe), provenance, state.average.state_dict())
