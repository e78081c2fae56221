"""What was found out about short texts that come again and again: header names, status lines."""

from collections.abc import Callable
from typing import Final, TypeVar

Found = TypeVar("Found")

LIMIT: Final = 1024


class Memo(dict[bytes, Found]):
    """Text → what `find` says of it. A look-up is that of a dict, which is quicker than a call. Bounded: others choose
    the texts."""

    __slots__ = ("_find", "_longest")

    def __init__(self, find: Callable[[bytes], Found], *, longest: int = 64) -> None:
        """Remembers LIMIT texts of up to `longest` bytes each; what `find` raises goes to whoever looks up."""
        super().__init__()
        self._find = find
        self._longest = longest

    def __missing__(self, text: bytes) -> Found:
        found = self._find(text)
        if len(self) < LIMIT and len(text) <= self._longest:
            self[text] = found
        return found
