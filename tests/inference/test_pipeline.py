"""Many images one after another."""

import threading
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import pytest

from denoise_cli import methods
from denoise_cli.errors import DenoiseError, DeviceError, InputError, OutputError, UsageError
from denoise_cli.image import Image, Source
from denoise_cli.inference import pipeline
from denoise_cli.inference.inputs import Item
from denoise_cli.inference.patterns import Grain
from denoise_cli.inference.pipeline import TOGETHER, Job, Loaded, Result, process
from denoise_cli.inference.run import Answer, Engine, answer, answer_all
from denoise_cli.inference.workbench import Sight, Wish, Workbench
from denoise_cli.methods.median import Options

JOBS = [Job(Item(f"{index}.png", f"{index}.png"), (Path(f"out/{index}.png"),)) for index in range(12)]


def bench(window: int = 3) -> Workbench:
    return Workbench(Wish(model="median"), lambda card: Options(window=window))


def read(job: Job) -> Loaded | None:
    if job.item.name in ("3.png", "0.png"):
        raise InputError(f"{job.item.name} is broken.")
    if job.item.name in ("4.png", "11.png"):
        return None
    return Loaded([Image(np.zeros((1, 8, 8), np.float32), Source(job.item.name))])


def test_results_come_in_order_and_errors_stop_nothing() -> None:
    written: list[str] = []
    lock = threading.Lock()

    def write(result: Result, loaded: Loaded, estimates: Sequence[Sequence[Image]]) -> None:
        assert len(estimates) == len(result.outputs) == 1 and loaded.frames[0].source.name == result.item.name
        if result.item.name == "5.png":
            raise OutputError("The disk is full.")
        with lock:
            written.append(result.item.name)

    results = []
    for result in process(iter(JOBS), bench(), read, write):
        results.append(result)
        assert result.error or result.skipped or result.outputs[0].name in written, "told before it was written"
    assert [result.job for result in results] == JOBS
    failed = [result for result in results if result.error]
    assert [result.item.name for result in failed] == ["0.png", "3.png", "5.png"]
    assert [result.item.name for result in results if result.skipped] == ["4.png", "11.png"]
    assert all(result.outputs == () for result in failed), "nothing is there"
    assert all(result.error and result.error.__traceback__ is None for result in failed), "a frame holds an image"
    assert sorted(written) == sorted({f"{index}.png" for index in range(12)} - {f"{n}.png" for n in (0, 3, 4, 5, 11)})


def test_jobs_are_taken_as_they_are_needed() -> None:
    taken: list[str] = []

    def coming() -> Iterator[Job]:
        for job in JOBS * 10:
            taken.append(job.item.name)
            yield job

    results = process(coming(), bench(), read, lambda result, loaded, estimates: None)
    next(results)
    assert len(taken) == 1 + TOGETHER, "the first cannot be read, so nothing is denoised together with it"
    results.close()


def test_small_images_are_denoised_together(monkeypatch: pytest.MonkeyPatch) -> None:
    groups: list[list[str]] = []

    def spied(engine: Engine, images: Sequence[Image]) -> list[Answer]:
        groups.append([image.source.name for image in images])
        return answer_all(engine, images)

    def of_sizes(job: Job) -> Loaded:
        side = 300 if job.item.name == "8.png" else 8
        return Loaded([Image(np.zeros((1, side, side), np.float32), Source(job.item.name))])

    monkeypatch.setattr(pipeline, "answer_all", spied)
    monkeypatch.setattr(pipeline, "TOGETHER", 5)
    results = list(process(JOBS, bench(), of_sizes, lambda result, loaded, estimates: None))
    assert [result.job for result in results] == JOBS and not any(result.error for result in results)
    assert [len(group) for group in groups] == [5, 3, 3], "0 to 4, 5 to 7; 8 is large and alone; 9 to 11"


def test_of_those_denoised_together_only_the_bad_one_fails(monkeypatch: pytest.MonkeyPatch) -> None:
    def fails(engine: Engine, images: Sequence[Image]) -> list[Answer]:
        raise DenoiseError("One of them is not finite.")

    def alone(engine: Engine, image: Image, grain: Grain | None) -> Answer:
        if image.source.name == "7.png":
            raise DenoiseError("It is not finite.")
        return answer(engine, image, grain)

    monkeypatch.setattr(pipeline, "answer_all", fails)
    monkeypatch.setattr(pipeline, "answer", alone)
    results = list(process(JOBS, bench(), read, lambda result, loaded, estimates: None))
    assert [result.item.name for result in results if result.error] == ["0.png", "3.png", "7.png"]


def test_a_wrong_option_stops_all() -> None:
    with pytest.raises(UsageError, match="no window of 4 pixels"):
        list(process(JOBS, bench(window=4), read, lambda result, loaded, estimates: None))


def test_named_weights_for_impulses_take_channels_that_come_apart_one_by_one() -> None:
    named = Workbench(Wish(model="dt.sp"), lambda card: card.options)
    draw = np.random.default_rng(0)
    clean = np.full((3, 64, 64), 0.5, np.float32)
    uniform = draw.random((3, 64, 64))
    apart, together = (np.where(hit < 0.1, 0, np.where(hit > 0.9, 1, clean)) for hit in (uniform, uniform[:1]))
    one, other, whole = (
        named.choose(Image(pixels.astype(np.float32), Source("x.png"))) for pixels in (apart, apart, together)
    )
    assert one.engine.apart and one.engine is other.engine
    assert not whole.engine.apart
    grays = Workbench(Wish(model="dncnn.color-blind"), lambda card: card.options)
    assert not grays.choose(Image(apart.astype(np.float32), Source("x.png"))).engine.apart


def test_the_workbench_tells_wrong_wishes_at_once() -> None:
    card = methods.find("median")
    with pytest.raises(UsageError, match="median does not iterate"):
        Workbench(Wish(model="median", counts=(5,)), lambda _: card.options)
    with pytest.raises(UsageError, match="There is no model 'medain'"):
        Workbench(Wish(model="medain"), lambda _: card.options)


def test_too_little_memory_to_look_at_one_image_stops_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    plain = Workbench.see

    def see(self: Workbench, image: Image) -> Sight:
        if image.source.name == "2.png":
            raise MemoryError
        return plain(self, image)

    monkeypatch.setattr(Workbench, "see", see)
    results = list(process(iter(JOBS), bench(), read, lambda result, loaded, estimates: None))
    assert [result.item.name for result in results if isinstance(result.error, DeviceError)] == ["2.png"]
    assert sum(result.error is None and not result.skipped for result in results) == len(JOBS) - 5
