import pytest
import torch
from torch import nn

from denoise_cli import methods
from denoise_cli.checkpoint import adopt
from denoise_cli.layers.bias_free import BiasFreeBatchNorm
from denoise_cli.layers.deepening import deepened


def _net(model: str, **config: object) -> nn.Module:
    card = methods.find(model)
    net = card.make(type(card.config)(**{"channels": 1, "features": 8} | config))
    assert isinstance(net, nn.Module)
    for layer in net.modules():
        if isinstance(layer, BiasFreeBatchNorm):
            nn.init.uniform_(layer.weight, 0.5, 1)
        if isinstance(layer, nn.BatchNorm2d):
            nn.init.uniform_(layer.weight, 0.5, 1)
            nn.init.normal_(layer.bias, std=0.1)
            assert layer.running_mean is not None and layer.running_var is not None
            nn.init.normal_(layer.running_mean, std=0.1)
            nn.init.uniform_(layer.running_var, 0.5, 2)
        if isinstance(layer, nn.Conv2d):
            nn.init.kaiming_normal_(layer.weight)
    return net.eval()


@pytest.mark.parametrize(
    ("model", "config"),
    [("dncnn", {}), ("dncnn", {"batch_norm": False}), ("bf-cnn", {}), ("bf-cnn", {"bias": True}), ("ffdnet", {})],
)
def test_a_deeper_net_starts_as_the_shallower_one(model: str, config: dict[str, object]) -> None:
    torch.manual_seed(0)
    shallow, deep = _net(model, depth=4, **config), _net(model, depth=7, **config)
    assert adopt(deep, shallow.state_dict()) == {
        name for name, tensor in deep.state_dict().items() if tensor.is_floating_point()
    }
    noisy = torch.rand(2, 1, 12, 12)
    given = [noisy, torch.full((2, 1, 12, 12), 0.1)] if model == "ffdnet" else [noisy]
    with torch.no_grad():
        assert (shallow(*given) - noisy).abs().max() > 0.01
        torch.testing.assert_close(deep(*given), shallow(*given), atol=1e-4, rtol=0)


def test_what_is_new_learns() -> None:
    torch.manual_seed(0)
    deep = _net("dncnn", depth=5)
    adopt(deep, _net("dncnn", depth=3).state_dict())
    deep.train()(torch.rand(2, 1, 12, 12)).square().mean().backward()
    gradients = [layer.weight.grad for layer in deep.modules() if isinstance(layer, nn.Conv2d)]
    assert len(gradients) == 5
    assert all(gradient is not None and gradient.count_nonzero() > gradient.numel() / 2 for gradient in gradients)


@pytest.mark.parametrize(
    ("theirs", "ours"),
    [
        (("dncnn", {"depth": 5}), ("dncnn", {"depth": 5})),
        (("dncnn", {"depth": 7}), ("dncnn", {"depth": 5})),
        (("dncnn", {"depth": 5, "batch_norm": False}), ("dncnn", {"depth": 8})),
        (("dncnn", {"depth": 5, "features": 6}), ("dncnn", {"depth": 8})),
        (("dncnn", {"depth": 5}), ("class-aware", {"depth": 8})),
    ],
)
def test_others_are_taken_as_they_are(
    theirs: tuple[str, dict[str, object]], ours: tuple[str, dict[str, object]]
) -> None:
    tensors = _net(theirs[0], **theirs[1]).state_dict()
    found = deepened(tensors, _net(ours[0], **ours[1]))
    assert found.keys() == tensors.keys()
    assert all(found[name] is tensors[name] for name in tensors)


def test_no_tensors() -> None:
    assert deepened({}, _net("dncnn", depth=4)) == {}
