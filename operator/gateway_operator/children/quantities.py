"""Kubernetes quantities in the one form in which the API server gives them back: a `0.5` that was sent is read as
`500m`, and would look like somebody's edit."""

from decimal import ROUND_CEILING, Context, Decimal
from typing import Final

_BINARY: Final[dict[str, int]] = {
    suffix: 1024**power for power, suffix in enumerate(("Ki", "Mi", "Gi", "Ti", "Pi", "Ei"), start=1)
}
_DECIMAL: Final[dict[str, int]] = {"m": -3, "": 0, "k": 3, "M": 6, "G": 9, "T": 12, "P": 15, "E": 18}
_FINEST: Final = Decimal("1e-3")
"""What Kubernetes rounds resources up to."""
_EXACT: Final = Context(prec=64, rounding=ROUND_CEILING)


def amount(quantity: int | str) -> Decimal:
    """The value as a number. Takes what the resources' schema takes for a quantity."""
    text = str(quantity)
    for suffix, factor in _BINARY.items():
        if text.endswith(suffix):
            return _EXACT.multiply(Decimal(text.removesuffix(suffix)), Decimal(factor))
    exponent = _DECIMAL.get(text[-1:], 0)
    return Decimal(text.rstrip("kmMGTPE")).scaleb(exponent, _EXACT)


def canonical(quantity: int | str) -> str:
    """The same quantity as the API server writes it: no fraction, and the largest suffix that allows for that."""
    value = amount(quantity).quantize(_FINEST, context=_EXACT)
    if str(quantity).endswith("i") and value >= 1024 and value == value.to_integral_value():
        return _binary(int(value))
    for suffix, exponent in sorted(_DECIMAL.items(), key=lambda item: -item[1]):
        scaled = value.scaleb(-exponent, _EXACT)
        if scaled == scaled.to_integral_value() and scaled:
            return f"{int(scaled)}{suffix}"
    return "0"


def _binary(value: int) -> str:
    suffix = ""
    for larger, factor in _BINARY.items():
        if value % factor == 0:
            suffix = larger
    return f"{value // _BINARY.get(suffix, 1)}{suffix}"
