"""The README's table of scores."""

from dataclasses import replace
from pathlib import Path

from denoise_cli import shelf
from denoise_cli.bench.table import table

_README = Path(__file__).parents[2] / "README.md"


def _entry(scores: dict[str, float]) -> shelf.Entry:
    return shelf.Entry("dt.x", "", "impulses", "sp:0.1", 3, 27360, "", "", 0, 1.0, "cpu", scores)


def _rows(*entries: shelf.Entry) -> list[str]:
    return table(entries).splitlines()[2:]


def test_levels_share_a_line_and_the_last_budget_counts() -> None:
    scores = {
        "cbsd68 sp:0.1 8 bit, 5 iterations": 1.0,
        "cbsd68 sp:0.1 8 bit, 20 iterations": 39.123,
        "cbsd68 sp:0.3 8 bit, 20 iterations": 33.456,
        "cifar10-subset sp:0.1 8 bit, 50 iterations": 40.0,
    }
    assert _rows(_entry(scores)) == [
        "| `dt.x` | 27,360 | cbsd68 | sp 0.1 / 0.3 |  | 39.12 / 33.46 |  |",
        "| `dt.x` | 27,360 | cifar10-subset | sp 0.1 |  | 40.00 | 29.57 best nets of the paper |",
    ]


def test_float_and_bytes_stand_side_by_side_with_what_the_paper_reports() -> None:
    scores = {
        "cbsd68 gaussian:15 float, told sigma": 33.0,
        "cbsd68 gaussian:25 float, told sigma": 31.0,
        "cbsd68 gaussian:25 8 bit": 30.0,
    }
    entry = replace(_entry(scores), name="ffdnet.x", noise="gaussian:0..75")
    assert _rows(entry) == [
        "| `ffdnet.x` | 27,360 | cbsd68 | gaussian 15 / 25 | 33.00 / 31.00 | - / 30.00 | 33.87 / 31.21 FFDNet |"
    ]


def test_what_was_measured_beside_and_other_measures() -> None:
    scores = {
        "cbsd68 (10 images) camera:0..0.1+0.02 8 bit": 33.0,
        "cbsd68 (10 images) camera:0..0.1+0.02 8 bit, noisy input": 30.0,
        "cbsd68 (10 images) camera:0..0.1+0.02 8 bit, bm3d": 31.0,
        "cbsd68 gaussian:0 8 bit, worst image, 20 iterations": 46.0,
        "tiny-imagenet-subset val gaussian:25 8 bit, top-1 %": 35.5,
    }
    assert [row.split(" | ", 2)[2] for row in _rows(replace(_entry(scores), noise="camera:0..0.1+0.02"))] == [
        "cbsd68 (10 images) | camera 0..0.1+0.02 |  | 33.00 | 30.00 noisy input; 31.00 bm3d |",
        "cbsd68, worst image | gaussian 0 |  | 46.00 |  |",
        "tiny-imagenet-subset val, top-1 % | gaussian 25 |  | 35.50 |  |",
    ]


def test_noise_after_noise_has_the_levels_of_both() -> None:
    scores = {
        "cbsd68 gaussian:10 then jpeg:90 8 bit": 34.0,
        "cbsd68 gaussian:25 then jpeg:80 8 bit": 30.0,
        "cbsd68 gaussian:25 then jpeg:80 8 bit, noisy input": 23.0,
        "cbsd68 gaussian:25 8 bit": 31.0,
    }
    assert [row.split(" | ", 2)[2] for row in _rows(replace(_entry(scores), noise="gaussian:0..50 then jpeg:50"))] == [
        "cbsd68 | gaussian then jpeg 10+90 / 25+80 |  | 34.00 / 30.00 | - / 23.00 noisy input |",
        "cbsd68 | gaussian 25 |  | 31.00 | 30.71 CBM3D |",
    ]


def test_the_readme_quotes_the_index() -> None:
    assert table(shelf.entries()) in _README.read_text(encoding="utf-8")


def test_the_page_from_easy_to_hard_quotes_the_index() -> None:
    page = (_README.parent / "docs" / "easy-to-hard.md").read_text(encoding="utf-8")
    scores = shelf.find("dt.cifar-sp-0.1").scores
    for share in (0.1, 0.3, 0.5):
        row = " | ".join(f"{score:.2f}" for what, score in scores.items() if f"sp:{share} " in what)
        assert f"| {share} | {row} |" in page
