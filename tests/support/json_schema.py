"""The JSON schema of cirrusctl's output, which the package ships."""

from __future__ import annotations

import json
from typing import Any

from jsonschema import Draft202012Validator

from paths import REPO

SCHEMA: dict[str, Any] = json.loads((REPO / "installer/docs/cirrusctl.schema.json").read_text())


def check(document: Any, name: str) -> None:
    """Fail unless a document is as the schema says for a command."""
    schema = {"$ref": f"#/$defs/{name}", "$defs": SCHEMA["$defs"]}
    times = Draft202012Validator.FORMAT_CHECKER
    Draft202012Validator(schema, format_checker=times).validate(document)
