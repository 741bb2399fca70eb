"""Ways in which the content of any file gets damaged."""

import numpy as np

Random = np.random.Generator


def truncated(content: bytes, random: Random) -> bytes:
    return content[: random.integers(len(content))]


def flipped(content: bytes, random: Random) -> bytes:
    """One to eight bits are others."""
    changed = bytearray(content)
    for place in random.integers(len(content), size=random.integers(1, 9)):
        changed[place] ^= 1 << random.integers(8)
    return bytes(changed)


def zeroed(content: bytes, random: Random) -> bytes:
    start, length = random.integers(len(content)), random.integers(1, 4097)
    return (content[:start] + bytes(length) + content[start + length :])[: len(content)]


def garbage(content: bytes, random: Random) -> bytes:
    return random.bytes(len(content))


def empty(content: bytes, random: Random) -> bytes:
    return b""


def lengthened(content: bytes, random: Random) -> bytes:
    return content + random.bytes(100)


WAYS = (truncated, flipped, zeroed, garbage, empty, lengthened)


def at_random(content: bytes, random: Random) -> bytes:
    """The content damaged in one of all ways."""
    return WAYS[random.integers(len(WAYS))](content, random)
