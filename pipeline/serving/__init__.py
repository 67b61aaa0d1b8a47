"""The serving database: the schema apps read, publishing into it, and what is live."""

from pipeline.serving.live import read_live
from pipeline.serving.publication import About, Publication, publish, refuse
from pipeline.serving.schema import migrate

__all__ = ["About", "Publication", "migrate", "publish", "read_live", "refuse"]
