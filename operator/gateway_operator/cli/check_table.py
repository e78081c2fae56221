"""How `check` shows what it found: a table, what went wrong with the way out of it, and the same as JSON."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from gateway_operator.checks.results import Binding, Call, CredentialState, Results
from gateway_operator.checks.ways_out import way_out
from gateway_operator.compiler.findings import printable

if TYPE_CHECKING:
    from rich.console import Console
    from rich.text import Text

_COLUMNS = ("BINDING", "WHERE", "CREDENTIAL", "MODEL", "RESULT", "COUNT_TOKENS", "MS")
_STYLES = {CredentialState.OK: "green", CredentialState.UNKNOWN: "yellow"}
Cell = tuple[str, str]
"""Text and its style."""


def document(gateway: str, results: Results) -> dict[str, Any]:
    """What a script reads."""
    return {
        "gateway": gateway,
        "failed": results.failed,
        "unknownModels": results.unknown_models,
        "bindings": [_plain(binding) for binding in results.bindings.values()],
    }


def _plain(binding: Binding) -> dict[str, Any]:
    facts = binding.facts
    return {
        "name": facts.full_name,
        "type": facts.type,
        "baseURL": facts.base_url or None,
        "region": facts.member.get("region"),
        "credential": {"field": facts.credential_field or None, "state": binding.credential},
        "failed": binding.failed,
        "problem": {"message": binding.problem, "wayOut": binding.way_out} if binding.problem else None,
        "note": binding.note or None,
        "calls": [
            {
                "model": call.model,
                "upstreamID": call.upstream_model,
                "kind": call.kind,
                "ok": call.ok,
                "status": call.status or None,
                "reason": call.reason or None,
                "code": call.code or None,
                "message": call.message or None,
                "requestID": call.request_id or None,
                "milliseconds": call.milliseconds,
                "wayOut": None if call.ok else way_out(facts, call),
            }
            for call in binding.calls
        ],
        "modelsNotTried": [*binding.not_tried, *binding.left_out],
    }


def show(out: "Console", results: Results) -> None:
    """For people."""
    from rich.text import Text

    rows = [row for binding in results.bindings.values() for row in _rows(binding)]
    _table(out, rows)
    for binding in results.bindings.values():
        for line in _remarks(binding):
            out.print(line)
    for model in results.unknown_models:
        out.print(Text.assemble(("error: ", "bold red"), f"--model {printable(model)}: the gateway has no such model"))
    out.print()
    out.print(_summary(results))


def _rows(binding: Binding) -> list[list[Cell]]:
    facts = binding.facts
    state = binding.credential
    named = facts.credential_field or "none"
    head: list[Cell] = [
        (facts.full_name, "bold"),
        (f"{facts.type} {facts.place}".strip(), ""),
        (f"{named}: {state}", _STYLES.get(state, "red")),
    ]
    rows: list[list[Cell]] = []
    for model in dict.fromkeys(call.model for call in binding.calls):
        calls = {call.kind: call for call in binding.calls if call.model == model}
        bad = next((call for call in calls.values() if call.failed), None)
        shown = bad or calls["Stream"]
        count = calls.get("CountTokens")
        result = ("ok", "green") if bad is None else (_result(bad), "red")
        counted = ("-", "dim") if count is None else ("ok", "green") if count.ok else (_result(count), "yellow")
        first = head if not rows else [("", ""), ("", ""), ("", "")]
        rows.append([*first, (model, ""), result, counted, (f"{shown.milliseconds:.0f}", "")])
    if rows:
        return rows
    word = ("not tried", "yellow") if binding.skipped or not binding.problem else ("failed", "red")
    return [[*head, ("-", "dim"), word, ("-", "dim"), ("-", "dim")]]


def _result(call: Call) -> str:
    return str(call.status) if call.reason == "Status" else call.reason


def _table(out: "Console", rows: Sequence[Sequence[Cell]]) -> None:
    from rich.text import Text

    lines = [[Text(title, style="cyan") for title in _COLUMNS], *([Text(printable(t), s) for t, s in r] for r in rows)]
    widths = [max(len(line[number]) for line in lines) for number in range(len(_COLUMNS))]
    for line in lines:
        for cell, width in zip(line[:-1], widths, strict=False):
            cell.pad_right(width - len(cell))
        line[-1].pad_left(widths[-1] - len(line[-1]))
        out.print(Text("  ").join(line))


def _remarks(binding: Binding) -> "list[Text]":
    """What a row has no room for."""
    from rich.text import Text

    facts = binding.facts
    lines: list[Text] = []

    def told(style: str, word: str, what: str, text: str, way: str) -> None:
        lines.append(Text(""))
        lines.append(Text.assemble((f"{word}: ", style), (what, "bold"), f": {printable(text)}"))
        if way:
            lines.append(Text.assemble(("  way out: ", "cyan"), printable(way)))

    if binding.problem:
        word, style = ("note", "bold yellow") if binding.skipped else ("error", "bold red")
        told(style, word, facts.full_name, binding.problem, binding.way_out)
    seen: set[tuple[str, str]] = set()
    for call in binding.calls:
        if call.ok:
            continue
        way = way_out(facts, call)
        if (call.text, way) in seen:
            continue  # models that fail alike are told of once
        seen.add((call.text, way))
        word, style = ("error", "bold red") if call.failed else ("note", "dim")
        what = f"{facts.full_name} {call.model}" + {"Message": " (not streamed)", "CountTokens": " (count_tokens)"}.get(
            call.kind, ""
        )
        support = f" [{call.request_id}]" if call.request_id else ""
        told(style, word, what, call.text + support, way)
    if binding.not_tried:
        lines.append(Text(f"  not tried with {', '.join(binding.not_tried)}: they would fail alike", style="dim"))
    if binding.note and not binding.problem:
        told("dim", "note", facts.full_name, binding.note, "")
    if binding.left_out:
        more = f"{len(binding.left_out)} more model{'s' if len(binding.left_out) > 1 else ''}"
        told("dim", "note", facts.full_name, f"{more} not tried: --all-models, or --model {binding.left_out[0]}", "")
    return lines


def _summary(results: Results) -> "Text":
    from rich.text import Text

    bindings = results.bindings.values()
    good = sum(bool(binding.calls) and not binding.failed for binding in bindings)
    bad = sum(binding.failed for binding in bindings)
    skipped = len(bindings) - good - bad
    parts = [f"{good} of {len(bindings)} binding{'s' if len(bindings) != 1 else ''} answered"]
    parts += [f"{bad} failed"] if bad else []
    parts += [f"{skipped} not tried"] if skipped else []
    return Text(", ".join(parts), style="red" if results.failed else "yellow" if skipped else "green")
