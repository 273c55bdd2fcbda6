"""Put the weights of a training run on the shelf."""

import shlex
from dataclasses import replace
from hashlib import sha256
from pathlib import Path
from typing import Any

from denoise_cli import checkpoint, methods, shelf
from denoise_cli.checkpoint import Checkpoint
from denoise_cli.errors import ExistsError, UsageError, did_you_mean
from denoise_cli.inference.choose import KINDS
from denoise_cli.inference.load import built


def publish(file: Path, name: str, suits: str | None, device: str, *, half: bool, force: bool = False) -> shelf.Entry:
    """Store the weights in ``file`` under ``name`` (model.tag) and enter them into the index.

    With ``force`` an entry of that name is replaced in its place, without its scores; what it ``suits`` stays where
    that is None. A new one comes last. Raises ``ExistsError`` where there is one and no ``force``, ``WeightsError``
    where the file is not what ``denoise train`` writes, ``UsageError`` where the name is not one of its model, or a
    word of ``suits`` is none of ``choose.KINDS``.
    """
    words = None if suits is None else suits.replace(",", " ").split()
    unknown = [word for word in words or () if word not in KINDS]
    if unknown:
        raise UsageError(f"Weights cannot suit {unknown[0]!r}.", did_you_mean(unknown[0], KINDS))
    loaded = checkpoint.load(file)
    model, dot, tag = name.partition(".")
    if model != loaded.model or not dot or not tag:
        raise UsageError(f"{name!r} is no name for weights of {loaded.model}.", f"Call them {loaded.model}.TAG.")
    net = built(loaded, methods.find(model), str(file))
    target = shelf.folder() / f"{name}.safetensors"
    listed = shelf.entries()
    before = next((entry for entry in listed if entry.name == name), None)
    if (before or target.exists()) and not force:
        raise ExistsError(f"There are weights {name!r} already.", "Replace them with --force, or choose another tag.")
    if words is None:
        words = list(before.kinds) if before else []
    provenance = loaded.provenance | _public(loaded)
    noise, seed = loaded.said("recipe", "noise", str), loaded.said("recipe", "seed", int)
    channels, seconds = loaded.said("config", "channels", int), loaded.said("provenance", "seconds", float)
    checkpoint.save(target, replace(loaded, provenance=provenance), half=half)
    entry = shelf.Entry(
        name=name,
        sha256=sha256(target.read_bytes()).hexdigest(),
        suits=", ".join(words),
        noise=noise,
        channels=channels,
        weights=sum(parameter.numel() for parameter in net.parameters()),
        command=provenance["command"],
        data=", ".join(Path(word).name for word in provenance["data"]),
        seed=seed,
        minutes=round(seconds / 60, 1),
        device=device,
    )
    shelf.write_index([entry if other is before else other for other in listed] + ([] if before else [entry]))
    return entry


def _public(loaded: Checkpoint) -> dict[str, Any]:
    """The command and its data as anybody could type them: data sets below ``data/``, no folder for the run."""
    sets = {str(word): f"data/{Path(str(word)).name}" for word in loaded.said("provenance", "data", list)}
    words: list[str] = []
    for word in shlex.split(loaded.said("provenance", "command", str)):
        if words and words[-1] in ("-o", "--output"):
            words.pop()
        else:
            words.append(sets.get(word, word))
    return {"command": shlex.join(words), "data": list(sets.values())}
