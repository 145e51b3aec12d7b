"""Which prefixes stay in memory: prediction of reuse, its price, and a guard. No torch, no sglang, no clock."""
