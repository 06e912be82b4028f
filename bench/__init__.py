"""Benchmarks. Figures are ratios within one run: machines differ and are noisy."""
