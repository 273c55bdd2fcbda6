"""Random generators named by what they are for, so that any draw can be made again by itself."""

from hashlib import sha256

import torch


def derive(seed: int, *key: int | str) -> int:
    """A 63-bit seed for ``(seed, *key)``: stable between machines, unrelated between keys."""
    digest = sha256(repr((seed, *key)).encode()).digest()
    return int.from_bytes(digest[:8], "big") >> 1


def generator(seed: int, *key: int | str, device: torch.device | str = "cpu") -> torch.Generator:
    """A generator on ``device`` seeded by ``(seed, *key)``, such as (seed, "noise", step)."""
    return torch.Generator(device=device).manual_seed(derive(seed, *key))
