"""Runs the agent and the batch job against one server and shows who met their SLO."""

import asyncio
from typing import Any

from rich.console import Console
from rich.live import Live

from superinfer.demo.agent import INTERACTIVE, report
from superinfer.demo.batch import SUBJECTS, summaries
from superinfer.demo.board import Board
from superinfer.lang import HTTPBackend

TOPICS = ("tides", "sourdough bread", "migrating birds")
CALLS_PER_REPORT = 5
PAUSE_S = 2.0
"""Between two reports: someone reads the last one."""


async def show(base_url: str, model: str, console: Console) -> Board:
    """Run everything once.

    Returns:
        The final board. Headlines and tables go to ``console``.
    """
    board = Board()
    with Live(console=console, refresh_per_second=4, transient=True) as live:
        ticker = asyncio.create_task(_refresh(live, board))
        batch = asyncio.create_task(_run_batch(base_url, model, board))
        await asyncio.sleep(PAUSE_S)
        for topic in TOPICS:
            state = await _run_agent(base_url, topic, board)
            live.console.print(f"[bold]{topic}[/]: {' '.join(state['headline'].split())}")
            await asyncio.sleep(PAUSE_S)
        await batch
        ticker.cancel()
    console.print(board.table("Who met their SLO"))
    console.print(state.slo_report())
    return board


async def _run_batch(base_url: str, model: str, board: Board) -> None:
    board.sent("batch", len(SUBJECTS))
    async for reply in summaries(base_url, model):
        details = reply.usage.prompt_tokens_details
        board.done(reply.slo, reply.usage.prompt_tokens, details.cached_tokens if details else 0)


async def _run_agent(base_url: str, topic: str, board: Board) -> Any:
    assert INTERACTIVE.cls
    board.sent(INTERACTIVE.cls, CALLS_PER_REPORT)
    state = await report.arun(topic=topic, backend=HTTPBackend(base_url), temperature=0)
    for call in state.slo_report().calls:
        for answer in call.answers:
            board.done(answer["slo"], answer["prompt_tokens"], answer["cached_tokens"])
    return state


async def _refresh(live: Live, board: Board) -> None:
    while True:
        live.update(board.table("In progress"))
        await asyncio.sleep(0.25)
