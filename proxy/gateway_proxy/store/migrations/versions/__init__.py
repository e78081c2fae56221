"""Additive steps only: a pod of the version before reads and writes what a step leaves behind."""
