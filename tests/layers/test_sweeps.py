"""Groups of impulses, and their turns."""

from itertools import islice

import pytest
import torch

from denoise_cli.layers.sweeps import Turn, asked_for, rounds, sweeps

NUMBERS = torch.arange(32)[:, None]


@pytest.mark.parametrize("groups", [1, 3, 5])
def test_the_groups_are_even_parts_of_the_impulses(groups: int) -> None:
    impulses = torch.rand((2, 1, 32, 24), generator=torch.Generator().manual_seed(0)) < 0.5
    turns = islice(rounds(groups, 1, torch.device("cpu")), groups)
    parts = torch.stack([asked_for(impulses, NUMBERS, turn) for turn in turns])
    assert (parts.sum(dim=0) == impulses).all()
    shares = parts.sum(dim=(2, 3, 4)) / impulses.sum(dim=(1, 2, 3))
    assert shares == pytest.approx(torch.full(shares.shape, 1 / groups), abs=0.05)


def test_rows_are_known_by_their_numbers() -> None:
    everywhere = torch.ones((1, 1, 32, 24), dtype=torch.bool)
    turn = Turn(*(torch.full((1, 1, 1, 1), value) for value in (5.0, 2.0, 1.0)))
    assert torch.equal(
        asked_for(everywhere[..., 5:20, :], NUMBERS[5:20], turn), asked_for(everywhere, NUMBERS, turn)[..., 5:20, :]
    )


def test_a_coarse_sweep_then_fine_ones_that_are_averaged() -> None:
    share = torch.tensor([0.2, 0.6])[:, None, None, None]
    turns = list(islice(sweeps(share), 17))
    groups, group, weight = (
        torch.stack([getattr(turn, name)[:, 0, 0, 0] for turn in turns], dim=1).tolist()
        for name in ("groups", "group", "weight")
    )
    assert groups == [[1.0] + 16 * [5.0], 3 * [3.0] + 14 * [5.0]]
    assert group[1] == [0, 1, 2, *(3 * [0, 1, 2, 3, 4])][:17]
    assert weight[0] == pytest.approx([1] + 10 * [1] + 5 * [1 / 2] + [1 / 3])
