"""A pool of Ray's workers, on one machine or many: who joins gets work, and what a lost one was at is reported.

A worker is an actor that asks for what a work needs; more of them are asked for than there is room, so that a machine
that joins is given work, and a cluster that grows by demand does. Each has one question open, which it answers when its
work has something to say; that is all that passes over the network while it computes. Ray's own streaming of results
is refused through ray://, and its retries begin a work anew, where ours goes on from its last state.
"""

import time
from collections import Counter
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from featherweight.errors import FeatherweightError, UsageError
from featherweight.parallel.messages import Backend, Counts, Finished, Message, Work
from featherweight.parallel.ray_cluster import RayWorker, connect, facts

NODES_SECONDS = 2.0
"""Time between looks at which machines there are."""
SPARE = 2
"""Workers that are asked for beyond what the machines have room for."""
ROOM_SECONDS = 45.0
"""How long no worker may have started before that is reported."""
FAILURES = 3
"""Workers that may fail to start, one after another, before there is something wrong with the machines."""
SAME = ("featherweight", "source", "torch")
"""What must be the same everywhere."""


class ClusterError(FeatherweightError):
    """The cluster cannot do what it is asked to, or is gone."""


@dataclass(kw_only=True)
class _Worker:
    """A worker as the driver sees it."""

    actor: Any
    reply: Any
    """The answer that is waited for."""
    node: str = ""
    """Its machine; empty until it has reported itself."""
    refused: bool = False
    """Its machine may not be used; it is kept, so that Ray starts no other there."""
    number: int | None = None
    """The work that it is at."""

    @property
    def free(self) -> bool:
        """Whether it could be given a work."""
        return bool(self.node) and not self.refused and self.number is None


class RayPool:
    """Ray's workers."""

    def __init__(self, backend: Backend, about: Any = facts) -> None:
        self._ray = connect(backend.address)
        self._backend, self._about, self._mine = backend, about, about()
        self._actor = self._ray.remote(RayWorker).options(
            num_cpus=backend.threads, num_gpus=backend.gpus, memory=backend.memory, max_concurrency=4, max_restarts=0,
            scheduling_strategy="SPREAD",
        )  # fmt: skip
        self._workers: list[_Worker] = []
        self._failed = 0
        self._ended: Counter[str] = Counter()
        self._noted: set[str] = set()
        self._first: dict[str, Any] = {}
        self._looked, self._room = 0.0, 1
        self._since = time.monotonic()
        self.notes: list[str] = []

    def scale(self, works: int) -> None:
        """Ask for as many workers as there are works, or as there is room for and a few more; dismiss the others."""
        if time.monotonic() - self._looked > NODES_SECONDS:
            self._looked, self._room = time.monotonic(), self._room_for()
        wanted = min(works, self._room + SPARE) + sum(worker.refused for worker in self._workers)
        while len(self._workers) < wanted:
            actor = self._actor.remote()
            self._workers.append(_Worker(actor=actor, reply=actor.hello.remote(self._about)))
        for worker in [one for one in self._workers if one.free][: max(0, len(self._workers) - wanted)]:
            self._dismiss(worker)
        if any(worker.node for worker in self._workers) or not works:
            self._since = time.monotonic()
        elif time.monotonic() - self._since > ROOM_SECONDS:
            self._since = time.monotonic()
            self._note(f"No worker has started yet; a task takes {self._needs()}, and waits until a machine has that.")

    def _needs(self) -> str:
        gpus = f" and {self._backend.gpus:g} GPU" if self._backend.gpus else ""
        memory = f" and {self._backend.memory / 1e9:.1f} GB" if self._backend.memory else ""
        return f"{self._backend.threads} processor{'s' * (self._backend.threads > 1)}{gpus}{memory}"

    def _room_for(self) -> int:
        """How many workers all machines together could hold if nobody else used them."""
        room = 0
        for node in self._ray.nodes():
            if node["Alive"]:
                has = node["Resources"]
                fits = int(has.get("CPU", 0) // self._backend.threads)
                room += min(fits, int(has.get("GPU", 0) // self._backend.gpus)) if self._backend.gpus else fits
        return room

    def free(self) -> int:
        """How many works could be begun now."""
        return sum(worker.free for worker in self._workers)

    def submit(self, number: int, work: Work, *given: Any) -> None:
        """Have a work carried out by a worker that is free, on the machine where least is under way."""
        busy = self.counts().running
        worker = min((one for one in self._workers if one.free), key=lambda one: busy.get(one.node, 0))
        worker.number = number
        worker.reply = worker.actor.submit.remote(work, *given)

    def poll(self, seconds: float) -> Sequence[Message | Finished]:
        """What works have to say."""
        asked = {worker.reply: worker for worker in self._workers if worker.reply is not None}
        if not asked:
            time.sleep(seconds)
            return ()
        try:
            ready, _ = self._ray.wait([*asked], num_returns=1, timeout=seconds)
            if ready and len(asked) > 1:
                ready, _ = self._ray.wait([*asked], num_returns=len(asked), timeout=0)
            found: list[Message | Finished] = []
            for reply in ready:
                found += self._received(asked[reply])
        except (self._ray.exceptions.RaySystemError, ConnectionError) as problem:
            raise ClusterError(f"The cluster is gone ({problem}); once it is back, the same command resumes.") from None
        return found

    def _received(self, worker: _Worker) -> list[Message | Finished]:
        """What one worker has answered; the next question is put to it."""
        number, errors = worker.number, self._ray.exceptions
        try:
            answer = self._ray.get(worker.reply)
        except (errors.RayActorError, errors.OutOfMemoryError, errors.ObjectLostError) as problem:
            return self._lost(worker, problem)
        except errors.RayError as problem:
            return self._unable(worker, problem)
        worker.reply = None
        if not worker.node:
            self._welcome(worker, *answer)
            return []
        assert number is not None
        found: list[Message | Finished] = []
        for last, what in answer:
            if last:
                sentence, status = what
                found.append(Finished(number=number, sentence=sentence, status=status))
                worker.number = None
                self._ended[worker.node] += 1
            else:
                found.append(Message(number=number, value=what))
        if worker.number is not None:
            worker.reply = worker.actor.poll.remote()
        return found

    def _welcome(self, worker: _Worker, node: str, facts: dict[str, Any]) -> None:
        """Take in a worker that has reported itself, unless its machine is not as it must be."""
        worker.node, self._failed = node, 0
        other = [f"{name} {facts[name]} (here {mine})" for name, mine in self._mine.items()
                 if name in SAME and facts[name] != mine]  # fmt: skip
        self._first = self._first or facts
        kind = (facts.get("processor"), facts.get("instructions"))
        first = (self._first.get("processor"), self._first.get("instructions"))
        if other:
            worker.refused = True
            refusal = f"{node} is excluded: it has {', '.join(other)}. Install the same there."
            self._note(refusal)
            if all(one.refused for one in self._workers if one.node) and self._everywhere():
                raise UsageError(refusal)
        elif kind != first:
            unlike = f"{node} has another processor, {kind[0]} with {kind[1]}, than {first[0]} with {first[1]}"
            if self._backend.alike and not self._ended:
                raise UsageError(f"{unlike}; pass --mixed to combine results of both.")
            worker.refused = self._backend.alike
            so = "it is excluded" if self._backend.alike else "results may not be bit-identical there"
            self._note(f"{unlike}; {so}.")

    def _everywhere(self) -> bool:
        """Whether there is no machine that has not answered yet."""
        alive = sum(node["Alive"] and node["Resources"].get("CPU", 0) > 0 for node in self._ray.nodes())
        return len({worker.node for worker in self._workers if worker.node}) >= int(alive)

    def _lost(self, worker: _Worker, problem: Exception) -> list[Message | Finished]:
        """A worker is gone, most often with its machine."""
        self._workers.remove(worker)
        first = str(problem).strip().splitlines()[0]
        if not worker.node:
            self._not_started(first)
        if worker.number is None:
            return []
        self._note(f"A worker on {worker.node} was lost; its task goes on elsewhere.", again=True)
        sentence = f"its worker on {worker.node} was lost ({first:.200})"
        return [Finished(number=worker.number, sentence=sentence, status=1, lost=True)]

    def _unable(self, worker: _Worker, problem: Exception) -> list[Message | Finished]:
        """A worker could not do what it was asked to, before the work itself began."""
        cause = getattr(problem, "cause", None) or problem
        sentence = f"{type(cause).__name__}: {str(cause).strip().splitlines()[-1]:.300}"
        if not worker.node:
            self._dismiss(worker)
            self._not_started(sentence)
            return []
        assert worker.number is not None
        ended = Finished(number=worker.number, sentence=sentence, status=1)
        worker.number = worker.reply = None
        return [ended]

    def _not_started(self, why: str) -> None:
        self._failed += 1
        self._note(f"A worker could not start: {why}")
        if self._failed >= FAILURES and not any(worker.node for worker in self._workers):
            raise ClusterError(
                f"No worker could start ({why:.300}); every machine of the cluster needs Ray and this package"
                " (pip install '.[cluster]' in its folder)."
            )

    def _note(self, sentence: str, again: bool = False) -> None:
        if again or sentence not in self._noted:
            self._noted.add(sentence)
            self.notes.append(sentence)

    def put(self, value: Any) -> Any:
        """The value's place in Ray's object store, from where each machine takes it once."""
        return self._ray.put(value)

    def stop(self, number: int | None = None) -> None:
        """Ask one work, or all of them, to end early."""
        for worker in self._workers:
            if worker.number is not None and number in (None, worker.number):
                worker.actor.stop.remote()

    def counts(self) -> Counts:
        """What is going on where."""
        running = Counter({worker.node: 0 for worker in self._workers if worker.node and not worker.refused})
        running.update(worker.node for worker in self._workers if worker.number is not None)
        return Counts(running=dict(running), ended=dict(self._ended))

    def _dismiss(self, worker: _Worker) -> None:
        self._workers.remove(worker)
        with suppress(Exception):  # it may be gone already
            self._ray.kill(worker.actor)

    def release(self) -> None:
        """Dismiss the workers that are at something, which is lost; the others wait for what comes next."""
        for worker in [one for one in self._workers if not one.free]:
            self._dismiss(worker)
        self._ended.clear()
        self._noted.clear()

    def close(self) -> None:
        """Dismiss all workers; what they were at is lost."""
        for worker in list(self._workers):
            self._dismiss(worker)
