"""Losses that change on the way: when, and how they are written."""

import pytest

from denoise_cli import losses
from denoise_cli.errors import UsageError


@pytest.mark.parametrize("text", ["l1", "l2@0..50%,l1@50%..", "l2@0..12.5%,mse + 0.1*tv@12.5..80%,ssim:5@80%.."])
def test_a_schedule_parses_back(text: str) -> None:
    assert str(losses.parse(text)) == text
    assert losses.parse(str(losses.parse(text))) == losses.parse(text)


def test_other_ways_to_write_the_same() -> None:
    assert losses.parse("l2@0%..50% , l1@50..100%") == losses.parse("l2@0..50%,l1@50%..")
    assert losses.parse("l1@0..") == losses.parse("l1")


def test_the_step_decides() -> None:
    schedule = losses.parse("l2@0..29%,l1@29..70%,tv@70%..")
    words = [str(schedule.at(step, 100)) for step in range(100)]
    assert words == ["l2"] * 29 + ["l1"] * 41 + ["tv"] * 30
    assert [str(schedule.at(step, 3)) for step in range(3)] == ["l2", "l1", "l1"]


@pytest.mark.parametrize(
    ("text", "what"),
    [
        ("l2@0..50%,l1@60%..", "do not follow one another"),
        ("l2@0..50%,l1@40%..", "do not follow one another"),
        ("l2@10%..", "do not follow one another"),
        ("l2@0..50%,l1@50..40%", "do not follow one another"),
        ("l2@0..120%", "do not follow one another"),
        ("l2@0..,l1@50%..", "do not follow one another"),
        ("l2@0..50%", "stops at 50% of training"),
        ("l2@0..50%,l1", "'' in the loss"),
        ("l2@half", "'half' in the loss"),
        ("l2@0..50%,l7@50%..", "no loss 'l7'"),
    ],
)
def test_nonsense_is_refused_with_a_way_out(text: str, what: str) -> None:
    with pytest.raises(UsageError, match=what) as caught:
        losses.parse(text)
    assert caught.value.hint


def test_without_a_way_there_is_no_change_on_it() -> None:
    with pytest.raises(UsageError, match="changes on the way"):
        losses.find("l2@0..50%,l1@50%..")
