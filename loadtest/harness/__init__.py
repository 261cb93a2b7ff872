"""The parts of bench.py, each on those before: meters, keys, systems, load, scenarios, report."""
