"""Draw held-out loss and exposure by the budget, as SVG."""

from __future__ import annotations

import math

from farms import held_out_loss, mean_exposure, trained

from groundup.report.charts import Chart, Series, line_chart

powers = range(-3, 9)
losses = [(float(power), held_out_loss(trained(2.0**power)) / math.log(2)) for power in powers]
exposed = [(float(power), mean_exposure(trained(2.0**power))) for power in powers]
chart = Chart(
    "What a budget hides and what it costs",
    "From right to left the budget gets smaller. The exposure falls first; the loss rises only where little exposure is left.",
    "the budget ε, as a power of 2",
    "bits",
    from_zero=True,
    reference=(math.log2(math.e), "exposure of what nobody knows"),
)
print(line_chart([Series("exposure of a number", exposed, color=1), Series("loss a word", losses, color=0)], chart))
