"""Many images one after another."""

import threading
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest

from denoise_cli import methods
from denoise_cli.errors import InputError, OutputError, UsageError
from denoise_cli.image import Image, Source
from denoise_cli.inference.inputs import Item
from denoise_cli.inference.pipeline import process
from denoise_cli.inference.workbench import Wish, Workbench
from denoise_cli.methods.median import Options

ITEMS = [Item(Path(f"{index}.png"), Path(f"{index}.png")) for index in range(12)]
PLACES = [[Path("out") / item.relative] for item in ITEMS]


def bench(window: int = 3) -> Workbench:
    return Workbench(Wish(model="median"), lambda card: Options(window=window))


def read(item: Item) -> Image:
    if item.name in ("3.png", "0.png"):
        raise InputError(f"{item.name} is broken.")
    return Image(np.zeros((1, 8, 8), np.float32), Source(item.name))


def test_results_come_in_order_and_errors_stop_nothing() -> None:
    written: list[str] = []
    lock = threading.Lock()

    def write(images: Sequence[Image], paths: Sequence[Path]) -> None:
        assert len(images) == len(paths) == 1
        if paths[0].name == "5.png":
            raise OutputError("The disk is full.")
        with lock:
            written.append(paths[0].name)

    results = []
    for result in process(ITEMS, PLACES, bench(), read, write):
        results.append(result)
        assert result.error is not None or result.outputs[0].name in written, "told before it was written"
    assert [result.item for result in results] == ITEMS
    assert [result.item.name for result in results if result.error] == ["0.png", "3.png", "5.png"]
    assert sorted(written) == sorted({item.name for item in ITEMS} - {"0.png", "3.png", "5.png"})


def test_a_wrong_option_stops_all() -> None:
    with pytest.raises(UsageError, match="no window of 4 pixels"):
        list(process(ITEMS, PLACES, bench(window=4), read, lambda images, paths: None))


def test_the_workbench_tells_wrong_wishes_at_once() -> None:
    card = methods.find("median")
    with pytest.raises(UsageError, match="median does not iterate"):
        Workbench(Wish(model="median", counts=(5,)), lambda _: card.options)
    with pytest.raises(UsageError, match="There is no model 'medain'"):
        Workbench(Wish(model="medain"), lambda _: card.options)
