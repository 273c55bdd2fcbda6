import pytest
import torch
from torch import Tensor

from denoise_cli.data.patches import Patches
from denoise_cli.errors import InputError

CPU = torch.device("cpu")


def _numbered(channels: int, height: int, width: int, start: int = 0) -> Tensor:
    """An image whose values are all different."""
    count = channels * height * width
    assert start + count <= 256
    return torch.arange(start, start + count, dtype=torch.uint8).view(channels, height, width)


def _draw(patches: Patches, count: int, seed: int = 0) -> Tensor:
    drawn, _ = patches.draw(count, torch.Generator().manual_seed(seed))
    assert drawn.dtype == torch.float32
    values = drawn * 255
    torch.testing.assert_close(values, values.round(), atol=1e-4, rtol=0)
    return values.round().to(torch.uint8)


def _orientations(square: Tensor) -> list[Tensor]:
    turns = [torch.rot90(square, quarter, (1, 2)) for quarter in range(4)]
    return turns + [turn.flip(2) for turn in turns]


@pytest.mark.parametrize("channels", [1, 3])
def test_a_square_image_comes_in_each_of_its_eight_orientations(channels: int) -> None:
    image = _numbered(channels, 5, 5)
    drawn = _draw(Patches([[image]], 5, CPU), 800)
    assert drawn.shape == (800, channels, 5, 5)
    counts = [int((drawn == turned).all(dim=(1, 2, 3)).sum()) for turned in _orientations(image)]
    assert sum(counts) == 800
    assert min(counts) > 60  # of 100; the standard deviation is 9.4


@pytest.mark.parametrize(("height", "width"), [(4, 7), (7, 4), (4, 4)])
def test_every_place_is_drawn_and_none_outside(height: int, width: int) -> None:
    image, side = _numbered(3, height, width), 3
    possible = {
        tuple(turned.flatten().tolist())
        for top in range(height - side + 1)
        for left in range(width - side + 1)
        for turned in _orientations(image[:, top : top + side, left : left + side])
    }
    drawn = {tuple(patch.flatten().tolist()) for patch in _draw(Patches([[image]], side, CPU), 2000)}
    assert drawn == possible


def test_images_of_different_sizes_are_not_mixed_up() -> None:
    images = [_numbered(1, 3, 5), _numbered(1, 6, 4, 100), _numbered(1, 3, 3, 200)]
    drawn = _draw(Patches([images[:2], images[2:]], 3, CPU), 500)
    for patch in drawn:
        source = images[0] if patch.max() < 100 else images[1] if patch.max() < 200 else images[2]
        windows = source.unfold(1, 3, 1).unfold(2, 3, 1).reshape(-1, 1, 3, 3)
        assert any(torch.equal(patch, turned) for window in windows for turned in _orientations(window))


def test_groups_are_drawn_equally_often_and_images_by_their_area() -> None:
    small, large, other = (torch.full((1, *size), level, dtype=torch.uint8) for level, size in enumerate(
        ((4, 4), (4, 12), (40, 40))
    ))  # fmt: skip
    levels = _draw(Patches([[small, large], [other]], 4, CPU), 8000).amax(dim=(1, 2, 3))
    shares = [(levels == level).double().mean().item() for level in range(3)]
    assert shares == pytest.approx([1 / 8, 3 / 8, 1 / 2], abs=0.02)


def test_the_generator_decides() -> None:
    patches = Patches([[_numbered(3, 8, 9)]], 4, CPU)
    assert torch.equal(_draw(patches, 20, seed=1), _draw(patches, 20, seed=1))
    assert not torch.equal(_draw(patches, 20, seed=1), _draw(patches, 20, seed=2))


def test_an_image_that_is_smaller_than_the_patch() -> None:
    with pytest.raises(InputError) as caught:
        Patches([[_numbered(1, 9, 9), _numbered(1, 5, 8)]], 6, CPU)
    assert str(caught.value) == (
        "An image of 8x5 pixels is smaller than the patch of 6.\nUse --patch 5 or less, or larger images."
    )


def test_upright_images_are_only_mirrored() -> None:
    image = _numbered(1, 5, 5)
    drawn = _draw(Patches([[image]], 5, CPU, upright=True), 100)
    mirrored = (drawn == image.flip(2)).all(dim=(1, 2, 3))
    assert ((drawn == image).all(dim=(1, 2, 3)) | mirrored).all()
    assert 30 < int(mirrored.sum()) < 70


def test_each_patch_says_of_which_group_it_is() -> None:
    groups = [
        [torch.full((1, 4, 4), level, dtype=torch.uint8) for level in levels] for levels in ((0, 1), (2,), (3, 4))
    ]
    drawn, group = Patches(groups, 3, CPU).draw(200, torch.Generator().manual_seed(0))
    assert group.shape == (200, 1, 1, 1) and group.dtype == torch.int64
    of = torch.tensor([0, 0, 1, 2, 2])
    assert torch.equal(of[(drawn[:, 0, 0, 0] * 255).round().long()], group.flatten())
    assert min(torch.bincount(group.flatten()).tolist()) > 40
