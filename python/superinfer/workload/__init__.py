"""Traces, synthetic loads, and how well they were served: shared by the simulator and the benchmarks."""
