"""Put the weights of a training run on the shelf."""

import shlex
from dataclasses import replace
from hashlib import sha256
from pathlib import Path
from typing import Any

from torch import nn

from denoise_cli import checkpoint, methods, shelf
from denoise_cli.errors import UsageError, did_you_mean
from denoise_cli.inference.choose import KINDS


def publish(file: Path, name: str, suits: str, device: str, *, half: bool) -> shelf.Entry:
    """Store the weights in ``file`` under ``name`` (model.tag) and enter them into the index.

    An entry of that name is replaced in its place, without its scores; a new one comes last. Raises ``WeightsError``
    where the file is no weights file, ``UsageError`` where the name is not one of its model, or a word of ``suits`` is
    none of ``choose.KINDS``.
    """
    unknown = [word for word in suits.replace(",", " ").split() if word not in KINDS]
    if unknown:
        raise UsageError(f"Weights cannot suit {unknown[0]!r}.", did_you_mean(unknown[0], KINDS))
    loaded = checkpoint.load(file)
    model, dot, tag = name.partition(".")
    if model != loaded.model or not dot or not tag:
        raise UsageError(f"{name!r} is no name for weights of {loaded.model}.", f"Call them {loaded.model}.TAG.")
    card = methods.find(model)
    net = card.make(type(card.config)(**loaded.config))
    assert isinstance(net, nn.Module)
    checkpoint.fill(net, loaded, str(file))
    target = shelf.folder() / f"{name}.safetensors"
    provenance = loaded.provenance | _public(loaded.provenance)
    checkpoint.save(target, replace(loaded, provenance=provenance), half=half)
    entry = shelf.Entry(
        name=name,
        sha256=sha256(target.read_bytes()).hexdigest(),
        suits=", ".join(suits.replace(",", " ").split()),
        noise=str(loaded.recipe["noise"]),
        channels=int(loaded.config["channels"]),
        weights=sum(parameter.numel() for parameter in net.parameters()),
        command=provenance["command"],
        data=", ".join(Path(word).name for word in provenance["data"]),
        seed=int(loaded.recipe["seed"]),
        minutes=round(float(loaded.provenance["seconds"]) / 60, 1),
        device=device,
    )
    before = shelf.entries()
    others = [entry if other.name == name else other for other in before]
    shelf.write_index(others if any(other.name == name for other in before) else [*before, entry])
    return entry


def _public(provenance: dict[str, Any]) -> dict[str, Any]:
    """The command and its data as anybody could type them: data sets below ``data/``, no folder for the run."""
    sets = {word: f"data/{Path(word).name}" for word in provenance["data"]}
    words: list[str] = []
    for word in shlex.split(provenance["command"]):
        if words and words[-1] in ("-o", "--output"):
            words.pop()
        else:
            words.append(sets.get(word, word))
    return {"command": shlex.join(words), "data": list(sets.values())}
