"""How much KV has gone to the host and come back."""

from typing import Any

from superinfer.srt.host.faults import failed


class Counts:
    """Tokens moved since the start.

    Args:
        controller: SGLang's, which moves them. It merges and clears its queues, and tells nobody: they are counted on
            the way.

    Attributes:
        offloaded: Copied to the host; what failed is not.
        loaded: Brought back, ahead or at admission.
        prefetched: Of these, ahead.
        prefetch_hits: Of these, for requests that were then admitted with them.
    """

    def __init__(self, controller: Any) -> None:
        self.offloaded = 0
        self.loaded = 0
        self.prefetched = 0
        self.prefetch_hits = 0
        write, load = controller.start_writing, controller.start_loading

        def counted_write() -> None:
            before = len(controller.ack_write_queue)
            write()
            self.offloaded += sum(ack.num_tokens for ack in controller.ack_write_queue[before:] if not failed(ack))

        def counted_load() -> int:
            self.loaded += sum(len(operation.device_indices) for operation in controller.load_queue)
            return int(load())

        controller.start_writing, controller.start_loading = counted_write, counted_load

    def admitted(self, req: Any, held_tokens: int) -> None:
        """``req`` came in, with so many tokens that had been loaded ahead for it."""
        self.prefetch_hits += min(held_tokens, req.prefix_len)

    def by_what(self) -> dict[str, int]:
        """As the metrics name them."""
        return {
            "offloaded": self.offloaded,
            "loaded": self.loaded,
            "prefetched": self.prefetched,
            "hit": self.prefetch_hits,
        }

    def as_dict(self) -> dict[str, int]:
        """For ``/superinfer/state``."""
        names = ("offloaded", "loaded", "prefetched", "prefetch_hits")
        return {f"{name}_tokens": getattr(self, name) for name in names}
