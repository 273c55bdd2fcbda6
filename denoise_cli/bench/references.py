"""What papers report, to stand beside what is measured here: mean PSNR in dB; Gaussian noise in float."""

from denoise_cli.bench.protocol import BSD68, CBSD68, CIFAR, SET12
from denoise_cli.shelf import Entry

SIGMAS = (15, 25, 35, 50, 75)
_Figures = tuple[float | None, ...]
_OURS: dict[tuple[str, str], tuple[str, _Figures]] = {  # of the net's own paper at SIGMAS, by model and set
    ("dncnn", CBSD68): ("CDnCNN-B", (33.89, 31.23, 29.58, 27.92, 24.47)),
    ("ffdnet", CBSD68): ("FFDNet", (33.87, 31.21, 29.58, 27.96, 26.24)),
    ("ffdnet", BSD68): ("FFDNet", (31.63, 29.19, 27.73, 26.29, 24.79)),
    ("ffdnet", SET12): ("FFDNet", (32.75, 30.43, 28.92, 27.32, 25.49)),
}
_ONE_LEVEL: dict[str, tuple[str, _Figures]] = {  # DnCNN, gray, a net for each sigma; and the blind one
    BSD68: ("DnCNN-S", (31.72, 29.23, 27.69, 26.23, 24.64)),
    SET12: ("DnCNN-S", (32.86, 30.44, None, 27.18, None)),
}
_BLIND: dict[str, tuple[str, _Figures]] = {
    BSD68: ("DnCNN-B", (31.61, 29.16, None, 26.23, None)),
    SET12: ("DnCNN-B", (32.68, 30.36, None, 27.21, None)),
}
_OTHERWISE: dict[str, tuple[str, _Figures]] = {
    CBSD68: ("CBM3D", (33.52, 30.71, 28.89, 27.38, 25.74)),
    BSD68: ("BM3D", (31.07, 28.57, 27.08, 25.62, 24.21)),
    SET12: ("BM3D", (32.37, 29.97, None, 26.72, None)),
}
_SALT: dict[tuple[str, str], tuple[str, dict[str, float]]] = {  # of nets that saw one share only
    ("dt", CIFAR): ("best nets of the paper", {"sp:0.1": 29.57, "sp:0.3": 25.30}),
    ("median-cnn", CIFAR): ("the paper", {"sp:0.1": 23.61, "sp:0.3": 21.91}),
}


def published(entry: Entry, images: str) -> tuple[str, dict[str, float]]:
    """Whose figures stand beside those of ``entry`` on a set, and the figures by noise; none: ``("", {})``."""
    if entry.noise.startswith("sp:") and ".." not in entry.noise:
        return _SALT.get((entry.model, images), ("", {}))
    if images not in _OTHERWISE:
        return "", {}
    if entry.model == "dncnn" and entry.channels == 1:
        whose, figures = (_BLIND if ".." in entry.noise else _ONE_LEVEL)[images]
    else:
        whose, figures = _OURS.get((entry.model, images), _OTHERWISE[images])
    by_noise = {f"gaussian:{sigma}": figure for sigma, figure in zip(SIGMAS, figures, strict=True)}
    return whose, {word: figure for word, figure in by_noise.items() if figure is not None}
