"""Every symbol of SGLang that SuperInfer uses, and the shape it was written against.

An upgrade of SGLang starts here: ``test/integration/test_seams.py`` compares each entry with the installed version and
fails by name, and it fails when a symbol is used that is not listed.
"""

from superinfer.srt.seams import cache, cpu, host, kv, lang, plugins, scheduler, server
from superinfer.srt.seams.seam import Seam

__all__ = ["SEAMS", "Seam"]

SEAMS: tuple[Seam, ...] = (
    *plugins.SEAMS,
    *cpu.SEAMS,
    *kv.SEAMS,
    *scheduler.SEAMS,
    *cache.SEAMS,
    *server.SEAMS,
    *host.SEAMS,
    *lang.SEAMS,
)
