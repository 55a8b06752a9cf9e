"""Arrays of a prepared data set on disk: .npy of uint8, written and read a few rows at a time."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np

from faithcam.core.errors import FaithcamError
from faithcam.results import files

Array = np.ndarray[Any, Any]
HEADER = 128  # bytes at the beginning that say type and shape, of at most six axes


class StoredArray:
    """A memory-mapped array that checks the bytes of rows when they are first read.

    Args:
        path: of the .npy file.
        shape: that it has.
        anew: what to delete to have it made anew.

    Raises:
        FaithcamError: if the file is missing, no such array, or has no record.
    """

    def __init__(self, path: Path, shape: tuple[int, ...], anew: Path) -> None:
        self._path, self._anew = path, anew
        try:
            self._digests = files.block_digests(path, anew)
            self._bytes = np.memmap(path, np.uint8, "r")
            self._is_checked = np.zeros(-(-len(self._bytes) // files.BLOCK), bool)
            self._check_blocks(np.arange((min(len(self._bytes), HEADER) - 1) // files.BLOCK + 1))
            self._array = np.load(path, mmap_mode="r", allow_pickle=False)
            if self._array.shape != shape:
                raise ValueError(f"{self._array.shape} found, {shape} expected by {anew.name}")
        except (OSError, ValueError) as error:
            raise FaithcamError(
                f"{path}: no whole array ({error}); {files.remedy(path, anew)}"
            ) from None
        self._start = len(self._bytes) - self._array.nbytes
        self._row = self._array.nbytes // max(1, len(self._array))

    @property
    def shape(self) -> tuple[int, ...]:
        """Number of rows, then the shape of a row."""
        return tuple(self._array.shape)

    @property
    def ndim(self) -> int:
        """Number of axes."""
        return int(self._array.ndim)

    @property
    def dtype(self) -> np.dtype[Any]:
        """Type of the elements."""
        dtype: np.dtype[Any] = self._array.dtype
        return dtype

    def __len__(self) -> int:
        return len(self._array)

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> Array:
        return np.array(self[:], dtype, copy=copy)

    def __getitem__(self, index: Any) -> Array:
        """Return rows, as numpy does.

        Raises:
            FaithcamError: if they are not what was written.
        """
        rows = np.arange(len(self))[index[0] if isinstance(index, tuple) else index]
        self._check(np.unique(rows))
        return np.asarray(self._array[index])

    def _check(self, rows: Array) -> None:
        first = (self._start + rows * self._row) // files.BLOCK
        last = (self._start + (rows + 1) * self._row - 1) // files.BLOCK
        self._check_blocks(np.unique(np.concatenate([first, last, *self._between(first, last)])))

    def _check_blocks(self, blocks: Array) -> None:
        for block in blocks[~self._is_checked[blocks]].tolist():
            content = self._bytes[block * files.BLOCK : (block + 1) * files.BLOCK]
            found = hashlib.sha256(content.data).hexdigest()
            if self._digests is not None and found != self._digests[block]:
                raise files.changed(self._path, found, self._digests[block], self._anew)
            self._is_checked[block] = True

    @staticmethod
    def _between(first: Array, last: Array) -> Iterator[Array]:
        """Yield the blocks inside rows that are longer than one."""
        for step in range(1, int((last - first).max(initial=0))):
            yield np.minimum(first + step, last)


class Writer:
    """A .npy file of uint8 that grows chunk by chunk."""

    def __init__(self, file: BinaryIO, shape: tuple[int, ...]) -> None:
        np.lib.format.write_array_header_1_0(
            file, {"descr": "|u1", "fortran_order": False, "shape": shape}
        )
        self._file, self._shape, self.count = file, shape, 0

    def append(self, rows: Array) -> None:
        """Write rows (m, ...) behind those that are there."""
        if rows.dtype != np.uint8 or rows.shape[1:] != self._shape[1:]:
            raise ValueError(f"{rows.dtype} {rows.shape} does not fit into uint8 {self._shape}")
        content = rows.tobytes()
        if rows.any():
            self._file.write(content)
        else:  # a hole takes no disk
            self._file.seek(len(content), os.SEEK_CUR)
        self.count += len(rows)


@contextmanager
def writer(path: Path, shape: tuple[int, ...]) -> Iterator[Writer]:
    """Yield a writer of the whole array; the file is there when the block ends without error."""
    with files.recorded(path, in_blocks=True) as temporary:
        with temporary.open("wb") as file:
            array = Writer(file, shape)
            yield array
            file.truncate()
        if array.count != shape[0]:
            raise ValueError(f"{path}: {array.count} rows came, {shape[0]} were announced")
