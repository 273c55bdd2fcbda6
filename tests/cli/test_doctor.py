"""What a machine has."""

import json

import pytest

from denoise_cli.cli.app import main

Caught = pytest.CaptureFixture[str]


def test_a_machine_without_a_gpu(monkeypatch: pytest.MonkeyPatch, capsys: Caught) -> None:
    monkeypatch.setattr("torch.cuda.is_available", lambda: False)
    monkeypatch.setattr("torch.backends.mps.is_available", lambda: False)
    assert main(["doctor", "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["device"].startswith("cpu (") and found["cuda"] and found["mps"] and found["torch"][0].isdecimal()
    assert main(["doctor"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert [line.split()[0] for line in lines] == list(found)


@pytest.mark.parametrize(
    ("built", "count", "said"),
    [(None, 0, "built without it"), ("12.8", 0, "finds no GPU"), ("12.8", 1, "cannot be used")],
)
def test_why_not_cuda(
    monkeypatch: pytest.MonkeyPatch, capsys: Caught, built: str | None, count: int, said: str
) -> None:
    monkeypatch.setattr("torch.cuda.is_available", lambda: False)
    monkeypatch.setattr("torch.version.cuda", built)
    monkeypatch.setattr("torch.version.hip", None)
    monkeypatch.setattr("torch.cuda.device_count", lambda: count)
    assert main(["doctor"]) == 0
    assert said in capsys.readouterr().out
