"""What a run leaves on the disk; of several processes only the first one writes."""

from dataclasses import asdict
from pathlib import Path

import torch

from denoise_cli.checkpoint import Checkpoint
from denoise_cli.checkpoint import save as save_weights
from denoise_cli.training import log
from denoise_cli.training.distributed import Team
from denoise_cli.training.folder import BEST, LAST, LOG, SAFE, discard
from denoise_cli.training.log import Report
from denoise_cli.training.run import Run
from denoise_cli.training.state import State


class Keeper:
    """Writes the files of ``training.folder`` into the folder of a run, and reads them for all processes."""

    def __init__(self, run: Run, folder: Path, team: Team, measure: str) -> None:
        """``measure`` is what the weights are judged by, such as ``PSNR``."""
        self.run = run
        self.folder = folder
        self.team = team
        self.measure = measure

    def begin(self, state: State) -> bool:
        """Go on from the state that is there, or clear the folder for a new run and return ``False``."""
        known = self.restore(state, LAST)
        if self.team.leads and known:
            log.cut(self.folder / LOG, state.progress.attempt, state.progress.step)
        elif self.team.leads:
            self.folder.mkdir(parents=True, exist_ok=True)
            discard(self.folder)
        return known

    def restore(self, state: State, name: str) -> bool:
        """Take the state back from a file, in all processes; ``False`` where there is none."""
        path = self.folder / name
        if not self.team.told(path.exists()):
            return False
        with self.team.copy(path) as copy:
            state.restore(copy)
        return True

    def save(self, state: State, name: str) -> None:
        """Write the whole state."""
        if self.team.leads:
            state.save(self.folder / name, self.run.settings())

    def distrust(self) -> None:
        """Remove the state to go back to: it was no good."""
        if self.team.leads:
            (self.folder / SAFE).unlink(missing_ok=True)

    def keep_best(self, state: State, score: float) -> None:
        """Write the averaged weights, whose validation score is ``score``."""
        if not self.team.leads:
            return
        run = self.run
        provenance = {
            "command": run.command,
            "data": list(run.data),
            "step": state.progress.step,
            "seconds": round(state.progress.seconds, 1),
            f"validation_{self.measure.lower()}": round(score, 4),
            "torch": torch.__version__,
        }
        tensors = state.average.state_dict()
        save_weights(
            self.folder / BEST, Checkpoint(run.model, asdict(run.config), asdict(run.recipe), provenance, tensors)
        )

    def note(self, report: Report) -> None:
        """Add a line to the log."""
        if self.team.leads:
            log.write(self.folder / LOG, report)
