"""Student's t against scipy."""

from __future__ import annotations

import pytest
from scipy import stats  # type: ignore[import-untyped,unused-ignore]

from groundup.evaluation.student import quantile


@pytest.mark.parametrize("freedom", [1, 1.3, 2, 9, 57.5, 60, 1e4, 1e7])
def test_the_quantile_is_scipys(freedom: float) -> None:
    for share in (0.5, 0.9, 0.975):
        assert quantile(freedom, share) == pytest.approx(stats.t.ppf(share, freedom), rel=1e-4, abs=1e-4)
