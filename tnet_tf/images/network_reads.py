"""What GDAL has read over the network, of each file."""

import ctypes
import functools
import json
from collections.abc import Iterator
from typing import Any


def network_reads(path: str) -> tuple[int, int]:
    """Requests and bytes so far, of the whole process.

    Args:
      path: as GDAL names it, such as '/vsicurl/http://..'.

    Returns:
      Requests and bytes; 0 where GDAL was asked not to count, or can't tell.
    """
    library = _library()
    if library is None:
        return 0, 0
    place = library.VSINetworkStatsGetAsSerializedJSON(None)
    try:
        counts = json.loads(ctypes.string_at(place)) if place else {}
    finally:
        library.VSIFree(place)
    requests = bytes_read = 0
    for name, of_file in _files(counts):
        if path.endswith(name):
            for method in of_file.get("methods", {}).values():
                requests += int(method.get("count", 0))
                bytes_read += int(method.get("downloaded_bytes", 0))
    return requests, bytes_read


def _files(counts: dict[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    for handler in counts.get("handlers", {}).values():
        yield from handler.get("files", {}).items()


@functools.cache
def _library() -> ctypes.CDLL | None:
    """GDAL as rasterio has loaded it, which has no Python name for its counters."""
    from rasterio import _env

    library = ctypes.CDLL(_env.__file__)
    try:
        library.VSINetworkStatsGetAsSerializedJSON.restype = ctypes.c_void_p
        library.VSINetworkStatsGetAsSerializedJSON.argtypes = [ctypes.c_void_p]
        library.VSIFree.argtypes = [ctypes.c_void_p]
        # GDAL asks only once whether it is to count: let it ask again.
        library.VSINetworkStatsReset()
    except AttributeError:
        return None
    return library
