from dataclasses import dataclass, replace
from typing import Any

import pytest
import torch

from denoise_cli.errors import UsageError, WeightsError
from denoise_cli.method import PAIRS, Recipe
from denoise_cli.methods import dncnn, dt, find
from denoise_cli.training.run import Run, check, check_given, check_norms, check_shape, check_start

RECIPE = Recipe(noise="sp:0.1", patch=8, batch=2, steps=10)


@dataclass(frozen=True)
class Config:
    width: int = 20
    sides: tuple[int, ...] = (1, 2)


RUN = Run("dt", Config(), None, RECIPE, ("photos", "more"), torch.bfloat16, held_out=32)


def test_a_run_does_not_differ_from_itself() -> None:
    assert RUN.differences(RUN.settings()) == []
    assert replace(RUN, command="denoise train").differences(RUN.settings()) == []


@pytest.mark.parametrize(
    ("other", "expected"),
    [
        (replace(RUN, model="dncnn"), ["model (dncnn there, dt here)"]),
        (replace(RUN, config=Config(width=8)), ["width (8 there, 20 here)"]),
        (
            replace(RUN, recipe=replace(RECIPE, rate=0.5, seed=1)),
            ["rate (0.5 there, 0.005 here)", "seed (1 there, 0 here)"],
        ),
        (replace(RUN, data=("photos",)), ["data (photos there, photos, more here)"]),
        (replace(RUN, dtype=torch.float32), ["dtype (float32 there, bfloat16 here)"]),
        (replace(RUN, held_out=5), ["held_out (5 there, 32 here)"]),
        (replace(RUN, limit=5), ["limit (5 there, None here)"]),
    ],
)
def test_what_differs_is_named(other: Run, expected: list[str]) -> None:
    assert sorted(RUN.differences(other.settings())) == sorted(expected)


def test_a_setting_that_an_older_file_lacks_is_no_difference() -> None:
    theirs = RUN.settings()
    del theirs["limit"], theirs["recipe"]["loss"]
    assert RUN.differences(theirs) == []


def test_what_older_files_do_not_know_of_images_and_weights_is_no_difference() -> None:
    theirs = RUN.settings()
    del theirs["init_sha256"], theirs["perceptual_sha256"]
    known = replace(RUN, init_sha256="ab", perceptual_sha256="cd", images="9 bytes")
    assert known.differences(theirs) == []
    assert replace(known, images="").differences(known.settings()) == [], "before the images are read"
    assert replace(known, images="8 bytes").differences(known.settings()) == ["images (9 bytes there, 8 bytes here)"]


def test_a_setting_that_an_older_file_lacks_was_its_default() -> None:
    theirs = RUN.settings()
    del theirs["recipe"]["teacher"], theirs["teacher_sha256"]
    taught = replace(RUN, recipe=replace(RECIPE, teacher="dt.sp"), teacher_sha256="ab")
    assert RUN.differences(theirs) == []
    assert taught.differences(theirs) == ["teacher ( there, dt.sp here)", "teacher_sha256 ( there, ab here)"]


@pytest.mark.parametrize(
    ("config", "said"),
    [
        (dt.Config(channels=2), "dt cannot have 2 channels"),
        (dt.Config(width=0), "width cannot be 0"),
        (dt.Config(turn_every=-1), "turn_every cannot be -1"),
        (dncnn.Config(depth=1), "depth cannot be 1"),
    ],
)
def test_nets_that_cannot_be(config: Any, said: str) -> None:
    with pytest.raises(UsageError, match=said):
        check_shape(config, "dt")
    check_shape(dt.Config(), "dt")


@pytest.mark.parametrize(
    ("field", "value", "expected"),
    [
        ("steps", 0, "steps cannot be 0.\nIt is at least 1."),
        ("batch", -3, "batch cannot be -3.\nIt is at least 1."),
        ("patch", 0, "patch cannot be 0.\nIt is at least 1."),
        ("rate", 0.0, "rate cannot be 0.0.\nIt is above 0."),
        ("rate", float("nan"), "rate cannot be nan.\nIt is above 0."),
        ("clip", 0, "clip cannot be 0.\nIt is above 0."),
        ("warmup", -1, "warmup cannot be -1.\nIt is at least 0."),
        ("ema", 1.5, "ema cannot be 1.5.\nIt is at least 0 and at most 1."),
        ("eight_bit", -0.1, "eight_bit cannot be -0.1.\nIt is at least 0 and at most 1."),
    ],
)
def test_values_that_cannot_be_trained_with(field: str, value: float, expected: str) -> None:
    with pytest.raises(UsageError) as caught:
        check(replace(RECIPE, **{field: value}))
    assert str(caught.value) == expected


@pytest.mark.parametrize(
    ("model", "values", "said"),
    [
        ("dt", {"max_iters": 0}, "max_iters cannot be 0.\nIt is at least 1."),
        ("dt", {"free_iters": -1}, "free_iters cannot be -1."),
        ("dt", {"alpha": 1.5}, "alpha cannot be 1.5."),
        ("bf-rcnn", {"max_iters": 0}, "max_iters cannot be 0."),
        ("classifier", {"smoothing": 2.0}, "smoothing cannot be 2.0."),
        ("classifier", {"dropout": 1.0}, "dropout cannot be 1.0.\nIt is at least 0 and below 1."),
        ("classifier", {"zoom": -3.0}, "zoom cannot be -3.0.\nIt is above 0 and at most 1."),
        ("class-aware", {"border": -3}, "border cannot be -3."),
        ("cbdnet", {"alpha": -1.0}, "alpha cannot be -1.0."),
        ("dt", {"loss": "0*similarity"}, "does not compare the estimate with the clean image.\nAdd one that does"),
        ("dt", {"loss": "mse@0..50%,similarity@50%..", "max_iters": 1}, "The loss 'similarity' does not compare"),
        ("feedforward", {"loss": "similarity"}, "The loss 'similarity' does not compare"),
        ("classifier", {"loss": "cross-entropy@0..50%,l1 + cross-entropy@50%.."}, "A classifier has no loss 'l1'."),
    ],
)
def test_values_of_a_method_that_cannot_be_trained_with(model: str, values: dict[str, Any], said: str) -> None:
    recipe = find(model).recipe
    assert recipe is not None
    check(recipe)
    with pytest.raises(UsageError) as caught:
        check(replace(recipe, **values))
    assert said in str(caught.value)


def test_published_free_iterations_and_losses_beside_another_are_fine() -> None:
    recipe = find("dt").recipe
    assert recipe is not None
    check(replace(recipe, free_iters=None, loss="mse + 0.08*similarity"))  # type: ignore[call-arg]


@pytest.mark.parametrize(
    ("given", "values", "said"),
    [
        ("taught", {"taught": 0.9}, "taught=0.9 is the share of the patches that a teacher teaches"),
        ("gray", {"noise": PAIRS}, "gray=0.2 is for noise that is drawn anew"),
        ("eight_bit", {"noise": PAIRS}, "eight_bit=0.5 is for noise that is drawn anew"),
    ],
)
def test_knobs_that_would_do_nothing(given: str, values: dict[str, Any], said: str) -> None:
    recipe = replace(RECIPE, **values)
    check_given([], recipe)
    check_given([given], replace(recipe, teacher="dt.sp", noise="sp:0.1"))
    with pytest.raises(UsageError, match=said):
        check_given([given], recipe)
    check_given(["gray", "eight_bit"], replace(RECIPE, noise=PAIRS, gray=0, eight_bit=0))


def test_words_that_do_not_exist() -> None:
    with pytest.raises(UsageError, match="no loss 'l7'"):
        check(replace(RECIPE, loss="l7"))
    with pytest.raises(UsageError, match=r"no optimiser 'sgd'(.|\n)*muon, adam"):
        check(replace(RECIPE, optimiser="sgd"))
    with pytest.raises(UsageError, match=r"no noise 'gausian'(.|\n)*'gaussian'"):
        check(replace(RECIPE, noise="gausian:25"))


def test_recipes_that_are_fine() -> None:
    check(RECIPE)
    check(replace(RECIPE, noise=PAIRS, ema=0, eight_bit=1, warmup=0))


def test_frozen_norms_need_all_their_statistics() -> None:
    net = torch.nn.Sequential(torch.nn.Conv2d(1, 2, 3), torch.nn.BatchNorm2d(2))
    statistics = {"1.running_mean", "1.running_var"}
    check_norms(net, statistics, "dncnn.gray-25")
    with pytest.raises(WeightsError, match=r"Of dt.sp 1 of the 2 statistics .* first '1.running_var'"):
        check_norms(net, {"0.weight", "1.running_mean"}, "dt.sp")
    with pytest.raises(UsageError, match="nets with batch norm, and this one has none"):
        check_norms(net[0], {"weight", "bias"}, "dt.sp")


def test_frozen_norms_need_weights_to_start_from() -> None:
    frozen = replace(RUN, recipe=replace(RECIPE, frozen_norm=True))
    with pytest.raises(UsageError, match="starts from none") as caught:
        check_start(frozen)
    assert "--init-from" in str(caught.value.hint)
    check_start(replace(frozen, init_from="dncnn.gray-25"))
    check_start(RUN)
