"""Separable networks of nearly 8,000 parameters beside `f3`, on six sixths each; written as in `separable`."""

from benchmarks.sixths import SIXTHS, Trial, itself
from benchmarks.trials.separable import F3, network

TRIALS = {
    "f3-28-to-30": Trial(
        title="16-P-s28p-s28p-s28p-s28p-s28-s28-s30",
        record="f3",
        network=network("16-P-28p-28p-28p-28p-28-28-30"),
        recipe=F3,
        seeds=SIXTHS,
    ),
    "f3-itself": itself("f3"),
}
