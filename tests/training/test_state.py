import json
from dataclasses import asdict, replace
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file
from torch import nn

from denoise_cli.errors import WeightsError
from denoise_cli.method import Recipe
from denoise_cli.training.state import Progress, State, progress_of, settings_of

RECIPE = Recipe(noise="sp:0.1", patch=8, batch=2, steps=10)


def _state(recipe: Recipe = RECIPE) -> State:
    net = nn.Sequential(nn.Conv2d(3, 4, 3, padding=1), nn.BatchNorm2d(4), nn.Conv2d(4, 3, 3, padding=1))
    return State(net.to(memory_format=torch.channels_last), recipe)


def _step(state: State, seed: int) -> None:
    image = torch.rand((2, 3, 8, 8), generator=torch.Generator().manual_seed(seed))
    state.optimiser.zero_grad()
    state.net(image.contiguous(memory_format=torch.channels_last)).square().mean().backward()
    state.optimiser.step()
    state.advance(step=state.progress.step + 1)
    state.count(torch.tensor(2.0 * seed), torch.tensor(1.0))
    state.blend(0.9)


@pytest.mark.parametrize("frozen", [True, False])
def test_frozen_norms_keep_their_statistics_and_learn_the_rest(frozen: bool) -> None:
    state = _state(replace(RECIPE, frozen_norm=frozen))
    before = {key: value.clone() for key, value in state.net.state_dict().items()}
    _step(state, 1)
    same = {key for key, value in state.net.state_dict().items() if torch.equal(value, before[key])}
    assert same == ({"1.running_mean", "1.running_var", "1.num_batches_tracked"} if frozen else set())


def test_the_average_moves_by_one_minus_its_decay() -> None:
    state = _state()
    state.advance(step=10_000)
    before = {key: value.clone() for key, value in state.average.state_dict().items()}
    _step(state, 1)
    now = state.net.state_dict()
    for key, value in state.average.state_dict().items():
        expected = 0.9 * before[key] + 0.1 * now[key] if value.is_floating_point() else now[key]
        torch.testing.assert_close(value, expected)


def test_the_average_moves_faster_in_the_first_steps() -> None:
    state = _state()
    before = state.average.state_dict()["0.weight"].clone()
    _step(state, 1)  # decay (1 + 1) / (10 + 1)
    expected = 2 / 11 * before + 9 / 11 * state.net.state_dict()["0.weight"]
    torch.testing.assert_close(state.average.state_dict()["0.weight"], expected)


def test_a_restored_state_goes_on_alike(tmp_path: Path) -> None:
    state = _state()
    for seed in range(3):
        _step(state, seed)
    assert state.read_loss() == 2.0
    state.save(tmp_path / "state", {"model": "a"})
    other = _state()
    other.restore(tmp_path / "state")
    assert other.progress == state.progress
    for seed in range(3, 6):
        _step(state, seed)
        _step(other, seed)
    assert other.read_loss() == state.read_loss() == 5.0
    for ours, theirs in ((state.net, other.net), (state.average, other.average)):
        for one, two in zip(ours.state_dict().values(), theirs.state_dict().values(), strict=True):
            assert torch.equal(one, two)


def test_settings_and_progress_can_be_read_alone(tmp_path: Path) -> None:
    state = _state()
    state.advance(step=7, rate_scale=0.25)
    state.save(tmp_path / "state", {"model": "a"})
    assert settings_of(tmp_path / "state") == {"model": "a"}
    assert progress_of(tmp_path / "state") == Progress(step=7, rate_scale=0.25)


def test_a_state_from_before_windows_were_counted_is_read(tmp_path: Path) -> None:
    progress = asdict(Progress(step=7, window_loss=3.5))
    for name in ("window_steps", "attempt_best"):
        del progress[name]
    metadata = {"settings": "{}", "progress": json.dumps(progress)}
    save_file({"a": torch.zeros(1)}, tmp_path / "state", metadata)
    assert progress_of(tmp_path / "state") == Progress(step=7)


def test_a_state_from_when_all_scores_were_psnr_is_read(tmp_path: Path) -> None:
    progress = asdict(Progress(step=7))
    del progress["best"], progress["attempt_best"]
    metadata = {"settings": "{}", "progress": json.dumps(progress | {"best_psnr": 30.0, "attempt_psnr": 29.0})}
    save_file({"a": torch.zeros(1)}, tmp_path / "state", metadata)
    assert progress_of(tmp_path / "state") == Progress(step=7, best=30.0, attempt_best=29.0)


def _damage_cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-100])


def _damage_empty(path: Path) -> None:
    path.write_bytes(b"")


def _damage_text(path: Path) -> None:
    path.write_text("these are no weights")


def _damage_other_net(path: Path) -> None:
    metadata = {"settings": "{}", "progress": json.dumps(asdict(Progress()))}
    save_file({"net.weight": torch.zeros(1)}, path, metadata)


def _damage_progress(path: Path) -> None:
    save_file(load_file(path), path, {"settings": "[]", "progress": '{"walk": 1}'})


@pytest.mark.parametrize(
    "damage", [_damage_cut, _damage_empty, _damage_text, _damage_other_net, _damage_progress], ids=lambda f: f.__name__
)
def test_a_damaged_state_is_named(damage, tmp_path: Path) -> None:
    state = _state()
    path = tmp_path / "state"
    state.save(path, {})
    damage(path)
    with pytest.raises(WeightsError, match=r"state' is damaged.*\n.*--force"):
        state.restore(path)


def test_settings_that_are_no_object_are_damage(tmp_path: Path) -> None:
    save_file({"a": torch.zeros(1)}, tmp_path / "state", {"settings": "[]"})
    with pytest.raises(WeightsError, match="damaged"):
        settings_of(tmp_path / "state")


def test_a_loss_or_a_gradient_that_is_not_finite_shows_in_the_mean() -> None:
    for loss, norm in ((float("nan"), 1.0), (float("inf"), 1.0), (1.0, float("nan")), (1.0, float("inf"))):
        state = _state()
        state.count(torch.tensor(1.0), torch.tensor(1.0))
        state.count(torch.tensor(loss), torch.tensor(norm))
        state.count(torch.tensor(1.0), torch.tensor(1.0))
        assert not torch.tensor(state.read_loss()).isfinite()


def test_a_compiled_net_keeps_its_names_and_its_average_is_not_compiled() -> None:
    net = nn.Sequential(nn.Conv2d(3, 3, 3))
    net.compile(backend="eager")
    state = State(net, RECIPE)
    assert list(state.net.state_dict()) == list(state.average.state_dict()) == ["0.weight", "0.bias"]
    assert state.net._compiled_call_impl is not None
    assert state.average._compiled_call_impl is None
