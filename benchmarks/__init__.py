"""Benchmarks: ratios against named peers, both measured in one run."""
