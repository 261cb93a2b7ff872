"""The parts of bench.py, in the order in which they build on each other: meters, keys, systems, load, scenarios, report."""
