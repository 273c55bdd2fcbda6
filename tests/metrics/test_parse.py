import subprocess
import sys

import pytest

from denoise_cli import metrics
from denoise_cli.errors import UsageError


def test_parse_keeps_the_order_and_drops_repeats() -> None:
    assert metrics.parse("ssim, PSNR,ssim") == ("ssim", "psnr")
    assert metrics.parse("ms_ssim") == ("ms-ssim",)


@pytest.mark.parametrize("words", ["", "psnr,", "pnsr", "psnr;ssim"])
def test_parse_refuses(words: str) -> None:
    with pytest.raises(UsageError, match="There is no metric"):
        metrics.parse(words)


def test_a_near_miss_gets_a_guess() -> None:
    with pytest.raises(UsageError, match="Did you mean 'psnr'"):
        metrics.parse("pnsr")
    with pytest.raises(UsageError, match="Known: "):
        metrics.find("vmaf")


@pytest.mark.parametrize("name", ["psnr", "ssim", "ms-ssim"])
def test_find_gives_the_function_of_that_name(name: str) -> None:
    assert metrics.find(name).__name__ == name.replace("-", "_")


def test_names_do_not_import_torch() -> None:
    code = "import sys; from denoise_cli import metrics; metrics.parse('psnr'); sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
