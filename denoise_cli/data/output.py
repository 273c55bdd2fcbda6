"""The folder that a data set is written to: who may write there, and what is left when the work was cut short."""

import json
import os
import re
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from pathlib import Path

from denoise_cli.data import manifest
from denoise_cli.data.manifest import Manifest, Settings
from denoise_cli.errors import InputError, OutputError
from denoise_cli.files import PART_SUFFIX, part_name, write_atomically

PLAN = manifest.NAME + PART_SUFFIX  # while a set is made: its settings, and the files that are to come

_PART = re.compile(rf"\.(.+)\.\d+\.[0-9a-f]{{8}}{re.escape(PART_SUFFIX)}")  # see files.part_name


@dataclass(frozen=True)
class Output:
    """A folder claimed for one set. It has a plan while the work goes on, a manifest when it is done."""

    folder: Path

    @classmethod
    def claim(cls, folder: Path, settings: Settings, planned: Iterable[str], *, force: bool) -> "Output":
        """Take ``folder`` for a new set, or go on with the same set where it was cut short.

        With ``force`` any folder will do: files of the set that was there, and that the new one does not have, are
        removed; all others stay. Raises ``OutputError`` where ``folder`` is taken or cannot be written, ``InputError``
        where a file is planned outside of it.
        """
        planned = list(planned)
        for file in planned:
            if not manifest.inside(file):
                raise InputError(f"{file!r} would be written outside of {folder}.", "Rename the image in its source.")
        plan = "".join(f"{json.dumps(line)}\n" for line in ([asdict(settings), *planned])).encode()
        try:
            if folder.exists() and not folder.is_dir():
                raise OutputError(f"{folder} is a file, not a folder.", "Give another place with -o.")
            taken = folder.exists() and any(folder.iterdir())
            same = taken and _content(folder / PLAN) == plan
            if taken and not same and not force:
                raise OutputError(
                    f"{folder} exists and is not empty.",
                    "Give another folder with -o, or overwrite its data set with --force.",
                )
            write_atomically(folder / PLAN, plan, force=True) if not taken else cls._replace(folder, plan)
        except OSError as error:
            raise _refused(folder, error) from error
        return cls(folder)

    @staticmethod
    def _replace(folder: Path, plan: bytes) -> None:
        """Remove what earlier sets wrote and the new plan does not have, temporary files too, and put the plan down."""
        planned = {json.loads(line) for line in plan.splitlines()[1:]}
        stale = _files_of(folder) - planned
        names = {Path(file).name for file in planned}
        for place in {(folder / file).parent for file in planned}:
            parts = ((part, _PART.fullmatch(part.name)) for part in place.glob(f".*{PART_SUFFIX}"))
            stale.update(part.relative_to(folder).as_posix() for part, found in parts if found and found[1] in names)
        for file in stale:
            (folder / file).unlink(missing_ok=True)
        write_atomically(folder / PLAN, plan, force=True)
        (folder / manifest.NAME).unlink(missing_ok=True)

    def write(self, file: str, data: bytes) -> None:
        """Write one file of the set, under a temporary name first; ``complete`` flushes all to the disk at once.

        Raises ``OutputError``.
        """
        path = self.folder / file
        part = path.with_name(part_name(path.name))
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            try:
                part.write_bytes(data)
                part.replace(path)
            finally:
                part.unlink(missing_ok=True)
        except OSError as error:
            raise _refused(path, error) from error

    def complete(self, result: Manifest) -> None:
        """Flush the files to the disk, then write the manifest: the set is whole."""
        if hasattr(os, "sync"):
            os.sync()
        write_atomically(self.folder / manifest.NAME, result.dump(), force=True)
        (self.folder / PLAN).unlink(missing_ok=True)

    def give_up(self) -> None:
        """Leave no trace of a set of which nothing was written."""
        (self.folder / PLAN).unlink(missing_ok=True)
        if not any(self.folder.iterdir()):
            self.folder.rmdir()


def _refused(path: Path, error: OSError) -> OutputError:
    return OutputError(f"{path} cannot be written: {error.strerror or error}.", "Choose another place with -o.")


def _content(path: Path) -> bytes | None:
    return path.read_bytes() if path.is_file() else None


def _files_of(folder: Path) -> set[str]:
    """The files of the sets that ``folder`` has a plan or a manifest of, as far as these can be read."""
    files: set[str] = set()
    plan = _content(folder / PLAN)
    for line in (plan or b"").splitlines()[1:]:
        try:
            files.add(str(json.loads(line)))
        except ValueError:
            break
    try:
        if (folder / manifest.NAME).is_file():
            for entry in manifest.load(folder / manifest.NAME).entries:
                files |= {file for file in (entry.file, getattr(entry, "reference", None)) if file}
    except InputError:
        pass  # no manifest of ours: nothing of it is known, so nothing is removed
    return {file for file in files if file and manifest.inside(file)}
