"""The look of an image, and the weights that suit it."""

import os
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
from PIL import Image as Pillow

from denoise_cli import shelf
from denoise_cli.data.sources import open_source
from denoise_cli.errors import WeightsError
from denoise_cli.image import Image, Source, read
from denoise_cli.inference.choose import GAUSSIAN, IMPULSES, Look, choose, has_learnt, look, nearest
from denoise_cli.noise import parse, stored

SAMPLES = ("astronaut.png", "camera.png", "brick.png", "text.png", "tiny-cat.png", "hubble.png")


def seen(clean: torch.Tensor, noise: str) -> Look:
    noisy = clean if noise == "clean" else parse(noise)(clean, torch.Generator().manual_seed(0)).noisy
    return look(Image(stored(noisy)[0].numpy(), Source("x.png")))


def struck_apart(clean: torch.Tensor, share: float) -> torch.Tensor:
    """Each channel with salt and pepper of its own."""
    noisy = parse(f"sp:{share}")(clean.transpose(0, 1), torch.Generator().manual_seed(0)).noisy
    return noisy.transpose(0, 1).contiguous()


def samples() -> Iterator[tuple[str, torch.Tensor]]:
    for name, pixels in open_source():
        if name in SAMPLES:
            yield name, torch.from_numpy(pixels.copy())[None].float().div(255)[..., :256, :256]


@pytest.mark.parametrize("noise", ["clean", "gaussian:5", "gaussian:25", "gaussian:50", "gaussian:75", "jpeg:20"])
def test_what_is_no_salt_and_pepper(noise: str) -> None:
    assert {name: seen(clean, noise).suits for name, clean in samples()} == dict.fromkeys(SAMPLES, GAUSSIAN)


@pytest.mark.parametrize("share", [0.1, 0.3, 0.7])
def test_what_is(share: float) -> None:
    looks = {name: seen(clean, f"sp:{share}") for name, clean in samples() if name != "text.png"}
    assert {look.suits for look in looks.values()} == {IMPULSES}
    assert all(look.impulse_share == pytest.approx(share, rel=0.3) for look in looks.values())


@pytest.mark.parametrize("share", [0.02, 0.1, 0.3, 0.7])
def test_salt_and_pepper_in_each_channel_by_itself(share: float) -> None:
    clean = dict(samples())["astronaut.png"]
    found = seen(struck_apart(clean, share), "clean")
    assert found.apart and found.suits == IMPULSES and found.impulse_share == pytest.approx(share, abs=0.01)
    assert not found.grainy_beside and str(found).endswith("% salt and pepper in each channel by itself")
    together = seen(clean, f"sp:{share}")
    assert not together.apart and together.suits == IMPULSES


def test_other_noise_beside_it() -> None:
    clean = dict(samples())["astronaut.png"]
    grainy = parse("gaussian:25")(clean, torch.Generator().manual_seed(1)).noisy
    found = seen(struck_apart(grainy, 0.1), "clean")
    assert found.apart and found.grainy_beside and 255 * found.fine == pytest.approx(25, rel=0.1)
    assert not found.beside.apart and found.beside.suits == GAUSSIAN


@pytest.mark.parametrize("line", [cv2.LINE_8, cv2.LINE_AA])
@pytest.mark.parametrize("inverted", [False, True])
def test_print_is_no_noise(line: int, inverted: bool) -> None:
    page = np.full((160, 240), 255, np.uint8)
    for row in range(8):
        cv2.putText(page, f"Line {row} of some text", (4, 18 * row + 16), row % 4, 0.5, 0, 1, line)
    if inverted:
        page[80:] = 255 - page[80:]
    clean = torch.from_numpy(page)[None, None].float().div(255)
    for noise in ("clean", "gaussian:10", "jpeg:30"):
        assert seen(clean, noise).suits == GAUSSIAN


def test_saturated_areas_and_black_and_white_are_no_noise() -> None:
    ramp = torch.linspace(-0.5, 1.5, 200).expand(1, 3, 150, 200)
    assert seen(ramp.clamp(0, 1), "clean").suits == seen(ramp.clamp(0, 1), "gaussian:25").suits == GAUSSIAN
    dither = (torch.rand((1, 1, 100, 100), generator=torch.Generator().manual_seed(0)) < 0.5).float()
    assert seen(dither, "clean").suits == GAUSSIAN
    assert seen(ramp.clamp(0, 1), "sp:0.1").suits == IMPULSES


@pytest.mark.parametrize("size", [(1, 1), (1, 300), (300, 1), (2, 2)])
def test_tiny_images(size: tuple[int, int]) -> None:
    assert np.isfinite(seen(torch.rand((1, 3, *size)), "clean").sigma)


@pytest.mark.skipif("DENOISE_DATA" not in os.environ, reason="DENOISE_DATA names no folder with cbsd68")
def test_photos() -> None:
    for name, pixels in open_source(Path(os.environ["DENOISE_DATA"]) / "cbsd68", limit=20):
        clean = torch.from_numpy(pixels.copy())[None].float().div(255)
        for noise in ("clean", "gaussian:25", "gaussian:50", "gaussian:75", "jpeg:10"):
            assert seen(clean, noise).suits == GAUSSIAN, f"{name} {noise}"
        for share in (0.03, 0.3, 0.7):
            assert seen(struck_apart(clean, share), "clean").apart, f"{name} {share}"
        for noise in ("sp:0.03", "sp:0.3", "sp:0.7"):
            assert seen(clean, noise).suits == IMPULSES, f"{name} {noise}"


def entry(name: str, suits: str, channels: int, noise: str = "gaussian:0..75") -> shelf.Entry:
    return shelf.Entry(
        name=name, sha256="", suits=suits, noise=noise, channels=channels, weights=0, command="", data="", seed=0,
        minutes=0.0, device="",
    )  # fmt: skip


def test_the_choice() -> None:
    entries = [entry("a.1", GAUSSIAN, 3), entry("b.1", GAUSSIAN, 1), entry("c.1", IMPULSES, 3), entry("d.1", "", 3)]
    grain, salt = Look(0.0, 0.1), Look(0.3, 0.3)
    assert choose(grain, 3, entries).name == "a.1"
    assert choose(grain, 1, entries).name == "b.1"
    assert choose(grain, 1, entries[:1]).name == "a.1"
    assert choose(salt, 1, entries).name == "c.1"
    assert (str(salt), str(grain)) == ("30.0 % salt and pepper", "sigma 25.5")
    with pytest.raises(WeightsError, match="No weights here are for impulses"):
        choose(salt, 3, entries[:2])


@pytest.mark.parametrize(
    ("noise", "impulses", "other"),
    [
        ("gaussian:25", False, True),
        ("sp:0.1", True, False),
        ("patch:sp:0.1", True, False),
        ("mixed:25+0.05", True, True),
        ("0.9*jpeg:5..95 + 0.1*sp:0..0.5", True, True),
        ("camera:0.1+0.02+90", False, True),
        ("pairs", True, True),
    ],
)
def test_what_weights_have_learnt(noise: str, impulses: bool, other: bool) -> None:
    grain, salt = Look(0.0, 0.1), Look(0.3, 0.3)
    taught = entry("a.1", "", 3, noise)
    assert (has_learnt(taught, salt), has_learnt(taught, grain)) == (impulses, other)


def test_the_nearest_weights_have_learnt_such_noise_and_such_a_level_and_take_such_channels() -> None:
    grain, salt = Look(0.0, 0.2), Look(0.3, 0.3)
    told = [("a.sp", 3, "sp:0.1"), ("a.weak", 1, "gaussian:0..25"), ("a.color", 3, "gaussian:0..75")]
    entries = [entry(name, "", channels, noise) for name, channels, noise in told]
    entries.append(entry("a.gray", "", 1, "gaussian:0..75"))
    assert nearest(salt, 1, entries).name == "a.sp"
    assert nearest(grain, 3, entries).name == "a.color"
    assert nearest(grain, 1, entries).name == "a.gray"
    assert nearest(salt, 3, entries[1:]).name == "a.color"


def test_a_large_image_is_looked_at_in_bands() -> None:
    generator = torch.Generator().manual_seed(0)
    noise = torch.randn((1, 2400, 2400), generator=generator).mul(20 / 255).add(0.5).clamp(0, 1)
    noise[:, :, :1200] = noise[:, :, :1200].sub(0.5).mul(0.5).add(0.5)  # half of the noise on the left
    seen = look(Image(noise.numpy(), Source("x.png")))
    assert seen.suits == GAUSSIAN and 9 / 255 < seen.sigma < 20 / 255


def test_weights_that_learnt_such_strong_noise_or_nearly_come_first() -> None:
    weak, strong = "gaussian:0..55", "gaussian:0..75"
    entries = [
        entry(*what) for what in (("a.1", GAUSSIAN, 1, weak), ("b.1", GAUSSIAN, 3, weak), ("c.1", GAUSSIAN, 3, strong))
    ]
    for sigma, channels, name in ((25, 3, "b.1"), (25, 1, "a.1"), (60, 3, "c.1"), (60, 1, "c.1"), (100, 3, "c.1")):
        assert choose(Look(0.0, sigma / 255), channels, entries).name == name


def test_a_net_that_is_told_the_level_is_for_noise_that_can_be_measured() -> None:
    entries = [entry("ffdnet.color", GAUSSIAN, 3), entry("dncnn.color-blind", GAUSSIAN, 3, "gaussian:0..55")]
    chosen = [choose(Look(0.0, sigma / 255), 3, entries).name for sigma in (0, 5, 20, 60)]
    assert chosen == ["dncnn.color-blind", "dncnn.color-blind", "ffdnet.color", "ffdnet.color"]
    assert choose(Look(0.0, 0.0), 3, entries[:1]).name == "ffdnet.color"


def test_particular_noise_takes_weights_for_it_where_there_are_any() -> None:
    photo = entry("dt.photo", "jpeg, mixed", 3, "0.5*gaussian:0..75 + 0.5*jpeg:10..90")
    plain = [entry("a.1", GAUSSIAN, 3), entry("c.1", IMPULSES, 3)]
    grain, blocks = Look(0.0, 0.1), Look(0.0, 0.1, jpeg_blocks=True)
    speckled, salt = Look(0.1, 0.1, fine=0.1), Look(0.1, 0.001)
    assert [choose(seen, 3, [*plain, photo]).name for seen in (grain, blocks, speckled, salt)] == [
        "a.1", "dt.photo", "dt.photo", "c.1",
    ]  # fmt: skip
    assert [choose(seen, 3, plain).name for seen in (blocks, speckled)] == ["a.1", "c.1"]
    camera = entry("cbdnet.camera", "camera", 3, "camera:0..0.16+0..0.06")
    assert choose(Look(0.0, 0.1, white=False), 3, [*plain, camera]).name == "cbdnet.camera"
    little, texture = Look(0.0, 0.005, white=False), Look(0.0, 0.1, white=False, fine=0.03)
    assert [choose(seen, 3, [*plain, camera]).name for seen in (little, texture)] == ["a.1", "a.1"]
    assert choose(Look(0.0, 0.1, shot=0.05), 3, [*plain, camera]).name == "a.1"


def test_coarse_noise_is_a_cameras_also_where_it_is_weak_or_there_are_blocks() -> None:
    entries = [entry("a.1", GAUSSIAN, 3), entry("cbdnet.camera", "camera", 3), entry("dt.photo", "jpeg", 3)]
    coarse = [Look(0.0, sigma / 255, white=False, fine=sigma / 255 / 15) for sigma in (1, 5, 9, 11, 30)]
    chosen = [choose(seen, 3, entries).name for seen in coarse]
    assert chosen == ["a.1", *4 * ["cbdnet.camera"]]
    assert choose(coarse[1], 3, [entries[0], entries[2]]).name == "a.1"
    assert choose(replace(coarse[1], jpeg_blocks=True), 3, entries).name == "cbdnet.camera"


def test_a_cameras_own_jpeg_takes_what_was_trained_on_photographs() -> None:
    entries = [entry("a.1", GAUSSIAN, 3), entry("cbdnet.camera", "camera", 3), entry("dt.photo", "jpeg", 3)]
    soft = Look(0.0, 0.001, jpeg_quality=75, sharpness=0.5)
    looks = [
        soft, replace(soft, sharpness=0.9), replace(soft, jpeg_quality=50), replace(soft, jpeg_quality=95),
        replace(soft, jpeg_quality=None, jpeg_blocks=True), replace(soft, impulse_share=0.1),
    ]  # fmt: skip
    chosen = [choose(seen, 3, [*entries, entry("c.1", IMPULSES, 3)]).name for seen in looks]
    assert chosen == ["cbdnet.camera", "dt.photo", "dt.photo", "a.1", "cbdnet.camera", "c.1"]
    assert choose(soft, 3, [entries[0], entries[2]]).name == "dt.photo"


def test_only_where_it_is_compressed_the_sharpness_of_an_image_is_measured(tmp_path: Path) -> None:
    photo = cv2.resize(dict(open_source())["astronaut.png"].transpose(1, 2, 0)[..., ::-1], None, fx=2, fy=2)
    for name, quality in (("a.png", 1), ("a.jpg", 75), ("fine.jpg", 95)):
        assert cv2.imwrite(str(tmp_path / name), photo, [cv2.IMWRITE_JPEG_QUALITY, quality])
    whole, file, fine = (look(read(tmp_path / name)) for name in ("a.png", "a.jpg", "fine.jpg"))
    assert file.straight and 0.3 < file.sharpness < 0.7
    assert whole.sharpness == fine.sharpness == 1 and not whole.straight and not fine.straight


@pytest.mark.parametrize(
    ("quality", "sigma", "name"),
    [(70, 0.5, "c.jpeg"), (85, 0.5, "a.1"), (85, 8, "c.jpeg"), (92, 8, "c.jpeg"), (95, 8, "a.1"), (None, 8, "a.1")],
)
def test_what_a_file_says_of_its_quality_counts_where_no_block_is_seen(
    quality: float | None, sigma: float, name: str
) -> None:
    entries = [entry("a.1", GAUSSIAN, 3), entry("c.jpeg", "jpeg", 3, "jpeg:5..95")]
    seen = Look(0.0, sigma / 255, jpeg_quality=quality)
    assert choose(seen, 3, entries).name == name
    assert seen.compressed == (name == "c.jpeg") == ("JPEG of quality" in str(seen))
    assert (seen.grain is None) == seen.compressed, "what JPEG left is alike from pixel to pixel too, and is to go"


def test_the_quality_of_a_file_is_looked_up_in_it(tmp_path: Path) -> None:
    pixels = np.random.default_rng(0).integers(100, 140, (40, 48, 3), dtype=np.uint8)
    for quality in (5, 20, 50, 75, 90, 95):
        Pillow.fromarray(pixels).save(tmp_path / "x.jpg", quality=quality)
        assert look(read(tmp_path / "x.jpg")).jpeg_quality == pytest.approx(quality, abs=1)
    Pillow.fromarray(pixels).save(tmp_path / "x.png")
    assert look(read(tmp_path / "x.png")).jpeg_quality is None


def test_a_mixture_learnt_the_strongest_of_its_gaussian_noises() -> None:
    weak = entry("a.1", GAUSSIAN, 3, "gaussian:0..55")
    photo = entry("b.1", GAUSSIAN, 3, "0.5*gaussian:0..75 + 0.5*sp:0..0.5")
    assert [choose(Look(0.0, sigma / 255), 3, [weak, photo]).name for sigma in (25, 60)] == ["a.1", "b.1"]


def test_what_is_left_beside_impulses() -> None:
    speckled = Look(0.1, 0.1, fine=0.1, shot=0.05, read=0.09)
    assert speckled.grainy_beside and speckled.beside.suits == GAUSSIAN and speckled.beside.sigma == 0.1
    assert str(speckled) == "10.0 % salt and pepper and sigma 25.5"
    assert not Look(0.1, 7 / 255, fine=7 / 255).grainy_beside, "a fine texture"
    assert not Look(0.0, 0.1, fine=0.1).grainy_beside
