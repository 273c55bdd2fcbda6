"""Devices: which there are, and the precision they are good at."""

import ctypes
import mmap
import platform
import sys
from pathlib import Path

import torch

from denoise_cli.errors import DeviceError, UsageError, did_you_mean

_M_TRIM_THRESHOLD, _M_MMAP_THRESHOLD = -1, -3  # from malloc.h
_CPU_INFO = Path("/proc/cpuinfo")
_WORDS = ("auto", "cpu", "cuda", "mps")


def pick(word: str) -> torch.device:
    """The device for ``auto``, ``cpu``, ``cuda``, ``cuda:1`` or ``mps``.

    Only ``auto`` may fall back to the CPU; raises ``DeviceError`` where the device asked for is not there and
    ``UsageError`` for a word that is no device.
    """
    kind, _, index = word.partition(":")
    if kind not in _WORDS or (index and not (kind == "cuda" and index.isdecimal())):
        raise UsageError(f"There is no device {word!r}.", did_you_mean(word, _WORDS))
    if kind == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "mps" if _has_mps() else "cpu")
    if kind == "cuda" and not torch.cuda.is_available():
        raise DeviceError(
            f"--device {word}: PyTorch {torch.__version__} finds no CUDA device.", "Use --device cpu, or --device auto."
        )
    if kind == "cuda" and index and int(index) >= torch.cuda.device_count():
        raise DeviceError(
            f"--device {word}: there are {torch.cuda.device_count()} CUDA devices, counted from 0.",
            "Use a lower number, or --device auto.",
        )
    if kind == "mps" and not _has_mps():
        raise DeviceError("--device mps: this machine has no Apple GPU.", "Use --device cpu, or --device auto.")
    return torch.device(word)


def fast_dtype(device: torch.device) -> torch.dtype:
    """bfloat16 where the hardware multiplies it faster than float32, else float32."""
    if device.type == "cuda":
        return torch.bfloat16 if torch.cuda.is_bf16_supported(including_emulation=False) else torch.float32
    if device.type == "cpu":
        capable = torch.backends.cpu.get_cpu_capability().startswith("AVX512") and _cpu_multiplies_bf16()
        return torch.bfloat16 if capable else torch.float32
    return torch.float32


def precision(word: str, device: torch.device) -> torch.dtype:
    """The dtype of the arithmetic for ``auto``, ``float32`` or ``bfloat16`` on ``device``."""
    known = {"auto": fast_dtype(device), "float32": torch.float32, "bfloat16": torch.bfloat16}
    if word not in known:
        raise UsageError(f"There is no precision {word!r}.", did_you_mean(word, known))
    return known[word]


def autocast_afresh(device: torch.device) -> torch.autocast:
    """Autocast as it is switched already, without its cache of weights, which would outlive a step of the optimiser."""
    enabled, dtype = torch.is_autocast_enabled(device.type), torch.get_autocast_dtype(device.type)
    return torch.autocast(device.type, dtype, enabled=enabled, cache_enabled=False)


def keep_memory() -> None:
    """Let the C library keep freed memory for the next tensor instead of giving it back to the system (Linux, glibc).

    Otherwise every large tensor on the CPU costs a page fault for each of its pages. Measured on two cores in bfloat16,
    medians of three alternating runs: a training step takes 0.93 of the time for dt and 0.62 for dncnn.
    """
    if sys.platform != "linux":
        return
    library = ctypes.CDLL(None)
    if hasattr(library, "mallopt"):
        for parameter in (_M_MMAP_THRESHOLD, _M_TRIM_THRESHOLD):
            library.mallopt(parameter, 2_000_000_000)


def peak_memory() -> int | None:
    """The most bytes of main memory that this process has held so far; None where the system does not tell."""
    try:
        import resource
    except ImportError:  # Windows
        return None
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else 1024 * peak


def give_back_memory() -> None:
    """Give what ``keep_memory`` keeps to the system, before much of another kind is needed (Linux, glibc)."""
    if sys.platform == "linux":
        library = ctypes.CDLL(None)
        if hasattr(library, "malloc_trim"):
            library.malloc_trim(0)


def memory() -> int | None:
    """The bytes of main memory that this process holds now; None where the system does not tell."""
    path = Path("/proc/self/statm")
    return int(path.read_text().split()[1]) * mmap.PAGESIZE if path.exists() else None


def is_out_of_memory(error: BaseException) -> bool:
    """Whether ``error`` says that a device, or the machine, has no memory left."""
    if isinstance(error, torch.OutOfMemoryError | MemoryError):
        return True
    words = str(error).lower()
    if type(error).__module__ == "cv2":  # which is not imported here
        return "insufficient memory" in words
    if not isinstance(error, RuntimeError):
        return False
    by_cuda = "out of memory" in words or "_status_alloc_failed" in words  # of the driver, cuBLAS and cuDNN
    return by_cuda or ("alloc" in words and "memory" in words)  # the CPU's has no own class


def describe(device: torch.device) -> str:
    """The device in words, for one line on the screen."""
    if device.type == "cuda":
        return f"{device} ({torch.cuda.get_device_name(device)})"
    threads = torch.get_num_threads()
    return f"cpu ({threads} thread{'s' * (threads != 1)})" if device.type == "cpu" else str(device)


def line(device: torch.device, dtype: torch.dtype) -> str:
    """Where and in which precision the work is done, for one line on the screen."""
    return f"on {describe(device)} in {str(dtype).removeprefix('torch.')}"


def absent() -> dict[str, str]:
    """The kinds of GPU that are not used here, each with the reason in a sentence."""
    reasons: dict[str, str] = {}
    if not torch.cuda.is_available():
        if torch.version.cuda is None and torch.version.hip is None:
            reasons["cuda"] = f"PyTorch {torch.__version__} was built without it; install one from pytorch.org."
        elif torch.cuda.device_count() == 0:
            reasons["cuda"] = (
                "PyTorch has it, but finds no GPU: none is there, is visible, or has a driver (nvidia-smi)."
            )
        else:
            reasons["cuda"] = "A GPU is there, but cannot be used: its driver may be too old for this PyTorch."
    if not _has_mps():
        built = torch.backends.mps.is_built()
        reasons["mps"] = "Needs macOS 12.3 and an Apple GPU." if built else "PyTorch was built without it: no Mac."
    return reasons


def _has_mps() -> bool:
    return torch.backends.mps.is_available()


def _cpu_multiplies_bf16() -> bool:
    """Whether it is by AMX, or by AVX-512 on AMD's cores.

    Intel's have one unit for that instruction of AVX-512 and two for float32's, so that only the conversions are left:
    measured on two cores of a Xeon without AMX, runs of dncnn, dt and cbdnet on a megapixel take 1.5 times as long as
    in float32, and a training step through a convolution of 64 channels 1.65 times.
    """
    if torch.cpu._is_amx_tile_supported():
        return True
    return bool(torch.cpu._is_avx512_bf16_supported()) and _cpu_is_by_amd()


def _cpu_is_by_amd() -> bool:
    words = _CPU_INFO.read_text() if _CPU_INFO.exists() else platform.processor()
    return "AuthenticAMD" in words
