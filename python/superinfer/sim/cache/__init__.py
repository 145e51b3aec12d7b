"""Replay of traces on caches of prefixes, under several eviction rules."""
