"""The mark of functions that look only so far."""

from typing import Any

import torch

from denoise_cli.layers.local import locally


def test_it_is_called_as_it_is() -> None:
    assert torch.equal(locally(torch.add, 0, torch.ones(2), 3), torch.full((2,), 4.0))


def test_who_stands_for_an_image_is_asked() -> None:
    class Asked:
        @classmethod
        def __torch_function__(cls, function: Any, types: Any, arguments: Any = (), named: Any = None) -> Any:
            return function, arguments[:2]

    assert locally(torch.add, 2, Asked(), 3) == (locally, (torch.add, 2))
