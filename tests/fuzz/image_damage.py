"""Ways in which image files get damaged, or are made to harm, besides those of `tests.damage`."""

import functools
import struct
import zlib
from collections.abc import Callable

from PIL import Image

from tests import damage
from tests.damage import Random
from tests.fuzz.image_parts import Part, container
from tests.fuzz.whole_images import any_kind, whole_image
from tests.inputs.images import black_png, encoded

_HEADER = 64
# What sides are made to be; 8191 is just within the default of --max_pixels.
_SIDES = (0, 1, 2, 200, 4096, 8191, 8193, 16_383, 65_535, 2**24 - 1, 2**31 - 1, 2**32 - 1)
_LENGTHS = (0, 1, 3, 255, 65_535, 2**24, 2**31 - 1, 2**31, 2**32 - 1)
_ALLOWED, _REFUSED = (8192, 8192), (9000, 9000)
_BOMBS = {
    "PNG": ((23_000, 23_000), (1, 2**27), (60_000, 60_000), _ALLOWED),
    "JPEG": (_REFUSED, _ALLOWED),
    "GIF": (_REFUSED, _ALLOWED),
    "BMP": (_REFUSED, _ALLOWED),
    "WEBP": (_ALLOWED, (4096, 8192)),
}
# Each takes seconds to be read, if it is allowed.
_ALLOWED_BOMBS = 0.1

Parts = list[Part]


def cut_by_a_byte(content: bytes, random: Random) -> bytes:
    return content[:-1]


def flipped_header(content: bytes, random: Random) -> bytes:
    return damage.flipped(content[:_HEADER], random) + content[_HEADER:]


def other_sides(content: bytes, random: Random) -> bytes:
    """One side, or both, as its header says it, is another."""
    place, fields = _sides_place(content)
    if place + struct.calcsize(fields) > len(content):
        return flipped_header(content, random)
    sides = list(struct.unpack_from(fields, content, place))
    for index in random.permutation(2)[: random.integers(1, 3)]:
        most = 256 ** struct.calcsize(fields[:2]) - 1
        sides[index] = min(_SIDES[random.integers(len(_SIDES))], most)
    changed = bytearray(content)
    struct.pack_into(fields, changed, place, *sides)
    return _sealed(bytes(changed))


def _sides_place(content: bytes) -> tuple[int, str]:
    """Where a file's header says its sides, and how they are written, for `struct`."""
    match content[:2]:
        case b"\x89P":
            return 16, ">II"
        case b"\xff\xd8":
            starts = [content.find(marker) for marker in (b"\xff\xc0", b"\xff\xc2")]
            return max(starts) + 5, ">HH"
        case b"BM":
            return 18, "<II"
        case b"GI":
            return 6, "<HH"
    extended = content[12:16] == b"VP8X"
    return (24, "<HH") if extended else (26, "<HH")


def _sealed(content: bytes) -> bytes:
    """The file with checksums and lengths that fit."""
    of = container(content)
    return of.join(of.split(content)) if of else content


def _on_parts(change: Callable[[Parts, Random], Parts]) -> Callable[[bytes, Random], bytes]:
    """A way that changes the parts of a file; its lengths and checksums fit nevertheless."""

    @functools.wraps(change)
    def way(content: bytes, random: Random) -> bytes:
        of = container(content)
        if of is None:
            return flipped_header(content, random)
        return of.join(change(of.split(content), random))

    return way


@_on_parts
def damaged_part(parts: Parts, random: Random) -> Parts:
    index = random.integers(len(parts))
    kind, data = parts[index]
    changed = damage.at_random(data, random) if data else random.bytes(8)
    return [*parts[:index], Part(kind, changed), *parts[index + 1 :]]


@_on_parts
def missing_part(parts: Parts, random: Random) -> Parts:
    index = random.integers(len(parts))
    return [*parts[:index], *parts[index + 1 :]]


@_on_parts
def repeated_part(parts: Parts, random: Random) -> Parts:
    index, times = random.integers(len(parts)), (2, 3, 1000)[random.integers(3)]
    return [*parts[:index], *[parts[index]] * times, *parts[index + 1 :]]


@_on_parts
def other_order(parts: Parts, random: Random) -> Parts:
    one, other = random.permutation(len(parts))[:2] if len(parts) > 1 else (0, 0)
    parts[one], parts[other] = parts[other], parts[one]
    return parts


def part_of_another(content: bytes, random: Random) -> bytes:
    """A part of another image, most often of the same format, is put between its own."""
    for _ in range(20):
        other = whole_image(any_kind(random), random)
        if other[:3] == content[:3]:
            break
    of, of_other = container(content), container(other)
    if of is None or of_other is None:
        return inside_another(content, random)
    parts, strange = of.split(content), of_other.split(other)
    index = random.integers(1, len(parts) + 1)
    return of.join([*parts[:index], strange[random.integers(len(strange))], *parts[index:]])


def other_length(content: bytes, random: Random) -> bytes:
    """A part says that it is longer or shorter than it is."""
    of = container(content)
    if of is None:
        return flipped_header(content, random)
    parts = of.split(content)
    index = random.integers(len(parts))
    before, rest = of.join(parts[:index]), bytearray(of.join(parts[index:]))
    if content[:3] == b"RIF":  # Each of both came with a start of its own.
        rest = rest[12:]
    if len(rest) < of.length_at + 4:
        return content[:-4]
    most = 256 ** struct.calcsize(of.length) - 1
    length = min(_LENGTHS[random.integers(len(_LENGTHS))], most)
    struct.pack_into(of.length, rest, of.length_at, length)
    return before + bytes(rest)


def inside_another(content: bytes, random: Random) -> bytes:
    """The file begins as one of another kind does."""
    other = whole_image(any_kind(random), random)
    length = random.integers(2, 200)
    return other[:length] + content[(0, length)[random.integers(2)] :]


def bomb(content: bytes, random: Random) -> bytes:
    """A whole image, small as a file, of too many pixels or nearly."""
    format = list(_BOMBS)[random.integers(len(_BOMBS))]
    *refused, allowed = _BOMBS[format]
    if random.random() < _ALLOWED_BOMBS:
        return _black(format, *allowed)
    return _black(format, *refused[random.integers(len(refused))])


@functools.cache
def _black(format: str, height: int, width: int) -> bytes:
    if format == "PNG":
        return black_png(height, width)
    return encoded(Image.new("1" if format == "BMP" else "L", (width, height)), format)


@_on_parts
def text_bomb(parts: Parts, random: Random) -> Parts:
    """A PNG's text or profile, small as a part, of 100 MB; in other formats one too long."""
    kind = (b"zTXt", b"iTXt", b"iCCP")[random.integers(3)]
    start = b"name\0\1\0\0\0" if kind == b"iTXt" else b"name\0\0"
    return [*parts[:2], Part(kind, start + _long_text()), *parts[2:]]


@functools.cache
def _long_text() -> bytes:
    return zlib.compress(bytes(10**8))


WAYS: tuple[Callable[[bytes, Random], bytes], ...] = (
    *damage.WAYS,
    cut_by_a_byte,
    flipped_header,
    other_sides,
    damaged_part,
    missing_part,
    repeated_part,
    other_order,
    part_of_another,
    other_length,
    inside_another,
    bomb,
    text_bomb,
)
