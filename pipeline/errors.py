"""Every error that users meet, each with what was found, what was expected and the next step.

    NightshelfError
    ├── SettingsError            config.toml, the form or the command line asks for what cannot be
    ├── DatabaseError
    │   ├── Unreachable          nobody answers, or the connection is lost          (retry)
    │   ├── LoginRefused         the login is turned away, or there is no such database
    │   ├── Interrupted          the server broke a statement off: cancelled, a lock, a failover (retry)
    │   ├── DamagedDatabase      the server says that its own data are damaged
    │   ├── SourceError          a table or column of the shop is missing or of the wrong type
    │   ├── ServingError         the serving schema is missing, old, or of other id types
    │   │   ├── NothingPublished there are no lists yet
    │   │   └── PublisherBusy    another publisher holds the lock                   (retry)
    │   ├── RedisRefused         the Redis server cannot hold the lists: full, read-only, one of a cluster
    │   └── ExportBusy           another export to Redis is at work                 (retry)
    ├── RunError                 the run folder misses a dataset or a receipt
    │   ├── DamagedFile          a file is not what its receipt says
    │   ├── RunBusy              another process works on the run                   (retry)
    │   └── DiskFull             a file could not be written to its end             (retry)
    ├── DataError                the data cannot carry a night: nobody bought, one item, ...
    │   ├── NobodyMeasured       nobody bought on both sides of the cut of a backtest
    │   ├── ContractBroken       a dataset has other columns, types or a doubled key
    │   └── ValidationFailed     a critical expectation failed
    ├── SparkAway                the Spark cluster does not answer, or has ended the application (retry)
    ├── Refused                  the gate refuses to publish
    ├── ApiError                 the HTTP API of a shop's users refuses, or answers what was not promised
    │   └── ApiBusy              it gives no answer, or asks to come back later           (retry)
    └── AirflowError             Airflow's API refuses a request, or a run under Airflow fails

`can_retry` says whether trying the same again, with nothing changed, can help.
"""

LONGEST = 2_000
"""Characters of each part of a message."""


def shortened(text: str, most: int = 80) -> str:
    """`text` for a message: what lies beyond `most` characters becomes `...` and how many there were."""
    return text if len(text) <= most else f"{text[:most]}... ({len(text):,} characters)"


def plain(text: str) -> str:
    """`text`, cut at LONGEST, without characters that steer a terminal or cannot be written as UTF-8."""
    shown = text if text.isprintable() else "".join(map(_shown, text))
    return shown if len(shown) <= LONGEST + len("... (9,999,999 characters)") else shortened(shown, LONGEST)


def _shown(character: str) -> str:
    is_shown = character.isprintable() or character in "\n\t\N{NO-BREAK SPACE}"
    return character if is_shown else character.encode("unicode_escape").decode("ascii")


class NightshelfError(Exception):
    """One failure, as the message that a user reads.

    what:     what is wrong with what, in one sentence
    found:    what was found, where that says more
    promised: what was expected instead
    then:     the next command or edit
    draft:    a file that `then` proposes to save; shown below the rest, to be copied, and never cut

    Each is kept as plain() makes it: what a file or a person wrote may stand in it.
    """

    can_retry = False

    def __init__(
        self, what: str, *, found: str = "", promised: str = "", then: str = "", draft: str = ""
    ) -> None:
        self.what, self.found, self.promised, self.then = map(plain, (what, found, promised, then))
        self.draft = "".join(map(_shown, draft))
        super().__init__(self.what, self.found, self.promised, self.then)

    def __str__(self) -> str:
        lines = [self.what]
        if self.found:
            lines.append(f"  found:    {self.found}")
        if self.promised:
            lines.append(f"  promised: {self.promised}")
        if self.then:
            lines.append(f"  next:     {self.then}")
        if self.draft:
            lines += ["", self.draft.rstrip("\n")]
        return "\n".join(lines)

    def __reduce__(self) -> tuple[object, ...]:
        return _rebuild, (type(self), self.what, self.found, self.promised, self.then, self.draft)


def _rebuild(
    kind: type[NightshelfError], what: str, found: str, promised: str, then: str, draft: str
) -> NightshelfError:
    return kind(what, found=found, promised=promised, then=then, draft=draft)


class SettingsError(NightshelfError):
    """config.toml, the form or the command line asks for what cannot be."""


class DatabaseError(NightshelfError):
    """Something about a database. Never carries a password."""


class Unreachable(DatabaseError):
    """Nobody answers at the address, or the connection is lost."""

    can_retry = True


class LoginRefused(DatabaseError):
    """The database turns the login away, or there is no database of that name; asking again cannot help."""


class Interrupted(DatabaseError):
    """The server broke a statement off that it may take the next time; nothing was changed."""

    can_retry = True


class DamagedDatabase(DatabaseError):
    """The server says that its own data are damaged."""


class SourceError(DatabaseError):
    """A table or a column of the shop is missing or of the wrong type."""


class ServingError(DatabaseError):
    """The serving schema is missing, of another version, or of other id types."""


class NothingPublished(ServingError):
    """No night has published lists yet."""


class PublisherBusy(ServingError):
    """Another publisher holds the lock."""

    can_retry = True


class RedisRefused(DatabaseError):
    """The Redis server cannot hold the lists; what apps read there stays."""


class ExportBusy(DatabaseError):
    """Another export to Redis is at work, or what is live has changed meanwhile."""

    can_retry = True


class RunError(NightshelfError):
    """The run folder misses a dataset or a receipt."""


class DamagedFile(RunError):
    """A file of the run is not what its receipt says."""


class RunBusy(RunError):
    """Another process works on the same run."""

    can_retry = True


class DiskFull(RunError):
    """A file could not be written to its end; what was there before is untouched."""

    can_retry = True


class DataError(NightshelfError):
    """The data cannot carry a night: an empty window, nobody bought, one item, ..."""


class NobodyMeasured(DataError):
    """Nobody bought on both sides of the cut, so a backtest has nothing to say. A night goes on unjudged."""


class ContractBroken(DataError):
    """A dataset has other columns or types than contract/datasets.py says, or its key is doubled."""


class ValidationFailed(DataError):
    """A critical expectation failed; the run stops before anything is learnt."""


class SparkAway(NightshelfError):
    """The Spark cluster does not answer, or has ended the application of the stage."""

    can_retry = True


class Refused(NightshelfError):
    """The gate refuses to publish; the live publication stays."""


class ApiError(NightshelfError):
    """The HTTP API of a shop's users refuses a request or answers what was not promised. Shows no secret."""


class ApiBusy(ApiError):
    """The API gives no answer or asks to come back later; the pages so far are kept."""

    can_retry = True


class AirflowError(NightshelfError):
    """Airflow's API refuses a request, or Airflow or a run under it fails."""
