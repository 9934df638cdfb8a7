"""The protocol that establishes a record, as one command: no step depends on anyone's word.

1. Held-out evidence: exactly this network and recipe, trained on all but a twelfth of the training images (5,000 of
   MNIST's) and judged on that twelfth, over three seeds. Missing runs are trained.
2. A line in the ledger of test-set evaluations, written before the test set is opened, unless runs of these seeds
   exist and are resumed.
3. Seeds 0 to N - 1 on all training images; finished runs count, and stopped ones are resumed. If seconds are limited,
   one run at a time.
   If the program in C counts, it is written and measured for each.
4. In a source tree, the records are kept in `results/`, good or bad.
5. The figures over all seeds, and whether the experiment's bar is cleared.

To confirm a bar that is cleared, steps 2 to 5 are taken once more, with the seeds that follow. They run a single time:
stopped runs are resumed, finished ones are never trained again, and from then on the record's figures are theirs.
"""

import shlex
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from featherweight.data import load
from featherweight.engine import processors
from featherweight.errors import UsageError
from featherweight.experiments.record import Record, write_record
from featherweight.parallel.pool import keep_workers
from featherweight.protocol.comparable_runs import side_of
from featherweight.protocol.ledger import Attempt, evaluations_of, note_attempt, read_ledger
from featherweight.protocol.proof import Proof
from featherweight.protocol.proof_plan import ProofPlan, not_cleared, plan_proof, refusing
from featherweight.protocol.proof_runs import (
    HELD_OUT_SEEDS,
    Trainer,
    begun,
    duration,
    full_runs,
    held_out_runs,
    measured_in_c,
    require_comparable,
    require_one_processor,
    seconds_of_run,
    timed_threads,
)
from featherweight.protocol.records import drop_unlike, keep_record
from featherweight.training.runs.folders import finished_runs


@keep_workers()
def prove(
    name: str,
    *,
    seeds: int | None = None,
    confirm: bool = False,
    data: str = "auto",
    data_dir: Path | None = None,
    out: Path = Path("runs"),
    trainer: Trainer,
    tell: Callable[[str], None],
    settings: tuple[tuple[str, Any], ...] = (),
    alike: bool = False,
    estimate: bool = True,
) -> Proof:
    """Carry out the protocol and return its result; `tell` gets a sentence about each step, `trainer` trains the runs.

    With `confirm`, the fresh seeds are run of a bar that is cleared. `seeds` may only be the number that the bar asks
    for; with `data` as `auto`, the experiment's own set is used. In a source tree, the evidence of an experiment of the
    package on its own set is kept in `results/`, else in `out`. With `settings` that change it (as in `override`),
    everything is kept in a separate folder within `out`. `alike` refuses runs of different processors, which a cluster
    may have. Raises UsageError if the experiment has no bar, if the runs are not alike, or if there is nothing yet to
    confirm; StoppedError if a run did not finish.
    """
    plan = plan_proof(name, seeds, data, data_dir, out, tell, settings)
    if not confirm:
        _announce(plan, tell, estimate)
    held, runs = _clear(plan, refusing(plan) if confirm else trainer, tell, note=not confirm)
    fresh = _confirm(plan, runs, trainer, tell) if confirm else _confirmed_before(plan, tell)
    if alike:
        require_one_processor([*held, *runs, *(fresh if confirm else ())])
    if plan.root:
        _commit(plan.root, runs, fresh if confirm else (), tell)
    return Proof(
        experiment=plan.experiment,
        held_out=tuple(held),
        runs=tuple(runs),
        fresh=tuple(fresh),
        test_evaluations=evaluations_of(read_ledger(plan.ledger), plan.experiment.name, committed=True),
        root=plan.root,
        changed=plan.changed,
    )


# ------------------------------------------------------------------------------------------- before it begins


def _announce(plan: ProofPlan, tell: Callable[[str], None], estimate: bool) -> None:
    """Say which runs are missing, how held-out evidence is had by hand, and how long training them will take."""
    source, holdout = plan.like.data["source"], plan.held_out.holdout
    if left := [] if plan.changed else side_of(plan.experiment.name, plan.full.out).left_out:
        tell(f"not counted, being of another network or recipe than now: {'; '.join(left)}")
    have_held = finished_runs(plan.experiment, plan.held_out_places, range(HELD_OUT_SEEDS), source, holdout)
    have_full = finished_runs(plan.experiment, plan.places, range(plan.bar.seeds), source)
    held, full = HELD_OUT_SEEDS - len(have_held), plan.bar.seeds - len(have_full)
    if not held and not full:
        return
    if held:
        words = ["featherweight", "train", plan.experiment.name, "--holdout", str(holdout), "--seeds",
                 str(HELD_OUT_SEEDS), "--out", str(plan.held_out.out)]  # fmt: skip
        words += ["--data", plan.full.data] if plan.full.data != plan.experiment.data else []
        tell(
            f"held-out evidence of {held} seeds is missing and is trained first, as `{shlex.join(words)}` would"
            if not plan.changed
            else f"held-out evidence of {held} seeds is missing and is trained first"
        )
    plan_words = f"to train: {held} runs with {holdout:,} images held out, {full} on all"
    if estimate:
        one, side_by_side = seconds_of_run(plan.draft), 1 if timed_threads(plan.experiment) else processors()
        rounds = -(-held // processors()) + -(-full // side_by_side)
        plan_words += f"; about {duration(one * rounds)} on this machine"
    tell(f"{plan_words}. Stopped runs are resumed by the same command.")


# ------------------------------------------------------------------------------------------- clearing


def _clear(
    plan: ProofPlan, trainer: Trainer, tell: Callable[[str], None], *, note: bool
) -> tuple[list[Record], list[Record]]:
    """The evidence on held-out images, and the runs that are to clear the bar; `note` enters them in the ledger."""
    experiment, seeds = plan.experiment, range(plan.bar.seeds)
    held = held_out_runs(experiment, plan.held_out, plan.like, plan.held_out_places, trainer)
    if plan.root:
        for record in held:
            folder = plan.kept / "heldout" / experiment.id
            folder.mkdir(parents=True, exist_ok=True)
            write_record(record, folder / f"seed{record.seed}.json")
    if note:
        _note(plan, plan.attempt(seeds), begun(experiment, plan.places, plan.like.data["source"], seeds), tell)
    runs = full_runs(experiment, plan.full, plan.like, seeds, plan.places, trainer, tell)
    return held, _in_c(plan, runs, plan.full.out, tell)


def _note(plan: ProofPlan, attempt: Attempt, begun: bool, tell: Callable[[str], None]) -> None:
    new = note_attempt(plan.ledger, attempt, begun=begun)
    count = evaluations_of(read_ledger(plan.ledger), plan.experiment.name, committed=True)
    tell(f"{'this is' if new else 'resumed:'} test-set evaluation {count}, written to {plan.ledger}")


def _in_c(plan: ProofPlan, runs: list[Record], out: Path, tell: Callable[[str], None]) -> list[Record]:
    if plan.bar.mean_in_c is None:
        return runs
    return measured_in_c(runs, [out], load(plan.full.data, directory=plan.full.data_dir), tell)


# ------------------------------------------------------------------------------------------- confirming


def _confirm(plan: ProofPlan, runs: list[Record], trainer: Trainer, tell: Callable[[str], None]) -> list[Record]:
    """The runs of the fresh seeds, which are trained unless they are there; UsageError if the bar is not cleared."""
    if missed := plan.bar.shortfalls(runs):
        raise not_cleared(plan, "; ".join(missed))
    cleared = plan.attempt(range(plan.bar.seeds))
    ledger, attempt = read_ledger(plan.ledger), plan.attempt(plan.bar.fresh, "fresh seeds, to confirm")
    if not any(cleared.same_attempt(one) for one in ledger):
        raise not_cleared(plan, f"{plan.ledger} has no entry of that attempt")
    task = plan.fresh
    there = begun(plan.experiment, plan.fresh_places, plan.like.data["source"], plan.bar.fresh) or task.out.is_dir()
    if before := [one for one in ledger if attempt.same_attempt(one) and not there]:
        raise UsageError(
            f"Seeds {plan.bar.fresh[0]} to {plan.bar.fresh[-1]} of {plan.experiment.id} were begun on {before[0].date},"
            f" as {plan.ledger} says, and none of their runs is in {' or '.join(map(str, plan.fresh_places))}. They run"
            " once only: bring these runs back, or name the folder that holds them with --out."
        )
    require_comparable(plan.experiment, plan.like, _fresh_runs(plan))
    task.out.mkdir(parents=True, exist_ok=True)  # from here on they count as begun
    _note(plan, attempt, there, tell)
    fresh = full_runs(plan.experiment, task, plan.like, plan.bar.fresh, plan.fresh_places, trainer, tell)
    return _in_c(plan, fresh, task.out, tell)


def _confirmed_before(plan: ProofPlan, tell: Callable[[str], None]) -> list[Record]:
    """The runs of the fresh seeds, if all of them have finished."""
    found = _fresh_runs(plan)
    return _in_c(plan, found, plan.fresh.out, tell) if len(found) == plan.bar.confirming else []


def _fresh_runs(plan: ProofPlan) -> list[Record]:
    return finished_runs(plan.experiment, plan.fresh_places, plan.bar.fresh, plan.like.data["source"])


# ------------------------------------------------------------------------------------------- keeping and refusing


def _commit(root: Path, runs: Sequence[Record], fresh: Sequence[Record], tell: Callable[[str], None]) -> None:
    """Keep the records in the source tree, and say how the documents that quote them are made again."""
    for record in runs:
        keep_record(record, root)
    drop_unlike(runs[0], root)
    for record in fresh:
        keep_record(record, root, confirming=True)
    tell(f"kept in {root / 'results'}; `python -m docs.build` writes the documents that quote these records again")
