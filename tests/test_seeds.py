"""Generators by name."""

import torch

from denoise_cli import seeds


def test_the_same_key_is_the_same_stream_on_every_machine() -> None:
    assert seeds.derive(0, "noise", 1) == 1413489107338554685
    first, again = (torch.rand(4, generator=seeds.generator(0, "noise", 1)) for _ in range(2))
    assert torch.equal(first, again)


def test_keys_do_not_meet() -> None:
    keys = [(0,), (1,), (0, "a"), (0, "b"), (0, "a", 1), (0, "a", 2), (0, 1), (0, "1"), (0, "a1")]
    assert len({seeds.derive(*key) for key in keys}) == len(keys)
    assert all(0 <= seeds.derive(*key) < 2**63 for key in keys)
