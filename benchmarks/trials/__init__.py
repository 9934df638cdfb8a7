"""Trials that the log tells of, a file a question; `benchmarks.sixths` runs them."""
