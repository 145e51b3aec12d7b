"""Taking a request out of the engine so that it can come back: its KV goes to the radix tree, the request to the queue.

Under overlap scheduling the token in flight is dropped and sampled again. Nobody saw it: it was not sent.
"""

from typing import Any

from sglang.srt.mem_cache.common import release_kv_cache

from superinfer.srt.host.link import HostLoadError


def can_come_back(req: Any) -> bool:
    """Whether ``req``, taken out now and put back later, would go on as if nothing had happened."""
    return not (
        req.finished()
        or req.to_finish is not None
        or req.beam_group is not None
        or req.input_embeds is not None  # SGLang drops their output
        or req.session is not None  # the session owns the KV
        or req.return_logprob  # those of the prompt would be lost
        or req.return_hidden_states
        or req.skip_radix_cache_insert
        or _is_penalised(req.sampling_params)
    )


def has_progressed(req: Any) -> bool:
    """Whether ``req`` has got a token since it last came in. A request that only rotates would never end."""
    return len(req.output_ids) > getattr(req, "tokens_when_admitted", 0)


def park_running(reqs: list[Any], running_batch: Any, tree_cache: Any) -> None:
    """Take ``reqs`` out of ``running_batch``; the caller puts them into the queue, after this pass's admission.

    A request that came back in the pass in which it left would be given the stale result of its token in flight.
    """
    if not reqs:
        return
    for req in reqs:
        _release(req, tree_cache, checkpoint=True)
    running_batch.filter_batch(reqs_to_exclude=reqs)
    running_batch.batch_is_full = False


def park_chunked(req: Any, tree_cache: Any) -> None:
    """Take out the request whose prompt is computed in parts. SGLang has put these into the tree already."""
    _release(req, tree_cache, checkpoint=False)


def take_back(req: Any, tree_cache: Any) -> None:
    """Take out a request whose last step read what was not there: nothing of it is kept."""
    if req.session is not None or req.beam_group is not None:
        raise HostLoadError("KV that could not be loaded from the host belongs to a session or to beams")
    _release(req, tree_cache, checkpoint=False)


def _release(req: Any, tree_cache: Any, *, checkpoint: bool) -> None:
    release_kv_cache(req, tree_cache, checkpoint=checkpoint)
    req.reset_for_retract()
    req.time_stats.set_retract_time()


def _is_penalised(params: Any) -> bool:
    """Penalties count the tokens of one stay in the engine: SGLang starts them anew when a request comes back."""
    return bool(
        params.frequency_penalty or params.presence_penalty or params.repetition_penalty != 1.0 or params.min_new_tokens
    )
