"""Devices and precisions by their words."""

from pathlib import Path

import pytest
import torch

from denoise_cli import device
from denoise_cli.errors import DeviceError, UsageError


@pytest.fixture
def _bare(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("torch.cuda.is_available", lambda: False)
    monkeypatch.setattr("torch.backends.mps.is_available", lambda: False)


@pytest.mark.usefixtures("_bare")
def test_a_machine_without_accelerator() -> None:
    assert device.pick("auto") == device.pick("cpu") == torch.device("cpu")
    for word in ("cuda", "cuda:0", "mps"):
        with pytest.raises(DeviceError, match=f"--device {word}"):
            device.pick(word)
    assert "thread" in device.describe(torch.device("cpu"))


def test_a_machine_with_two(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("torch.cuda.is_available", lambda: True)
    monkeypatch.setattr("torch.cuda.device_count", lambda: 2)
    assert device.pick("auto").type == "cuda" and device.pick("cuda:1").index == 1
    with pytest.raises(DeviceError, match="there are 2 CUDA devices"):
        device.pick("cuda:2")


@pytest.mark.parametrize("word", ["gpu", "cuda:x", "cpu:0", ""])
def test_words_that_are_no_device(word: str) -> None:
    with pytest.raises(UsageError, match="There is no device"):
        device.pick(word)


def test_precision() -> None:
    cpu = torch.device("cpu")
    assert device.precision("float32", cpu) == torch.float32 and device.precision("bfloat16", cpu) == torch.bfloat16
    assert device.precision("auto", cpu) == device.fast_dtype(cpu)
    with pytest.raises(UsageError, match=r"no precision 'float16'.\nDid you mean"):
        device.precision("float16", cpu)


@pytest.mark.parametrize(
    ("amx", "avx512", "maker", "dtype"),
    [
        (True, True, "GenuineIntel", torch.bfloat16),
        (False, True, "GenuineIntel", torch.float32),
        (False, True, "AuthenticAMD", torch.bfloat16),
        (False, False, "AuthenticAMD", torch.float32),
    ],
)
def test_bfloat16_on_the_processors_that_are_faster_in_it(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, amx: bool, avx512: bool, maker: str, dtype: torch.dtype
) -> None:
    monkeypatch.setattr("torch.backends.cpu.get_cpu_capability", lambda: "AVX512")
    monkeypatch.setattr("torch.cpu._is_amx_tile_supported", lambda: amx)
    monkeypatch.setattr("torch.cpu._is_avx512_bf16_supported", lambda: avx512)
    told = tmp_path / "cpuinfo"
    told.write_text(f"processor\t: 0\nvendor_id\t: {maker}\ncpu family\t: 6\n")
    monkeypatch.setattr(device, "_CPU_INFO", told)
    assert device.fast_dtype(torch.device("cpu")) == dtype
    monkeypatch.setattr(device, "_CPU_INFO", tmp_path / "none")  # as on Windows, where the platform tells
    monkeypatch.setattr("platform.processor", lambda: f"x86 Family 6 Model 207 Stepping 2, {maker}")
    assert device.fast_dtype(torch.device("cpu")) == dtype


@pytest.mark.parametrize(
    "error",
    [
        RuntimeError("CUDA error: out of memory\nCUDA kernel errors might be asynchronously reported"),
        RuntimeError("CUDA error: CUBLAS_STATUS_ALLOC_FAILED when calling `cublasCreate(handle)`"),
        RuntimeError("cuDNN error: CUDNN_STATUS_ALLOC_FAILED"),
        RuntimeError("[enforce fail at alloc_cpu.cpp:117] err == 0. DefaultCPUAllocator: can't allocate memory"),
        torch.OutOfMemoryError("full"),
        MemoryError(),
    ],
)
def test_memory_that_has_run_out(error: Exception) -> None:
    assert device.is_out_of_memory(error)


@pytest.mark.parametrize("error", [RuntimeError("CUDA error: invalid argument"), ValueError("out of memory")])
def test_other_errors_are_not_taken_for_it(error: Exception) -> None:
    assert not device.is_out_of_memory(error)
