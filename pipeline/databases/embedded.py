"""The embedded PostgreSQL server of a first run and of the tests: on 127.0.0.1, with passwords.

    <home>/postgres/login.json   port and passwords, mode 0600
    <home>/postgres/cluster/     the data and, where the server's account cannot read the installed
                                 programs, a copy of them; a link to another folder where that account
                                 cannot reach <home> (root's checkout in a folder of mode 0700), or where
                                 its path has one of `"$\\` or a backtick, which pg_ctl hands to a shell

Databases `shop`, `serving` and `airflow`; logins `nightshelf_owner` (not a superuser),
`nightshelf_publisher`, `nightshelf_reader`, `nightshelf_operator`, and `airflow`.
"""

from __future__ import annotations

import json
import os
import secrets
import shutil
import tempfile
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any, Literal

import psycopg
from psycopg import sql

from pipeline import config, disk, environment, locks
from pipeline.databases import ports
from pipeline.databases.install import (
    Account,
    folder_elsewhere,
    is_shell_syntax,
    unprivileged,
    wheel,
    within_reach,
)
from pipeline.databases.postmaster import Postmaster
from pipeline.errors import DatabaseError, SettingsError
from pipeline.home import let_pass, make_home

Role = Literal["owner", "publisher", "reader", "operator"]
PREFIX = "nightshelf"
ROLE_COMMENT = "Made by Nightshelf."
"""The comment of every role that was made for a serving schema: pipeline/serving/roles.py."""
ROLES = ("owner", "publisher", "reader", "operator")
LOGINS = ("postgres", *(f"{PREFIX}_{role}" for role in ROLES), "airflow")
DATABASES = {"shop": f"{PREFIX}_owner", "serving": f"{PREFIX}_owner", "airflow": "airflow"}
PORTS = range(15_432, 25_432)
WHAT = "the embedded PostgreSQL"
PATIENCE = 300.0
"""Seconds that a process waits for another one that starts or stops the server."""


def silent(line: str) -> None:
    """A `say` that drops every line."""


class Server:
    """The embedded server of one home folder. Every method may be called by several processes at once.

    home:       folder to live in; default `.nightshelf` of this checkout (config.home)
    is_durable: False gives up safety against a power cut for speed: for tests only
    """

    def __init__(self, home: Path | None = None, *, is_durable: bool = True) -> None:
        self.folder = (home or config.home()).absolute() / "postgres"
        self.is_durable = is_durable

    def start(self, say: Callable[[str], None] = silent) -> None:
        """Start the server, creating it where there is none; does nothing when it runs.

        Raises SettingsError where it cannot run on this machine, DatabaseError where it does not start or
        runs on another port than NIGHTSHELF_POSTGRES_PORT asks for.
        """
        programs = wheel()
        with self._locked():
            postmaster = self._postmaster(programs, say)
            is_running = postmaster.pid() is not None
            if not is_running:
                ports.check("postgres", WHAT, DatabaseError)
            login = self._login() or self._new_login()
            if not postmaster.data.exists():
                say(f"making a PostgreSQL server in {self.folder}")
                self._initialise(postmaster, login)
            if is_running:
                self._remember_port(login, postmaster.wait_ready())
                self._refuse_another_port()
            else:
                self._start(postmaster, login, say)
            is_whole = login["is_furnished"] and login.get("are_roles_signed")  # absent before version 8
            if not is_whole or set(LOGINS) - set(login["passwords"]):
                with self._furnishing():
                    self._create_roles_and_databases(login)

    def must_move(self) -> bool:
        """Whether it runs on another port than NIGHTSHELF_POSTGRES_PORT asks for.

        Raises DatabaseError where another process has that port.
        """
        asked, is_running = environment.port("postgres"), self.is_running()
        if asked is None or (is_running and self.port == asked):
            return False
        ports.check("postgres", WHAT, DatabaseError)
        return is_running

    def stop(self) -> None:
        """Stop the server; does nothing when it does not run."""
        if (self.folder / "cluster").exists():
            with self._locked():
                self._postmaster(wheel()).stop()

    def destroy(self) -> None:
        """Stop the server and remove its folder, with data and passwords, wherever the data lie."""
        self.stop()
        cluster = self.folder / "cluster"
        if cluster.is_symlink():
            shutil.rmtree(cluster.resolve(), ignore_errors=True)
        shutil.rmtree(self.folder, ignore_errors=True)

    def is_running(self) -> bool:
        """Whether the server runs; starts nothing."""
        return (self.folder / "cluster" / "data").exists() and self._postmaster(wheel()).pid() is not None

    def status(self) -> str:
        """One line for a person."""
        if not self.is_running():
            return f"the embedded PostgreSQL in {self.folder} is stopped"
        return f"the embedded PostgreSQL in {self.folder} serves 127.0.0.1:{self.port}"

    def pid(self) -> int | None:
        """The server's process id; None when it does not run."""
        return self._postmaster(wheel()).pid() if self.is_running() else None

    def url(self, database: str, role: Role = "owner") -> str:
        """The connection URL, password included, of `shop`, `serving`, `airflow` or any other database.

        `airflow` has one login of its own; the others know owner, publisher, reader and operator.
        """
        return self._url(database, "airflow" if database == "airflow" else f"{PREFIX}_{role}")

    def admin_url(self, database: str = "postgres") -> str:
        """The superuser's URL: for tests and repairs, never for the pipeline."""
        return self._url(database, "postgres")

    def psql(self, database: str, role: Role = "owner") -> str:
        """A command line to paste into a shell, to look at `database`."""
        program = "psql" if shutil.which("psql") else str(wheel() / "bin" / "psql")
        return f"{program} '{self.url(database, role)}'"

    def _url(self, database: str, login: str) -> str:
        password = self._existing_login()["passwords"][login]
        return f"postgresql://{login}:{password}@127.0.0.1:{self.port}/{database}"

    @property
    def port(self) -> int:
        """The port it listens on, or did when it last ran."""
        return int(self._existing_login()["port"])

    @contextmanager
    def _locked(self) -> Iterator[None]:
        """Let one process at a time into the block. The lock ends with its process, however that ends."""
        make_home(self.folder.parent)
        with disk.writing(self.folder):
            self.folder.mkdir(0o700, exist_ok=True)
            if os.geteuid() not in (0, self.folder.stat().st_uid):
                raise self._of_another_user()
        with ExitStack() as stack:
            try:
                lock = locks.held(self.folder / "lock", f"the start or stop of {WHAT}", patience=PATIENCE)
                stack.enter_context(lock)
            except locks.Taken as error:
                raise DatabaseError(
                    f"{WHAT} in {self.folder} is locked",
                    found=f"{error} holds {self.folder / 'lock'}",
                    promised=f"a process that starts or stops it, for less than {PATIENCE:.0f} s",
                    then="wait for that process, or end it",
                ) from None
            stack.enter_context(disk.noticing(self.folder))
            yield

    def _postmaster(self, programs: Path, say: Callable[[str], None] = silent) -> Postmaster:
        cluster = self.folder / "cluster"
        if cluster.is_symlink() and not cluster.exists():
            say(f"{cluster.readlink()} is gone; a new server is made")
            cluster.unlink()
            (self.folder / "login.json").unlink(missing_ok=True)
        if not cluster.exists():
            self._make_cluster(cluster, say)
        owner = cluster.stat()
        if os.geteuid() not in (0, owner.st_uid):
            raise self._of_another_user()
        account = Account() if os.geteuid() == owner.st_uid else Account(owner.st_uid, owner.st_gid)
        cluster = cluster.resolve()
        return Postmaster(cluster / "data", within_reach(programs, account, cluster), account)

    def _make_cluster(self, cluster: Path, say: Callable[[str], None]) -> None:
        """Make a folder that the server's account owns and can reach; its parents keep their modes."""
        is_root = os.geteuid() == 0
        account = unprivileged() if is_root else Account()
        if is_root:
            let_pass(self.folder)
        why = (
            "PostgreSQL's programs cannot open"
            if is_shell_syntax(cluster)
            else "the server's user cannot reach"
        )
        if not is_shell_syntax(cluster) and account.can_pass(self.folder):
            cluster.mkdir()
            own = cluster
        else:
            own = folder_elsewhere(account)
            say(f"{why} {self.folder}: its data lie in {own}")
            cluster.symlink_to(own)
        if is_root:
            own.chmod(0o700)
            os.chown(own, account.uid or 0, account.gid or 0)

    def _initialise(self, postmaster: Postmaster, login: dict[str, Any]) -> None:
        handle, name = tempfile.mkstemp(dir=postmaster.data.parent)
        try:
            with os.fdopen(handle, "w") as file:
                file.write(login["passwords"]["postgres"])
            if postmaster.account.uid is not None:
                os.chown(name, postmaster.account.uid, postmaster.account.gid or 0)
            postmaster.initialise(Path(name), is_durable=self.is_durable)
        finally:
            Path(name).unlink()

    def _start(self, postmaster: Postmaster, login: dict[str, Any], say: Callable[[str], None]) -> None:
        remembered = int(login["port"])
        for port in ports.candidates("postgres", remembered, PORTS):
            if postmaster.start(port):
                if port not in (remembered, environment.port("postgres")) and login["is_furnished"]:
                    say(f"port {remembered} is taken by another process: the server now listens on {port}")
                self._remember_port(login, port)
                return
        ports.check("postgres", WHAT, DatabaseError)
        raise DatabaseError(f"no free port for {WHAT}", found=f"{remembered} and others are taken")

    def _refuse_another_port(self) -> None:
        """Raise DatabaseError where the running server would have to move to the port that is asked for."""
        if self.must_move():
            raise DatabaseError(
                f"{WHAT} runs on port {self.port}",
                found=f"NIGHTSHELF_POSTGRES_PORT={environment.port('postgres')} asks for another",
                then="make up moves it, and Airflow with it; or unset NIGHTSHELF_POSTGRES_PORT",
            )

    @contextmanager
    def _furnishing(self) -> Iterator[None]:
        """Say what stops the first statements on a new server; the next start goes on with them."""
        try:
            yield
        except psycopg.Error as error:
            found, cluster = " ".join(str(error).split()), self.folder / "cluster"
            if isinstance(error, psycopg.errors.DiskFull) or not disk.has_room(cluster):
                raise disk.no_room(cluster, found) from error
            raise DatabaseError(f"{WHAT} cannot be set up", found=found, then="the same again") from error

    def _create_roles_and_databases(self, login: dict[str, Any]) -> None:
        """Create the roles and databases that are missing: all, or what an interrupted start left out."""
        for name in set(LOGINS) - set(login["passwords"]):
            login["passwords"][name] = secrets.token_hex(16)
        self._write(login)
        with psycopg.connect(self.admin_url(), autocommit=True, connect_timeout=10) as db:
            for name in LOGINS[1:]:
                role = db.execute("SELECT FROM pg_roles WHERE rolname = %s", [name]).fetchone()
                verb = sql.SQL("CREATE" if role is None else "ALTER")
                rights = sql.SQL("LOGIN CREATEROLE" if name == f"{PREFIX}_owner" else "LOGIN")
                db.execute(
                    sql.SQL("{} ROLE {} {} PASSWORD {}").format(
                        verb, sql.Identifier(name), rights, login["passwords"][name]
                    )
                )
                db.execute(sql.SQL("COMMENT ON ROLE {} IS {}").format(sql.Identifier(name), ROLE_COMMENT))
            db.execute(
                sql.SQL("GRANT {}, {}, {} TO {} WITH ADMIN TRUE, INHERIT FALSE, SET TRUE").format(
                    *(sql.Identifier(f"{PREFIX}_{role}") for role in (*ROLES[1:], ROLES[0]))
                )
            )
            for database, owner in DATABASES.items():
                self.create_database(database, owner=owner, db=db)
            for database in ("shop", "airflow"):
                db.execute(sql.SQL("REVOKE ALL ON DATABASE {} FROM PUBLIC").format(sql.Identifier(database)))
        login |= {"is_furnished": True, "are_roles_signed": True}
        self._write(login)

    @staticmethod
    def create_database(name: str, *, owner: str, db: psycopg.Connection[Any]) -> None:
        """Create an empty database where there is none of that name.

        The template's files are copied: writing them to the WAL, as is usual, takes ten times as long.
        """
        if db.execute("SELECT FROM pg_database WHERE datname = %s", [name]).fetchone() is None:
            statement = sql.SQL("CREATE DATABASE {} OWNER {} STRATEGY FILE_COPY")
            db.execute(statement.format(sql.Identifier(name), sql.Identifier(owner)))

    def _new_login(self) -> dict[str, Any]:
        """Choose port and passwords. Raises SettingsError where a server exists whose passwords are gone."""
        if (self.folder / "cluster" / "data").exists():
            raise SettingsError(
                f"{self.folder / 'login.json'} is gone, and with it the server's passwords",
                then=f"remove {self.folder} (the demo is loaded again), or put the file back",
            )
        login = {
            "port": ports.preferred(self.folder, PORTS),
            "passwords": {name: secrets.token_hex(16) for name in LOGINS},
            "is_furnished": False,
        }
        self._write(login)
        return login

    def _login(self) -> dict[str, Any]:
        try:
            login: dict[str, Any] = json.loads((self.folder / "login.json").read_text(encoding="utf-8"))
        except FileNotFoundError:
            return {}
        except PermissionError as error:
            raise self._of_another_user() from error
        return login

    def _existing_login(self) -> dict[str, Any]:
        login = self._login()
        if not login:
            raise DatabaseError(f"there is no server in {self.folder} yet", then="make demo")
        return login

    def _remember_port(self, login: dict[str, Any], port: int) -> None:
        if login["port"] != port:
            login["port"] = port
            self._write(login)

    def _write(self, login: dict[str, Any]) -> None:
        """Replace login.json as a whole; where root writes it, it belongs to the owner of the folder."""
        handle, name = tempfile.mkstemp(dir=self.folder)
        with os.fdopen(handle, "w") as file:
            json.dump(login, file, indent=2)
        if os.geteuid() == 0:
            owner = self.folder.stat()
            os.chown(name, owner.st_uid, owner.st_gid)
        Path(name).replace(self.folder / "login.json")

    def _of_another_user(self) -> SettingsError:
        return SettingsError(
            f"the server in {self.folder} belongs to another user",
            found=f"owner {self.folder.stat().st_uid}, you are {os.geteuid()}",
            then="run as that user, or set NIGHTSHELF_HOME to a folder of your own",
        )
