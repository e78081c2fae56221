"""Files that change under a running process, as mounted Secrets do."""

from pathlib import Path

FileSignature = tuple[int, int, int, int]


def file_signature(path: Path) -> FileSignature | None:
    """What `stat` tells of a file, whichever symbolic links lead to it; None where there is none."""
    try:
        found = path.stat()
    except OSError:
        return None
    return found.st_dev, found.st_ino, found.st_mtime_ns, found.st_size
