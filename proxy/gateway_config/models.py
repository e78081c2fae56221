"""One canonical id per model, whatever spelling a client or a manifest uses."""

import re
from collections.abc import Collection, Iterable

from gateway_config.contract import Model

LONG_CONTEXT_SUFFIX = "[1m]"
"""Claude Code writes it behind a model's name to ask for the long context window; it is no part of the id."""

_REGION_PREFIX = re.compile(r"^(?:(?:us|eu|apac|au|jp|in|us-gov|global)\.)?anthropic\.")
_BEDROCK_VERSION = re.compile(r"-v\d+(?::\d+)?$")
_DATE = re.compile(r"[-@]20\d{6}$")


def plain_spelling(name: str) -> str:
    """`name` in lower case, without a Bedrock prefix and version, and with `@` dates as `-` dates."""
    name = name.lower()
    stripped = _REGION_PREFIX.sub("", name)
    if stripped != name:
        name = _BEDROCK_VERSION.sub("", stripped)
    return name.replace("@", "-")


class ModelNames:
    """Looks up canonical ids. Built once per configuration."""

    def __init__(self, models: Iterable[Model]) -> None:
        self._by_spelling: dict[str, str] = {}
        listed = list(models)
        # An id beats another model's spelling, a spelling beats another model's dateless form.
        for model in listed:
            self._by_spelling.setdefault(model.id.lower(), model.id)
        for model in listed:
            for spelling in model.spellings:
                self._by_spelling.setdefault(spelling.lower(), model.id)
        for model in listed:
            for name in (model.id, *model.spellings):
                self._by_spelling.setdefault(plain_spelling(name), model.id)
                self._by_spelling.setdefault(_DATE.sub("", plain_spelling(name)), model.id)

    def canonical(self, name: str) -> str | None:
        """The canonical id that `name` spells, or None when no model has that name."""
        if not name.isascii():  # some letters outside ASCII have an ASCII lower case
            return None
        lower = name.lower().removesuffix(LONG_CONTEXT_SUFFIX)
        return self._by_spelling.get(lower) or self._by_spelling.get(plain_spelling(lower))


def listed_models(models: Iterable[Model], named: Collection[str] | None) -> tuple[Model, ...]:
    """What `GET /v1/models` shows, in the catalogue's order. `named`: a policy's models; None where it names none."""
    return tuple(model for model in models if (model.listed if named is None else model.id in named))
