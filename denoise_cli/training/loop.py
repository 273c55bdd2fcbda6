"""The training loop: resumable to the byte, limited in time, and able to recover from a run that diverges."""

import copy
import json
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
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
from denoise_cli.training.schedule import rate_at
from denoise_cli.training.state import State, progress_of
from denoise_cli.training.validation import Validation

LAST = "last.safetensors"  # the whole state
SAFE = "safe.safetensors"  # the state to go back to
BEST = "best.safetensors"  # the averaged weights with the best validation PSNR
LOG = "log.jsonl"
PAIRS = "pairs"  # as a recipe's noise: the data are pairs already
WINDOW = 50  # steps over which the loss is averaged for the log and for the watch over it
SAVE_SECONDS = 60.0  # a kill loses at most this much work
_EXPLODED = 4.0  # a window's mean loss so many times the lowest one counts as diverged
_FALLEN = 6.0  # dB below the best validation PSNR that count as diverged
_ATTEMPTS = 6
_VALIDATIONS = 20  # in the whole run


@dataclass(frozen=True)
class Report:
    """What the loop tells after each window."""

    step: int
    loss: float  # mean over the window
    rate: float
    psnr: float | None  # validation PSNR, dB, where it was measured at this step
    best_psnr: float
    seconds: float
    message: str = ""  # something out of the ordinary: a rollback


@dataclass(frozen=True)
class Run:
    """All that defines a run. Two runs with the same fields end in the same weights on the same CPU."""

    model: str
    config: Any
    options: Any
    recipe: Recipe
    data: tuple[str, ...]  # where the images came from, for the record
    dtype: torch.dtype
    command: str = ""

    def settings(self) -> dict[str, Any]:
        """What must be equal for a saved state to be continued."""
        return {
            "model": self.model,
            "config": asdict(self.config),
            "recipe": asdict(self.recipe),
            "data": list(self.data),
            "dtype": str(self.dtype).removeprefix("torch."),
        }


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

    ``folder`` receives the files named above; a ``LAST`` that is there already is continued.
    ``make`` builds the net on the patches' device; it is called under the seed of the run.
    """
    recipe = run.recipe
    last, safe, log = folder / LAST, folder / SAFE, folder / LOG
    state = _fresh(make, run, 0)
    if last.exists():
        state.restore(last)
        _cut_log(log, state.progress.step)
    else:
        log.unlink(missing_ok=True)
    kind = None if recipe.noise == PAIRS else noise.parse(recipe.noise)
    every = max(1, -(-recipe.steps // _VALIDATIONS))
    floor = validation.noisy_psnr()
    began = saved = time.monotonic()
    before = state.progress.seconds
    while state.progress.step < recipe.steps:
        message, score = "", None
        try:
            loss = _step(state, run, kind, patches)
            step = state.progress.step
            if step % WINDOW == 0 or step == recipe.steps:
                _watch(state, loss)
            state.advance(seconds=before + time.monotonic() - began)
            if step % every == 0 or step == recipe.steps:
                score = validation.psnr(state.average, run.options, run.dtype)
                if score > state.progress.best_psnr:
                    state.advance(best_psnr=score)
                    save_weights(folder / BEST, _weights(state, run, score))
                if score < state.progress.best_psnr - _FALLEN:
                    raise Diverged(f"validation fell to {score:.2f} dB, from {state.progress.best_psnr:.2f} dB")
                if not score > floor and step >= recipe.steps // 4:
                    raise Diverged(f"validation is at {score:.2f} dB, its input at {floor:.2f} dB", afresh=True)
                state.save(safe, run.settings())
        except Diverged as reason:
            state, message = _roll_back(state, run, make, safe, reason)
        step = state.progress.step
        finished, halt = step == recipe.steps, stop(time.monotonic() - began)
        if finished or halt or message or time.monotonic() - saved > SAVE_SECONDS:
            state.save(last, run.settings())
            saved = time.monotonic()
        if message or step % WINDOW == 0 or finished:
            report = Report(
                step=step,
                loss=state.progress.window_loss / WINDOW,
                rate=rate_at(step, recipe) * state.progress.rate_scale,
                psnr=score,
                best_psnr=state.progress.best_psnr,
                seconds=state.progress.seconds,
                message=message,
            )
            _write_log(log, report)
            state.advance(window_loss=0.0)
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


def discard(folder: Path) -> None:
    """Remove the files of an earlier run from ``folder``."""
    for name in (LAST, SAFE, BEST, LOG):
        (folder / name).unlink(missing_ok=True)


def step_of(folder: Path) -> int:
    """The step that the run in ``folder`` was saved at."""
    return progress_of(folder / LAST).step


def batch(patches: Patches, kind: Noise | None, recipe: Recipe, attempt: int, step: int) -> Pair:
    """The pairs of one step: a function of the seed, the attempt and the step alone.

    ``kind`` is ``None`` where the patches hold clean and noisy channels already.
    """
    key = (attempt, step)
    clean = patches.draw(recipe.batch, seeds.generator(recipe.seed, "patches", *key))
    if kind is None:
        return as_pair(clean)
    pair = kind(clean, seeds.generator(recipe.seed, "noise", *key, device=clean.device))
    count = round(recipe.eight_bit * recipe.batch)  # patches are in random order: the first ones are any ones
    return pair._replace(noisy=torch.cat((stored(pair.noisy[:count]), pair.noisy[count:])))


def _step(state: State, run: Run, kind: Noise | None, patches: Patches) -> float:
    recipe, progress = run.recipe, state.progress
    net = state.net
    assert isinstance(net, Trainable)
    pair = batch(patches, kind, recipe, progress.attempt, progress.step)
    pair = Pair(*(part.contiguous(memory_format=torch.channels_last) for part in pair))
    rate = rate_at(progress.step, recipe) * progress.rate_scale
    for group in state.optimiser.param_groups:
        group["lr"] = rate
    state.net.train()
    with torch.autocast(pair.clean.device.type, run.dtype, enabled=run.dtype != torch.float32):
        loss = net.loss(pair, recipe, seeds.generator(recipe.seed, "loss", progress.attempt, progress.step))
    state.optimiser.zero_grad(set_to_none=True)
    loss.backward()  # type: ignore[no-untyped-call]
    norm = nn.utils.clip_grad_norm_(state.net.parameters(), recipe.clip)
    value = loss.item()
    if not (torch.isfinite(norm).item() and value == value):
        raise Diverged(f"the loss is {value}, the norm of its gradient {norm.item()}")
    state.optimiser.step()
    state.advance(step=progress.step + 1, window_loss=progress.window_loss + value)
    state.blend(recipe.ema)
    return value


def _watch(state: State, loss: float) -> None:
    mean = state.progress.window_loss / WINDOW
    lowest = state.progress.lowest_loss
    if mean > _EXPLODED * lowest and loss > _EXPLODED * lowest:
        raise Diverged(f"the mean loss rose to {mean:.4g}, from {lowest:.4g}")
    state.advance(lowest_loss=min(lowest, mean))


def _roll_back(
    state: State, run: Run, make: Callable[[], nn.Module], safe: Path, reason: Diverged
) -> tuple[State, str]:
    attempt, scale, step = state.progress.attempt + 1, state.progress.rate_scale / 2, state.progress.step
    if attempt >= _ATTEMPTS:
        raise DenoiseError(
            f"Training diverged at step {step} ({reason}) and again after {attempt - 1} rollbacks.",
            f"Train with a lower rate than {run.recipe.rate:g} (--rate), or another --loss.",
        )
    best = state.progress.best_psnr
    state = _fresh(make, run, attempt)
    if reason.afresh:
        safe.unlink(missing_ok=True)
    if safe.exists():
        state.restore(safe)
    state.advance(attempt=attempt, rate_scale=scale, best_psnr=best, window_loss=0.0)
    return state, f"diverged at step {step}: {reason}; back to step {state.progress.step}, rate x {scale:g}"


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
    tensors = copy.deepcopy(state.average.state_dict())
    return Checkpoint(run.model, asdict(run.config), asdict(run.recipe), provenance, tensors)


def _cut_log(log: Path, step: int) -> None:
    lines = log.read_text().splitlines() if log.exists() else []
    kept = [line for line in lines if json.loads(line)["step"] <= step]
    log.write_text("".join(f"{line}\n" for line in kept))


def _write_log(log: Path, report: Report) -> None:
    entry = {key: value for key, value in asdict(report).items() if value != ""}
    if entry["best_psnr"] == float("-inf"):
        entry["best_psnr"] = None
    with log.open("a") as file:
        file.write(json.dumps(entry) + "\n")
