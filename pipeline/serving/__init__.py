"""The serving database: the schema apps read, publishing into it, and what is live."""

from pipeline.serving.live import read_encoding, read_live, read_segments
from pipeline.serving.pointer import Moved, Stored, publications, release, rollback
from pipeline.serving.publication import About, Publication, publish, refuse
from pipeline.serving.schema import migrate

__all__ = [
    "About",
    "Moved",
    "Publication",
    "Stored",
    "migrate",
    "publications",
    "publish",
    "read_encoding",
    "read_live",
    "read_segments",
    "refuse",
    "release",
    "rollback",
]
