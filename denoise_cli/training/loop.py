"""The training loop: resumable to the byte, limited in time, and able to recover from a run that diverges."""

import platform
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from math import isfinite, isnan
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from denoise_cli import noise, seeds
from denoise_cli.checkpoint import adopt
from denoise_cli.data.patches import Patches
from denoise_cli.errors import DenoiseError, UsageError
from denoise_cli.layers.median import keep_uncompiled
from denoise_cli.method import PAIRS, Method
from denoise_cli.training.batches import Batches
from denoise_cli.training.distributed import Team
from denoise_cli.training.folder import LAST, SAFE
from denoise_cli.training.gradients import describe, gradient
from denoise_cli.training.keeper import Keeper
from denoise_cli.training.log import Report
from denoise_cli.training.portions import Portions
from denoise_cli.training.revival import BATCHES, Probe, count, dead_units, layers_of, revive
from denoise_cli.training.run import Run, at_step, check, check_start, differences
from denoise_cli.training.schedule import rate_at
from denoise_cli.training.state import State
from denoise_cli.training.teacher import Teacher
from denoise_cli.training.validation import Validation, Verdict
from denoise_cli.training.waiting import Waiting

WINDOW = 50  # steps over which the loss is averaged for the log and for the watch over it
SAVE_SECONDS = 60.0  # a kill loses at most this much work
_EXPLODED = 4.0  # a window's mean loss so many times the lowest one counts as diverged
_PATIENCE = 500  # steps before which, and before a quarter of the run, a net need not help any image
_ATTEMPTS = 6
_VALIDATIONS = 20  # in the whole run
_IDLE = 0.05  # share of units that never fire from which on that is said
_ALONE = Team()


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
    team: Team = _ALONE,
    teacher: Teacher | None = None,
) -> Iterator[Report]:
    """Train until the recipe's last step, or until ``stop(seconds since the start of this call)`` says so.

    ``folder`` receives the files of ``training.folder``; a ``LAST`` that is there already is continued, and ends in
    the same weights as if it had never been stopped. ``teacher`` is the one that the recipe names. ``make`` builds the
    net on the patches' device; it is called under the seed of the run. A run that is stopped before its first
    validation is measured then, so that there are weights to use; these are replaced when it goes on. All processes of
    a ``team`` call this with the same arguments and get the same reports; any of them may stop all, and only the first
    one touches ``folder``.

    Raises ``UsageError`` for a recipe that cannot be, or that is not the one of all processes, ``WeightsError`` for a
    damaged ``LAST``, ``OutputError`` where the folder takes no more, ``DeviceError`` where the memory is too small or
    another process has ended, and ``DenoiseError`` where the run diverges again and again.
    """
    recipe = run.recipe
    check(recipe)
    check_start(run)
    run = replace(run, images=patches.fingerprint())
    _compare(run, team)
    keeper = Keeper(run, folder, team, validation.measure)
    state = _fresh(make, run, 0)
    known = keeper.begin(state)
    kind = None if recipe.noise == PAIRS else noise.parse(recipe.noise)
    batches = Batches(patches, kind, team.share(recipe.batch), teacher)
    portions, waiting = Portions(run.micro_batch), Waiting(patches.device)
    every = max(1, -(-recipe.steps // _VALIDATIONS))
    floor = team.told(validation.floor())
    began = time.monotonic()
    saved = began if known else float("-inf")  # a new run is saved after its first step, which shows that it can be
    before = state.progress.seconds
    while state.progress.step < recipe.steps:
        message, score, size = "", None, portions.size(len(batches.part))
        revived = _revive(state, run, batches, portions, team)
        _step(state, run, batches, waiting, portions, team)
        step, elapsed = state.progress.step, time.monotonic() - began
        wishes = (stop(elapsed), team.leads and time.monotonic() - saved > SAVE_SECONDS, portions.halvings)
        halt, old, portions.halvings = team.highest(*map(int, wishes))
        finished = step == recipe.steps
        changes = at_step(recipe, step) != at_step(recipe, step - 1)
        due, ends = step % every == 0 or finished, step % WINDOW == 0 or finished or changes
        saves = bool(finished or halt or old)
        loss = state.read_loss() if due or ends or saves else None  # waits for the device
        state.advance(seconds=before + elapsed)
        try:
            if loss is not None:
                _watch(state, loss, ends=ends, changes=changes)
            if due:
                score = _validate(state, run, validation, floor, keeper)
                keeper.save(state, SAFE)
        except Diverged as reason:
            state, message = _roll_back(state, run, make, keeper, reason)
        if halt and state.progress.best == float("-inf"):
            score = _measure(state, run, validation, team).score
            keeper.keep_best(state, score)
        if ends and not message:
            state.open_window()
        smaller = portions.size(len(batches.part))
        notes = [
            revived,
            describe(size, smaller, state.net) if smaller < size else "",
            _say_dead(state, run, batches, portions, team) if finished and not message else "",
        ]
        note = "; ".join(filter(None, notes))
        tells = bool(message or note) or ends or score is not None
        report = Report(
            step=state.progress.step,
            loss=loss,
            rate=rate_at(state.progress.step, recipe) * state.progress.rate_scale,
            score=score,
            best=state.progress.best,
            seconds=state.progress.seconds,
            message=message or note,
            attempt=state.progress.attempt,
            waiting=waiting.seconds() / (time.monotonic() - began) if tells else 0.0,
        )
        if tells:
            keeper.note(report)
        if saves or message:
            keeper.save(state, LAST)
            saved = time.monotonic()
        if tells:
            yield report
        if halt:
            return


def maker(
    card: Method, config: Any, device: torch.device, *, compiled: bool, start: Mapping[str, Tensor] | None = None
) -> Callable[[], nn.Module]:
    """A function that builds the net of ``config`` on ``device``, with its forward pass compiled where asked.

    It starts with the tensors of ``start`` that fit by name and shape.
    """

    def make() -> nn.Module:
        net = card.make(config)
        assert isinstance(net, nn.Module)
        adopt(net, start or {})
        if compiled:
            keep_uncompiled(net)
            net.compile()
        return net.to(device)

    return make


def _compare(run: Run, team: Team) -> None:
    """Raise ``UsageError`` where this process is to train something else than the first one."""
    if team.size == 1:
        return
    ours = run.settings() | {"torch": torch.__version__}
    differing = differences(team.told(ours), ours)
    if differing:
        raise UsageError(
            f"Process {team.rank}, on {platform.node()}, trains something else: it differs in {'; '.join(differing)}.",
            "Start the same command everywhere, with the same data and the same versions.",
        )


def _step(state: State, run: Run, batches: Batches, waiting: Waiting, portions: Portions, team: Team) -> None:
    """One step of the optimiser; nothing in it waits for the device."""
    progress = state.progress
    recipe = at_step(run.recipe, progress.step)
    key = (progress.attempt, progress.step)
    with waiting.for_data():
        pair = batches.at(recipe, *key)
    rate = rate_at(progress.step, recipe) * progress.rate_scale
    for group in state.optimiser.param_groups:
        group["lr"] = rate
    loss = gradient(state.net, pair, recipe, key, run.dtype, portions, team)
    norm = nn.utils.clip_grad_norm_(state.net.parameters(), recipe.clip)
    state.optimiser.step()
    state.advance(step=progress.step + 1)
    state.count(loss, norm)
    state.blend(recipe.ema)


def _revive(state: State, run: Run, batches: Batches, portions: Portions, team: Team) -> str:
    """Draw dead units anew where the recipe wants it before this step; says so where there were any."""
    recipe, progress = run.recipe, state.progress
    due = recipe.revive and progress.step % recipe.revive == 0 and 2 * progress.step <= recipe.steps
    if not due or not layers_of(state.net):
        return ""
    generator = seeds.generator(recipe.seed, "revive", progress.attempt, progress.step)
    probe = _probe(state, run, batches, portions, team)
    dead, seen = revive(state.net, state.optimiser, probe, generator)
    return f"{dead} of {seen} units never fired and are drawn anew" if dead else ""


def _say_dead(state: State, run: Run, batches: Batches, portions: Portions, team: Team) -> str:
    """How many units of the net that is ready never fire, where that is more than some, and what can be done."""
    if not layers_of(state.net):
        return ""
    found, seen = dead_units(state.net, _probe(state, run, batches, portions, team))
    dead = count(found)
    if dead <= _IDLE * seen:
        return ""
    return f"{dead} of {seen} units of this net never fire: going on with --set revive=1000 would draw them anew"


def _probe(state: State, run: Run, batches: Batches, portions: Portions, team: Team) -> Probe:
    """The batches from this step on."""
    progress = state.progress
    recipe = at_step(run.recipe, min(progress.step, run.recipe.steps - 1))
    steps = range(progress.step, progress.step + min(BATCHES, run.recipe.steps))
    pairs = [batches.at(recipe, progress.attempt, step) for step in steps]
    return Probe(pairs, recipe, run.dtype, portions, team)


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


def _measure(state: State, run: Run, validation: Validation, team: Team) -> Verdict:
    """What validation says of the averaged weights; one process measures, the others wait."""
    return team.told(validation.judge(state.average, run.options, run.dtype) if team.leads else Verdict(0.0, 0.0))


def _validate(state: State, run: Run, validation: Validation, floor: float, keeper: Keeper) -> float:
    """The validation score, which must not fall; some image has to gain. The best weights so far are written.

    It may be below ``floor``: where noise is weak, a net that helps many images harms those that are all but clean.
    """
    score, gain = _measure(state, run, validation, keeper.team)
    if isnan(score):
        raise Diverged("the estimates are not finite")
    highest = state.progress.attempt_best
    if score < highest - validation.fall:
        raise Diverged(f"validation fell to {score:.2f} {validation.unit}, from {highest:.2f} {validation.unit}")
    if not gain > validation.chance and state.progress.step >= max(_PATIENCE, run.recipe.steps // 4):
        scores = f"{score:.2f} {validation.unit}, {validation.beaten} at {floor:.2f} {validation.unit}"
        raise Diverged(f"no image gains: validation is at {scores}", afresh=True)
    if score > state.progress.best:
        state.advance(best=score)
        keeper.keep_best(state, score)
    state.advance(attempt_best=max(score, highest))
    return score


def _roll_back(
    state: State, run: Run, make: Callable[[], nn.Module], keeper: Keeper, reason: Diverged
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
        keeper.distrust()
    keeper.restore(state, SAFE)
    state.open_window()
    state.advance(attempt=attempt, rate_scale=scale, best=was.best, seconds=was.seconds)
    return state, f"diverged at step {was.step}: {reason}; back to step {state.progress.step}, rate x {scale:g}"


def _fresh(make: Callable[[], nn.Module], run: Run, attempt: int) -> State:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seeds.derive(run.recipe.seed, "weights", attempt))
        net = make()
    return State(net.to(memory_format=torch.channels_last), run.recipe, run.dtype)  # type: ignore[call-overload]
