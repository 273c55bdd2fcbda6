"""The README's table of scores."""

from pathlib import Path

from denoise_cli import shelf
from denoise_cli.bench.table import table

_README = Path(__file__).parents[2] / "README.md"


def _entry(scores: dict[str, float]) -> shelf.Entry:
    return shelf.Entry("dt.x", "", "impulses", "sp:0.1", 3, 27360, "", "", 0, 1.0, "cpu", scores)


def test_levels_share_a_line_and_budgets_have_their_own() -> None:
    scores = {
        "cbsd68 sp:0.1 8 bit, 5 iterations": 1.0,
        "cbsd68 sp:0.1 8 bit, 20 iterations": 39.123,
        "cbsd68 sp:0.3 8 bit, 20 iterations": 33.456,
        "cbsd68 sp:0.1 8 bit, 50 iterations": 40.0,
    }
    rows = table([_entry(scores)]).splitlines()[2:]
    assert rows == [
        "| `dt.x` | 27,360 | cbsd68 | sp 0.1 / 0.3 | 8 bit, 20 iterations | 39.12 / 33.46 |",
        "| `dt.x` | 27,360 | cbsd68 | sp 0.1 | 8 bit, 50 iterations | 40.00 |",
    ]


def test_the_readme_quotes_the_index() -> None:
    assert table(shelf.entries()) in _README.read_text(encoding="utf-8")


def test_the_page_from_easy_to_hard_quotes_the_index() -> None:
    page = (_README.parent / "docs" / "easy-to-hard.md").read_text(encoding="utf-8")
    scores = shelf.find("dt.cifar-sp-0.1").scores
    for share in (0.1, 0.3, 0.5):
        row = " | ".join(f"{score:.2f}" for what, score in scores.items() if f"sp:{share} " in what)
        assert f"| {share} | {row} |" in page
