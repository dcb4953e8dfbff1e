"""A process that renders a chat template, which is a program that somebody else wrote: requests are lines of JSON, answers too.

It has the sandbox of jinja2, little memory, and whoever asks ends it when it takes too long. Beside the sandbox the environment is
that of transformers, so the texts are the same. It ends when its input does.
"""

from __future__ import annotations

import contextlib
import datetime
import json
import re
import resource
import sys
from typing import Any

import jinja2
import jinja2.ext
from jinja2.sandbox import ImmutableSandboxedEnvironment

MEMORY_BYTES = 2**29
MOST_CHARACTERS = 2**21
SURROGATE = re.compile("[\ud800-\udfff]")


class Generation(jinja2.ext.Extension):
    """`{% generation %} … {% endgeneration %}` marks what the assistant writes; here it is only what stands in it."""

    tags = {"generation"}  # noqa: RUF012 - as jinja2 declares it

    def parse(self, parser: jinja2.parser.Parser) -> list[jinja2.nodes.Node]:
        """The block's content."""
        next(parser.stream)
        return parser.parse_statements(("name:endgeneration",), drop_needle=True)


class Namespace(jinja2.utils.Namespace):
    """Of names that don't begin with an underscore."""

    def __init__(*arguments: Any, **values: Any) -> None:
        given = dict(*arguments[1:], **values)
        jinja2.utils.Namespace.__init__(arguments[0], {name: value for name, value in given.items() if _is_plain(name)})

    def __setitem__(self, name: str, value: Any) -> None:
        _is_plain(name)
        super().__setitem__(name, value)


def _is_plain(name: str) -> bool:
    if name.startswith("_"):
        raise jinja2.exceptions.SecurityError(f"a namespace's name may not begin with an underscore: {name!r}")
    return True


def _raise(message: str) -> None:
    raise jinja2.exceptions.TemplateError(message)


def _to_json(
    value: Any, ensure_ascii: bool = False, indent: Any = None, separators: Any = None, sort_keys: bool = False
) -> str:
    return json.dumps(value, ensure_ascii=ensure_ascii, indent=indent, separators=separators, sort_keys=sort_keys)


def compile_template(source: str) -> jinja2.Template:
    """A template as transformers reads it."""
    environment = ImmutableSandboxedEnvironment(
        trim_blocks=True, lstrip_blocks=True, extensions=[Generation, jinja2.ext.loopcontrols]
    )
    environment.filters["tojson"] = _to_json
    environment.globals |= {
        "raise_exception": _raise,
        "strftime_now": lambda form: datetime.datetime.now().strftime(form),
        "namespace": Namespace,
    }
    return environment.from_string(source)


def render(template: jinja2.Template, values: dict[str, Any]) -> dict[str, str]:
    """The text, or why there is none."""
    pieces, characters = [], 0
    try:
        for piece in template.generate(**values):
            characters += len(piece)
            if characters > MOST_CHARACTERS:
                return {"error": f"it makes more than {MOST_CHARACTERS:,} characters"}
            pieces.append(piece)
    except MemoryError:
        return {"error": f"it takes more than {MEMORY_BYTES // 2**20} MB of memory"}
    except Exception as error:  # whatever a program of somebody else's may do
        return {"error": f"{type(error).__name__}: {error}"[:500]}
    text = "".join(pieces)
    if found := SURROGATE.search(text):
        return {
            "error": f"it writes U+{ord(found[0]):04X}, half of a surrogate pair, which no valid Unicode text holds"
        }
    return {"text": text}


def main() -> None:
    """Say that we are here, compile the template of the first line, and render it for each line after it."""
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY_BYTES, MEMORY_BYTES))
    answers, sys.stdout = sys.stdout, sys.stderr
    print("{}", file=answers, flush=True)
    try:
        template = compile_template(json.loads(sys.stdin.readline()))
        answer: dict[str, str] = {}
    except Exception as error:
        answer = {"error": f"{type(error).__name__}: {error}"[:500]}
    print(json.dumps(answer), file=answers, flush=True)
    for line in sys.stdin:
        print(json.dumps(render(template, json.loads(line))), file=answers, flush=True)


if __name__ == "__main__":
    with contextlib.suppress(BrokenPipeError):  # whoever asked was killed
        main()
