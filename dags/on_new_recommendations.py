"""An example for other teams: a DAG that begins when other lists have gone live.

Copy it, and put your own work where the task is: warm a cache, write a newsletter. It needs nothing
of Nightshelf, only the name of the asset.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from airflow.sdk import DAG, Asset, task
from airflow.sdk.exceptions import AirflowSkipException

RECOMMENDATIONS = "serving.recommendations"

with DAG(
    dag_id="on_new_recommendations",
    description="An example: begins when other recommendations have gone live",
    doc_md=__doc__,
    schedule=[Asset(RECOMMENDATIONS)],
    start_date=datetime(2026, 1, 1, tzinfo=UTC),
    catchup=False,
    tags=["nightshelf", "example"],
):

    @task(doc_md="Says what is live now, from the extra of the event that began this run.")
    def use_them(**context: Any) -> dict[str, Any]:
        """The newest event's extra: version, run_id, n_users, n_items, precision_at_3."""
        events = [event for event_list in context["triggering_asset_events"].values() for event in event_list]
        if not events:
            raise AirflowSkipException("triggered by hand: no event tells which lists are live")
        return dict(max(events, key=lambda event: event.timestamp).extra)

    use_them()
