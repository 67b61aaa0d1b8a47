"""Training NCF with torch: Adam on binary cross-entropy, on a GPU where there is one.

Loaded by `ncf` where it is fitted, because torch is in an environment of its own. On a CPU one thread trains:
the same pairs, seed and torch on the same kind of processor give the same bits, however many cores there are.
A GPU may add numbers in another order each time.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np
import torch
from numpy.typing import NDArray
from torch.nn import functional

from pipeline.models.negatives import drawn

Floats: TypeAlias = NDArray[np.float32]
Rows: TypeAlias = NDArray[np.int64]

DRAWN = 262_144
"""Pairs with an event that negatives are drawn for at a time; with those they are shuffled and learnt."""
SPREAD = 0.01
"""Standard deviation of the embeddings' start."""


@dataclass(frozen=True)
class Plan:
    """How to train.

    kind:      `neumf`, or one of its halves, `gmf` and `mlp`
    factors:   of GMF's embeddings; those of MLP have twice as many, and its layers twice and once as many
    negatives: pairs without an event for each pair with one, drawn anew in each epoch
    batch:     pairs of a step; rate: Adam's
    minutes:   after which training ends where it stands
    """

    kind: str
    factors: int
    negatives: int
    epochs: int
    batch: int
    rate: float
    seed: int
    minutes: float


@dataclass(frozen=True)
class Trained:
    """What training leaves.

    arrays, note: as in NcfWeights
    users, items: whether training came to a pair with an event of each, shapes (n_users,) and (n_items,)
    """

    arrays: dict[str, Floats]
    note: str
    users: NDArray[np.bool_]
    items: NDArray[np.bool_]


def train(plan: Plan, users: Rows, items: Rows, shape: tuple[int, int]) -> Trained:
    """Train on pairs with an event, sorted by user and item. shape: (n_users, n_items)"""
    device = "cuda" if torch.cuda.is_available() else "cpu"
    started = time.monotonic()
    with _one_thread():
        net = _Net(plan, shape, device)
        n_done, until = 0, started + 60 * plan.minutes
        known_users, known_items = (np.zeros(n, bool) for n in shape)
        for of_users, of_items, labels, is_event in _labelled(plan, users, items, shape[1]):
            done = np.flatnonzero(is_event[: net.learn(of_users, of_items, labels, until)])
            known_users[of_users[done]] = known_items[of_items[done]] = True
            n_done += len(done)
            if time.monotonic() >= until:
                break
        arrays = {name: values.detach().cpu().numpy().copy() for name, values in net.parameters.items()}
    seconds, n_all = time.monotonic() - started, plan.epochs * len(users)
    of = f"{len(users):,} pairs, {seconds:.0f} s on the {'GPU' if device == 'cuda' else 'CPU'}"
    if n_done < n_all:
        share = plan.epochs * n_done / n_all
        note = f"{of}; ended by models.ncf_minutes after {share:.1f} of {plan.epochs} epochs"
        return Trained(arrays, note, known_users, known_items)
    return Trained(arrays, f"{of}, {plan.epochs} epochs", known_users, known_items)


@contextmanager
def _one_thread() -> Iterator[None]:
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(threads)


def _labelled(
    plan: Plan, users: Rows, items: Rows, n_items: int
) -> Iterator[tuple[Rows, Rows, Floats, NDArray[np.bool_]]]:
    """Users, items, labels, in the order in which they are learnt, and which are of events."""
    rng, keys = np.random.default_rng(plan.seed), users * n_items + items
    for _ in range(plan.epochs):
        order = rng.permutation(len(users))
        for start in range(0, len(order), DRAWN):
            part = order[start : start + DRAWN]
            asked = np.repeat(users[part], plan.negatives)
            others, is_drawn = drawn(rng, asked, keys, n_items)
            both = np.concatenate([users[part], asked[is_drawn]])
            pairs = np.concatenate([items[part], others[is_drawn]])
            is_event = np.arange(len(both)) < len(part)
            mixed = rng.permutation(len(both))
            yield both[mixed], pairs[mixed], is_event[mixed].astype(np.float32), is_event[mixed]


class _Net:
    """The parameters by name, and Adam."""

    def __init__(self, plan: Plan, shape: tuple[int, int], device: str) -> None:
        self._device, self._plan = device, plan
        generator = torch.Generator().manual_seed(plan.seed)
        self.parameters: dict[str, Any] = {}

        def add(name: str, values: Any) -> None:
            self.parameters[name] = values.to(device).requires_grad_()

        def normal(name: str, *size: int) -> None:
            add(name, torch.randn(*size, generator=generator) * SPREAD)

        def layer(name: str, n_out: int, n_in: int) -> None:
            """Glorot's start, so that a tower of any height passes on what it gets."""
            bound = (6 / (n_in + n_out)) ** 0.5
            add(f"weight_{name}", (torch.rand(n_out, n_in, generator=generator) * 2 - 1) * bound)
            add(f"bias_{name}", torch.zeros(n_out))

        n_users, n_items = shape
        k, width = plan.factors, 0
        if plan.kind != "mlp":
            normal("user_gmf", n_users, k)
            normal("item_gmf", n_items, k)
            width += k
        if plan.kind != "gmf":
            normal("user_mlp", n_users, 2 * k)
            normal("item_mlp", n_items, 2 * k)
            layer("0", 2 * k, 4 * k)
            layer("1", k, 2 * k)
            width += k
        bound = (3 / width) ** 0.5
        add("weight_out", (torch.rand(width, generator=generator) * 2 - 1) * bound)
        add("bias_out", torch.zeros(1))
        self._adam = torch.optim.Adam(list(self.parameters.values()), lr=plan.rate)

    def learn(self, users: Rows, items: Rows, labels: Floats, until: float) -> int:
        """Steps over these pairs until the clock says `until`; returns how many it came to."""
        of_users, of_items, of_labels = (
            torch.from_numpy(values).to(self._device) for values in (users, items, labels)
        )
        for start in range(0, len(users), self._plan.batch):
            part = slice(start, start + self._plan.batch)
            log_odds = self._log_odds(of_users[part], of_items[part])
            loss = functional.binary_cross_entropy_with_logits(log_odds, of_labels[part])
            self._adam.zero_grad()
            loss.backward()
            self._adam.step()
            if time.monotonic() >= until:
                return min(start + self._plan.batch, len(users))
        return len(users)

    def _log_odds(self, users: Any, items: Any) -> Any:
        of, parts = self.parameters, []
        if self._plan.kind != "mlp":
            parts.append(
                functional.embedding(users, of["user_gmf"]) * functional.embedding(items, of["item_gmf"])
            )
        if self._plan.kind != "gmf":
            hidden = torch.cat(
                [functional.embedding(users, of["user_mlp"]), functional.embedding(items, of["item_mlp"])], 1
            )
            for name in ("0", "1"):
                hidden = torch.relu(functional.linear(hidden, of[f"weight_{name}"], of[f"bias_{name}"]))
            parts.append(hidden)
        return torch.cat(parts, 1) @ of["weight_out"] + of["bias_out"]
