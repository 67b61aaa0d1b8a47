"""The segments as rows of the datasets `user_segments` and `popular_in_segment`."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pyarrow as pa

from pipeline.models.top_n import NOTHING, numbered
from pipeline.segments.segments import Segments


@dataclass(frozen=True)
class SegmentRows:
    """Rows of both datasets; a segment's number is its label plus 1.

    Both name the same segments: one of which too little was bought, or that has no people, is in neither.
    """

    user_segments: pa.Table
    popular_in_segment: pa.Table


def segment_rows(segments: Segments, item_ids: pa.Array) -> SegmentRows:
    """The rows of `segments`. item_ids: of the columns that its lists name"""
    is_listed = segments.lists.items != NOTHING
    has_people = np.isin(np.arange(segments.n), segments.labels)
    slots, places = np.nonzero(is_listed & has_people[:, None])
    columns = segments.lists.items[slots, places]
    lists = {
        "segment": (slots + 1).astype(np.int32),
        "rank": numbered(slots),
        "item_id": item_ids.take(pa.array(columns)),
        "score": segments.lists.scores[slots, places].astype(np.float64),
    }
    has_list = is_listed.any(axis=1)[segments.labels]
    users = {
        "user_id": segments.people.user_ids.filter(pa.array(has_list)),
        "segment": (segments.labels[has_list] + 1).astype(np.int32),
    }
    return SegmentRows(pa.table(users), pa.table(lists))
