"""Work that takes fewer images at once where the memory runs out."""

import pytest
import torch

from denoise_cli.errors import DeviceError
from denoise_cli.training.portions import Portions

CPU = torch.device("cpu")


@pytest.mark.parametrize(
    ("limit", "halvings", "count", "size"),
    [(None, 0, 6, 6), (None, 1, 7, 4), (None, 9, 7, 1), (4, 0, 6, 4), (4, 1, 6, 2), (9, 0, 6, 6)],
)
def test_how_many_at_once(limit: int | None, halvings: int, count: int, size: int) -> None:
    assert Portions(limit, halvings).size(count) == size


def test_what_was_learned_of_the_memory_is_kept() -> None:
    portions, sizes = Portions(), []

    def work(size: int) -> str:
        sizes.append(size)
        if size > 3:
            raise torch.OutOfMemoryError("CUDA out of memory.")
        return "done"

    assert [portions.fit(10, work, CPU, "an image") for _ in range(2)] == ["done", "done"]
    assert sizes == [10, 5, 3, 3]


def test_where_one_is_too_much_it_says_so() -> None:
    def work(size: int) -> None:
        raise MemoryError

    with pytest.raises(DeviceError, match=r"Out of memory on cpu, for an image\."):
        Portions().fit(4, work, CPU, "an image")
