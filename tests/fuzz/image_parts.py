"""Image files as the parts that they are made of: chunks of PNG and WebP, segments of JPEG."""

import re
import struct
from collections.abc import Callable
from typing import NamedTuple

from tests.inputs.images import png_chunk


class Part(NamedTuple):
    """A part of a file; its length and checksum are those of its data."""

    kind: bytes
    """Name or marker; empty for data that belong to no part."""
    data: bytes


class Container(NamedTuple):
    """How files of a format are taken apart and put together."""

    split: Callable[[bytes], list[Part]]
    join: Callable[[list[Part]], bytes]
    length_at: int
    """Where the length lies in a part, in bytes."""
    length: str
    """How it is written, for `struct`."""


def _split_png(content: bytes) -> list[Part]:
    parts, place = [Part(b"", content[:8])], 8
    while place + 12 <= len(content):
        end = place + 12 + int.from_bytes(content[place : place + 4])
        parts.append(Part(content[place + 4 : place + 8], content[place + 8 : end - 4]))
        place = end
    return parts


def _join_png(parts: list[Part]) -> bytes:
    return b"".join(png_chunk(*part) if part.kind else part.data for part in parts)


def _split_jpeg(content: bytes) -> list[Part]:
    """Data of scans, and what has no length (start, end, restarts), belongs to no part."""
    parts = []
    for piece in re.split(rb"(?=\xff[\xc0-\xfe])", content):
        length = int.from_bytes(piece[2:4])
        if piece[1:2] in b"\xd0\xd1\xd2\xd3\xd4\xd5\xd6\xd7\xd8\xd9" or len(piece) < 2 + length:
            parts.append(Part(b"", piece))
        else:
            parts.append(Part(piece[:2], piece[4 : 2 + length]))
            parts.append(Part(b"", piece[2 + length :]))
    return [part for part in parts if part != (b"", b"")]


def _join_jpeg(parts: list[Part]) -> bytes:
    return b"".join(
        kind + struct.pack(">H", len(data) + 2 & 0xFFFF) + data if kind else data
        for kind, data in parts
    )


def _split_webp(content: bytes) -> list[Part]:
    parts, place = [Part(b"", content[:12])], 12
    while place + 8 <= len(content):
        length = int.from_bytes(content[place + 4 : place + 8], "little")
        parts.append(Part(content[place : place + 4], content[place + 8 : place + 8 + length]))
        place += 8 + length + length % 2
    return parts


def _join_webp(parts: list[Part]) -> bytes:
    chunks = b"".join(
        kind + struct.pack("<I", len(data)) + data + bytes(len(data) % 2)
        for kind, data in parts
        if kind  # The start of the file has none.
    )
    return b"RIFF" + struct.pack("<I", len(chunks) + 4) + b"WEBP" + chunks


_CONTAINERS = {
    b"\x89PN": Container(_split_png, _join_png, 0, ">I"),
    b"\xff\xd8\xff": Container(_split_jpeg, _join_jpeg, 2, ">H"),
    b"RIF": Container(_split_webp, _join_webp, 4, "<I"),
}


def container(content: bytes) -> Container | None:
    """How a file is taken apart; None for formats without parts."""
    return _CONTAINERS.get(content[:3])
