import json
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file
from torch import nn

from denoise_cli.checkpoint import Checkpoint, adopt, fill, load, save
from denoise_cli.errors import OutputError, WeightsError


def _net(width: int = 4) -> nn.Sequential:
    torch.manual_seed(width)
    return nn.Sequential(nn.Conv2d(3, width, 3), nn.BatchNorm2d(width))


def _checkpoint(net: nn.Module) -> Checkpoint:
    return Checkpoint("dt", {"width": 4}, {"noise": "sp:0.1"}, {"data": ["photos"]}, net.state_dict())


def test_what_is_saved_is_loaded(tmp_path: Path) -> None:
    net, other = _net(), _net()
    nn.init.zeros_(other[0].weight)
    path = tmp_path / "new" / "dt.safetensors"
    save(path, _checkpoint(net))
    loaded = load(path)
    assert (loaded.model, loaded.config, loaded.recipe) == ("dt", {"width": 4}, {"noise": "sp:0.1"})
    assert loaded.provenance == {"data": ["photos"]}
    fill(other, loaded, "dt")
    for key, value in net.state_dict().items():
        assert torch.equal(other.state_dict()[key], value)


def test_half_precision_halves_the_floating_tensors_alone(tmp_path: Path) -> None:
    net = _net()
    save(tmp_path / "half", _checkpoint(net), half=True)
    tensors = load(tmp_path / "half").tensors
    assert tensors["0.weight"].dtype == torch.float16
    assert tensors["1.num_batches_tracked"].dtype == torch.int64
    other = _net()
    fill(other, load(tmp_path / "half"), "dt")
    assert other[0].weight.dtype == torch.float32
    torch.testing.assert_close(other[0].weight, net[0].weight, atol=1e-3, rtol=1e-3)


def test_an_old_file_is_replaced(tmp_path: Path) -> None:
    for width in (4, 5):
        save(tmp_path / "dt", _checkpoint(_net(width)))
    assert load(tmp_path / "dt").tensors["0.weight"].shape[0] == 5
    assert [path.name for path in tmp_path.iterdir()] == ["dt"]


def test_a_place_that_cannot_be_written(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(OutputError):
        save(tmp_path / "file" / "dt", _checkpoint(_net()))


def test_a_missing_file(tmp_path: Path) -> None:
    with pytest.raises(WeightsError, match="There is no weights file"):
        load(tmp_path / "dt")


@pytest.mark.parametrize("kept", [0, 4, 100, -1])
def test_a_file_that_was_cut(kept: int, tmp_path: Path) -> None:
    save(tmp_path / "dt", _checkpoint(_net()))
    (tmp_path / "dt").write_bytes((tmp_path / "dt").read_bytes()[:kept])
    with pytest.raises(WeightsError, match="is damaged or is no weights file"):
        load(tmp_path / "dt")


_HEADER = {"model": "dt", "config": {}, "recipe": {}, "provenance": {}}


@pytest.mark.parametrize(
    "header",
    [
        None, "{", "[]", "{}", json.dumps({"model": "dt"}), json.dumps({"speed": 1}),
        json.dumps(_HEADER | {"model": 5}),
        json.dumps(_HEADER | {"config": []}), json.dumps(_HEADER | {"recipe": None}),
        json.dumps(_HEADER | {"provenance": "by hand"}),
    ],
)  # fmt: skip
def test_tensors_of_somebody_else(header: str | None, tmp_path: Path) -> None:
    save_file({"a": torch.zeros(1)}, tmp_path / "dt", None if header is None else {"denoise": header})
    with pytest.raises(WeightsError, match="is damaged or is no weights file"):
        load(tmp_path / "dt")


def test_what_the_header_says() -> None:
    checkpoint = _checkpoint(_net())
    assert checkpoint.said("recipe", "noise", str) == "sp:0.1"
    with pytest.raises(WeightsError, match="None for the seed of their recipe, no int"):
        checkpoint.said("recipe", "seed", int)


def test_weights_of_another_shape_or_name(tmp_path: Path) -> None:
    with pytest.raises(WeightsError, match=r"'dt.sp' do not fit dt: 6 tensors differ, first '0.bias'"):
        fill(_net(5), _checkpoint(_net(4)), "dt.sp")
    with pytest.raises(WeightsError, match="1 tensors differ, first 'weight'"):
        net = nn.PReLU()
        fill(net, Checkpoint("dt", {}, {}, {}, {}), "dt.sp")


def test_tensors_that_fit_by_name_and_shape_are_taken_over() -> None:
    net = torch.nn.Sequential(torch.nn.Linear(2, 3), torch.nn.Linear(3, 4))
    before = net[1].weight.clone()
    others = {
        "0.weight": torch.ones((3, 2)).half(),
        "0.bias": torch.ones(4),
        "1.bias": torch.ones(4),
        "2": torch.ones(1),
    }
    assert adopt(net, others) == {"0.weight", "1.bias"}
    assert (net[0].weight == 1).all() and (net[1].bias == 1).all() and net[0].weight.dtype == torch.float32
    assert torch.equal(net[1].weight, before)
    assert adopt(net, {}) == set()


def test_a_counter_does_not_make_other_weights_fit() -> None:
    assert adopt(_net(4), _net(5).state_dict()) == set()
    assert "1.running_var" in adopt(_net(4), _net(4).state_dict())
