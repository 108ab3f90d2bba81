# SPDX-License-Identifier: Apache-2.0
"""Read and replace files in `.env/`: readable by their owner alone, in one step, never by a link.

All is done relative to the opened folder, so that nobody can exchange it half-way."""

from __future__ import annotations

import contextlib
import fcntl
import os
import stat
from collections.abc import Iterator
from pathlib import Path

from twinguard.errors import Misconfigured

__all__ = ["PRIVATE", "Stored", "read", "replace"]

PRIVATE = 0o600
_FOLDER = 0o700
_OTHERS = 0o077
_WRITABLE = 0o022
_MUCH = 1024 * 1024


class Stored:
    """What a file holds, and whether its owner alone can read it. Shows nothing when printed."""

    __slots__ = ("data", "is_private")

    def __init__(self, data: bytes, *, is_private: bool) -> None:
        self.data, self.is_private = data, is_private


def read(path: Path) -> Stored | None:
    """The file, or None where there is none."""
    if not path.parent.exists() and not path.parent.is_symlink():
        return None
    with _opened(path.parent) as folder:
        return _read(folder, path)


def replace(path: Path, data: bytes) -> None:
    """Put this into the file, in one step; its folder is made where it is missing."""
    try:
        with contextlib.suppress(FileExistsError):
            path.parent.mkdir(mode=_FOLDER)
    except OSError as err:
        raise Misconfigured(f"{path.parent}: cannot be made ({err.strerror})") from err
    with _opened(path.parent) as folder:
        fcntl.flock(folder, fcntl.LOCK_EX)
        if os.fstat(folder).st_mode & _WRITABLE:
            raise Misconfigured(
                f"others can write to {path.parent}, and so exchange what is in it; "
                f"run chmod go-w {path.parent}"
            )
        _refuse_strange(folder, path)
        draft = f".{path.name}.draft"
        with contextlib.suppress(FileNotFoundError):  # of a run that was killed
            os.unlink(draft, dir_fd=folder)
        try:
            _write(folder, draft, data)
            os.replace(draft, path.name, src_dir_fd=folder, dst_dir_fd=folder)
        except OSError as err:
            with contextlib.suppress(OSError):
                os.unlink(draft, dir_fd=folder)
            raise Misconfigured(f"{path}: cannot be written ({err.strerror})") from err
        os.fsync(folder)


@contextlib.contextmanager
def _opened(folder: Path) -> Iterator[int]:
    """The folder itself, not what a link leads to, and nobody else's."""
    flags = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
    try:
        descriptor = os.open(folder, flags)
    except OSError as err:
        if folder.is_symlink() or not folder.is_dir():
            raise Misconfigured(
                f"{folder} is a symbolic link or no folder; remove it: secrets go into a real one"
            ) from err
        raise Misconfigured(f"{folder}: cannot be opened ({err.strerror})") from err
    try:
        if os.fstat(descriptor).st_uid != os.geteuid():
            raise Misconfigured(f"{folder} belongs to somebody else; remove it, or use your own")
        yield descriptor
    finally:
        os.close(descriptor)


def _read(folder: int, path: Path) -> Stored | None:
    flags = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
    try:
        descriptor = os.open(path.name, flags, dir_fd=folder)
    except FileNotFoundError:
        return None
    except OSError as err:
        _refuse_strange(folder, path)
        raise Misconfigured(f"{path}: cannot be read ({err.strerror})") from err
    about = os.fstat(descriptor)
    if not stat.S_ISREG(about.st_mode):
        os.close(descriptor)
        raise _strange(path)
    with os.fdopen(descriptor, "rb") as file:
        return Stored(file.read(_MUCH), is_private=not about.st_mode & _OTHERS)


def _refuse_strange(folder: int, path: Path) -> None:
    with contextlib.suppress(FileNotFoundError):
        about = os.stat(path.name, dir_fd=folder, follow_symlinks=False)
        if not stat.S_ISREG(about.st_mode):
            raise _strange(path)


def _strange(path: Path) -> Misconfigured:
    return Misconfigured(f"{path} is a symbolic link or no file; remove it and run this again")


def _write(folder: int, name: str, data: bytes) -> None:
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
    descriptor = os.open(name, flags, PRIVATE, dir_fd=folder)
    with os.fdopen(descriptor, "wb") as file:
        file.write(data)
        file.flush()
        os.fsync(descriptor)
