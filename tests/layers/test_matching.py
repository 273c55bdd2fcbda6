"""Block matching against a search written out."""

import pytest
import torch

from denoise_cli.layers import matching
from denoise_cli.layers.matching import Grid, Search, bands, match


def scene(count: int, height: int, width: int) -> torch.Tensor:
    generator = torch.Generator().manual_seed(height)
    return torch.randint(-90, 90, (count, 1, height, width), generator=generator).float()


def by_hand(image: torch.Tensor, search: Search, row: int, column: int) -> list[tuple[float, int, int]]:
    """Distance, row and column of all blocks of ``image`` (H, W) around one, the most alike first."""
    side, radius = search.side, search.radius
    block = image[row : row + side, column : column + side]
    found = []
    for y in range(max(0, row - radius), min(image.shape[0] - side, row + radius) + 1):
        for x in range(max(0, column - radius), min(image.shape[1] - side, column + radius) + 1):
            found.append(((image[y : y + side, x : x + side] - block).square().sum().item(), y, x))
    return sorted(found)


@pytest.mark.parametrize("at_once", [1, 1 << 22])
@pytest.mark.parametrize(("side", "step", "radius", "most"), [(4, 3, 3, 8), (3, 1, 2, 4), (5, 2, 6, 16)])
def test_the_nearest_blocks(
    side: int, step: int, radius: int, most: int, at_once: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(matching._BAND, "cpu", at_once)
    height, width = side + 7 * step, side + 5 * step
    images = scene(2, height, width)
    search = Search(side, step, radius, most, limit=5000)
    grid = Grid(search, height, width)
    framed = grid.frame(images)
    line = framed.shape[-1]
    seen = set()
    for band in bands(grid, framed):
        patches = framed[:, 0, band.top : band.top + band.rows + side].unfold(1, side, 1).unfold(2, side, 1)
        patches = torch.nn.functional.pad(patches[:, :-1], (0, 0, 0, 0, 0, side - 1))  # a block for each column
        features = patches.reshape(-1, side * side)
        allowed = grid.corners(framed)[band.top : band.top + band.rows]
        places, counts = match(features, allowed, grid, band)
        for group, alike in zip(places.tolist(), counts.tolist(), strict=True):
            found = []
            for place in group[:alike]:
                image, corner = divmod(place, band.rows * line)
                found.append((image, corner // line + band.top - radius, corner % line - radius))
            image, row, column = found[0]
            wanted = by_hand(images[image, 0], search, row, column)
            assert wanted[0] == (0, row, column)
            wanted = [item for item in wanted if item[0] <= 5000 * side**2][:most]
            assert len(found) == len(wanted)
            distances = {(y, x): distance for distance, y, x in wanted}
            assert {(y, x) for _, y, x in found} == set(distances)
            assert [distances[y, x] for _, y, x in found] == sorted(distances.values())
            seen.add(found[0])
    assert seen == {(n, y * step, x * step) for n in range(2) for y in range(8) for x in range(6)}


def test_blocks_cover_an_image_of_any_size() -> None:
    for height, width in ((1, 1), (3, 40), (8, 8), (9, 12), (31, 17)):
        grid = Grid(Search(8, 3, 2, 4), height, width)
        framed = grid.frame(torch.ones((1, 1, height, width)))
        rows, columns = grid.counts()
        assert 8 + 3 * (rows - 1) >= height and 8 + 3 * (columns - 1) >= width
        assert grid.corners(framed).sum() == (3 * rows - 2) * (3 * columns - 2)
        assert framed.sum() == (3 * rows + 5) * (3 * columns + 5)


def test_a_flat_place_has_a_group_of_its_own() -> None:
    search = Search(4, 3, 6, 8)  # 169 blocks around, all the same
    height = width = 34
    grid = Grid(search, height, width)
    framed = grid.frame(torch.zeros(1, 1, height, width))
    (band,) = bands(grid, framed)
    features = torch.zeros(band.rows * framed.shape[-1], 16)
    places, counts = match(features, grid.corners(framed)[: band.rows], grid, band)
    corners = {(place // framed.shape[-1] - 6, place % framed.shape[-1] - 6) for place in places[:, 0].tolist()}
    assert corners == {(row, column) for row in range(0, 31, 3) for column in range(0, 31, 3)}
    assert counts.tolist() == [8] * 121


@pytest.mark.parametrize(("width", "most"), [(1521, 16), (1521, 32), (1521, 1), (130, 16), (16, 16)])
def test_the_smallest_of_each_row(width: int, most: int) -> None:
    """With many equal numbers too; both ways of looking for them."""
    values = torch.randint(0, 300, (7, width), generator=torch.Generator().manual_seed(width)).float()
    found, places = matching._smallest(values, most)
    assert torch.equal(found, values.sort(dim=1).values[:, :most])
    assert torch.equal(values.gather(1, places), found)
    assert all(len(set(row)) == most for row in places.tolist())
