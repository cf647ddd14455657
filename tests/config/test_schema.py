"""The JSON Schema says what the reader takes."""

from __future__ import annotations

from typing import Any

import jsonschema
import pytest
import yaml

from devbox.config.load import parse
from devbox.config.rules import DOCUMENT
from devbox.errors import ConfigError
from tests.config.test_load import WHOLE


def _valid(document: Any) -> bool:
    return bool(jsonschema.Draft202012Validator(DOCUMENT.schema()).is_valid(document))


def test_the_schema_is_a_schema() -> None:
    jsonschema.Draft202012Validator.check_schema(DOCUMENT.schema())


def test_every_key_of_the_document_is_explained() -> None:
    bare = [name for name, child in DOCUMENT.schema()["properties"].items() if not child.get("description")]
    assert bare == []


@pytest.mark.parametrize(
    "text",
    [
        WHOLE,
        "name: a",
        "name: a\nhots: b",
        "host: b",
        "name: a\ndocker: {port: 70000}",
        "name: a\ndocker: {endpoint: tsl}",
        "name: a\nservices: {web: {command: [a, b], ports: '80:80'}}",
        "name: a\nservices: {web: {mount: 1}}",
        "name: a\nservices: {web: {health: {interval: 1}}}",
    ],
)
def test_schema_and_reader_agree(text: str) -> None:
    try:
        parse(text)
        taken = True
    except ConfigError:
        taken = False
    assert _valid(yaml.safe_load(text)) is taken
