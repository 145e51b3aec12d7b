"""The rotating policy's decision written plainly, request by request: what the fast one must decide, too."""

import heapq
from typing import NamedTuple

from superinfer.sched.claim import AGED, DUE, REST
from superinfer.sched.feasible import RESERVE
from superinfer.sched.job import Job, Phase
from superinfer.sched.lending import KEPT, MOST_US
from superinfer.sched.plan import Chunk, Plan
from superinfer.sched.rotation import CALM, RotationPolicy
from superinfer.sched.sizing import LEAST_TOKENS, pace_share
from superinfer.sched.step_time import StepLoad
from superinfer.sched.tiers import DEMOTE_AT, PROMOTE_AT
from superinfer.sched.turn import LONG_US, SPARED


class PlainClaim(NamedTuple):
    """Compares as it is served; arrival numbers differ, so the request is never compared."""

    band: int
    bucket: int
    served: float
    seq: int
    aged: bool
    job: Job

    @property
    def resident(self):
        return self.job.phase in (Phase.RUNNING, Phase.PREFILL)

    @property
    def need(self):
        return max(self.job.context_tokens, self.job.computed_tokens) + 1


class PlainRotation(RotationPolicy):
    """Learns like the policy of the package, and decides in its own way."""

    def __init__(self, *args, **kwargs):
        super().__init__(*args, **kwargs)
        self.computed_tokens = 0
        self.line_ends = {}

    def observe(self, load, elapsed_us):
        super().observe(load, elapsed_us)
        self.computed_tokens += load.prefill_tokens

    def decide(self, now_us, jobs, pool):
        options = self.settings
        running = [job for job in jobs if job.phase is Phase.RUNNING]
        budget_us = self._budget_us(jobs, running, now_us)
        claims = sorted(self._claims_plainly(now_us, jobs, budget_us, self._prompt_token_us(running, budget_us)))
        chosen, park = make_room(claims, pool, options.tiers.slice_us, options.max_parked)
        decode = [claim.job for claim in chosen if claim.job.phase is Phase.RUNNING]
        waiting = [claim for claim in chosen if claim.job.missing_tokens]
        prefill = list(self._fill(waiting, decode, budget_us))
        for claim, chunk in zip(waiting, prefill, strict=False):
            if claim.band >= REST:
                self._shares.serve(self._line(claim.job), chunk.tokens)
        return Plan(tuple(decode), tuple(prefill), tuple(claim.job for claim in park))

    def _budget_us(self, jobs, running, now_us):
        if any(job.state.slo.has_target for job in jobs):
            self._promised_us = now_us
        calm = self._promised_us is None or now_us - self._promised_us > self.settings.max_wait_us
        decoding_us = self.step_time.predict_us(load_of(running))
        allowed = [us for us in allowances_us(running, now_us, pace_share(self.step_time)) if us > decoding_us]
        return round(min([self.settings.max_step_us * (CALM if calm else 1), *allowed]))

    def _claims_plainly(self, now_us, jobs, step_us, token_us):
        owed = [self._owed_plainly(job, now_us, token_us) for job in jobs]
        late = given_up(
            [
                (now_us + left, index, estimate)
                for index, (left, estimate) in enumerate(owed)
                if left is not None and jobs[index].missing_tokens
            ],
            now_us,
        )
        aged = [
            job.phase is not Phase.RUNNING and now_us - job.waiting_since_us > self.settings.max_wait_us for job in jobs
        ]
        past = [job for job, old in zip(jobs, aged, strict=True) if old]
        eldest = min(past, key=lambda job: (job.waiting_since_us, job.state.seq), default=None)
        bands = []
        for index, (job, (left, estimate)) in enumerate(zip(jobs, owed, strict=True)):
            can_be_met = left is not None and index not in late
            job.tier = next_tier(self.settings.tiers, job.tier, estimate, left if can_be_met else None, job.slice_us)
            bands.append(AGED if job is eldest else DUE if can_be_met else REST + job.state.rank)
        at_rest = [job for job, band in zip(jobs, bands, strict=True) if band >= REST and job.missing_tokens]
        turns = self._shares.turns({self._line(job) for job in at_rest})
        prompts = [
            (left, index, estimate, job)
            for index, (job, (left, estimate)) in enumerate(zip(jobs, owed, strict=True))
            if left is not None and job.missing_tokens and index not in late
        ]
        lost = [index for index in late if bands[index] >= REST]
        self._line_up(jobs)
        by_turn = self._with_one_by_its_turn(prompts, token_us)
        sooner = {index: left for left, index, *_ in by_turn}
        first = first_to_go(by_turn)
        few = sum(owed[index][1] for index in lost) <= MOST_US
        lent = self._borrower(prompts, [jobs[index] for index in lost if few], step_us)
        for index, (job, band, old, (left, estimate)) in enumerate(zip(jobs, bands, aged, owed, strict=True)):
            if job is lent:
                band, bucket = DUE, -2_000_000_000
            elif job is first and band == DUE:
                bucket = -1_000_000_000
            elif band == DUE:
                bucket = sooner.get(index, left - estimate) // self.settings.bucket_us
            else:
                bucket = 0 if self._line(job) in turns else 1 + job.tier
            yield PlainClaim(band, bucket, self.service.served(job.state.slo.tenant), job.state.seq, old, job)

    def _line_up(self, jobs):
        """Newcomers go to the end of the line: what was computed, and all that is still to be."""
        known = [job for job in jobs if job.state.seq in self.line_ends]
        end = self.computed_tokens + sum(job.uncached_tokens for job in known)
        for job in jobs:
            if job.state.seq not in self.line_ends:
                end += job.uncached_tokens
                self.line_ends[job.state.seq] = end

    def _with_one_by_its_turn(self, prompts, token_us):
        """Prompts, of which the longest, if it is long, has to be done by its turn, if the others have time."""
        owe_a_first = [one for one in prompts if one[3].state.first_due_us is not None and not one[3].generated]
        if not owe_a_first:
            return prompts
        longest = max(owe_a_first, key=lambda one: one[3].prompt_tokens)
        turn_us = round(token_us * (self.line_ends[longest[3].state.seq] - self.computed_tokens))
        if turn_us >= longest[0] or token_us * longest[3].prompt_tokens < LONG_US:
            return prompts
        sooner = [(turn_us, *one[1:]) if one is longest else one for one in prompts]
        end_us = 0
        for one in sorted(sooner, key=lambda prompt: prompt[:2]):
            end_us += one[2]
            if end_us > (one[0] if one[1] == longest[1] else (1 - SPARED) * one[0]):
                return prompts
        return sooner

    def _borrower(self, prompts, lost, step_us):
        """Whom a step is lent to: of (left, index, cost, job) that are on time, each has to keep enough."""
        if not prompts or not lost:
            return None
        end_us = step_us
        for left_us, _, cost_us, _ in sorted(prompts, key=lambda prompt: prompt[:2]):
            end_us += cost_us
            if end_us > (1 - KEPT) * left_us:
                return None
        first = min(lost, key=lambda job: (job.state.rank, self.service.served(job.state.slo.tenant), job.state.seq))
        return None if first.state.rank > min(job.state.rank for *_, job in prompts) else first

    def _line(self, job):
        return job.state.rank * self.settings.tiers.count + job.tier

    def _owed_plainly(self, job, now_us, token_us):
        alone_us = self.step_time.prefill_us(job.uncached_tokens, job.computed_tokens + job.loading_tokens)
        next_us = max(alone_us, round(token_us * job.uncached_tokens)) + self.step_time.loads.us(job.loading_tokens)
        last_us = next_us + self.step_time.decode_us(job.remaining_tokens)
        pairs = ((job.state.next_due_us, next_us), (job.state.last_due_us, last_us))
        dues = [(due_us - now_us, estimate_us) for due_us, estimate_us in pairs if due_us is not None]
        return min(dues, key=lambda pair: pair[0] - pair[1], default=(None, next_us))

    def _prompt_token_us(self, running, budget_us):
        tokens = self.step_time.prefill_tokens_within(budget_us, load_of(running), context=0)
        return budget_us / min(max(tokens, LEAST_TOKENS), self.settings.max_chunk_tokens)

    def _fill(self, waiting, decode, budget_us):
        at_least = 0 if decode and not (waiting and waiting[0].band < REST) else LEAST_TOKENS
        used = 0
        for job in (claim.job for claim in waiting):
            budget_us -= self.step_time.loads.us(job.loading_tokens)
            context = job.computed_tokens + job.loading_tokens
            within = self.step_time.prefill_tokens_within(budget_us, load_of(decode), context)
            room = min(max(within, at_least), self.settings.max_chunk_tokens) - used
            if job is waiting[0].job and waiting[0].band == AGED:
                ahead = [claim for claim in waiting[1:] if claim.band <= REST + job.state.rank]
                left_over = sum(claim.job.missing_tokens for claim in ahead)
                room = min(room, max(room - left_over, LEAST_TOKENS))
            if room <= 0 and job.uncached_tokens:
                return
            computed = min(job.uncached_tokens, max(room, 0))
            yield Chunk(job, job.loading_tokens + computed)
            used += computed


def allowances_us(running, now_us, share):
    for job in running:
        pace_ms, line = job.state.slo.pace_ms, job.state.timeline
        if pace_ms is not None and line.first_us is not None:
            due_us = line.first_us + line.tokens * pace_ms * 1000
            yield share * max(due_us - now_us, pace_ms * 1000)


def given_up(jobs, now_us):
    """Of (due, index, cost), the indices of those that Moore's rule gives up."""
    kept, late, end_us = [], set(), now_us
    for due_us, index, cost_us in sorted(jobs):
        heapq.heappush(kept, (-cost_us, index))
        end_us += cost_us
        if end_us > due_us:
            cost, costliest = heapq.heappop(kept)
            end_us += cost
            late.add(costliest)
    return late


def first_to_go(prompts):
    """Of (left, index, cost, job) that are on time in this order, the first to arrive that may go before all others."""
    may, spare_us, end_us = [], float("inf"), 0
    for left_us, _, cost_us, job in sorted(prompts, key=lambda prompt: prompt[:2]):
        if cost_us <= spare_us:
            may.append(job)
        end_us += cost_us
        spare_us = min((1 - RESERVE) * left_us - end_us, spare_us)
    return min(may, key=lambda job: job.state.seq, default=None)


def next_tier(tiers, tier, estimate_us, left_us, served_us):
    if left_us is not None:
        if left_us < tiers.slice_us + estimate_us:
            return 0
        while tier > 0 and estimate_us > PROMOTE_AT * left_us * tiers.share(tier):
            tier -= 1
    last = tiers.count - 1
    relaxed = left_us is None or (tier < last and estimate_us < DEMOTE_AT * left_us * tiers.share(tier + 1))
    return min(tier + 1, last) if relaxed and served_us >= tiers.slice_of(tier) else tier


def make_room(claims, pool, slice_us, max_parked):
    residents = [claim for claim in claims if claim.resident]
    free = pool.capacity - sum(claim.need for claim in residents)
    rows = pool.rows - len(residents)
    parked, admitted = [], []
    eldest = next((claim for claim in claims[:1] if claim.band == AGED and not claim.resident), None)
    of_aged = sum(claim.need for claim in residents if claim.aged)
    wanted = eldest.need if eldest and eldest.need + of_aged <= pool.capacity else 0
    while free < wanted or rows < (1 if wanted else 0):
        leavers = [resident for resident in reversed(residents) if not resident.job.fixed]
        victim = next(iter(sorted(leavers, key=lambda resident: resident.aged)), None)
        if victim is None:
            break
        residents.remove(victim)
        parked.append(victim)
        free, rows = free + victim.need, rows + 1
    for claim in (claim for claim in claims if not claim.resident):
        victims = victims_for(claim, residents, claim.need - free, 1 - rows, max_parked - len(parked), slice_us)
        if victims is not None:
            residents = [resident for resident in residents if resident not in victims]
            parked += victims
            admitted.append(claim)
            free += sum(victim.need for victim in victims) - claim.need
            rows += len(victims) - 1
    return sorted(residents + admitted), parked


def victims_for(claim, residents, missing, missing_rows, at_most, slice_us):
    victims = []
    for resident in reversed(residents):
        if (missing <= 0 and missing_rows <= 0) or len(victims) >= at_most:
            break
        may_go = resident.job.slice_us >= slice_us and not resident.job.fixed and not resident.aged
        if resident.band > claim.band and may_go:
            victims.append(resident)
            missing -= resident.need
            missing_rows -= 1
    return victims if missing <= 0 and missing_rows <= 0 else None


def load_of(jobs):
    return StepLoad(len(jobs), sum(job.computed_tokens for job in jobs))
