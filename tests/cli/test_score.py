import csv
import json
import math
import subprocess
import sys
from pathlib import Path

import cv2
import numpy as np
import pytest

from denoise_cli.cli.app import main


def _flat(path: Path, level: int, height: int = 20, width: int = 24) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    assert cv2.imwrite(str(path), np.full((height, width, 3), level, np.uint8))


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Two clean images, outputs that are off by 1 and by 10, noisy ones that are off by 20."""
    for name, error in (("a.png", 1), ("sub/b.png", 10)):
        _flat(tmp_path / "clean" / name, 100)
        _flat(tmp_path / "out" / name, 100 + error)
        _flat(tmp_path / "noisy" / name, 120)
    monkeypatch.chdir(tmp_path)
    return tmp_path


# An error of 1 of 255 everywhere is 48.13 dB, of 10 it is 28.13 dB.


@pytest.mark.usefixtures("here")
def test_the_table_is_on_stdout(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["score", "out", "clean"]) == 0
    out, err = capsys.readouterr()
    assert [line.split()[:-1] for line in out.splitlines()] == [
        ["image", "PSNR", "dB"],
        ["a.png", "48.13"],
        ["sub/b.png", "28.13"],
        ["mean", "of", "2", "38.13"],
    ]
    assert err == ""


@pytest.mark.usefixtures("here")
def test_two_files_one_metric_and_a_region(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["score", "out/sub/b.png", "clean/a.png", "--metrics", "ssim", "--region", "center:16x12"]) == 0
    header, line, _ = capsys.readouterr().out.splitlines()
    assert header.split() == ["image", "SSIM"] and line.split() == ["b.png", "0.9955"]
    assert main(["score", "out/a.png", "clean/a.png", "--region", "center:30"]) == 3
    assert "a.png: the region center:30 does not fit into 24x20 pixels" in capsys.readouterr().err


@pytest.mark.usefixtures("here")
def test_json_is_one_object_an_image_and_a_summary(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["score", "out", "clean", "--noisy", "noisy", "--metrics", "psnr,ms-ssim", "--json"]) == 0
    out, err = capsys.readouterr()
    first, second, last = map(json.loads, out.splitlines())
    assert (first["name"], second["name"]) == ("a.png", "sub/b.png")
    assert first["scores"]["psnr"] == pytest.approx(48.1308, abs=1e-3)
    assert first["gain"]["psnr"] == pytest.approx(20 * math.log10(20), abs=1e-3)
    assert first["scores"]["ms-ssim"] is None and first["notes"] == ["ms-ssim is not defined below 161 px: 24x20."]
    assert last["summary"]["images"] == 2 and last["summary"]["problems"] == 0
    assert last["summary"]["scores"]["psnr"] == pytest.approx(38.1308, abs=1e-3)
    assert last["summary"]["gain"]["psnr"] == pytest.approx(10 * math.log10(40), abs=1e-3)
    assert last["summary"]["scores"]["ms-ssim"] is None
    assert "not defined below 161 px" in err and "for 2 of 2 images" in err


@pytest.mark.usefixtures("here")
def test_the_gain_in_the_table(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["score", "out", "clean", "--noisy", "noisy", "--metrics", "psnr,ms-ssim"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[1].split() == ["a.png", "48.13", "nan", "22.11", "+26.02", "nan", "nan"]
    assert lines[3].split() == ["mean", "of", "2", "38.13", "nan", "22.11", "+16.02", "nan", "nan"]


def test_csv_holds_what_the_table_shows(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    _flat(here / "out/extra.png", 3)
    command = ["score", "out", "clean", "--metrics", "psnr,ms-ssim", "--noisy", "noisy", "--csv", "scores.csv"]
    assert main(command) == 7
    with Path("scores.csv").open(newline="") as stream:
        lines = list(csv.DictReader(stream))
    assert [line["name"] for line in lines] == ["a.png", "sub/b.png", str(Path("out/extra.png"))]
    assert float(lines[1]["psnr"]) == pytest.approx(28.1308, abs=1e-3)
    assert float(lines[1]["gain_psnr"]) == pytest.approx(20 * math.log10(2), abs=1e-3)
    assert lines[0]["ms-ssim"] == "" and lines[0]["problem"] == ""
    assert lines[2]["psnr"] == "" and lines[2]["problem"] == "has no clean image"

    before = Path("scores.csv").read_bytes()
    capsys.readouterr()
    assert main(command) == 4
    out, err = capsys.readouterr()
    assert "scores.csv exists already" in err and out == ""
    Path("scores.csv").write_text("old")
    assert main([*command, "--force"]) == 7
    assert Path("scores.csv").read_bytes() == before


@pytest.mark.usefixtures("here")
def test_csv_on_stdout_takes_the_place_of_the_table(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["score", "out", "clean", "--metrics", "psnr", "--csv", "-"]) == 0
    out = capsys.readouterr().out
    assert [line.partition(",")[0] for line in out.splitlines()] == ["name", "a.png", "sub/b.png"]
    assert not Path("-").exists()
    assert main(["score", "out", "clean", "--csv", "-", "--json"]) == 2


@pytest.mark.usefixtures("here")
def test_the_gate(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["score", "out", "clean", "--min-psnr", "38"]) == 0
    capsys.readouterr()
    assert main(["score", "out", "clean", "--min-psnr", "38.2", "-q"]) == 8
    out, err = capsys.readouterr()
    assert "mean of 2" in out
    assert "38.1308 dB, below the gate of 38.2 dB" in err
    assert main(["score", "out", "clean", "--min-psnr", "38.2", "--metrics", "ssim"]) == 2
    assert main(["score", "out", "clean", "--min-psnr", "nan"]) == 2


def test_an_identical_image_does_not_open_the_gate(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    _flat(here / "out/a.png", 100)
    assert main(["score", "out", "clean", "--min-psnr", "30"]) == 8
    out, err = capsys.readouterr()
    assert out.splitlines()[1].split()[:2] == ["a.png", "inf"]
    assert out.splitlines()[3].startswith("mean of 2, PSNR of 1  ") and "It is the mean of 1 images." in err
    assert "1 of 2 images are identical to the clean ones (PSNR inf), and left out of the mean PSNR" in err
    assert main(["score", "out", "clean", "--json"]) == 0
    assert json.loads(capsys.readouterr().out.splitlines()[0])["scores"]["psnr"] == "inf"
    assert main(["score", "clean", "clean", "--min-psnr", "100"]) == 0


def test_nothing_is_skipped_in_silence(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    _flat(here / "out/only-out.png", 3)
    _flat(here / "clean/only-clean.png", 3)
    _flat(here / "out/size.png", 3, width=25)
    _flat(here / "clean/size.png", 3)
    (here / "out/broken.png").write_bytes(b"\x89PNG\r\n\x1a\n")
    _flat(here / "clean/broken.png", 3)
    (here / "noisy/a.png").unlink()
    assert main(["score", "out", "clean", "--noisy", "noisy", "--min-psnr", "99", "-q"]) == 7
    out, err = capsys.readouterr()
    assert "a.png  " in out and "sub/b.png  " in out and "mean of 2" in out
    assert "2 images were scored, 5 problems were found" in err
    for named in ("only-out.png: has no clean", "only-clean.png: has no output", "size.png: has 25x20", "broken.png:"):
        assert named in err
    assert "a.png: has no noisy image" in err and "below the gate" in err


def test_the_table_is_not_cut_in_a_pipe(here: Path) -> None:
    name = "a long name " * 20 + ".png"
    _flat(here / "out" / name, 3)
    _flat(here / "clean" / name, 4)
    done = subprocess.run(
        [sys.executable, "-m", "denoise_cli", "score", "out", "clean"], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert any(line.startswith(name) and "48.13" in line for line in done.stdout.splitlines())


def test_a_line_break_in_a_name_stays_in_its_line(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    _flat(here / "out/new\nline.png", 3)
    _flat(here / "clean/new\nline.png", 4)
    assert main(["score", "out", "clean"]) == 0
    assert len(capsys.readouterr().out.splitlines()) == 5


def test_where_nothing_can_be_scored_the_first_error_counts(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for name in ("x.png", "y.png"):
        (here / "bad").mkdir(exist_ok=True)
        (here / "bad" / name).write_bytes(b"no image")
    assert main(["score", "bad", "clean", "--min-psnr", "30"]) == 3
    assert "No image could be scored:\n  " in capsys.readouterr().err
    assert main(["score", "bad/x.png", "clean/a.png", "--json"]) == 3
    assert main(["score", "out/a.png", "clean/a.png", "--max-pixels", "100"]) == 3
    assert "more than the limit of 100" in capsys.readouterr().err
    assert main(["score", "out/a.png", "clean/a.png", "--max-pixels", "480"]) == 0


def test_a_folder_without_images_and_wrong_words(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (here / "bare").mkdir()
    assert main(["score", "bare", "clean"]) == 3
    assert "no images in 'bare'" in capsys.readouterr().err
    assert main(["score", "nowhere", "clean"]) == 3
    assert main(["score", "out/a.png", "clean"]) == 2
    assert main(["score", "out", "clean", "--metrics", "pnsr"]) == 2
    assert "Did you mean 'psnr'" in capsys.readouterr().err
    assert main(["score", "out", "clean", "--region", "middle"]) == 2
    assert capsys.readouterr().out == ""
