"""The median layer is exact, gives its gradient to the chosen pixel, and works at every size."""

from collections.abc import Callable

import pytest
import torch
from scipy.ndimage import median_filter
from torch import nn

from denoise_cli.layers import median
from denoise_cli.layers.median import MedianLayer, keep_uncompiled


def test_by_hand() -> None:
    image = torch.tensor([[9.0, 2.0, 8.0], [1.0, 5.0, 3.0], [7.0, 4.0, 6.0]])[None, None]
    # the corner sees itself once, its two neighbours twice each, the diagonal one four times: 9, 2 2, 1 1, 5 5 5 5
    assert MedianLayer(3)(image)[0, 0, :2, :2].tolist() == [[5.0, 3.0], [4.0, 5.0]]


@pytest.mark.parametrize("side", [1, 3, 5, 7])
@pytest.mark.parametrize("at_once", [1, 300, 1 << 20])
def test_equals_scipy(side: int, at_once: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(median._AT_ONCE, "cpu", at_once)
    image = torch.rand((2, 3, 17, 11), generator=torch.Generator().manual_seed(side))
    oracle = median_filter(image.numpy(), size=(1, 1, side, side), mode="mirror")
    assert torch.equal(MedianLayer(side)(image), torch.from_numpy(oracle))


@pytest.mark.parametrize("side", [3, 5])
def test_under_autocast_it_is_the_rounded_median_with_the_same_gradient(side: int) -> None:
    generator = torch.Generator().manual_seed(side)
    image = torch.randn((2, 3, 23, 19), generator=generator).contiguous(memory_format=torch.channels_last)
    weights = torch.randn((2, 3, 23, 19), generator=generator)
    rounded = image.to(torch.bfloat16).double().requires_grad_()  # double takes the exchanges
    medians = MedianLayer(side)(rounded)
    (medians * weights).sum().backward()
    image.requires_grad_()
    with torch.autocast("cpu", torch.bfloat16):
        answers = MedianLayer(side)(image)
    (answers * weights).sum().backward()
    assert answers.dtype == torch.bfloat16 and torch.equal(answers.double(), medians)
    assert image.grad is not None and rounded.grad is not None
    # equal values: either pixel may get it
    torch.testing.assert_close(image.grad.sum((2, 3)).double(), rounded.grad.sum((2, 3)), rtol=2e-2, atol=5e-2)
    alone = (rounded.detach().flatten(2).unsqueeze(-1) == rounded.detach().flatten(2).unsqueeze(-2)).sum(-1) == 1
    alone = alone.view_as(rounded)
    torch.testing.assert_close(image.grad[alone].double(), rounded.grad[alone], rtol=2e-2, atol=5e-2)


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_what_is_not_finite_is_not_hidden(dtype: torch.dtype) -> None:
    image = torch.rand((1, 1, 9, 9), generator=torch.Generator().manual_seed(0)).to(dtype)
    image[..., 4, 4] = torch.nan
    assert MedianLayer(3)(image)[..., 3:6, 3:6].isnan().all()


def test_the_gradient_is_that_of_the_chosen_pixel() -> None:
    image = torch.rand((2, 2, 6, 7), dtype=torch.float64, generator=torch.Generator().manual_seed(0)).requires_grad_()
    assert torch.autograd.gradcheck(MedianLayer(3), (image,))


def test_of_equal_values_one_gets_the_gradient() -> None:
    image = torch.ones((1, 1, 9, 9), requires_grad=True)
    MedianLayer(3)(image)[0, 0, 4, 4].backward()
    assert image.grad is not None and image.grad.sum() == 1 and image.grad.count_nonzero() == 1


@pytest.mark.parametrize("shape", [(1, 1, 1, 1), (1, 2, 2, 9), (1, 1, 3, 1)])
def test_an_image_smaller_than_the_window_is_continued_by_its_edge(shape: tuple[int, ...]) -> None:
    image = torch.rand(shape, generator=torch.Generator().manual_seed(0))
    oracle = median_filter(image.numpy(), size=(1, 1, 5, 5), mode="nearest")
    assert torch.equal(MedianLayer(5)(image), torch.from_numpy(oracle))


def test_a_compiled_net_leaves_its_medians_as_they_are() -> None:
    image = torch.rand((1, 1, 17, 11), generator=torch.Generator().manual_seed(0))
    graphs: list[torch.fx.GraphModule] = []

    def collect(graph: torch.fx.GraphModule, inputs: list[torch.Tensor]) -> Callable[..., object]:
        graphs.append(graph)
        return graph.forward

    net = nn.Sequential(nn.Conv2d(1, 2, 3), MedianLayer(3), nn.Conv2d(2, 1, 3)).eval()
    with torch.no_grad():
        expected = net(image)
        keep_uncompiled(net)
        net.compile(backend=collect)
        assert torch.equal(net(image), expected)
    assert len(graphs) == 2  # one on each side of the medians


@pytest.mark.parametrize("side", [3, 5])
def test_an_exported_layer_takes_any_size(side: int) -> None:
    layer = MedianLayer(side)
    free = {2: torch.export.Dim("h", min=8), 3: torch.export.Dim("w", min=8)}
    program = torch.export.export(layer, (torch.rand(1, 2, 12, 16),), dynamic_shapes=(free,))
    image = torch.rand(1, 2, 9, 31)
    assert torch.equal(program.module()(image), layer(image))
