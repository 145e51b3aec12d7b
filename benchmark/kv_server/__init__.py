"""KV memory in several formats on a running server: bytes, goodput and speed, against native and uniform int8."""
