"""Settings of a run: its window, its folder and machine, when it begins, who hears of a failure."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import Field, model_validator

from pipeline.settings.section import Cron, Section, Zone


class Run(Section):
    """A night: which events, in which folder, with how much of the machine."""

    folder: str = Field("runs", description="where run folders lie, below NIGHTSHELF_HOME (.nightshelf)")
    keep_runs_days: int = Field(
        30,
        ge=0,
        le=36_500,
        description="days after which a run folder that nobody touches is removed,"
        " unless its lists are live; 0: never",
    )
    window_days: int = Field(
        365, ge=1, le=3650, title="Window (days)", description="days of events that are read, back from as_of"
    )
    repeat_purchases: Literal["exclude", "allow"] = Field(
        "exclude",
        title="Repeat purchases",
        description="exclude: lists leave out what the user bought in the window; allow: they may hold it",
    )
    seed: int = Field(0, ge=0, le=2**31 - 1, description="seed of everything random")
    threads: int = Field(0, ge=0, le=256, description="threads to use; 0: one for each core")
    memory_limit_gb: float = Field(
        2.0, ge=0.25, le=4096.0, description="memory of the SQL engine in GB; what needs more goes to disk"
    )

    @property
    def excludes_repeats(self) -> bool:
        """Whether lists leave out what the user bought in the window."""
        return self.repeat_purchases == "exclude"


class Schedule(Section):
    """When a night begins in Airflow."""

    cron: Cron = Field(
        "@daily",
        description="@hourly, @daily, @weekly, @monthly, @quarterly, @yearly or a cron expression;"
        " empty: by hand only",
    )
    asset: str = Field(
        "", description="name of an Airflow asset: the night begins when it is updated, not by the clock"
    )
    timezone: Zone = Field("UTC", description="time zone that cron is read in")


class Alerts(Section):
    """Who gets a message when a night fails or is late, through Airflow connections."""

    webhook: str = Field("", description="Airflow connection (type http) that a JSON document is posted to")
    slack: str = Field("", description="Airflow connection (type slackwebhook) of an incoming webhook")
    smtp: str = Field("", description="Airflow connection (type smtp) that e-mail is sent through")
    email_to: tuple[str, ...] = Field((), description="addresses that get the e-mail")
    late_after_hours: float = Field(
        0.0,
        ge=0.0,
        le=720.0,
        description="hours after its trigger from which a night that has not ended is late; 0: never",
    )

    @model_validator(mode="before")
    @classmethod
    def _addresses_are_an_array(cls, values: Any) -> Any:
        if isinstance(values, dict) and isinstance(values.get("email_to"), list):
            return {**values, "email_to": tuple(values["email_to"])}
        return values

    @model_validator(mode="after")
    def _mail_has_both_ends(self) -> Alerts:
        if bool(self.smtp) != bool(self.email_to):
            raise ValueError("smtp and email_to go together: an SMTP connection and at least one address")
        return self

    @model_validator(mode="after")
    def _lateness_has_a_channel(self) -> Alerts:
        if self.late_after_hours and not (self.webhook or self.slack or self.smtp):
            raise ValueError("late_after_hours tells nobody: set webhook, slack or smtp too")
        return self
