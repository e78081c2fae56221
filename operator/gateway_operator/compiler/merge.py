"""How a policy is laid over the base layer.

Managed settings are merged key by key. Three kinds of keys are merged in a way of their own, all in the one table
below; of every other key the specific policy's value stands, and where the specific policy has none, the base layer's.
"""

from collections.abc import Iterator, Mapping, Sequence
from enum import StrEnum
from typing import Any, NamedTuple, TypeVar

from gateway_config.canonical import canonical_json

_Source = TypeVar("_Source")

Settings = Mapping[str, Any]
Path = tuple[str, ...]


class Rule(StrEnum):
    UNITE = "Unite"
    """Deny-lists, ask-lists and hooks: the base layer's entries, then the specific policy's new ones. Never shrinks."""
    REPLACE = "Replace"
    """Allow-lists: exactly the specific policy's entries. United, a narrow policy would inherit wide grants."""
    SHALLOW = "Shallow"
    """Maps: key by key, the specific policy's value wins."""


class Row(NamedTuple):
    path: str
    """Dotted; `*` stands for any one key."""
    rule: Rule
    why: str


TABLE: tuple[Row, ...] = (
    Row("permissions.deny", Rule.UNITE, "Tools and commands that are refused."),
    Row("permissions.ask", Rule.UNITE, "Tools and commands that need a person's yes."),
    Row("permissions.allow", Rule.REPLACE, "Tools and commands that run without a question."),
    Row("permissions.additionalDirectories", Rule.REPLACE, "Directories opened besides the working directory."),
    Row("hooks.*", Rule.UNITE, "Commands run at an event: the organization's audit hook stays beside a team's own."),
    Row("disabledMcpjsonServers", Rule.UNITE, "Servers of a project's .mcp.json that are refused."),
    Row("enabledMcpjsonServers", Rule.REPLACE, "Servers of a project's .mcp.json that are approved."),
    Row("deniedMcpServers", Rule.UNITE, "MCP servers nobody may use; stronger than the allow-list."),
    Row("allowedMcpServers", Rule.REPLACE, "MCP servers people may configure; empty means none."),
    Row("deniedModels", Rule.UNITE, "Models the client hides."),
    Row("blockedMarketplaces", Rule.UNITE, "Plugin sources that are refused before anything is downloaded."),
    Row("strictKnownMarketplaces", Rule.REPLACE, "Plugin sources people may add; empty means none."),
    Row("allowedMarketplaces", Rule.REPLACE, "Another name of strictKnownMarketplaces."),
    Row("allowedChannelPlugins", Rule.REPLACE, "Plugins that may push messages into a session."),
    Row("allowedProviders", Rule.REPLACE, "API providers the client may be configured for."),
    Row("allowedHttpHookUrls", Rule.REPLACE, "Addresses that HTTP hooks may call."),
    Row("httpHookAllowedEnvVars", Rule.REPLACE, "Environment variables that HTTP hooks may put into headers."),
    Row("sshHostAllowlist", Rule.REPLACE, "Hosts that sessions may be opened on."),
    Row("sandbox.excludedCommands", Rule.REPLACE, "Commands that run outside the sandbox: grants, for all their name."),
    Row("sandbox.network.deniedDomains", Rule.UNITE, "Domains the sandbox never reaches."),
    Row("sandbox.network.allowedDomains", Rule.REPLACE, "Domains the sandbox reaches."),
    Row("sandbox.network.allowUnixSockets", Rule.REPLACE, "Sockets the sandbox reaches."),
    Row("sandbox.network.allowMachLookup", Rule.REPLACE, "macOS services the sandbox may look up."),
    Row("sandbox.filesystem.denyRead", Rule.UNITE, "Paths the sandbox never reads."),
    Row("sandbox.filesystem.denyWrite", Rule.UNITE, "Paths the sandbox never writes."),
    Row("sandbox.filesystem.allowRead", Rule.REPLACE, "Paths opened again inside denyRead."),
    Row("sandbox.filesystem.allowWrite", Rule.REPLACE, "Paths the sandbox writes besides the working directory."),
    Row("sandbox.credentials.files", Rule.UNITE, "Files whose secrets the sandbox is not to see."),
    Row("sandbox.credentials.envVars", Rule.UNITE, "Variables whose values the sandbox is not to see."),
    Row("env", Rule.SHALLOW, "Environment variables of every session."),
    Row("modelOverrides", Rule.SHALLOW, "Model name to the id that is asked for."),
    Row("skillOverrides", Rule.SHALLOW, "Skill name to how it is shown."),
)

_RULES: Mapping[Path, Rule] = {tuple(row.path.split(".")): row.rule for row in TABLE}
_SECTIONS: frozenset[Path] = frozenset(path[:end] for path in _RULES for end in range(1, len(path)))
"""Objects that hold a path of the table: merged member by member, or a list inside them would be lost."""

DISABLED_TOOLS = "disabledBuiltinTools"
ALLOWED_HOSTS = "coworkEgressAllowedHosts"
"""Keys of Claude Desktop that the gateway reads; all others are passed on."""

MAX_DEPTH = 32
"""Levels of nesting in a settings document; real ones need about eight."""


def merge_settings(base: Settings | None, specific: Settings | None) -> Settings | None:
    """`specific` laid over `base`; None when neither is there. Both must have passed `settings_problems`; neither is
    changed, and the result shares their parts."""
    if base is None or specific is None:
        return base if specific is None else specific
    return _merged(base, specific, ())


def _merged(base: Settings, specific: Settings, path: Path) -> dict[str, Any]:
    result = dict(base)
    for key, value in specific.items():
        if key not in base:
            result[key] = value
            continue
        here = (*path, key)
        match rule_of(here):
            case Rule.UNITE:
                result[key] = _united(base[key], value)
            case Rule.SHALLOW:
                result[key] = {**base[key], **value}
            case _:
                result[key] = _merged(base[key], value, here) if here in _SECTIONS else value
    return result


def rule_of(path: Path) -> Rule | None:
    """The table's rule for a settings key, None for a key the table does not hold."""
    return _RULES.get(path) or _RULES.get((*path[:-1], "*"))


def merge_desktop(base: Settings | None, specific: Settings | None) -> Settings | None:
    """Claude Desktop's keys of `specific` laid over those of `base`: disabled tools are united, of every other key the
    specific policy's value stands. Both must have passed `desktop_problems`."""
    if base is None or specific is None:
        return base if specific is None else specific
    merged = {**base, **specific}
    if DISABLED_TOOLS in base and DISABLED_TOOLS in specific:
        merged[DISABLED_TOOLS] = _united(base[DISABLED_TOOLS], specific[DISABLED_TOOLS])
    return merged


def _united(base: Sequence[Any], specific: Sequence[Any]) -> list[Any]:
    result = list(base)
    # By canonical JSON: entries may be objects, and in Python True == 1.
    seen = {canonical_json(entry) for entry in base}
    for entry in specific:
        identity = canonical_json(entry)
        if identity not in seen:
            seen.add(identity)
            result.append(entry)
    return result


def settings_problems(settings: Settings, path: str = "spec.settings") -> list[tuple[str, str]]:
    """(field path, message) of everything that keeps a settings document from being merged and served."""
    problems = list(json_problems(settings, path))
    if problems:
        return problems
    if "mcpServers" in settings:
        problems.append((f"{path}.mcpServers", "Claude Code takes no mcpServers from a gateway: leave it out"))
    if "availableModels" in settings:
        problems.append(
            (f"{path}.availableModels", "only spec.availableModels is enforced, and it is written here: move it there")
        )
    problems.extend(_shape_problems(settings, (), path))
    return problems


def desktop_problems(desktop: Settings, path: str = "spec.desktop") -> list[tuple[str, str]]:
    """(field path, message) of everything that keeps Claude Desktop's configuration from being merged and served."""
    problems = list(json_problems(desktop, path))
    for key in (DISABLED_TOOLS, ALLOWED_HOSTS):
        value = desktop.get(key, [])
        if not isinstance(value, list):
            problems.append((f"{path}.{key}", f"must be a list, is {_kind(value)}"))
        elif not all(isinstance(entry, str) for entry in value):
            problems.append((f"{path}.{key}", "must be a list of strings"))
    return problems


def _shape_problems(settings: Settings, at: Path, path: str) -> Iterator[tuple[str, str]]:
    for key, value in settings.items():
        here, name = (*at, key), f"{path}.{key}"
        rule = rule_of(here)
        if here in _SECTIONS:
            if isinstance(value, Mapping):
                yield from _shape_problems(value, here, name)
            else:
                yield name, f"must be an object, is {_kind(value)}"
        elif rule is Rule.SHALLOW and not isinstance(value, Mapping):
            yield name, f"must be an object, is {_kind(value)}"
        elif rule in (Rule.UNITE, Rule.REPLACE) and not isinstance(value, list):
            yield name, f"must be a list, is {_kind(value)}"


def _kind(value: Any) -> str:
    if value is None:
        return "null"
    names: Mapping[type, str] = {bool: "a boolean", int: "a number", float: "a number", str: "a string", list: "a list"}
    return names.get(type(value), "an object")


def json_problems(value: Any, path: str, *, depth: int = 0) -> Iterator[tuple[str, str]]:
    """Values that have no exact JSON form, or none that another program would read the same: they cannot be hashed."""
    if isinstance(value, str):
        if not _encodable(value):
            yield path, "holds a character without a UTF-8 form"
    elif isinstance(value, bool) or value is None:
        return
    elif isinstance(value, int):
        if not -(2**63) <= value < 2**63:
            yield path, "is a number beyond 64 bits"
    elif isinstance(value, float):
        if value - value != 0:
            yield path, "is not a finite number"
    elif depth >= MAX_DEPTH:
        yield path, f"is nested deeper than {MAX_DEPTH} levels"
    elif isinstance(value, Mapping):
        for key, item in value.items():
            if isinstance(key, str) and _encodable(key):
                yield from json_problems(item, f"{path}.{key}" if path else key, depth=depth + 1)
            else:
                yield path, f"has the key {key!a}, which is not a string"
    elif isinstance(value, list | tuple):
        for position, item in enumerate(value):
            yield from json_problems(item, f"{path}[{position}]", depth=depth + 1)
    else:
        yield path, f"is a {type(value).__name__}, which JSON does not have: put it in quotation marks"


def _encodable(text: str) -> bool:
    if text.isascii():
        return True
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def settings_sources(layers: Sequence[tuple[_Source, Settings | None]]) -> dict[str, tuple[_Source, ...]]:
    """Which layers gave each settings key, the lowest layer first. Keys are dotted paths, one for each member of a
    section or of a shallow-merged map."""
    found: dict[str, tuple[_Source, ...]] = {}
    for source, settings in layers:
        for path, united in _leaves(settings or {}, ()):
            name = ".".join(path)
            found[name] = (*found.get(name, ()), source) if united else (source,)
    return found


def _leaves(settings: Settings, at: Path) -> Iterator[tuple[Path, bool]]:
    for key, value in settings.items():
        here = (*at, key)
        rule = rule_of(here)
        if here in _SECTIONS and isinstance(value, Mapping):
            yield from _leaves(value, here)
        elif rule is Rule.SHALLOW and isinstance(value, Mapping):
            yield from (((*here, name), False) for name in value)
        else:
            yield here, rule is Rule.UNITE
