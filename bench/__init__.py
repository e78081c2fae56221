"""Benchmarks: what a gateway costs, beside what people would otherwise run. Measures; never asserts a time."""
