"""Cuts off what no loader reads from the shared libraries below a folder: symbol tables and debug information.

    strip_libraries.py /opt/claude-gateway/lib

Wheels bring half of their bytes as such. A loader follows the program headers alone, so a library stays whole when it
ends behind the last byte that they name, and has no section headers (System V gABI, chapters 4 and 5). This runs inside
the image build, where no binutils are, with nothing but the standard library.
"""

import struct
import sys
from pathlib import Path

MAGIC = b"\x7fELF\x02\x01"
"""Of 64 bits, little-endian: x86-64 and ARM64."""
HEADER = struct.Struct("<16sHHIQQQIHHHHHH")
PROGRAM_HEADER = struct.Struct("<IIQQQQQQ")


def main() -> None:
    (folder,) = map(Path, sys.argv[1:])
    cut = sum(strip(path) for path in sorted(folder.rglob("*.so*")) if path.is_file() and not path.is_symlink())
    print(f"strip_libraries.py: {cut / 1_000_000:.0f} MB cut off")  # noqa: T201


def strip(path: Path) -> int:
    """The bytes that were cut off. What is no such library is left alone."""
    library = path.read_bytes()
    if not library.startswith(MAGIC):
        return 0
    header = list(HEADER.unpack_from(library))
    table, size, number = header[5], header[9], header[10]
    ends = [HEADER.size, table + size * number]
    for index in range(number):
        segment = PROGRAM_HEADER.unpack_from(library, table + size * index)
        ends.append(segment[2] + segment[5])
    end = max(ends)
    header[6] = header[12] = header[13] = 0  # where the section headers are, how many, and which one holds their names
    path.write_bytes(HEADER.pack(*header) + library[HEADER.size : end])
    return len(library) - end


if __name__ == "__main__":
    main()
