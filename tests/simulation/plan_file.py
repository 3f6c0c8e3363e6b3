"""Plans as JSON files: a plan that was shrunk is no longer the plan of a seed."""

from __future__ import annotations

import json
from dataclasses import asdict, fields
from typing import Any

from pbproto import Config

from .limits import Limits
from .parameters import Parameters, Shape
from .plan import Ask, Change, Fault, Item, Plan, Told

FORMAT = 2


class PlanFileError(ValueError):
    """The file is not a plan, or one of another format."""


def plan_to_json(plan: Plan) -> str:
    """The plan as text, an item a line."""
    parameters = asdict(plan.parameters) | {"shape": plan.parameters.shape.value}
    head = {"format": FORMAT, "seed": plan.seed, "limit": plan.limit}
    lines = [f"{json.dumps(name)}: {_line(value)}" for name, value in head.items()]
    lines.append(f'"parameters": {_line(parameters)}')
    lines.append(_several("items", [_line(_item_to_json(item)) for item in plan.items]))
    if plan.message_faults is None:
        lines.append('"message_faults": null')
    else:
        lines.append(_several("message_faults", [_line(name) for name in sorted(plan.message_faults)]))
    return "{\n" + ",\n".join(lines) + "\n}\n"


def _line(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False)


def _several(name: str, lines: list[str]) -> str:
    return f'"{name}": [' + ",".join(f"\n  {line}" for line in lines) + ("\n]" if lines else "]")


def _item_to_json(item: Item) -> dict[str, Any]:
    """The fields that are not as usual."""
    document: dict[str, Any] = {"is": type(item).__name__.lower()}
    usual = {each.name: each.default for each in fields(item)}
    document |= {name: value for name, value in asdict(item).items() if value != usual[name]}
    return document


def plan_from_json(text: str) -> Plan:
    """Read a plan. Raises ``PlanFileError``."""
    try:
        document = json.loads(text)
        if document["format"] != FORMAT:
            raise PlanFileError(f"a plan of format {document['format']}; this program reads {FORMAT}")
        return Plan(
            seed=int(document["seed"]),
            parameters=_parameters(document["parameters"]),
            items=tuple(_item(each) for each in document["items"]),
            message_faults=_names(document["message_faults"]),
            limit=None if document["limit"] is None else int(document["limit"]),
        )
    except PlanFileError:
        raise
    except (ValueError, TypeError, KeyError, AttributeError) as error:
        raise PlanFileError(f"not a plan: {error!r}") from error


def _names(document: list[str] | None) -> frozenset[str] | None:
    return None if document is None else frozenset(map(str, document))


def _tuples(document: dict[str, Any]) -> dict[str, Any]:
    return {name: tuple(value) if isinstance(value, list) else value for name, value in document.items()}


def _parameters(document: dict[str, Any]) -> Parameters:
    settings = {
        "shape": Shape(document["shape"]),
        "limits": Limits(**document["limits"]),
        "config": Config(**document["config"]),
    }
    return Parameters(**_tuples(document) | settings)


def _item(document: dict[str, Any]) -> Item:
    kinds: dict[str, type[Ask | Fault]] = {"ask": Ask, "fault": Fault}
    values = _tuples(document)
    kind = values.pop("is")
    if kind == "change":
        return Change(**values | {"puts": tuple(Told(**each) for each in document["puts"])})
    return kinds[kind](**values)
