"""Shapes that folders of images have, or got by accident: links, pipes, names, depth."""

import os
import pathlib
import shutil
import socket
from collections.abc import Callable
from typing import Any

from tests.damage import Random
from tests.inputs.images import noise

Shape = Callable[[pathlib.Path, Random], Any]

_NAMES = (
    "line\nbreak",
    "line\r\nbreak: skipped dog/0.png",
    "paragraph\u2029separator",
    "bell\a\x1b[31mred",
    "turned\u202egnp.exe",
    "caf\udce9",
    "\udcff\udcfe",
    " leading and trailing ",
    "quote'\"`$(id)",
    "back\\slash\\n",
    "100%d{0}{name}",
    "comma, semicolon; pipe|",
    "#[50%:20%]+test",
    "猫" * 80,
    "n" * 251,
    "-rf",
    "~",
    "CON",
    "e\u0301",
    "\x7f\x01",
)


def _some_image(root: pathlib.Path, random: Random) -> pathlib.Path:
    images = sorted(path for path in root.rglob("*.png") if path.is_file())
    return images[random.integers(len(images))]


def _some_class(root: pathlib.Path, random: Random) -> pathlib.Path:
    return _some_image(root, random).parent


def _link(name: str, target: str) -> Shape:
    """A link in the folder of a class; the target is relative to it."""
    return lambda root, random: (_some_class(root, random) / name).symlink_to(target)


def _link_beside(name: str, target: str) -> Shape:
    """A link beside the folder of a class."""
    return lambda root, random: (_some_class(root, random).parent / name).symlink_to(target)


def _instead(make: Callable[[pathlib.Path], Any]) -> Shape:
    """Something else in the place of an image."""

    def shape(root: pathlib.Path, random: Random) -> None:
        path = _some_image(root, random)
        path.unlink()
        make(path)

    return shape


def _make_socket(path: pathlib.Path) -> None:
    folder = os.open(path.parent, os.O_RDONLY)  # The addresses of sockets are short.
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(f"/proc/self/fd/{folder}/{path.name}")
    os.close(folder)


def _renamed_image(root: pathlib.Path, random: Random) -> None:
    name = _NAMES[random.integers(len(_NAMES))]
    path = _some_image(root, random)
    path.rename(path.with_name(f"{name}.png"))
    if random.integers(2):
        path.with_name(f"{name}.png").write_bytes(b"no image")


def _renamed_class(root: pathlib.Path, random: Random) -> None:
    """In all splits."""
    old, new = _some_class(root, random).name, _NAMES[random.integers(len(_NAMES))]
    for folder in [path for path in root.rglob(old) if path.is_dir()]:
        folder.rename(folder.with_name(new))


def _deep(levels: int) -> Shape:
    """An image below so many folders, each in the other."""

    def shape(root: pathlib.Path, random: Random) -> None:
        back = os.open(".", os.O_RDONLY)
        os.chdir(_some_class(root, random))
        try:
            for _ in range(levels):
                os.mkdir("folder")
                os.chdir("folder")
            noise().save("deep.png")
        finally:
            os.chdir(back)
            os.close(back)

    return shape


def _flat(root: pathlib.Path, random: Random) -> None:
    for number, path in enumerate(sorted(root.rglob("*.png"))):
        path.rename(root / f"{number}.png")


def _emptied(root: pathlib.Path, random: Random) -> None:
    for path in _some_class(root, random).iterdir():
        path.unlink()


def _one_left(root: pathlib.Path, random: Random) -> None:
    """The images of a class, but for one, are damaged."""
    for path in sorted(_some_class(root, random).iterdir())[1:]:
        path.write_bytes(path.read_bytes()[:60])


def _replaced_root(make: Callable[[pathlib.Path], Any]) -> Shape:
    def shape(root: pathlib.Path, random: Random) -> None:
        root.rename(root.with_name("elsewhere"))
        make(root)

    return shape


def _boxes(make: Callable[[pathlib.Path, Random], Any]) -> Shape:
    return lambda root, random: make(root / "boxes.csv", random)


def _strange_rows(path: pathlib.Path, random: Random) -> None:
    """Columns in any order or none, rows cut off, values that are no numbers."""
    image = str(_some_image(path.parent, random).relative_to(path.parent))
    values = ("0", "1", "9", "16", "-1", "nan", "1e400", "", "x", "\0", "\ufeff", '"', "1,1", image)
    columns = ["file", "x_min", "y_min", "x_max", "y_max"]
    likely = [image, "1", "1", "9", "9"]
    order = random.permutation(5)
    lines = [",".join(columns[index] for index in order[: 6 - random.integers(1, 3)])]
    for _ in range(random.integers(4)):
        row = [likely[index] for index in order]
        row[random.integers(5)] = values[random.integers(len(values))]
        lines.append(",".join(row[: random.integers(3, 6)]))
    path.write_text("\n".join(lines))


SHAPES: dict[str, Shape] = {
    "a link to nothing": _link("gone.png", "nowhere.png"),
    "a link to itself": _link("loop.png", "loop.png"),
    "a folder's link to nothing": _link("gone", "nowhere"),
    "a class that is a link to nothing": _link_beside("gone", "nowhere"),
    "a class that is a link to itself": _link_beside("loop", "loop"),
    "a link to the parent": _link("up", ".."),
    "a link to the root": _link("root", "../.."),
    "a link to the class": _link("self", "."),
    "a link to the system's root": _link("slash", "/"),
    "a class that is its parent": _link_beside("all", "."),
    "a link to an image of the class": _link("again.png", "0.png"),
    "a link to another class": _link("other", "../dog"),
    "a class that is another": _link_beside("horse", "dog"),
    "a split that is another": lambda root, random: (root / "val").symlink_to("train"),
    "a link to an endless device": _link("zero.png", "/dev/zero"),
    "a link to a device": _link("random.png", "/dev/random"),
    "a link to a terminal": _link("tty.png", "/dev/tty"),
    "a link to the process's memory": _link("memory.png", "/proc/self/mem"),
    "a link to a folder": _link("folder.png", "../cat"),
    "a pipe": _instead(os.mkfifo),
    "a socket": _instead(_make_socket),
    "a folder in an image's place": _instead(pathlib.Path.mkdir),
    # Takes no space on the disk.
    "a file of a terabyte": lambda root, random: os.truncate(_some_image(root, random), 2**40),
    "an image that may not be read": lambda root, random: _some_image(root, random).chmod(0),
    "a class that may not be read": lambda root, random: _some_class(root, random).chmod(0),
    "a name of an image": _renamed_image,
    "a name of a class": _renamed_class,
    "deep": _deep(50),
    "deeper than paths are long": _deep(600),
    "flat": _flat,
    "a class without images": _emptied,
    "an empty class": lambda root, random: (root / "train/bird").mkdir(),
    "a class in one split": lambda root, random: shutil.rmtree(_some_class(root, random)),
    "one whole image of a class": _one_left,
    "an empty root": _replaced_root(pathlib.Path.mkdir),
    "a missing root": _replaced_root(lambda root: None),
    "a root that is a file": _replaced_root(lambda root: root.write_bytes(b"")),
    "a root that is a pipe": _replaced_root(os.mkfifo),
    "a root that is a link": _replaced_root(lambda root: root.symlink_to("elsewhere")),
    "a root that is a link to itself": _replaced_root(lambda root: root.symlink_to(root.name)),
    "many classes": lambda root, random: [
        shutil.copytree(root / "train/cat", root / f"train/{number}") for number in range(200)
    ],
    "boxes that are a pipe": _boxes(lambda path, random: os.mkfifo(path)),
    "boxes that are a folder": _boxes(lambda path, random: path.mkdir()),
    "boxes that are a link to nothing": _boxes(lambda path, random: path.symlink_to("nowhere")),
    "boxes of garbage": _boxes(lambda path, random: path.write_bytes(random.bytes(500))),
    "boxes of strange rows": _boxes(_strange_rows),
}
"""What is done to a folder of `train` and `test` with the classes `cat` and `dog`."""

NOT_REGULAR = {
    "a link to an endless device": "it is not a regular file but a device",
    "a link to a device": "it is not a regular file but a device",
    "a link to a terminal": "it is not a regular file but a device",
    "a pipe": "it is not a regular file but a named pipe",
    "a socket": "it is not a regular file but a socket",
}
"""What must be told of shapes with a file that may not be opened.

Their size is 0 bytes: without a check of their kind they would be told to be empty.
"""
