"""The tangent kernel: its values, its filter, its stopping."""

import math
from dataclasses import replace

import pytest
import torch
from torch import Tensor

from denoise_cli.errors import DeviceError, UsageError
from denoise_cli.fitting import memory
from denoise_cli.methods import ntk
from denoise_cli.metrics.psnr import psnr
from denoise_cli.noise import parse

OPTIONS = ntk.Options(side=5, points=80, sigma=25 / 255)


def scene() -> Tensor:
    rows, columns = torch.meshgrid(torch.arange(40.0), torch.arange(52.0), indexing="ij")
    return (0.5 + 0.3 * torch.sin(rows / 5) * torch.cos(columns / 7))[None, None]


def noisy() -> Tensor:
    return parse("gaussian:25")(scene(), torch.Generator().manual_seed(0)).noisy


def test_the_kernel_is_that_of_a_wide_net() -> None:
    """Gradients of W2 relu(W1 p) in the kernel's parametrisation, over 200,000 hidden units."""
    patches = torch.rand((4, 9), generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    units = torch.randn((200_000, 9), generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    hidden = patches @ units.T
    last = 2 * hidden.relu() @ hidden.relu().T / len(units)
    open_ = (hidden > 0).double()
    first = 2 * (open_ @ open_.T / len(units)) * (patches @ patches.T)
    torch.testing.assert_close(ntk.kernel(patches, patches, first=False), last, rtol=0.02, atol=0)
    torch.testing.assert_close(ntk.kernel(patches, patches), last + first, rtol=0.02, atol=0)


def test_closed_form_is_twicing() -> None:
    """With every pixel a point the columns are the kernel itself."""
    image = noisy()[..., :10, :12]
    options = replace(OPTIONS, points=120)
    spectrum = ntk.decompose(image, options)
    patches = ntk.patches_of(image, 5).double()
    theta = ntk.kernel(patches, patches)
    rate = 1 / torch.linalg.eigvalsh(theta)[-1]
    pixels = image.flatten()[:, None].double()
    estimate = torch.zeros_like(pixels)
    for _ in range(30):
        estimate = estimate + rate * theta @ (pixels - estimate)
    torch.testing.assert_close(spectrum.apply(30).double(), estimate, atol=1e-4, rtol=0)
    residual = ntk.residuals(spectrum, [30])[0]
    assert residual == pytest.approx((pixels - estimate).square().sum().item(), rel=1e-3)


def test_it_stops_near_the_best_number_of_steps() -> None:
    image = noisy()
    spectrum = ntk.decompose(image, OPTIONS)
    scores = [
        psnr(spectrum.apply(round(10 ** (index / 4))).T.reshape(image.shape), scene()).item() for index in range(24)
    ]
    found = ntk.tangent_filter(image, OPTIONS)
    assert psnr(found.estimate, scene()).item() > max(scores) - 0.5
    assert max(scores) > psnr(image, scene()).item() + 5
    few = ntk.tangent_filter(image, replace(OPTIONS, stop=ntk.DISCREPANCY))
    assert (image - few.estimate).square().mean().sqrt().item() == pytest.approx(25 / 255, rel=0.05)
    assert ntk.tangent_filter(image, replace(OPTIONS, steps=7)).steps == 7


@pytest.mark.parametrize("size", [(1, 1), (3, 70), (20, 20)])
@pytest.mark.parametrize("value", [0.0, 1.0])
def test_small_and_flat_images(size: tuple[int, int], value: float) -> None:
    image = torch.full((1, 3, *size), value)
    estimate = ntk.TangentFilter(ntk.Config()).denoise(image, ntk.Options())
    torch.testing.assert_close(estimate, image, atol=0.02, rtol=0)


def test_large_images_go_piece_by_piece(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ntk, "_WHOLE", 500)
    monkeypatch.setattr(ntk, "_SIDE", 20)
    pieces = list(ntk._pieces(40, 52))
    covered = torch.zeros(40, 52)
    for rows, columns, seen_rows, seen_columns in pieces:
        covered[rows, columns] += 1
        assert seen_rows.start <= rows.start and seen_columns.stop >= columns.stop
    assert len(pieces) == 6 and (covered == 1).all()
    estimate = ntk.TangentFilter(ntk.Config()).denoise(noisy(), OPTIONS)
    assert psnr(estimate, scene()).item() > psnr(noisy(), scene()).item() + 4


@pytest.mark.parametrize(
    "wrong", [{"side": 4}, {"points": 0}, {"steps": 0}, {"stop": "never"}, {"sigma": -1.0}, {"sigma": math.inf}]
)
def test_wrong_knobs(wrong: dict[str, object]) -> None:
    with pytest.raises(UsageError, match="ntk"):
        ntk.TangentFilter(ntk.Config()).settle(noisy(), replace(OPTIONS, **wrong))  # type: ignore[arg-type]


def test_what_does_not_fit_into_memory_is_told_before_the_work(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(memory, "free_bytes", lambda device: 10**9)
    method, image = ntk.METHOD.make(ntk.Config()), torch.rand((1, 1, 200, 250))
    assert isinstance(method, ntk.TangentFilter)
    with pytest.raises(
        DeviceError, match=r"kernel of 250x200 pixels and 50000 points takes about 2\d\d\.\d GB"
    ) as raised:
        method.denoise(image, replace(OPTIONS, points=65536))
    assert "Take fewer --points, such as 1" in raised.value.hint and "--side" in raised.value.hint
    ntk.ensure_memory(image, replace(OPTIONS, points=100))
    ntk.ensure_memory(torch.rand((1, 1, 2000, 2000)), replace(OPTIONS, points=100))
    with pytest.raises(DeviceError, match=r"kernel of 282x282 pixels"):
        ntk.ensure_memory(torch.rand((1, 3, 2000, 2000)), replace(OPTIONS, side=31))
