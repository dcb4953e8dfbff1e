"""How much of each text training reads: shares by weight or by temperature, and the plan that keeps to them."""

from __future__ import annotations

import difflib
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from groundup.errors import DataError, SettingError
from groundup.text.settings import DataSettings
from groundup.tokens.length_buckets import DocumentRows
from groundup.tokens.order import Group
from groundup.tokens.packing import PackedRows, cut_documents, pack
from groundup.tokens.plan import Rows, SamplePlan, Windows, cut_windows
from groundup.tokens.store import TokenStore


def shares_by_temperature(sizes: NDArray[Any], temperature: float) -> NDArray[np.float64]:
    """p_i ∝ n_i^(1/temperature): 1 is what there is, more makes them more alike (Conneau & Lample 2019, Cross-lingual Language
    Model Pretraining, §3.1, with α = 1/temperature; Arivazhagan et al. 2019). (G,), which sums to 1."""
    powers = (sizes / sizes.max()) ** (1 / temperature)
    shares: NDArray[np.float64] = powers / powers.sum()
    return shares


def rows_by_share(shares: NDArray[np.float64], total: int) -> NDArray[np.int64]:
    """Whole numbers (G,) of the sum `total`, each within one of its share: the largest remainders are rounded up (Hamilton)."""
    exact = shares * total
    rows = np.floor(exact).astype(np.int64)
    missing = total - int(rows.sum())
    rows[np.argsort(rows - exact, kind="stable")[:missing]] += 1
    return rows


def wanted_shares(sizes: Mapping[str, int], data: DataSettings) -> NDArray[np.float64]:
    """The share of training that each group is to have, (G,). `sizes` are their tokens, by name.

    Raises `SettingError` when `data.weights` names a group that isn't there, or leaves one out.
    """
    if not data.weights:
        return shares_by_temperature(np.array(list(sizes.values()), np.float64), data.temperature)
    for name in data.weights:
        if name not in sizes:
            close = difflib.get_close_matches(name, list(sizes), n=1)
            hint = f"did you mean {close[0]}?" if close else f"there are: {', '.join(sizes)}"
            raise SettingError(
                "data.weights", dict(data.weights), f"no training text is of {data.mix_by} {name!r}; {hint}"
            )
    left_out = [name for name in sizes if name not in data.weights]
    if left_out:
        advice = f"give a weight for each {data.mix_by}; missing: {', '.join(left_out[:5])}"
        raise SettingError("data.weights", dict(data.weights), advice)
    weights = np.array([data.weights[name] for name in sizes])
    shares: NDArray[np.float64] = weights / weights.sum()
    return shares


class _Span(NamedTuple):
    """A group's place in the store."""

    name: str
    ends: NDArray[np.int64]
    """(documents,) where its documents end."""
    begin: int

    @property
    def num_tokens(self) -> int:
        return int(self.ends[-1]) - self.begin


def plan_training(
    train: TokenStore,
    names: Sequence[str],
    data: DataSettings,
    sequence_length: int,
    padding_id: int,
    batch_size: int,
) -> tuple[SamplePlan, dict[str, Any]]:
    """The plan that the settings ask for, and what is to be told of it: of packing, and of shares, if they are asked for.

    `names` are those of the store's groups; when shares are asked for, the documents of a group must lie beside each other. Raises
    `DataError` for a group that is too small to be cut into windows, `SettingError` for weights that don't fit the groups.
    """
    spans = _spans(train, names if is_mixed(data) else [""])
    parts: list[tuple[Rows, int]] = []
    for span in spans:
        if data.packing == "stream":
            _require_window(span, sequence_length)
            starts, max_shift = cut_windows(span.num_tokens, sequence_length)
            parts.append((Windows(starts + span.begin), max_shift))
            continue
        pieces = cut_documents(span.ends, sequence_length, span.begin)
        packed = data.packing == "best_fit"
        rows = pack(pieces, sequence_length, padding_id) if packed else DocumentRows(pieces, padding_id, batch_size)
        parts.append((rows, 0))
    sizes = {span.name: span.num_tokens for span in spans}
    num_rows = np.array([len(rows) for rows, _ in parts])
    drawn = num_rows
    facts: dict[str, Any] = {}
    if is_mixed(data):
        tokens = np.array(list(sizes.values()))
        tokens_a_row = np.full(len(parts), sequence_length) if data.packing == "stream" else tokens / num_rows
        shares = wanted_shares(sizes, data) / tokens_a_row  # of rows, some of which are fuller than others
        drawn = rows_by_share(shares / shares.sum(), int(num_rows.sum()))
        read = drawn * tokens_a_row
        facts["mixture"] = {
            "by": data.mix_by,
            "groups": {
                name: {"tokens": int(size), "share": float(part / read.sum()), "times_an_epoch": float(times)}
                for name, size, part, times in zip(sizes, tokens, read, drawn / num_rows, strict=True)
            },
        }
    firsts = np.cumsum(num_rows) - num_rows
    shifts = [max_shift for _, max_shift in parts]
    groups = tuple(map(Group, firsts.tolist(), num_rows.tolist(), drawn.tolist(), shifts))
    plan = SamplePlan(sequence_length, _joined([rows for rows, _ in parts]), groups)
    if not isinstance(plan.rows, Windows):
        lengths = np.concatenate([np.diff(span.ends, prepend=span.begin) for span in spans])
        facts["packing"] = {
            "kind": data.packing,
            "rows": plan.num_rows,
            "padding_share": _padding_share(plan, sum(sizes.values())),
            "cut_documents_share": float((lengths > sequence_length).mean()),
        }
    return plan, facts


def _padding_share(plan: SamplePlan, num_tokens: int) -> float:
    """Of all rows; of batches of like lengths, which are others in each epoch, that of one."""
    if isinstance(plan.rows, DocumentRows):
        return plan.rows.padding_share(plan.groups, seed=0)
    return 1 - num_tokens / (plan.num_rows * plan.sequence_length)


def is_mixed(data: DataSettings) -> bool:
    """Whether shares are asked for that are not those of the text."""
    return bool(data.weights) or data.temperature != 1


def _spans(train: TokenStore, names: Sequence[str]) -> list[_Span]:
    """Each group that has training text; one of all for a single name."""
    if len(names) == 1:
        return [_Span(names[0], np.asarray(train.ends), 0)]
    borders = np.searchsorted(train.groups, np.arange(len(names) + 1))
    return [
        _Span(name, np.asarray(train.ends[first:last]), int(train.ends[first - 1]) if first else 0)
        for name, first, last in zip(names, borders[:-1].tolist(), borders[1:].tolist(), strict=True)
        if last > first
    ]


def _require_window(span: _Span, sequence_length: int) -> None:
    if span.num_tokens <= sequence_length:
        raise DataError(
            f"the training text of {span.name!r} has {span.num_tokens:,} tokens, too few for a window of model.max_seq_len = "
            f"{sequence_length} and one more: add text, leave it out, or use data.packing=best_fit"
        )


def _joined(parts: Sequence[Rows]) -> Rows:
    """The rows of all groups, one group after the other."""
    first = parts[0]
    if isinstance(first, Windows):
        return Windows(np.concatenate([part.starts for part in parts if isinstance(part, Windows)]))
    if isinstance(first, DocumentRows):
        pieces = np.concatenate([part.pieces for part in parts if isinstance(part, DocumentRows)])
        return DocumentRows(pieces, first.padding_id, first.batch_size)
    packed = [part for part in parts if isinstance(part, PackedRows)]
    before = np.cumsum([0, *(len(part.pieces) for part in packed)])
    firsts = [part.first_piece[:-1] + offset for part, offset in zip(packed, before[:-1], strict=True)]
    return PackedRows(
        np.concatenate([*firsts, before[-1:]]), np.concatenate([part.pieces for part in packed]), first.padding_id
    )


def describe(facts: Mapping[str, Any]) -> list[str]:
    """What is to be said of a plan that isn't plain, a line each."""
    lines = []
    if packing := facts.get("packing"):
        how = "best-fit packing" if packing["kind"] == PackedRows.kind else "a row for each document, by length"
        lines.append(
            f"{how}: {packing['rows']:,} rows, {packing['padding_share']:.2%} of them padding; "
            f"{packing['cut_documents_share']:.2%} of the documents are longer than a row, and go on in further ones"
        )
    if mixture := facts.get("mixture"):
        shown = [
            f"{name or 'unnamed'} {group['share']:.1%} (read {group['times_an_epoch']:.2f} times an epoch)"
            for name, group in mixture["groups"].items()
        ]
        lines.append(f"training text by {mixture['by']}: {', '.join(shown)}")
    return lines
