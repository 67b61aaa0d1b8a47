"""What a shop can set: the sections of `config.toml`, frozen and typed, with ranges and defaults.

Titles and descriptions are what the form in the Airflow UI shows. `config` reads the file.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated, Literal, TypeVar
from zoneinfo import ZoneInfo

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, model_validator

IdType = Literal["integer", "text", "uuid"]
IDENTIFIER = r"^[a-z_][a-z0-9_]{0,40}$"
PRESETS = ("@hourly", "@daily", "@weekly", "@monthly", "@quarterly", "@yearly")
"""Airflow's names for schedules."""


def _zone(name: str) -> str:
    try:
        ZoneInfo(name)
    except (KeyError, ValueError, OSError) as error:
        raise ValueError(f"no time zone {name!r}") from error
    return name


def _cron(cron: str) -> str:
    """`cron` if Airflow, which reads it with croniter, will find a time for it."""
    if cron and cron not in PRESETS:
        from croniter import croniter

        try:
            croniter(cron, datetime(2026, 1, 1, tzinfo=UTC)).get_next()
        except (ValueError, KeyError) as error:
            raise ValueError(f"no schedule, {error}") from error
    return cron


Zone = Annotated[str, AfterValidator(_zone)]
Cron = Annotated[str, AfterValidator(_cron)]
Factors = Annotated[int, Field(ge=1, le=2048)]
Iterations = Annotated[int, Field(ge=1, le=200)]
Regularization = Annotated[float, Field(ge=0.0, le=10_000.0)]
Alpha = Annotated[float, Field(gt=0.0, le=10_000.0)]
Scale = Annotated[float, Field(ge=0.0, le=1.0)]
Weight = Annotated[float, Field(ge=0.0, le=1000.0)]
HalfLife = Annotated[float, Field(ge=0.0, le=36_500.0)]
SearchedRegularization = Annotated[Regularization, Field(gt=0.0)]
SearchedHalfLife = Annotated[HalfLife, Field(gt=0.0)]
SearchedWeight = Annotated[Weight, Field(gt=0.0)]
"""What may be set, and so what a search may range over, less 0 where the scale is logarithmic."""
T = TypeVar("T")
Ends = Annotated[tuple[T, T], Field(strict=False)]
"""The low and the high end of what is searched; an array in TOML."""


class _Section(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, allow_inf_nan=False)


class Ids(_Section):
    """The type of the shop's ids; it never changes between source and serving."""

    user: IdType = Field("integer", description="integer (bigint), text or uuid")
    item: IdType = Field("integer", description="integer (bigint), text or uuid")


class Source(_Section):
    """Where events come from."""

    connection: str = Field("shop", description="Airflow connection of the shop's database")
    sql: str = Field(
        "sql/source", description="folder with events.sql and, if the shop has them, items.sql and users.sql"
    )
    timezone: Zone = Field("UTC", description="zone of times that carry none")
    batch_rows: int = Field(200_000, ge=1_000, le=5_000_000, description="rows fetched at a time")


class Schedule(_Section):
    """When the night begins."""

    cron: Cron = Field(
        "@daily", description="cron expression or preset of the nightly DAG; empty: by hand only"
    )
    asset: str = Field(
        "", description="name of an Airflow asset: the night begins when it is updated, not by the clock"
    )
    timezone: Zone = Field("UTC", description="zone the schedule is read in")


class Filter(_Section):
    """Who takes part in training, judged anew from the events before each cut."""

    min_events: int = Field(1, ge=1, description="fewest events of a user")
    min_items: int = Field(1, ge=1, description="fewest distinct items of a user")
    max_events_sd: float = Field(
        0.0,
        ge=0.0,
        le=100.0,
        description="drop users above mean + this many standard deviations of events; 0: nobody",
    )


class Weights(_Section):
    """What an event says about a taste, before recency."""

    view: Weight = Field(1.0, description="weight of a view")
    cart: Weight = Field(3.0, description="weight of an add to cart")
    purchase: float = Field(5.0, gt=0.0, le=1000.0, description="weight of a purchase")
    half_life_days: HalfLife = Field(60.0, description="days after which an event weighs half; 0: no decay")
    is_quantity_weighed: bool = Field(False, description="multiply a purchase's weight by its quantity")


class Split(_Section):
    """What is held out."""

    method: Literal["time", "random", "last_purchase"] = Field(
        "time", description="time, random or last_purchase"
    )
    test_days: int = Field(
        14, ge=1, le=365, description="days held out before as_of, and as many before those to tune on"
    )
    test_share: float = Field(0.2, gt=0.0, lt=0.5, description="share of rows held out by `random`")


class Als(_Section):
    """Implicit ALS before any tuning (Hu, Koren, Volinsky 2008)."""

    factors: Factors = Field(64, description="length of a user's and an item's vector")
    iterations: Iterations = Field(10, description="alternations")
    regularization: Regularization = Field(10.0, description="L2 penalty on factors")
    alpha: Alpha = Field(0.3, description="confidence = 1 + alpha x weight")
    regularization_scale: Scale = Field(
        0.5, description="how much of the penalty grows with a user's or an item's events; 0: one for all"
    )


class Tune(_Section):
    """The search for better parameters (Optuna), judged on the validation set."""

    mode: Literal["auto", "always", "never"] = Field(
        "auto", title="Tune", description="a search: auto when the last is old, never: its parameters stay"
    )
    trials: int = Field(20, ge=1, le=10_000, title="Trials", description="parameter sets a search tries")
    minutes: float = Field(
        30.0, gt=0.0, le=1440.0, description="a search starts no further trial after this long"
    )
    tune_every_days: int = Field(7, ge=1, le=365, description="days a search stays good")
    max_drop: float = Field(
        0.2, ge=0.0, le=1.0, description="auto: search when ALS validates this share worse than when found"
    )
    factors: Ends[Factors] = Field((16, 128), description="range searched")
    iterations: Ends[Iterations] = Field((5, 20), description="range searched")
    regularization: Ends[SearchedRegularization] = Field(
        (0.1, 300.0), description="range searched, log scale"
    )
    alpha: Ends[Alpha] = Field((0.02, 40.0), description="range searched, log scale")
    regularization_scale: Ends[Scale] = Field((0.0, 1.0), description="range searched")
    half_life_days: Ends[SearchedHalfLife] = Field((7.0, 365.0), description="range searched, log scale")
    view: Ends[SearchedWeight] = Field((0.02, 5.0), description="range searched, log scale")
    cart: Ends[SearchedWeight] = Field((0.1, 10.0), description="range searched, log scale")

    def ranges(self) -> dict[str, tuple[float, float]]:
        """What is searched, each with its low and high end."""
        return {name: tuple(value) for name, value in self.model_dump().items() if isinstance(value, tuple)}

    @model_validator(mode="after")
    def _ranges_rise(self) -> Tune:
        for name, (low, high) in self.ranges().items():
            if low > high:
                raise ValueError(f"{name}: [low, high] with low <= high, not [{low}, {high}]")
        return self


class Ranking(_Section):
    """Re-ranking of the candidates that ALS and its like name, and the race between all models."""

    windows: int = Field(5, ge=1, le=26, description="earlier windows of test_days that it learns from")
    race_windows: int = Field(
        3, ge=1, le=13, description="windows the models race on: the validation set and those before it"
    )
    objective: Literal["binary", "lambdarank"] = Field("binary", description="what the trees are fitted to")
    most_users: int = Field(
        10_000, ge=100, le=1_000_000, description="users of a window it learns from and races on"
    )


class Recommend(_Section):
    """What is published."""

    audience: Literal["buyers", "engaged"] = Field(
        "buyers", description="buyers; or engaged: browsers with enough views or carts get lists too"
    )
    engaged_views: int = Field(5, ge=1, le=1_000_000, description="fewest views of an engaged browser")
    engaged_carts: int = Field(1, ge=1, le=1_000_000, description="or fewest carts")
    list_length: int = Field(50, ge=1, le=1000, description="items in a user's list")
    popular_length: int = Field(200, ge=1, le=10_000, description="items in each popular list")
    similar_length: int = Field(20, ge=1, le=1000, description="items in each similar list")
    popular_half_life_days: HalfLife = Field(30.0, description="recency of what is popular; 0: no decay")
    user_categories: int = Field(10, ge=0, le=100, description="a user's categories to fill up from first")
    also_bought_length: int = Field(20, ge=1, le=1000, description="items in each also-bought list")
    also_bought_min_buyers: int = Field(5, ge=1, le=1_000_000, description="fewest buyers of both of a pair")


class Gate(_Section):
    """What the gate lets pass; a trigger with `force` overrides it."""

    max_loss: float = Field(
        0.05, ge=0.0, le=1.0, description="share of the best other model's Precision@3 that may be lost"
    )
    max_shrink: float = Field(
        0.5, ge=0.0, le=1.0, description="share of the usual users or items that may be missing"
    )
    max_age_hours: float = Field(
        48.0, gt=0.0, le=87_600.0, description="hours that the newest event may lie before as_of"
    )
    min_distinct_items: int = Field(
        10, ge=1, le=1_000_000, description="fewest different items in all users' lists together"
    )


class Approval(_Section):
    """A person who looks before the lists go live, in the Airflow UI."""

    is_required: bool = Field(False, description="a task waits for an answer between gate and publish")
    hours: float = Field(
        12.0, gt=0.0, le=720.0, description="hours after which no answer counts as a refusal"
    )


class Alerts(_Section):
    """Who is told when a night fails or is late, through Airflow connections."""

    webhook: str = Field("", description="Airflow connection (HTTP) that a JSON document is posted to")
    slack: str = Field("", description="Airflow connection (Slack incoming webhook)")
    smtp: str = Field("", description="Airflow connection (SMTP) that e-mail is sent through")
    email_to: tuple[str, ...] = Field((), strict=False, description="addresses that get the e-mail")
    late_after_hours: float = Field(
        0.0, ge=0.0, le=720.0, description="hours after its trigger at which a night is late; 0: never"
    )

    @model_validator(mode="after")
    def _mail_has_both_ends(self) -> Alerts:
        if bool(self.smtp) != bool(self.email_to):
            raise ValueError("smtp and email_to go together: an SMTP connection and at least one address")
        return self

    @model_validator(mode="after")
    def _somebody_is_told(self) -> Alerts:
        if self.late_after_hours and not (self.webhook or self.slack or self.smtp):
            raise ValueError("late_after_hours tells nobody: set webhook, slack or smtp too")
        return self


class Serving(_Section):
    """Where apps read."""

    connection: str = Field("serving", description="Airflow connection of the serving database")
    schema_name: str = Field(
        "serving", alias="schema", pattern=IDENTIFIER, description="schema the views live in"
    )
    role_prefix: str = Field(
        "nightshelf", pattern=IDENTIFIER, description="roles are PREFIX_owner, _publisher, _reader"
    )
    keep_versions: int = Field(7, ge=1, le=1000, description="old publications kept beside the live one")
    max_n: int = Field(200, ge=1, le=10_000, description="most rows recommend(user_id, n) returns")
    lock_timeout_ms: int = Field(5_000, ge=1, le=600_000, description="longest wait for a lock")
    statement_timeout_ms: int = Field(1_800_000, ge=1_000, le=86_400_000, description="longest statement")


class Run(_Section):
    """The run folder and the machine."""

    folder: str = Field(
        "runs", description="where run folders lie, relative to NIGHTSHELF_HOME (default .nightshelf)"
    )
    keep_runs_days: int = Field(
        30, ge=0, le=36_500, description="days after which a run folder is removed; 0: never"
    )
    window_days: int = Field(
        365, ge=1, le=3650, title="Window (days)", description="events read: as_of minus this many days"
    )
    repeat_purchases: Literal["exclude", "allow"] = Field(
        "exclude",
        title="Repeat purchases",
        description="exclude: lists leave out what the user bought in the window; allow: they may hold it",
    )
    seed: int = Field(0, ge=0, le=2**31 - 1, description="of everything random")
    threads: int = Field(0, ge=0, le=256, description="0: all cores")
    memory_limit_gb: float = Field(
        2.0, ge=0.25, le=4096.0, description="memory of the SQL engine; it spills to disk beyond"
    )

    @property
    def excludes_repeats(self) -> bool:
        """Whether lists leave out what the user bought in the window."""
        return self.repeat_purchases == "exclude"


class Settings(_Section):
    """All settings of one shop."""

    run: Run = Run()
    ids: Ids = Ids()
    source: Source = Source()
    schedule: Schedule = Schedule()
    filter: Filter = Filter()
    weights: Weights = Weights()
    split: Split = Split()
    als: Als = Als()
    tune: Tune = Tune()
    ranking: Ranking = Ranking()
    recommend: Recommend = Recommend()
    gate: Gate = Gate()
    approval: Approval = Approval()
    alerts: Alerts = Alerts()
    serving: Serving = Serving(schema="serving")

    @model_validator(mode="after")
    def _runs_outlive_the_question(self) -> Settings:
        if self.approval.is_required and 0 < 24 * self.run.keep_runs_days <= self.approval.hours:
            raise ValueError("approval.hours: less than run.keep_runs_days, or the run that waits is removed")
        return self
