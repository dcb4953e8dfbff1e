"""Settings that cannot be."""

from __future__ import annotations

import pytest

from groundup.errors import SettingError
from groundup.serving.settings import ServingSettings


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("port", -1), ("port", 65536), ("num_slots", 0), ("max_waiting", -1), ("context", 1), ("max_new_tokens", 0),
        ("max_prompt_characters", 0), ("max_body_bytes", 0), ("max_header_bytes", 100), ("max_connections", 0),
        ("header_seconds", 0.0), ("body_seconds", -1.0), ("send_seconds", 0.0),
        ("request_seconds", float("nan")), ("drain_seconds", float("inf")),
    ],
)  # fmt: skip
def test_out_of_bounds(field: str, value: object) -> None:
    with pytest.raises(SettingError, match=rf"serving\.{field} = .*: use a "):
        ServingSettings(**{field: value})  # type: ignore[arg-type]
