"""What the loop does when a run goes wrong."""

import json
from collections.abc import Callable

import pytest
import torch
from torch import Tensor

from denoise_cli.errors import DenoiseError
from denoise_cli.training import loop
from denoise_cli.training.folder import LAST, LOG
from denoise_cli.training.state import progress_of


def _messages(reports: list[loop.Report]) -> list[str]:
    return [report.message for report in reports if report.message]


def _spoil(seeds: set[int], spoiled: Callable[[Tensor], Tensor]) -> Callable[[int, Tensor], Tensor]:
    return lambda seed, loss: spoiled(loss) if seed in seeds else loss


def test_a_quiet_run_has_nothing_to_report(bench) -> None:
    reports = list(bench.train())
    assert _messages(reports) == []
    assert reports[-1].step == 40
    assert reports[-1].attempt == 0


@pytest.mark.parametrize(
    "spoiled",
    [
        pytest.param(lambda loss: loss * float("nan"), id="nan"),
        pytest.param(lambda loss: loss * float("inf"), id="infinite"),
        pytest.param(lambda loss: loss + (0 * loss).sqrt(), id="finite-but-its-gradient-is-not"),
    ],
)
def test_a_loss_that_is_not_finite_is_rolled_back_with_half_the_rate(bench, spoiled) -> None:
    bench.losses = _spoil({bench.seed(0, 10)}, spoiled)
    reports = list(bench.train())
    (message,) = _messages(reports)
    assert "diverged at step 12: the loss or its gradient is not finite; back to step 10, rate x 0.5" in message
    assert reports[-1].step == 40
    progress = progress_of(bench.folder / LAST)
    assert (progress.attempt, progress.rate_scale) == (1, 0.5)
    before, after = (next(r.rate for r in reports if r.attempt == attempt and r.step == 10) for attempt in (0, 1))
    assert after == pytest.approx(before / 2)
    assert all(json.loads(line)["loss"] != "NaN" for line in (bench.folder / LOG).read_text().splitlines())


def test_the_log_of_a_diverged_run_is_strict_json(bench) -> None:
    bench.losses = _spoil({bench.seed(0, 10)}, lambda loss: loss * float("nan"))
    list(bench.train())

    def refuse(word: str) -> None:
        raise AssertionError(word)

    rows = [json.loads(line, parse_constant=refuse) for line in (bench.folder / LOG).read_text().splitlines()]
    assert [row["loss"] for row in rows if "message" in row] == [None]


def test_before_the_first_validation_it_goes_back_to_new_weights(bench) -> None:
    bench.losses = _spoil({bench.seed(0, 0)}, lambda loss: loss * float("nan"))
    (message,) = _messages(list(bench.train()))
    assert "back to step 0" in message


def test_a_loss_that_explodes_is_rolled_back(bench, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(loop, "WINDOW", 5)
    bench.losses = _spoil({bench.seed(0, step) for step in range(20, 40)}, lambda loss: 100 * loss)
    (message,) = _messages(list(bench.train()))
    assert "diverged at step 25: the mean loss rose" in message
    assert "back to step 24" in message


def test_one_bad_batch_is_no_divergence(bench, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(loop, "WINDOW", 5)
    bench.losses = _spoil({bench.seed(0, 22)}, lambda loss: 1000 * loss)
    assert _messages(list(bench.train())) == []


def _at_validations(numbers: set[int], spoiled: Callable[[Tensor, Tensor], Tensor]) -> Callable[..., Tensor]:
    """Spoil the estimates of some of the validations, counted from 1."""
    count = 0

    def estimates(noisy: Tensor, estimate: Tensor) -> Tensor:
        nonlocal count
        count += 1
        return spoiled(noisy, estimate) if count in numbers else estimate

    return estimates


def test_validation_that_falls_is_rolled_back(bench) -> None:
    bench.estimates = _at_validations({5}, lambda noisy, estimate: 1 - estimate)
    (message,) = _messages(list(bench.train()))
    assert "diverged at step 10: validation fell to" in message
    assert "back to step 8" in message


def test_estimates_that_are_not_finite_are_rolled_back(bench) -> None:
    bench.estimates = _at_validations({1}, lambda noisy, estimate: estimate * float("nan"))
    (message,) = _messages(list(bench.train()))
    assert "diverged at step 2: the estimates are not finite; back to step 0" in message


def test_a_net_that_learned_nothing_starts_from_new_weights(bench, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(loop, "_PATIENCE", 10)
    bench.estimates = _at_validations({5}, lambda noisy, estimate: noisy)
    reports = list(bench.train())
    (message,) = _messages(reports)
    assert "diverged at step 10: no image gains: validation is at" in message
    assert "back to step 0, rate x 0.5" in message
    assert reports[-1].step == 40


def test_a_net_that_helps_one_image_goes_on_learning(bench, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where noise is weak, the mean over the noisy images is that of those which are all but clean."""
    monkeypatch.setattr(loop, "_PATIENCE", 10)
    bench.estimates = lambda noisy, estimate: torch.cat((estimate[:1], 0 * estimate[1:]))
    reports = list(bench.train())
    assert _messages(reports) == []
    assert reports[-1].best < bench.sets()[1].floor()


def test_new_weights_are_not_measured_by_what_the_old_ones_reached(bench, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(loop, "_PATIENCE", 10)
    best = torch.zeros(())

    def estimates(noisy: Tensor, estimate: Tensor) -> Tensor:
        best.add_(1)
        if best == 5:
            return noisy  # the attempt dies ...
        return estimate if best < 5 or best > 8 else estimate * 0.3  # ... and the next one begins badly

    bench.estimates = estimates
    assert len(_messages(list(bench.train()))) == 1


def test_a_short_run_may_end_worse_than_its_input(bench) -> None:
    bench.estimates = lambda noisy, estimate: noisy
    assert _messages(list(bench.train())) == []


def test_after_six_attempts_it_gives_up_and_says_what_to_do(bench, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(loop, "_PATIENCE", 10)
    bench.estimates = lambda noisy, estimate: noisy
    reports = []
    with pytest.raises(DenoiseError, match=r"diverged at step 10 .* again after 5 rollbacks.\n.*--rate"):
        for report in bench.train():
            reports.append(report)
    assert len(_messages(reports)) == 5
    with pytest.raises(DenoiseError, match="again after 5 rollbacks"):
        list(bench.train())


def test_the_loss_that_is_reported_is_the_mean_over_its_window(bench, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(loop, "WINDOW", 16)
    low = {bench.seed(0, step) for step in range(16)}
    bench.losses = lambda seed, loss: 0 * loss + (3 if seed in low else 5)
    losses = {report.step: report.loss for report in bench.train()}
    assert losses[16] == 3
    assert losses[18] == 5  # a validation within the second window
    assert losses[32] == 5
    assert losses[40] == 5  # a window of eight steps
