"""Counterfactual templates: the same sentence about one group of people and another, read from TOML.

    language = "en"

    [axes.age.old]                       # one group of an axis
    persons = ["the old man", "the old woman"]    # as many for each group of the axis
    subject = ["he", "she"]              # any other key is a slot of its own: a text for each person, or one for all

    [[templates]]                        # whose continuations' likelihoods are compared
    kind = "character"
    text = "{Person} is known for being"
    positive = ["kind"]
    negative = ["cruel"]

    [[prompts]]                          # that the model goes on from
    text = "{Person} came in and"

    [[requests]]                         # that a model that chats replies to
    text = "Tell me a story about {person}."

A slot stands in {braces}, in texts and in positive and negative words; {person} is one of the group's persons, {Person} the same with a
capital. `axes = ["age"]` limits a template, prompt or request to some axes. Nothing is declined: what has to agree with a person is a slot.
"""

from __future__ import annotations

import string
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from groundup.errors import SettingError
from groundup.evaluation.fairness.toml_files import (
    check_table,
    read_named,
    refuse_repeated,
    text_of,
    texts_of,
)

SETTING = "fairness.templates"
PERSON = "person"


@dataclass(frozen=True)
class Group:
    """People who have something in common."""

    persons: tuple[str, ...]
    words: Mapping[str, tuple[str, ...]]
    """What else stands in a slot, for each person: pronouns, endings, another case."""

    def slots(self, person: int) -> dict[str, str]:
        """Each slot's text, for one of the persons."""
        slots = {PERSON: self.persons[person], **{slot: texts[person] for slot, texts in self.words.items()}}
        return slots | {_capital(slot): _capital(text) for slot, text in slots.items()}


@dataclass(frozen=True)
class Template:
    """A text with slots."""

    place: str
    """Where it stands: `mine.toml: templates[3]`."""
    text: str
    axes: tuple[str, ...] = ()
    """All if empty."""
    kind: str = ""
    positive: tuple[str, ...] = ()
    negative: tuple[str, ...] = ()

    def fill(self, group: Group, person: int) -> str:
        """The text about one person."""
        return self.text.format_map(group.slots(person))

    def words(self, group: Group, person: int) -> list[str]:
        """What may follow it: the positive words, then the negative ones."""
        return [word.format_map(group.slots(person)) for word in (*self.positive, *self.negative)]

    def is_for(self, axis: str) -> bool:
        """Whether it is filled with the groups of an axis."""
        return not self.axes or axis in self.axes


@dataclass
class Templates:
    """All of one language."""

    language: str
    axes: dict[str, dict[str, Group]] = field(default_factory=dict)
    templates: list[Template] = field(default_factory=list)
    prompts: list[Template] = field(default_factory=list)
    requests: list[Template] = field(default_factory=list)

    def beginnings(self, chats: bool) -> list[Template]:
        """What a model writes after: one that chats replies to requests."""
        return self.requests if chats else self.prompts


def read_templates(names: Sequence[str], wanted: Sequence[str] = ()) -> list[Templates]:
    """The templates of each language; of one, those of all its files together, a later file's group in place of an earlier one's.

    With `wanted`, of these axes alone. Raises `SettingError` that names the file and what is wrong in it: a key or slot that there isn't,
    an axis without groups or of which nothing speaks, groups of an axis with other numbers of persons, a template for an axis that there
    isn't, or one that stands there twice.
    """
    languages: dict[str, Templates] = {}
    for name, values in read_named("templates", SETTING, names):
        _add(languages, name, values)
    for templates in languages.values():
        _check(templates)
    known = list(dict.fromkeys(axis for templates in languages.values() for axis in templates.axes))
    for axis in wanted:
        if axis not in known:
            raise SettingError("fairness.axes", axis, f"the templates have no such axis; they have {', '.join(known)}")
    for templates in languages.values():
        templates.axes = {axis: groups for axis, groups in templates.axes.items() if not wanted or axis in wanted}
    return list(languages.values())


def _add(languages: dict[str, Templates], name: str, values: Mapping[str, Any]) -> None:
    check_table(values, name, ("language", "axes", "templates", "prompts", "requests"))
    language = text_of(values, "language", name)
    templates = languages.setdefault(language, Templates(language))
    for axis, groups in check_table(values.get("axes", {}), f"{name}: axes").items():
        place = f"{name}: axes.{axis}"
        check_table(groups, place)
        if not groups:
            raise SettingError(place, groups, "this axis has no groups; write at least two, or leave it out")
        of_axis = templates.axes.setdefault(axis, {})
        of_axis |= {group: _group(values, f"{place}.{group}") for group, values in groups.items()}
    templates.templates += _rows(name, values, "templates", ("text", "axes", "kind", "positive", "negative"))
    templates.prompts += _rows(name, values, "prompts", ("text", "axes"))
    templates.requests += _rows(name, values, "requests", ("text", "axes"))


def _group(values: Any, place: str) -> Group:
    check_table(values, place)
    persons = texts_of(values, "persons", place)
    return Group(
        persons, {slot: _slot(values[slot], f"{place}.{slot}", len(persons)) for slot in values if slot != "persons"}
    )


def _slot(value: Any, place: str, persons: int) -> tuple[str, ...]:
    """A slot's text for each person. One may be empty: an ending that another form has."""
    texts = [value] * persons if isinstance(value, str) else value
    if not isinstance(texts, list) or len(texts) != persons or not all(isinstance(text, str) for text in texts):
        raise SettingError(place, value, f"write one text for all persons, or a list of {persons}, one for each")
    return tuple(texts)


def _rows(name: str, values: Mapping[str, Any], key: str, known: tuple[str, ...]) -> list[Template]:
    rows = values.get(key, [])
    if not isinstance(rows, list):
        raise SettingError(f"{name}: {key}", rows, f"write [[{key}]] and its keys below, once for each")
    return [_row(row, f"{name}: {key}[{number}]", known) for number, row in enumerate(rows)]


def _row(values: Any, place: str, known: tuple[str, ...]) -> Template:
    check_table(values, place, known)
    text, axes = text_of(values, "text", place).strip(), texts_of(values, "axes", place, needed=False)
    if "positive" not in known:
        return Template(place, text, axes)
    positive, negative = (texts_of(values, side, place) for side in ("positive", "negative"))
    return Template(place, text, axes, text_of(values, "kind", place), positive, negative)


def _check(templates: Templates) -> None:
    if not templates.axes:
        raise SettingError(SETTING, templates.language, "there are no axes of this language: write [axes.NAME.GROUP]")
    for axis, groups in templates.axes.items():
        if len(groups) < 2:
            raise SettingError(f"axes.{axis}", ", ".join(groups), "one group alone can't be compared; write another")
        counts = {name: len(group.persons) for name, group in groups.items()}
        if len(set(counts.values())) > 1:
            raise SettingError(
                f"axes.{axis}",
                counts,
                "give each group as many persons: those in one place are held against each other",
            )
    rows = [*templates.templates, *templates.prompts, *templates.requests]
    for axis, groups in templates.axes.items():
        if not any(row.is_for(axis) for row in rows):
            raise SettingError(
                f"axes.{axis}", list(groups), "nothing speaks of them: write [[templates]] or [[prompts]]"
            )
    for of_one_kind in (templates.templates, templates.prompts, templates.requests):
        refuse_repeated([(row.place, replace(row, place="")) for row in of_one_kind])
    for row in rows:
        _check_slots(row, templates.axes)


def _check_slots(template: Template, axes: Mapping[str, Mapping[str, Group]]) -> None:
    for axis in template.axes:
        if axis not in axes:
            raise SettingError(f"{template.place}.axes", axis, f"there is no such axis; there are {', '.join(axes)}")
    for text in (template.text, *template.positive, *template.negative):
        slots = _slots_of(text, template.place)
        for axis, groups in axes.items():
            for name, group in groups.items() if template.is_for(axis) else ():
                for slot in slots:
                    if slot not in group.slots(0):
                        raise SettingError(
                            template.place,
                            text,
                            f"axes.{axis}.{name} has no slot {slot!r}: write it there, or limit the template to other axes",
                        )
    for axis, groups in axes.items():
        everybody = [(group, person) for group in groups.values() for person in range(len(group.persons))]
        if template.is_for(axis) and len({template.fill(*who) for who in everybody}) == 1:
            raise SettingError(
                template.place,
                template.text,
                f"it is the same for all of axes.{axis}: write {{person}} or another slot",
            )


def _slots_of(text: str, place: str) -> list[str]:
    try:
        found = [parts for parts in string.Formatter().parse(text) if parts[1] is not None]
    except ValueError as error:
        raise SettingError(place, text, f"its braces are no slots ({error})") from None
    for _, slot, form, conversion in found:
        if form or conversion:
            raise SettingError(place, text, f"a slot is a name and nothing else: write {{{slot}}}")
    return [slot for _, slot, _, _ in found if slot is not None]


def _capital(text: str) -> str:
    return text[:1].upper() + text[1:]
