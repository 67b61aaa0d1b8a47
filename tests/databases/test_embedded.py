"""pipeline/databases/embedded.py: a real server, started, stopped, killed and found again."""

from __future__ import annotations

import json
import os
import shutil
import signal
import socket
import stat
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import psycopg
import pytest

from pipeline import config, serving
from pipeline.databases import embedded
from pipeline.databases.embedded import Server
from pipeline.errors import DatabaseError, SettingsError
from tests.test_locks import foreign


@pytest.fixture(scope="module")
def own(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A server that these tests may stop and kill; its home has a parent of mode 0700."""
    parent = tmp_path_factory.mktemp("own")
    parent.chmod(0o700)
    server = Server(parent / "home", is_durable=False)
    yield server
    server.destroy()


def answer(url: str) -> object:
    with psycopg.connect(url) as db:
        return db.execute("SELECT current_user::text").fetchone()[0]


def test_start_twice_is_one_server_and_stop_ends_it(own: Server) -> None:
    own.start()
    pid, url = own.pid(), own.url("serving")
    own.start()
    assert (own.pid(), own.url("serving")) == (pid, url)
    assert "serves 127.0.0.1:" in own.status()
    own.stop()
    own.stop()
    assert not own.is_running()
    assert "is stopped" in own.status()
    own.start()
    assert own.url("serving") == url
    assert answer(url) == "nightshelf_owner"


def test_modes_of_parents_stay_and_only_the_caller_reads_the_passwords(own: Server) -> None:
    own.start()
    assert stat.S_IMODE(own.folder.parent.parent.stat().st_mode) == 0o700
    assert stat.S_IMODE((own.folder / "login.json").stat().st_mode) == 0o600
    assert stat.S_IMODE((own.folder / "cluster" / "data").stat().st_mode) == 0o700


@pytest.mark.skipif(os.geteuid() != 0, reason="only root's server runs as another user")
def test_where_the_servers_user_cannot_reach_home_the_data_lie_elsewhere(tmp_path: Path) -> None:
    tmp_path.chmod(0o700)
    server, said = Server(tmp_path / "home", is_durable=False), []
    try:
        server.start(said.append)
        elsewhere = (server.folder / "cluster").resolve()
        assert not elsewhere.is_relative_to(tmp_path)
        assert any(str(elsewhere) in line for line in said)
    finally:
        server.destroy()
    assert not elsewhere.exists()


@pytest.mark.parametrize(
    ("name", "lies_elsewhere"),
    [("-it's 100%20 #1? [x]* ü", False), ("""it"s $HOME `touch "$0"`""", True)],
    ids=["plain to a shell", "syntax to a shell"],
)
def test_a_home_of_any_name_has_a_server(name: str, lies_elsewhere: bool) -> None:
    """pg_ctl hands the path of its data to a shell, in double quotes."""
    place = Path(tempfile.mkdtemp(prefix="nightshelf-tests-"))
    place.chmod(0o755)
    server = Server(place / name, is_durable=False)
    try:
        server.start()
        assert answer(server.url("shop")) == "nightshelf_owner"
        server.stop()
        server.start()
        assert server.is_running()
        cluster = (server.folder / "cluster").resolve()
        assert cluster.is_relative_to(place) is not lies_elsewhere
        assert [path.name for path in place.iterdir()] == [name]
    finally:
        server.destroy()
        shutil.rmtree(place)
    assert not cluster.exists()


def test_kill_9_then_start(own: Server) -> None:
    own.start()
    with psycopg.connect(own.url("shop")) as db:
        db.execute("CREATE TABLE kept (n int)")
    os.kill(own.pid() or 0, signal.SIGKILL)
    own.start()
    with psycopg.connect(own.url("shop")) as db:
        assert db.execute("SELECT count(*) FROM kept").fetchone() == (0,)


def test_a_pid_file_that_names_a_stranger_is_put_away(own: Server) -> None:
    own.start()
    data = own.folder / "cluster" / "data"
    left = (data / "postmaster.pid").read_text().split("\n", 1)[1]
    own.stop()
    (data / "postmaster.pid").write_text(f"{os.getpid()}\n{left}")
    assert not own.is_running()
    own.start()
    assert answer(own.url("shop")) == "nightshelf_owner"


def test_a_taken_port_is_told_and_another_is_remembered(own: Server) -> None:
    own.start()
    login = own.folder / "login.json"
    port = json.loads(login.read_text())["port"]
    own.stop()
    said: list[str] = []
    with socket.socket() as other:
        other.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        other.bind(("127.0.0.1", port))
        other.listen()
        own.start(said.append)
    chosen = json.loads(login.read_text())["port"]
    assert chosen != port
    assert said == [f"port {port} is taken by another process: the server now listens on {chosen}"]
    own.stop()
    own.start()
    assert json.loads(login.read_text())["port"] == chosen


@pytest.fixture
def taken() -> Iterator[int]:
    """A port that another process listens on."""
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        yield other.getsockname()[1]


def free_port() -> int:
    """A port that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def test_a_port_asked_for_by_name_is_taken_and_remembered(
    own: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    own.stop()
    port = free_port()
    monkeypatch.setenv("NIGHTSHELF_POSTGRES_PORT", str(port))
    own.start()
    assert f"127.0.0.1:{port}/" in own.url("serving")
    assert answer(own.url("serving")) == "nightshelf_owner"
    own.start()
    monkeypatch.delenv("NIGHTSHELF_POSTGRES_PORT")
    own.stop()
    own.start()
    assert f"127.0.0.1:{port}/" in own.url("serving")


def test_a_port_asked_for_by_name_that_is_taken_starts_nothing(
    own: Server, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, taken: int
) -> None:
    own.start()
    url = own.url("serving")
    own.stop()
    monkeypatch.setenv("NIGHTSHELF_POSTGRES_PORT", str(taken))
    for server in (own, Server(tmp_path / "new", is_durable=False)):
        with pytest.raises(DatabaseError, match=f"port {taken} is in use") as caught:
            server.start()
        assert f"NIGHTSHELF_POSTGRES_PORT={taken}" in caught.value.found
        assert not server.is_running()
    assert not (tmp_path / "new" / "postgres" / "cluster" / "data").exists()
    assert own.url("serving") == url


def test_a_running_server_is_not_moved_under_its_readers(
    own: Server, monkeypatch: pytest.MonkeyPatch, taken: int
) -> None:
    own.start()
    with psycopg.connect(own.url("serving")) as reader:
        for port in (free_port(), taken):
            monkeypatch.setenv("NIGHTSHELF_POSTGRES_PORT", str(port))
            with pytest.raises(DatabaseError, match=r"runs on port|in use by another"):
                own.start()
        assert reader.execute("SELECT 1").fetchone() == (1,)


def test_a_word_for_a_port_is_refused_before_anything_starts(
    own: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    own.stop()
    monkeypatch.setenv("NIGHTSHELF_POSTGRES_PORT", "abc")
    with pytest.raises(SettingsError, match="NIGHTSHELF_POSTGRES_PORT is no port"):
        own.start()
    assert not own.is_running()


def test_two_that_start_at_once_share_one_server(tmp_path: Path) -> None:
    program = (
        "import sys; from pathlib import Path; from pipeline.databases.embedded import Server\n"
        "server = Server(Path(sys.argv[1]), is_durable=False); server.start(); print(server.pid())"
    )
    root = config.ROOT

    def start(_: int) -> str:
        command = [sys.executable, "-c", program, str(tmp_path / "home")]
        return subprocess.run(command, capture_output=True, text=True, cwd=root, check=True).stdout

    try:
        with ThreadPoolExecutor(2) as pool:
            first, second = pool.map(start, range(2))
        assert first == second
    finally:
        Server(tmp_path / "home").destroy()


def test_logins_have_the_rights_they_should(server: Server) -> None:
    with psycopg.connect(server.url("serving")) as db:
        row = db.execute("SELECT rolsuper, rolcreaterole FROM pg_roles WHERE rolname = current_user")
        assert row.fetchone() == (False, True)
        for role in ("nightshelf_publisher", "nightshelf_reader"):
            db.execute(f"SET ROLE {role}")
            assert db.execute("SELECT current_user::text").fetchone() == (role,)
            db.execute("RESET ROLE")
        db.execute("CREATE SCHEMA made_by_owner")
        db.rollback()
    for role in ("publisher", "reader"):
        assert answer(server.url("serving", role)) == f"nightshelf_{role}"
        with (
            psycopg.connect(server.url("serving", role)) as db,
            pytest.raises(psycopg.errors.InsufficientPrivilege),
        ):
            db.execute("CREATE SCHEMA mine")
        with pytest.raises(psycopg.OperationalError, match="permission denied"):
            psycopg.connect(server.url("shop", role))
    assert answer(server.url("airflow")) == "airflow"


def test_a_wrong_password_is_refused(server: Server) -> None:
    user, rest = server.url("serving").split("@")
    with pytest.raises(psycopg.OperationalError, match="password authentication failed"):
        psycopg.connect(f"{user[:-1]}@{rest}")


def test_the_psql_line_can_be_pasted(server: Server) -> None:
    line = server.psql("serving", "reader") + " -Atc 'SELECT current_user'"
    done = subprocess.run(["sh", "-c", line], capture_output=True, text=True, check=True)
    assert done.stdout == "nightshelf_reader\n"


def test_a_first_start_that_was_cut_off_is_made_good(own: Server) -> None:
    own.start()
    with psycopg.connect(own.admin_url(), autocommit=True) as db:
        db.execute("DROP DATABASE serving")
        db.execute("DROP OWNED BY nightshelf_reader CASCADE")
        db.execute("DROP ROLE nightshelf_reader")
    login = own.folder / "login.json"
    login.write_text(json.dumps({**json.loads(login.read_text()), "is_furnished": False}))
    own.start()
    assert answer(own.url("serving", "reader")) == "nightshelf_reader"


def test_roles_of_a_server_of_an_earlier_release_are_signed(own: Server) -> None:
    """Its roles have no comment yet; where nothing was published, no serving schema says whose they are."""
    own.start()
    with psycopg.connect(own.admin_url(), autocommit=True) as db:
        for name in embedded.ROLES:
            db.execute(f"COMMENT ON ROLE nightshelf_{name} IS NULL".encode())
    login = own.folder / "login.json"
    written = json.loads(login.read_text())
    del written["are_roles_signed"]
    login.write_text(json.dumps(written))
    own.start()
    serving.migrate(own.url("serving"), config.Settings(), say=lambda line: None)
    assert json.loads(login.read_text())["are_roles_signed"]


def test_lost_passwords_are_told(own: Server) -> None:
    own.start()
    own.stop()
    login = own.folder / "login.json"
    login.rename(login.with_suffix(".away"))
    with pytest.raises(SettingsError, match="passwords"):
        own.start()
    login.with_suffix(".away").rename(login)


def test_a_lock_of_another_program_is_told_and_not_waited_for_without_end(
    own: Server, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    own.start()
    monkeypatch.setattr(embedded, "PATIENCE", 0.2)
    lock = own.folder / "lock"
    with foreign(lock) as holder:
        for door in (own.start, own.stop):
            with pytest.raises(DatabaseError, match="is locked") as caught:
                door()
            assert caught.value.found == f"{holder} holds {lock}"
    assert caplog.messages == [f"waiting for {holder}, which holds {lock}"] * 2
    own.start()
    assert answer(own.url("serving")) == "nightshelf_owner"
