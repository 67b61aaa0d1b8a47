"""The fallback: a simple rule whose lists go live where the chosen model has lost to it on the test.

Tonight's test is the newest evidence there is. Where it says that a rule beats the chosen model beyond
chance, the shop gets the rule's lists in the same night. The rule is then chosen on the test, so its number
there is too good, and is told as such: `published` stays the model that was chosen before the test was
looked at.

A rule that went live stays until the model has not lost to any on NIGHTS nights running, so that lists do not
change with every lucky night.

Rule and model are held against each other as they would be published tonight: empty slots filled, the
model's lists with their variety, and only items that the shop has now. A rule that wins by an item which is
sold out is no help to the shop.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from pipeline.contract.datasets import FALLBACK, PUBLISHED
from pipeline.contract.measured import measured
from pipeline.evaluation.all_models import Judged
from pipeline.evaluation.at_cut import Before, judge_of, trained
from pipeline.evaluation.comparison import MEASURE, Opponents, is_lost, loss, paired
from pipeline.evaluation.judge import Outcome
from pipeline.evaluation.metrics import Clusters, PerUser
from pipeline.evaluation.pooled import pooled_row, pooled_scores
from pipeline.evaluation.segments import Groups, segment_rows
from pipeline.models.catalog import rules
from pipeline.models.params import live_as_of
from pipeline.ranking.availability import unavailable
from pipeline.runs.job import Job
from pipeline.splits import folds

NEWEST = timedelta(days=14)
"""A loss in the last days of the test counts by itself, where the test reaches back further."""
NIGHTS = 2
"""How many nights running the model must not have lost, before its lists are published again."""


@dataclass(frozen=True)
class Shown:
    """The lists of one model as they would be published tonight, judged on the test.

    row:    of `metrics`
    scores: of `user_metrics`, one value for each measurement
    as_all: Precision@3 of each measurement if every item could be shown, as all other rows are judged
    """

    model: str
    row: Mapping[str, Any]
    scores: Mapping[str, PerUser]
    as_all: PerUser

    @property
    def precision(self) -> PerUser:
        """Precision@3 of each measurement."""
        return self.scores[MEASURE]


@dataclass(frozen=True)
class Fallback:
    """Whose lists go live, and the rule's lists where a rule replaces the chosen model.

    document: `fallback`, as `fall_back` describes it
    segments: rows of `segment_metrics` of the rule's lists
    """

    document: Mapping[str, Any]
    lists: Shown | None = None
    segments: pa.Table | None = None


def fall_back(
    job: Job,
    judged: Judged,
    groups: Sequence[Groups],
    others: Opponents,
    before: Sequence[Before],
) -> Fallback:
    """Decide whose lists go live, the chosen model's or a rule's.

    groups: of the measured users, at each cut of the test
    others: what the chosen model is compared with
    before: what was fitted before each cut of the test

    Keys of the document: `model`, the rule whose lists go live (null: the chosen model's do); `chosen`, the
    model that was chosen before the test; `reason`: "lost", "waiting" (the model has not lost, but not for
    NIGHTS nights), "back" (for NIGHTS nights, and takes over again), "not shown" (it lost by items that
    cannot be shown), or null; `why`, a sentence; `chosen_on_test_from`, when the test began on which the rule
    was chosen; `n_nights_not_lost`; `precision_at_3` of the rule; `lost_by`, the model's paired comparison
    with the rule that won tonight, where it lost (with `model` null: by items that cannot be shown);
    `against` and `skipped`, the rule's comparison with what is live.
    """
    document = no_fallback(job)
    if job.settings.gate.on_loss == "refuse" or others.best_rule is None:
        return Fallback(document)
    fallback = None
    for part in _parts(job, judged):
        night = _Night(job, judged, groups, others, before, document, part)
        fallback = night.lost() if night.is_lost() else fallback
        if fallback and fallback.document["reason"] == "lost":
            return fallback
    return fallback or night.not_lost()


def _parts(job: Job, judged: Judged) -> list[NDArray[np.bool_]]:
    """The measurements that may show a loss: all of them; where those reach back further, the newest alone.

    A promotion of a fortnight would not show among the cuts of ten weeks.
    """
    cut_at = judged.measurements.cut_at
    since = min(job.folder.as_of - NEWEST, pc.max(cut_at).as_py())
    is_newest = pc.greater_equal(cut_at, pa.scalar(since, cut_at.type)).to_numpy(zero_copy_only=False)
    everything = np.ones(len(is_newest), bool)
    return [everything] if is_newest.all() else [everything, is_newest]


def no_fallback(job: Job) -> dict[str, Any]:
    """The document of a night in which the chosen model's lists go live, and nothing is known of a loss."""
    return {
        "model": None,
        "chosen": job.folder.document("best_params")["model"],
        "reason": None,
        "why": "",
        "chosen_on_test_from": None,
        "n_nights_not_lost": 0,
        MEASURE: None,
        "lost_by": None,
        "against": [],
        "skipped": [],
    }


@dataclass(frozen=True)
class _Night:
    """What the decision is made from, and the document so far."""

    job: Job
    judged: Judged
    groups: Sequence[Groups]
    others: Opponents
    before: Sequence[Before]
    document: Mapping[str, Any]
    part: NDArray[np.bool_]

    def is_lost(self) -> bool:
        """Whether a rule has beaten the chosen model in the measurements of `part`."""
        users = self.judged.users
        best = max(rules(), key=lambda name: (users[name][MEASURE][self.part].mean(), name))
        numbers = self._paired(users[PUBLISHED][MEASURE], users[best][MEASURE])
        return is_lost(numbers, self.job.settings.gate.max_loss)

    def _paired(self, ours: PerUser, others: PerUser) -> dict[str, Any]:
        """In the measurements of `part`."""
        part, seed = self.part, self.job.settings.run.seed
        return paired(ours[part], others[part], self.clusters[part], seed)

    @property
    def clusters(self) -> Clusters:
        """Whose each measurement is."""
        return self.judged.measurements.clusters

    def lost(self) -> Fallback:
        """The best of the rules that did better than the model, all of them as they would be published."""
        chosen, users, part = self.document["chosen"], self.judged.users, self.part
        ours = users[PUBLISHED][MEASURE][part].mean()
        names = [name for name in rules() if users[name][MEASURE][part].mean() > ours]
        of_model, *of_rules = self._shown([chosen, *names])
        best = max(of_rules, key=lambda lists: (lists.precision[part].mean(), lists.model))
        lost_by = self._paired(of_model.precision, best.precision)
        model_has, rule_has = of_model.precision[part].mean(), best.precision[part].mean()
        numbers = {"chosen_precision_at_3": float(model_has), **lost_by}
        where = "on the test" if part.all() else "on the newest days of the test"
        if is_lost(lost_by, self.job.settings.gate.max_loss):
            why = (
                f"the lists of {best.model} go live, not those of {chosen}, which lost to it {where}"
                f" by {loss(lost_by):.1%}: Precision@3 {model_has:.4f} against"
                f" {rule_has:.4f} (chosen on the test, so a little too good), 95 % interval"
                f" of the difference {lost_by['ci_low']:+.4f} to {lost_by['ci_high']:+.4f},"
                f" {measured(lost_by)}"
            )
            test_from = folds.test_from(self.job.folder).isoformat()
            reason = {"reason": "lost", "why": why, "chosen_on_test_from": test_from, "lost_by": numbers}
            return self._with_rule(best, reason)
        why = (
            f"{chosen} lost to a rule {where}, but not by items that can be shown now: with those"
            f" alone it has {model_has:.4f}, {best.model} {rule_has:.4f}"
        )
        return self._not_shown(why, numbers)

    def _not_shown(self, why: str, lost_by: Mapping[str, Any]) -> Fallback:
        """A loss by what cannot be shown is none, and ends no rule's time sooner than another such night."""
        fallback = self.not_lost()
        document = fallback.document
        record = {
            "reason": document["reason"] or "not shown",
            "why": "; ".join(filter(None, (why, document["why"]))),
            "lost_by": None if document["model"] else lost_by,
        }
        return replace(fallback, document={**document, **record})

    def not_lost(self) -> Fallback:
        """The rule that is live stays until the model has not lost on NIGHTS nights running."""
        folder, chosen = self.job.folder, self.document["chosen"]
        live = live_as_of(folder.document("live"), folder.as_of)
        before = live.get("fallback") or {}
        rule = before.get("model")
        if rule not in rules() or live.get("repeat_purchases") != self.job.settings.run.repeat_purchases:
            return Fallback(self.document)
        is_later = datetime.fromisoformat(live["as_of"]) < folder.as_of
        n_nights = before["n_nights_not_lost"] + int(is_later)
        if n_nights >= NIGHTS:
            why = (
                f"the lists of {chosen} go live again: it has not lost to a rule on {n_nights} nights"
                f" running; version {live['version']}, which is live, is of {rule}"
            )
            back = {"reason": "back", "why": why, "n_nights_not_lost": n_nights}
            return Fallback({**self.document, **back})
        why = (
            f"the lists of {rule} stay live: {chosen} has not lost to a rule tonight, and takes over after"
            f" {NIGHTS} such nights running (this is number {n_nights})"
        )
        waiting = {
            "reason": "waiting",
            "why": why,
            "n_nights_not_lost": n_nights,
            "chosen_on_test_from": before["chosen_on_test_from"],
        }
        [shown] = self._shown([rule])
        return self._with_rule(shown, waiting)

    def _with_rule(self, rule: Shown, reason: Mapping[str, Any]) -> Fallback:
        """A rule goes live: it is held against what is live now, as everything else is."""
        live, seed = self.others.live, self.job.settings.run.seed
        document = {
            **self.document,
            **reason,
            "model": rule.model,
            MEASURE: float(rule.precision.mean()),
            "against": [live.row(rule.as_all, self.clusters, seed)] if live else [],
            "skipped": [dict(skipped) for skipped in self.others.skipped],
        }
        scores, measurements = {FALLBACK: rule.scores}, self.judged.measurements
        return Fallback(document, rule, segment_rows(self.job, self.groups, measurements, scores))

    def _shown(self, names: Sequence[str]) -> list[Shown]:
        """The lists of each model, filled up, judged with all items and with those that the shop has now."""
        folder, settings, seed = self.job.folder, self.job.settings, self.job.settings.run.seed
        with_all: dict[str, list[Outcome]] = {name: [] for name in names}
        with_those_on_sale: dict[str, list[Outcome]] = {name: [] for name in names}
        for fold, before in zip(folds.tests(folder), self.before, strict=True):
            with trained(folder, settings, fold, before.earlier, self.job.kept) as models:
                judge = judge_of(models, fold)
                hidden = unavailable(folder.optional("items"), models.history.item_ids)
                for name in names:
                    shown = models.published(name, models.ranker(name, before.scorers.get(name)))
                    lists = judge.lists(shown)
                    outcome = judge.outcome(lists, models.likeness.diversity(lists))
                    with_all[name].append(outcome)
                    if len(hidden):
                        lists = judge.lists(shown.hide(hidden))
                        outcome = judge.outcome(lists, models.likeness.diversity(lists))
                    with_those_on_sale[name].append(outcome)
        return [
            Shown(
                name,
                pooled_row(with_those_on_sale[name], self.clusters, seed),
                pooled_scores(with_those_on_sale[name]),
                pooled_scores(with_all[name])[MEASURE],
            )
            for name in names
        ]
