"""The figures B1-B12: a file each, with its mark and its baseline. `python -m benchmarks` runs them."""
