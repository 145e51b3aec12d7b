"""What the scheduler decides, as events that others may watch: published without ever making the scheduler wait.

``events`` is the vocabulary, ``publisher`` the scheduler's end, ``subscribe`` a watcher's; ``board`` folds events into
counts and ``perfetto`` into a trace. Nothing here imports torch or sglang.
"""
