"""The weights that are here: ``index.toml`` beside the files says what each is, its checksum and how it was made."""

import json
import os
import tomllib
from dataclasses import asdict, dataclass, field
from functools import lru_cache
from hashlib import file_digest, sha256
from pathlib import Path
from typing import Any

from denoise_cli.errors import WeightsError, did_you_mean
from denoise_cli.files import write_atomically

INDEX = "index.toml"
OF_RUN = "best.safetensors"  # what a training run leaves
FOLDER_VARIABLE = "DENOISE_WEIGHTS"


@dataclass(frozen=True)
class Entry:
    """One weights file of the index. Order in the index is order of preference."""

    name: str  # model.tag, such as "dt.sp"
    sha256: str
    suits: str  # the kinds of noise it is chosen for, such as "gaussian" or "jpeg, mixed"; "": never by itself
    noise: str  # it was trained with, such as "gaussian:0..55"
    channels: int
    weights: int  # learnable numbers in the net
    command: str  # that made it
    data: str  # what it was trained on
    seed: int
    minutes: float  # training time
    device: str  # it was trained on
    scores: dict[str, float] = field(default_factory=dict)  # what `denoise bench weights` measured, dB or percent

    @property
    def model(self) -> str:
        """The name of the method."""
        return self.name.partition(".")[0]

    @property
    def kinds(self) -> tuple[str, ...]:
        """The words in ``suits``."""
        return tuple(word.strip() for word in self.suits.split(",") if word.strip())

    @property
    def file(self) -> str:
        """The file's name within the folder."""
        return f"{self.name}.safetensors"


def folder() -> Path:
    """Where the weights are: ``$DENOISE_WEIGHTS``, inside an installed package, or beside it in a checkout."""
    if chosen := os.environ.get(FOLDER_VARIABLE):
        return Path(chosen)
    package = Path(__file__).parent
    installed = package / "_weights"
    return installed if installed.is_dir() else package.parent / "weights"


def entries() -> list[Entry]:
    """All weights of the index, best first; empty where there is no index."""
    path = folder() / INDEX
    if not path.is_file():
        return []
    try:
        return list(_parsed(path.read_text(encoding="utf-8")))
    except (tomllib.TOMLDecodeError, TypeError, UnicodeDecodeError) as error:
        raise WeightsError(f"The index {str(path)!r} cannot be read: {error}.", "Install denoise again.") from error


@lru_cache(maxsize=1)
def _parsed(index: str) -> tuple[Entry, ...]:
    return tuple(Entry(**item) for item in tomllib.loads(index).get("weights", []))


def find(name: str) -> Entry:
    """The entry called ``model.tag``; raises ``WeightsError`` where there is none."""
    known = {entry.name: entry for entry in entries()}
    if name not in known:
        raise WeightsError(f"There are no weights {name!r}.", did_you_mean(name, known))
    return known[name]


def path_of(entry: Entry) -> Path:
    """The file of an entry, its checksum verified; raises ``WeightsError`` where it is missing or damaged."""
    path = folder() / entry.file
    if not path.is_file():
        raise WeightsError(f"The weights {entry.name!r} are missing: no file {str(path)!r}.", "Install denoise again.")
    found = digest(path)
    if found != entry.sha256:
        raise WeightsError(
            f"The weights {entry.name!r} are damaged: {str(path)!r} has sha256 {found[:12]}, not {entry.sha256[:12]}.",
            "Install denoise again.",
        )
    return path


def digest(path: Path) -> str:
    """The sha256 of a weights file."""
    with path.open("rb") as file:
        return file_digest(file, sha256).hexdigest()


def located(word: str) -> Path:
    """The weights file that a user named: a file, the folder of a training run, or an entry such as ``dt.sp``.

    Raises ``WeightsError`` where there is no such entry, or it is damaged; a file may be missing.
    """
    path = Path(word)
    if path.is_dir():
        return path / OF_RUN
    return path if path.suffix == ".safetensors" or path.is_file() else path_of(find(word))


def write_index(items: list[Entry]) -> None:
    """Write the index, atomically."""
    lines = ["# The shipped weights, best first for each kind of noise. Scores: `denoise bench weights`.", ""]
    for item in items:
        lines.append(f"[[weights]]  # {item.file}")
        values = asdict(item)
        scores = values.pop("scores")
        lines += [f"{key} = {_toml(value)}" for key, value in values.items()]
        lines.append("[weights.scores]")
        lines += [f"{_toml(key)} = {_toml(value)}" for key, value in scores.items()]
        lines.append("")
    write_atomically(folder() / INDEX, "\n".join(lines).encode(), force=True)


def _toml(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False)  # JSON's strings and numbers are TOML's too
