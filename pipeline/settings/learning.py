"""Settings of what is learned: ALS, the search for its parameters, the re-rankers, and who races."""

from __future__ import annotations

from typing import Annotated, Any, Literal, get_args

from pydantic import BeforeValidator, Field, model_validator
from pydantic_core import PydanticCustomError

from pipeline.settings.data import Weight
from pipeline.settings.section import HalfLife, Section, Share

Factors = Annotated[int, Field(ge=1, le=2048)]
Iterations = Annotated[int, Field(ge=1, le=200)]
Regularization = Annotated[float, Field(ge=0.0, le=10_000.0)]
Alpha = Annotated[float, Field(gt=0.0, le=10_000.0)]
SearchedRegularization = Annotated[Regularization, Field(gt=0.0)]
SearchedHalfLife = Annotated[HalfLife, Field(gt=0.0)]
SearchedWeight = Annotated[Weight, Field(gt=0.0)]
"""What may be set, and so what a search may range over, less 0 where the scale is logarithmic."""

Racer = Literal["ncf", "ease", "als", "blend", "ranker"]
RACERS: tuple[Racer, ...] = get_args(Racer)
"""The learnt models, in the order of the catalogue."""


def _racers(value: object) -> object:
    """One complaint for the whole list, not one for each of its entries."""
    names = list(value) if isinstance(value, list | tuple) else []
    if names and all(name in RACERS and names.count(name) == 1 for name in names):
        return tuple(names)
    known = ", ".join(f'"{name}"' for name in RACERS)
    raise PydanticCustomError("racers", f"must hold one or more of {known}, each once")


class Als(Section):
    """Implicit ALS (Hu, Koren, Volinsky 2008): where a search starts, and what is used without one."""

    factors: Factors = Field(64, description="length of the vector of each user and item")
    iterations: Iterations = Field(
        10,
        description="how often users and items are solved in turn; twice where a large shop's fit goes on"
        " from an earlier cut",
    )
    regularization: Regularization = Field(10.0, description="penalty on large factors (L2)")
    alpha: Alpha = Field(0.3, description="confidence in an event: 1 + alpha x weight")
    regularization_scale: Share = Field(
        0.5,
        description="how much the penalty of a user or item grows with its number of items or users;"
        " 0: one penalty for all, 1: in proportion",
    )


class Tune(Section):
    """The search for better ALS parameters (Optuna), measured on the validation days."""

    mode: Literal["auto", "always", "never"] = Field(
        "auto",
        title="Tune",
        description="whether to search: auto when the last search is old or no longer good",
    )
    trials: int = Field(20, ge=1, le=10_000, title="Trials", description="parameter sets that a search tries")
    minutes: float = Field(
        30.0, gt=0.0, le=1440.0, description="minutes after which a search starts no further trial"
    )
    tune_every_days: int = Field(7, ge=1, le=365, description="days after which auto searches again")
    max_drop: Share = Field(
        0.2, description="auto searches earlier where ALS has lost this share of its Precision@3"
    )
    factors: tuple[Factors, Factors] = Field((16, 128), description="range that is searched")
    iterations: tuple[Iterations, Iterations] = Field((5, 20), description="range that is searched")
    regularization: tuple[SearchedRegularization, SearchedRegularization] = Field(
        (0.1, 300.0), description="range that is searched, on a log scale"
    )
    alpha: tuple[Alpha, Alpha] = Field((0.02, 40.0), description="range that is searched, on a log scale")
    regularization_scale: tuple[Share, Share] = Field((0.0, 1.0), description="range that is searched")
    half_life_days: tuple[SearchedHalfLife, SearchedHalfLife] = Field(
        (7.0, 365.0), description="range that is searched, on a log scale"
    )
    view: tuple[SearchedWeight, SearchedWeight] = Field(
        (0.02, 5.0), description="range that is searched where the shop has views, on a log scale"
    )
    cart: tuple[SearchedWeight, SearchedWeight] = Field(
        (0.1, 10.0), description="range that is searched where the shop has carts, on a log scale"
    )

    def ranges(self) -> dict[str, tuple[float, float]]:
        """What is searched, each with its low and high end."""
        return {name: tuple(value) for name, value in self.model_dump().items() if isinstance(value, tuple)}

    @model_validator(mode="before")
    @classmethod
    def _ranges_are_arrays(cls, values: Any) -> Any:
        if not isinstance(values, dict):
            return values
        return {name: tuple(v) if isinstance(v, list) else v for name, v in values.items()}

    @model_validator(mode="after")
    def _ranges_rise(self) -> Tune:
        for name, (low, high) in self.ranges().items():
            if low > high:
                raise ValueError(f"{name}: [low, high] with low <= high, not [{low}, {high}]")
        return self


class Models(Section):
    """Which learnt models race for the lists; the simple rules, which they have to beat, always do."""

    race: Annotated[tuple[Racer, ...], BeforeValidator(_racers)] = Field(
        ("ease", "als", "blend", "ranker"),
        description="models that are fitted, judged and may be published; ALS and EASE name candidates all"
        " the same; ncf, a neural network, needs requirements-ncf.txt",
    )
    ncf_minutes: float = Field(
        10.0, gt=0.0, le=1440.0, description="minutes after which a training of ncf ends where it stands"
    )


class Ranking(Section):
    """The re-rankers, and the race in which all models are compared."""

    windows: int = Field(
        5,
        ge=1,
        le=26,
        description="cuts in time, a week apart, that re-rankers learn from up to the first at which models"
        " are judged; those of validation and test follow; fewer where the history is shorter",
    )
    objective: Literal["binary", "lambdarank"] = Field(
        "binary", description="what LightGBM's trees are fitted to"
    )
    most_users: int = Field(
        10_000,
        ge=100,
        le=1_000_000,
        description="most users of a cut; of more, these are drawn at random. The mode that is not published"
        " is judged by as many",
    )
