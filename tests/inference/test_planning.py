"""What denoising will take."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from denoise_cli import methods
from denoise_cli.errors import DeviceError, InputError
from denoise_cli.image import Box, Image, Source
from denoise_cli.inference import planning, tiles
from denoise_cli.inference.planning import plan_of
from denoise_cli.inference.run import Asked, Engine, answer

CPU = torch.device("cpu")


def engine(name: str = "dncnn") -> Engine:
    card = methods.find(name)
    with torch.random.fork_rng():
        torch.manual_seed(0)
        net = card.make(replace(card.config, depth=4, features=8) if name == "dncnn" else card.config)
    return Engine(net.eval() if isinstance(net, torch.nn.Module) else net, card.options, CPU, torch.float32)


def image(height: int = 90, width: int = 300) -> Image:
    pixels = np.random.default_rng(0).random((3, height, width), dtype=np.float32)
    return Image(pixels, Source("x.png"))


def test_what_can_be_walked_is_one_piece() -> None:
    plan = plan_of(engine(), image())
    assert (plan.height, plan.width, plan.tiling.side, plan.count) == (90, 300, None, 1)
    assert plan.rows == 90 and plan.memory is not None and plan.memory > 4 * 3 * 90 * 300 and plan.seconds


def test_tiles_and_parts_are_counted() -> None:
    plan = plan_of(replace(engine(), tile=64), image())
    assert plan.tiling == tiles.Tiling(64, 4) and plan.count == 2 * 5
    part = plan_of(replace(engine(), asked=Asked(box=Box(10, 10, 20, 30))), image())
    assert (part.height, part.width) == (30 + 8, 20 + 8)
    assert plan_of(engine("nlm"), image()).rows is None


def test_what_reaches_everywhere_is_planned_as_a_whole(monkeypatch: pytest.MonkeyPatch) -> None:
    fitted = engine("dip")
    monkeypatch.delattr(planning, "_seconds")  # a fit is not tried
    plan = plan_of(replace(fitted, asked=Asked(box=Box(10, 10, 20, 30))), image())
    assert (plan.height, plan.width, plan.count, plan.seconds) == (90, 300, 1, None)


def test_a_part_outside_of_the_image_has_no_plan() -> None:
    with pytest.raises(InputError, match=r"is not within x\.png"):
        plan_of(replace(engine(), asked=Asked(box=Box(290, 0, 20, 30))), image())


def test_less_memory_makes_smaller_tiles() -> None:
    work = tiles.Work(engine().denoiser, engine().options)
    whole = tiles.working_memory(500, 2000, work, tiles.Tiling(None, 0))
    assert whole is not None
    assert tiles.plan(500, 2000, work, free=whole).side is None
    less = tiles.plan(500, 2000, work, free=whole // 2)
    assert less.side is not None and (tiles.working_memory(500, 2000, work, less) or whole) <= whole // 2
    with pytest.raises(DeviceError, match=r"0 MB are left for the work, which takes at least \d+ MB"):
        tiles.plan(500, 2000, work, free=1000)


def test_an_engine_keeps_to_its_memory() -> None:
    with pytest.raises(DeviceError, match="are left for the work"):
        answer(replace(engine(), most_memory=1), image())
    (limited,) = answer(replace(engine(), most_memory=10**12), image()).images
    (free,) = answer(engine(), image()).images
    assert np.array_equal(limited.pixels, free.pixels)


def test_channels_that_come_apart_are_planned_as_gray_images() -> None:
    plan, apart = plan_of(engine(), image()), plan_of(replace(engine(), apart=True), image())
    assert (apart.height, apart.width, apart.tiling, apart.rows) == (90, 300, plan.tiling, plan.rows)
