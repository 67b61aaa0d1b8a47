"""`make demo-spark` up to its first process: the command line, the settings of the night, refusals."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from stat import S_IMODE

import pytest

from pipeline import config
from pipeline.__main__ import main
from pipeline.config import Settings
from pipeline.errors import SettingsError
from pipeline.local import demo
from pipeline.local.airflow import LocalAirflow
from pipeline.local.spark_night import SparkNight, settings_on, write
from pipeline.spark import session

MASTER = "spark://127.0.0.1:7077"


def test_only_the_engine_and_what_it_needs_are_other_settings() -> None:
    shop = config.load().model_dump()
    night = settings_on(MASTER, config.load()).model_dump()
    assert {name for name in shop if shop[name] != night[name]} == {"engine", "als", "tune"}
    assert (night["engine"]["kind"], night["engine"]["master"]) == ("spark", MASTER)
    assert "spark.driver.host=127.0.0.1" in night["engine"]["conf"]
    assert night["als"] == {**shop["als"], "regularization_scale": 1.0}
    assert night["tune"] == {**shop["tune"], "regularization_scale": (1.0, 1.0)}


def test_the_file_says_the_settings_whatever_stands_in_them(
    tmp_path: Path, make_settings: Callable[..., Settings]
) -> None:
    odd = 'a "shop"\\ of\tJosé \U0001f6d2 \x7f'
    settings = make_settings(
        source={"sql": odd}, schedule={"cron": ""}, alerts={"smtp": odd, "email_to": ["a@shop.example"]}
    )
    file = tmp_path / "settings" / "config.toml"
    night = settings_on(MASTER, settings)
    write(file, night)
    assert config.load(file) == night
    assert S_IMODE(file.parent.stat().st_mode) == 0o700
    write(file, settings)
    assert config.load(file) == settings


def test_what_cannot_be_with_spark_is_refused_before_the_cluster_starts(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, make_settings: Callable[..., Settings], said: list[str]
) -> None:
    write(tmp_path / "config" / "config.toml", make_settings(models={"race": ["als", "ncf"]}))
    monkeypatch.setenv("NIGHTSHELF_CONFIG", str(tmp_path / "config"))
    with pytest.raises(SettingsError) as error, SparkNight(tmp_path / "home").running(said.append):
        raise AssertionError("it has begun")
    assert "take ncf out of models.race" in error.value.found
    assert said == []
    assert not (tmp_path / "home").exists()


def test_without_pyspark_nothing_starts(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(session, "find_spec", lambda name: None)
    assert main(["demo", "--spark"]) == 1
    told = capsys.readouterr()
    assert "pyspark, which is not installed" in told.err
    assert "-m pip install -r requirements-spark.txt" in told.err
    assert told.out == ""
    assert not config.home().exists()


def test_the_airflow_of_make_up_is_left_alone(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(demo, "check_installed", lambda: None)
    monkeypatch.setattr(LocalAirflow, "stays_up", lambda airflow: True)
    assert main(["demo", "--spark"]) == 1
    told = capsys.readouterr()
    assert "make down, then make demo-spark" in told.err
    assert told.out == ""


def test_the_night_plays_on_databases_of_its_own(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("NIGHTSHELF_SERVING_URL", "postgresql://app:secret@db.shop.example/shop")
    assert main(["demo", "--spark"]) == 1
    told = capsys.readouterr().err
    assert "make demo-spark plays on its own embedded databases" in told
    assert "secret" not in told


@pytest.mark.spark
def test_the_cluster_runs_beside_the_block_and_tasks_find_settings_and_secret(
    tmp_path: Path, said: list[str]
) -> None:
    night = SparkNight(tmp_path / "home")
    variables = night.variables()
    with night.running(said.append):
        settings = config.load(Path(variables["NIGHTSHELF_CONFIG"]) / "config.toml")
        assert settings.engine.master == night.cluster.master_url
        assert night.cluster.n_alive() == 2
        assert Path(variables["SPARK_CONF_DIR"], "spark-defaults.conf").read_text()
        assert [line.partition(":")[0] for line in said] == ["starting a Spark cluster", "Spark"]
        assert "secret" not in json.dumps(said + list(variables.values()))
    assert night.cluster.n_alive() == 0
