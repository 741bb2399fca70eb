"""A run: one training, all of which lies in one folder."""

from pathlib import Path


class Run:
    """Where everything of a run is; nothing of it need exist yet.

    Args:
      run_dir: its folder, as --run_dir has it.

    Attributes:
      folder: all of the following is in it.
      settings: `config.json`, the settings it was trained with.
      checkpoints: folder of the states from which training goes on.
      best: `best.keras`, the network that did best on the validation split.
      tensorboard: folder of what TensorBoard shows.
      lock: file that keeps other trainings out.
      evaluation: folder of evaluate's report, unless --report_dir names another.

    Example:
      >>> run = Run("runs/birds")
      >>> str(run.best), str(run.export("onnx")), run.name
      ('runs/birds/best.keras', 'runs/birds/export_onnx', 'birds')
    """

    def __init__(self, run_dir: str | Path):
        self.folder = Path(run_dir)
        self.settings = self.folder / "config.json"
        self.checkpoints = self.folder / "checkpoints"
        self.best = self.folder / "best.keras"
        self.tensorboard = self.folder / "tensorboard"
        self.lock = self.folder / "lock"
        self.evaluation = self.folder / "evaluation"

    def __str__(self) -> str:
        return str(self.folder)

    def export(self, form: str) -> Path:
        """Folder of an export, unless --export_dir names another.

        Args:
          form: see `tnet_tf.serving.formats`.
        """
        return self.folder / ("export" if form == "savedmodel" else f"export_{form}")

    @property
    def name(self) -> str:
        """What tables call it: its folder without the `runs` that most runs are in."""
        return str(self.folder).removeprefix("runs/")
