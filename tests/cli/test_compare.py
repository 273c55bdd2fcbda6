"""``denoise compare``: many methods on one crop, as a page, a sheet, a table and JSON."""

import base64
import io
import json
import re
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image as Pillow

from denoise_cli import shelf
from denoise_cli.cli.app import main

Caught = pytest.CaptureFixture[str]
Draw = Callable[..., NDArray[np.uint8]]
Take = Callable[[Path], NDArray[np.uint8]]
About = Callable[[Path], tuple[str | None, tuple[int, int]]]


def pictures(page: str) -> list[NDArray[np.uint8]]:
    found = re.findall(r'<img src="data:image/png;base64,([^"]+)"', page)
    return [np.asarray(Pillow.open(io.BytesIO(base64.b64decode(data)))) for data in found]


def rows(text: str) -> list[list[str]]:
    return [re.split(r"\s{2,}", line.strip()) for line in text.splitlines()]


@pytest.mark.usefixtures("here")
def test_a_page_holds_what_run_would_make(draw: Draw, take: Take, capsys: Caught) -> None:
    draw("clean.png")
    assert main(["compare", "a.png", "--models", "median,impulse", "--clean", "clean.png"]) == 0
    out, err = capsys.readouterr()
    assert [line[:2] for line in rows(out)] == [
        ["image", "model"],
        *(["a.png", m] for m in ("noisy", "median", "impulse")),
    ]
    assert "on cpu" in err and err.rstrip().endswith("-> a-compared.html")
    page = Path("a-compared.html").read_text(encoding="utf-8")
    assert main(["run", "a.png", "-m", "median"]) == 0
    noisy, median, _, clean = pictures(page)
    for shown, name in ((noisy, "a.png"), (median, "a-denoised.png"), (clean, "clean.png")):
        assert (shown == take(Path(name))).all()
    capsys.readouterr()
    assert main(["score", "a-denoised.png", "clean.png"]) == 0
    assert rows(out)[2][3:] == [f"{rows(capsys.readouterr().out)[1][1]} dB", *rows(out)[2][4:]]
    assert "<script" not in page and "http://" not in page and "https://" not in page


@pytest.mark.usefixtures("here")
def test_json_and_a_part(draw: Draw, take: Take, capsys: Caught) -> None:
    draw("clean.png")
    assert main(["compare", "a.png", "-m", "median", "--crop", "0,0,8,8", "--clean", "a.png", "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert told["ssim"] is None and told["psnr"] > 0, "no JSON has nan"
    flags = ["-m", "median,inpaint", "--crop", "4,3,16,12", "--clean", "clean.png", "-o", "page.html"]
    assert main(["compare", "a.png", *flags, "--json"]) == 0
    median, inpaint = map(json.loads, capsys.readouterr().out.splitlines())
    assert (median["asked"], median["model"], median["crop"], median["alone"]) == (
        "median",
        "median",
        [4, 3, 16, 12],
        False,
    )
    assert median["output"] == ["page.html"] and median["warnings"] == [] and median["peak_memory"] > 10**6
    assert inpaint["alone"] and inpaint["seconds"] > 0 and inpaint["error"] is None and 0 < inpaint["ssim"] < 1
    assert main(["run", "a.png", "-m", "median"]) == 0
    page = Path("page.html").read_text(encoding="utf-8")
    assert "the part 4,3,16,12 (x, y, width, height); of the part alone: inpaint." in page
    assert (pictures(page)[1] == take(Path("a-denoised.png"))[3:15, 4:20]).all()


def test_the_middle_of_a_larger_image(here: Path, draw: Draw, about: About, capsys: Caught) -> None:
    draw(here / "large.png", "salt", 300, 400)
    assert main(["compare", "large.png", "-m", "median", "-o", "sheet.png", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["crop"] == [72, 22, 256, 256]
    assert about(Path("sheet.png"))[1][0] == 2 * 264 + 8
    assert main(["compare", "large.png", "-m", "median", "-o", "sheet.png", "--json", "--crop", "none", "--force"]) == 0
    assert json.loads(capsys.readouterr().out)["crop"] == [0, 0, 400, 300]


@pytest.mark.usefixtures("here", "shelved")
def test_without_models_what_suits_is_tried(capsys: Caught) -> None:
    assert main(["compare", "a.png", "--json"]) == 0
    told = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [one["asked"] for one in told] == ["auto", "impulse", "adaptive-median", "inpaint"]
    assert told[0]["model"] == "dt.sp" and told[0]["weights"] == shelf.find("dt.sp").sha256
    assert "auto: dt.sp" in Path("a-compared.html").read_text(encoding="utf-8")


@pytest.mark.usefixtures("here", "shelved")
def test_iterations_and_levels_go_to_those_that_take_them(capsys: Caught) -> None:
    words = "dt.gaussian,median,nn3d:dt.gaussian,nlm"
    assert main(["compare", "a.png", "-m", words, "-n", "1,3", "--sigma", "25", "--json"]) == 0
    told = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [(one["asked"], one.get("iters")) for one in told] == [
        ("dt.gaussian", [1]), ("dt.gaussian", [3]), ("median", None),
        ("nn3d:dt.gaussian", [1]), ("nn3d:dt.gaussian", [3]), ("nlm", None),
    ]  # fmt: skip
    page = Path("a-compared.html").read_text(encoding="utf-8")
    assert "dt.gaussian, 3 iterations" in page and len(pictures(page)) == 7
    assert main(["compare", "a.png", "-m", "dt.gaussian", "-n", "auto", "-f"]) == 0
    assert re.search(r"dt.gaussian, \d+ iterations", capsys.readouterr().out)
    for flags, said in ((["-n", "3"], "None of median takes such --iters"), (["--sigma", "25"], "takes --sigma")):
        assert main(["compare", "a.png", "-m", "median", *flags, "-o", "x.html"]) == 2
        assert said in capsys.readouterr().err and not Path("x.html").exists()


@pytest.mark.usefixtures("here", "shelved")
def test_one_that_fails_does_not_stop_the_others(capsys: Caught) -> None:
    (shelf.folder() / "dt.sp.safetensors").unlink()
    own = str(shelf.folder() / "dt.gaussian.safetensors")
    assert main(["compare", "a.png", "-m", f"dt.sp,bf-cnn,median,{own}", "-o", "p.html", "-o", "s.png", "--json"]) == 7
    out, err = capsys.readouterr()
    told = [json.loads(line) for line in out.splitlines()]
    assert [one["error"] is None for one in told] == [False, False, True, True] and told[3]["model"] == "dt"
    assert "2 of 4 methods failed, the others are done" in err
    page = Path("p.html").read_text(encoding="utf-8")
    assert "The weights &#x27;dt.sp&#x27; are missing" in page and len(pictures(page)) == 3
    assert main(["compare", "a.png", "-m", "dt.sp", "-o", "none.html"]) == 5 and not Path("none.html").exists()
    assert main(["compare", "a.png", "-m", "median,medain", "-o", "none.html"]) == 2
    assert "Did you mean 'median'" in capsys.readouterr().err and not Path("none.html").exists()


def test_several_images(here: Path, draw: Draw, about: About, capsys: Caught) -> None:
    draw(here / "clean/b.png", seed=1)
    draw(here / "clean/sub/c.png", height=20)
    assert main(["compare", "photos", "-m", "median,impulse", "--clean", "clean", "-o", "p.html", "-o", "s.png"]) == 7
    out, err = capsys.readouterr()
    assert (
        "photos/sub/c.png has 32x24 pixels in colour, clean/sub/c.png has 32x20" in err
        and "1 of 3 attempts failed" in err
    )
    assert [line[0] for line in rows(out)[1:]] == 3 * ["photos/b.png"]
    draw(here / "photos/sub/c.png", "salt", 30, 60)
    assert main(["compare", "photos", "-m", "median,impulse", "-o", "compared.html", "-o", "both.png"]) == 0
    assert about(here / "both.png")[1][0] == 3 * (300 + 8) + 8
    assert len(pictures(Path("compared.html").read_text(encoding="utf-8"))) == 6
    assert main(["compare", "none.png", "-m", "median"]) == 3


def test_where_it_goes_is_checked_first(here: Path, capsys: Caught) -> None:
    (here / "there.html").write_text("mine")
    for flags, code, said in (
        (["-o", "there.html"], 4, "there.html exists already"),
        (["-o", "a.png", "-f"], 4, "'a.png' would be two things at once"),
        (["-o", "x.png", "-o", "./x.png"], 4, "'x.png' would be two things at once"),
        (["-o", "x.pdf"], 2, "'x.pdf' is neither a page nor a picture"),
        (["-m", ","], 2, "--models names none"),
        (["--crop", "1,2"], 2, "is no part of an image"),
        (["--crop", "20,2,16,16"], 3, "is not within a.png"),
    ):
        assert main(["compare", "a.png", "-m", "median", *flags]) == code
        assert said in capsys.readouterr().err
    assert (here / "there.html").read_text() == "mine" and not list(here.glob("x.*"))
    assert main(["compare", "a.png", "-m", "median", "-o", "there.html", "-f", "-q"]) == 0
    assert capsys.readouterr().err == "" and "median" in (here / "there.html").read_text()


@pytest.mark.usefixtures("here")
def test_names_are_shown_and_not_obeyed(draw: Draw) -> None:
    draw("<b>&.png", "salt")
    assert main(["compare", "<b>&.png", "-m", "median", "-o", "p.html"]) == 0
    page = Path("p.html").read_text(encoding="utf-8")
    assert "<b>" not in page and "&lt;b&gt;&amp;.png" in page
