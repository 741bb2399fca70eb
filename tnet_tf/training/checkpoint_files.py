"""The files of a run's checkpoints: which is the last one, whether it is whole, what is unfinished.

In run_dir/checkpoints, `checkpoint` names the checkpoints and is written last; of the checkpoint of
step N, `ckpt-N.index` says what it holds, and `ckpt-N.data-..` has the values with their checksums.
"""

import contextlib
import logging
import shutil
from collections.abc import Iterator
from pathlib import Path

import tensorflow as tf

from tnet_tf.atomic_files import unfinished
from tnet_tf.errors import UserError, first_line
from tnet_tf.run import Run

_STEP = "step/.ATTRIBUTES/VARIABLE_VALUE"


def last_checkpoint(run: Run) -> str | None:
    """The path of a run's last checkpoint that is still there; None where there is none.

    Raises:
      UserError: when the file that names the checkpoints can't be read.
    """
    folder = run.checkpoints
    if folder.exists() and not folder.is_dir():
        raise UserError(f"{folder} is not a folder; delete it, or use another --run_dir")
    for path in reversed(_named(folder)):
        if Path(f"{path}.index").is_file():
            return path
    # Without the file that names them, those that are whole tell themselves.
    for step in sorted(map(_number, folder.glob("ckpt-*.index")), reverse=True):
        path = str(folder / f"ckpt-{step}")
        with contextlib.suppress(UserError):
            read_everything(path)
            return path
    return None


def remove_unfinished(run: Run) -> None:
    """Removes what a killed training was writing; no other may be running."""
    folder = run.checkpoints
    whole = {index.stem for index in folder.glob("ckpt-*.index")}
    lost = [data for data in folder.glob("ckpt-*.data-*") if data.stem not in whole]
    for path in (
        *lost,
        *folder.glob("checkpoint.tmp*"),
        unfinished(run.best),
        unfinished(run.settings),
    ):
        path.unlink(missing_ok=True)
    for parts in folder.glob("ckpt-*_temp"):
        shutil.rmtree(parts)


def step_of(checkpoint: str) -> int:
    """How many steps were done when a checkpoint was saved.

    Raises:
      UserError: when the checkpoint is damaged.
    """
    with _damage_told(checkpoint):
        return int(tf.train.load_checkpoint(checkpoint).get_tensor(_STEP))


def read_everything(checkpoint: str) -> None:
    """Reads every value of a checkpoint, which compares it with its checksum.

    Raises:
      UserError: when the checkpoint is damaged.
    """
    with _damage_told(checkpoint):
        reader = tf.train.load_checkpoint(checkpoint)
        for name in reader.get_variable_to_shape_map():
            reader.get_tensor(name)


@contextlib.contextmanager
def _damage_told(checkpoint: str) -> Iterator[None]:
    try:
        yield
    except Exception as error:  # TensorFlow fails in many ways on files that are damaged
        raise UserError(
            f"checkpoint {checkpoint} is damaged ({first_line(error)}); delete {checkpoint}.* to "
            "go on from the one before it"
        ) from error


def _named(folder: Path) -> list[str]:
    """The checkpoints that TensorFlow's file names, the last one at the end."""
    file = folder / "checkpoint"
    if not file.exists():
        return []
    logger, state = tf.get_logger(), None
    level = logger.level
    try:
        logger.setLevel(logging.ERROR)
        # TensorFlow only remarks on a file that it can't parse, and takes it for none.
        state = tf.train.get_checkpoint_state(str(folder))
    except (OSError, ValueError):
        pass
    finally:
        logger.setLevel(level)
    if state is None:
        raise UserError(
            f"{file}, which names the checkpoints, is damaged; delete it to go on from the last of "
            "them that is whole"
        )
    return list(state.all_model_checkpoint_paths)


def _number(index: Path) -> int:
    number = index.stem.removeprefix("ckpt-")
    return int(number) if number.isdecimal() else -1
