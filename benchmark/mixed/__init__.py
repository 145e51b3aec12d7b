"""Chat beside documents on real servers: who is on time, and what it costs the others."""
