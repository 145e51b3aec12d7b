"""The host tier: KV that leaves the device's pool is kept in host memory, and comes back by a copy.

SGLang's HiCache is the mechanism; this package makes it run on the CPU platform and drives it by our policies. On that
platform "device" and "host" are both the machine's RAM: the tier costs what it costs elsewhere and buys a second pool.
"""
