"""Whether a model means what it says: of all tokens that it was 70 % sure of, 70 % should come."""

from __future__ import annotations

from collections.abc import Sequence


def calibration_error(confidences: Sequence[float], right: Sequence[bool], num_bins: int = 15) -> float:
    """How far confidence is from the share that was right, on average over predictions (Guo et al. 2017, equation 3).

    Predictions are put into bins of like confidence, since of a single one there is only right or wrong.
    """
    error = 0.0
    for number in range(num_bins):
        in_bin = [
            (confidence, is_right)
            for confidence, is_right in zip(confidences, right, strict=True)
            if min(int(confidence * num_bins), num_bins - 1) == number
        ]
        if in_bin:
            confidence = sum(one for one, _ in in_bin) / len(in_bin)
            accuracy = sum(is_right for _, is_right in in_bin) / len(in_bin)
            error += len(in_bin) / len(confidences) * abs(accuracy - confidence)
    return error
