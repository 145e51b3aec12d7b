"""A batch job over the OpenAI API: summaries that nobody is waiting for, but that must be done by a deadline."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

from openai import AsyncOpenAI

from superinfer import SLO

BATCH = SLO(cls="batch", deadline_ms=110_000)

SUBJECTS = (
    "the harbour ferry", "the night bakery", "the river gauge", "the town archive", "the glass workshop",
    "the weather mast", "the seed library", "the repair market", "the tram depot", "the public kitchen",
    "the observatory", "the paper mill", "the bicycle school", "the salt garden",
)  # fmt: skip


def document(subject: str) -> str:
    """A page about ``subject``; invented, and different enough from the others to share no prefix."""
    return (
        f"Notes on {subject}. It opened in the year after the flood and has changed hands twice since. "
        f"The people who run {subject} keep a diary, which is the source of most of what follows. In spring they "
        f"repair what the winter broke and count their supplies. In summer visitors come, more on Sundays than on any "
        f"other day, and they ask the same three questions: how old it is, who pays for it, and whether it will stay. "
        f"In autumn the council sends an inspector, who measures everything and finds it a little smaller than "
        f"the year before. In winter {subject} closes for six weeks, and the town is quieter for it. Those who have "
        f"worked there longest say that the work has not become easier, but that it has become better understood."
    )


async def summaries(base_url: str, model: str) -> AsyncIterator[Any]:
    """Send all documents at once and yield each response as it is done."""
    async with AsyncOpenAI(base_url=f"{base_url}/v1", api_key="none", timeout=300) as client:
        jobs = [
            client.chat.completions.create(
                model=model,
                messages=[{"role": "user", "content": f"{document(subject)}\n\nSummarise this in one sentence."}],
                max_tokens=40,
                temperature=0,
                extra_body={"slo": BATCH.to_dict()},
            )
            for subject in SUBJECTS
        ]
        for finished in asyncio.as_completed(jobs):
            yield await finished
