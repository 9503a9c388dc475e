"""Settings: defaults, reading, refusals that say how to mend them, and the value of carbon."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import pytest
from pydantic import ValidationError

import config
from config import InvalidSettings, Settings, bind_problem, is_loopback, passed_secret
from models.domain.access import Role
from models.domain.carbon_value import kappa_of_weights
from scripts import explain_settings


def problems_of(**environment: str) -> list[str]:
    """Return the sentences with which an environment is refused."""
    with pytest.raises(InvalidSettings) as caught:
        Settings.from_env(environment)
    return caught.value.problems


def test_the_program_starts_without_any_setting() -> None:
    settings = Settings.from_env({})
    assert (settings.bind, settings.port, settings.grid_source) == ("127.0.0.1", 5000, "auto")
    assert settings.logs_dir == config.PROJECT_DIR / "logs"
    assert settings.api_keys == ()
    assert settings.default_region == "london"
    assert len(settings.enabled_regions) == 18


def test_the_default_database_is_a_sqlite_file_in_the_data_folder() -> None:
    settings = Settings.from_env({"HALFHOUR_DATA_DIR": "/srv/half"})
    assert settings.database_url.get_secret_value() == "sqlite:////srv/half/halfhour.sqlite3"


def test_relative_paths_start_at_the_project_and_not_at_the_current_folder() -> None:
    settings = Settings.from_env(
        {"HALFHOUR_DATA_DIR": "elsewhere", "HALFHOUR_DATABASE_URL": "sqlite:///elsewhere/x.db"}
    )
    assert settings.data_dir == config.PROJECT_DIR / "elsewhere"
    wanted = f"sqlite:///{config.PROJECT_DIR / 'elsewhere' / 'x.db'}"
    assert settings.database_url.get_secret_value() == wanted


@pytest.mark.parametrize("scheme", ["postgres", "postgresql", "postgresql+psycopg"])
def test_a_postgresql_address_names_the_installed_driver(scheme: str) -> None:
    settings = Settings.from_env({"HALFHOUR_DATABASE_URL": f"{scheme}://u:p@127.0.0.1/h"})
    assert settings.database_url.get_secret_value() == "postgresql+psycopg://u:p@127.0.0.1/h"


def test_settings_cannot_be_changed_after_the_start() -> None:
    with pytest.raises(ValidationError):
        Settings.from_env({}).port = 1  # type: ignore[misc]


def test_a_blank_value_counts_as_not_set() -> None:
    assert Settings.from_env({"HALFHOUR_PORT": " ", "HALFHOUR_SECRET_KEY": ""}).port == 5000


def test_names_of_other_programs_are_left_alone() -> None:
    assert Settings.from_env({"PORT": "x", "HALFHOUR_SHARED_DIR": "/tmp"}).port == 5000


def test_an_unknown_name_with_our_prefix_stops_the_start_and_names_the_nearest_one() -> None:
    assert problems_of(HALFHOUR_OCTOPUS_URI="https://x.example") == [
        "HALFHOUR_OCTOPUS_URI is not a setting; did you mean HALFHOUR_OCTOPUS_URL?"
    ]


def test_plain_names_are_accepted_and_the_prefixed_one_wins() -> None:
    plain = {
        "CACHE_TTL_SECONDS": "60",
        "ENABLED_REGIONS": "london, wales",
        "DEFAULT_REGION": "wales",
    }
    settings = Settings.from_env(plain)
    assert settings.cache_ttl_seconds == 60
    assert settings.enabled_regions == ("london", "wales")
    assert settings.default_region == "wales"
    both = Settings.from_env(plain | {"HALFHOUR_CACHE_TTL_SECONDS": "90"})
    assert both.cache_ttl_seconds == 90


def test_the_default_region_follows_the_enabled_ones() -> None:
    assert Settings.from_env({"ENABLED_REGIONS": "wales,yorkshire"}).default_region == "wales"
    assert problems_of(ENABLED_REGIONS="wales", DEFAULT_REGION="london") == [
        "DEFAULT_REGION=london is not among ENABLED_REGIONS; add it there or choose another"
    ]


@pytest.mark.parametrize(
    ("name", "text", "said"),
    [
        ("HALFHOUR_PORT", "0", "a whole number from 1 up to 65,535"),
        ("HALFHOUR_PORT", "five", "a whole number from 1 up to 65,535"),
        ("HALFHOUR_LOOP_SECONDS", "nan", "a number from 1 up to 3,600"),
        ("HALFHOUR_WEIGHT_CARBON", "inf", "a number from 0 up to 1"),
        ("HALFHOUR_GRID_SOURCE", "lives", "live | replay | simulated | auto"),
        ("HALFHOUR_CLOCK", "2026-03-29T01:30:00", "an RFC 3339 time"),
        ("HALFHOUR_CLOCK", "yesterday", "an RFC 3339 time"),
        ("HALFHOUR_OCTOPUS_URL", "ftp://x", "an http(s) address"),
        ("HALFHOUR_PRICES_INCLUDE_VAT", "perhaps", "0 or 1"),
        ("HALFHOUR_CUSTOMER_CLASS", "charity", "domestic | business"),
        ("ENABLED_REGIONS", "londn", "did you mean london"),
        ("ENABLED_REGIONS", ",", "region slugs"),
        ("HALFHOUR_CARBON_PRICE_GBP_PER_TONNE", "10001", "a number from 0 up to 10,000"),
    ],
)
def test_a_bad_value_is_refused_with_name_value_range_and_cure(
    name: str, text: str, said: str
) -> None:
    (problem,) = problems_of(**{name: text})
    assert problem.startswith(f"{name}={text}: ")
    assert said in problem
    assert problem.endswith("change it, or remove it to use the default")


def test_every_bad_value_is_named_at_once() -> None:
    assert len(problems_of(HALFHOUR_PORT="x", HALFHOUR_WEIGHT_COST="2")) == 2


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("HALFHOUR_API_KEYS", "tooshrt"),
        ("HALFHOUR_API_KEYS", "me:king:hunter2hunter2"),
        ("HALFHOUR_SECRET_KEY", "hunter2"),
        ("HALFHOUR_DATABASE_URL", "mysql://me:hunter2@127.0.0.1/x"),
    ],
)
def test_a_refused_secret_is_never_repeated(name: str, text: str) -> None:
    (problem,) = problems_of(**{name: text})
    assert problem.startswith(f"{name}=***: ")
    assert "hunter2" not in problem
    assert "tooshrt" not in problem


def test_keys_have_an_owner_and_a_role_or_are_the_local_operators() -> None:
    settings = Settings.from_env({"HALFHOUR_API_KEYS": "first-key, lab:submitter:second-key"})
    found = [(k.owner, k.role, k.secret.get_secret_value()) for k in settings.api_keys]
    assert found == [
        ("local", Role.OPERATOR, "first-key"),
        ("lab", Role.SUBMITTER, "second-key"),
    ]
    assert "first-key" not in repr(settings)


def test_the_clock_is_an_instant_in_utc() -> None:
    settings = Settings.from_env({"HALFHOUR_CLOCK": "2026-07-01T01:00:00+01:00"})
    assert settings.clock == datetime(2026, 7, 1, tzinfo=UTC)


def test_a_clock_rate_needs_a_clock() -> None:
    (problem,) = problems_of(HALFHOUR_CLOCK_RATE="60")
    assert "HALFHOUR_CLOCK_RATE=60 has no effect without HALFHOUR_CLOCK" in problem


def test_replay_needs_an_existing_folder(tmp_path: Path) -> None:
    (problem,) = problems_of(HALFHOUR_GRID_SOURCE="replay")
    assert "needs HALFHOUR_REPLAY_DIR" in problem
    missing = problems_of(HALFHOUR_REPLAY_DIR=str(tmp_path / "none"))
    assert "is not a folder" in missing[0]
    environment = {"HALFHOUR_GRID_SOURCE": "replay", "HALFHOUR_REPLAY_DIR": str(tmp_path)}
    assert Settings.from_env(environment).replay_dir == tmp_path


def test_leaving_a_job_unserved_must_cost_more_than_the_dearest_energy() -> None:
    # Cap 1.00 £/kWh + κ·0.65 kg/kWh; κ = 0.6/0.3 · 0.20/0.15 = 2.6667 £/kg, so 1 + 1.7333 = 2.7333.
    assert "2.73 £/kWh" in problems_of(HALFHOUR_UNSERVED_GBP_PER_KWH="2.73")[0]
    assert Settings.from_env({"HALFHOUR_UNSERVED_GBP_PER_KWH": "2.74"}).unserved_gbp_per_kwh == 2.74


def test_the_lease_outlives_a_pause_of_the_loop() -> None:
    assert "HALFHOUR_LEASE_SECONDS=30" in problems_of(HALFHOUR_LEASE_SECONDS="30")[0]


def test_default_weights_stand_for_2667_pounds_a_tonne() -> None:
    # κ = (0.6 / 0.3) · (0.20 £/kWh / 0.15 kg/kWh) = 2.6667 £/kg.
    assert Settings.from_env({}).carbon_price_gbp_per_tonne == pytest.approx(2666.67, abs=0.01)


@pytest.mark.parametrize(
    ("carbon", "cost", "kappa"),
    [(0.0, 0.3, 0.0), (0.3, 0.3, 4 / 3), (0.6, 0.0, 10.0), (1.0, 0.05, 10.0), (0.0, 0.0, 0.0)],
)
def test_the_value_of_carbon_follows_the_ratio_of_weights_up_to_ten_pounds(
    carbon: float, cost: float, kappa: float
) -> None:
    assert kappa_of_weights(carbon, cost) == pytest.approx(kappa)


def test_a_value_of_carbon_replaces_the_weights() -> None:
    settings = Settings.from_env({"HALFHOUR_CARBON_PRICE_GBP_PER_TONNE": "245"})
    assert settings.kappa_gbp_per_kg == pytest.approx(0.245)
    assert settings.carbon_price_gbp_per_tonne == pytest.approx(245)


def test_two_zero_weights_say_nothing() -> None:
    (problem,) = problems_of(HALFHOUR_WEIGHT_CARBON="0", HALFHOUR_WEIGHT_COST="0")
    assert "are both 0" in problem


@pytest.mark.parametrize("host", ["127.0.0.1", "127.8.8.8", "::1", "[::1]", "localhost"])
def test_loopback_needs_no_key(host: str) -> None:
    assert is_loopback(host)
    assert bind_problem(host, has_keys=False) is None


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "10.0.0.1", "example.org", ""])
def test_any_other_address_needs_a_key(host: str) -> None:
    assert not is_loopback(host)
    assert "flask keys create" in (bind_problem(host, has_keys=False) or "")
    assert bind_problem(host, has_keys=True) is None


def test_the_report_names_every_setting_and_masks_secrets(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(config, "dotenv_values", lambda _: {"HALFHOUR_PORT": "6001"})
    monkeypatch.setenv("HALFHOUR_API_KEYS", "hunter2hunter2")
    monkeypatch.setenv("HALFHOUR_DATABASE_URL", "postgresql://me:hunter2@127.0.0.1/x")
    assert explain_settings.main([]) == 0
    printed = capsys.readouterr().out
    assert "HALFHOUR_PORT = 6001   (.env; default 5000)" in printed
    assert "HALFHOUR_API_KEYS = ***   (environment; default not set)" in printed
    assert "postgresql+psycopg://me:***@127.0.0.1/x" in printed
    assert "hunter2" not in printed
    missing = [n for n in Settings.model_fields if config.env_name(n) not in printed]
    assert missing == []


def test_the_report_of_a_bad_environment_fails(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("HALFHOUR_PORT", "none")
    assert explain_settings.main([]) == 1
    assert "HALFHOUR_PORT=none" in capsys.readouterr().err
    assert explain_settings.main(["--yaml"]) == 2


def test_work_is_given_only_the_variables_that_are_named_for_its_owner(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("TRAIN_TOKEN", "s3cret")
    assert passed_secret(("TRAIN_TOKEN",), "bob", "TRAIN_TOKEN") == "s3cret"
    assert passed_secret(("alice:TRAIN_TOKEN",), "alice", "TRAIN_TOKEN") == "s3cret"
    assert passed_secret(("alice:TRAIN_TOKEN",), "bob", "TRAIN_TOKEN") is None
    assert passed_secret((), "bob", "PATH") is None


def test_notices_need_a_secret_and_a_safe_way() -> None:
    url = "HALFHOUR_NOTIFY_URL"
    secret = {"HALFHOUR_NOTIFY_SECRET": "0123456789abcdef"}
    assert any("HALFHOUR_NOTIFY_SECRET" in p for p in problems_of(**{url: "https://x.example"}))
    assert any("not https" in p for p in problems_of(**{url: "http://x.example", **secret}))
    assert Settings.from_env({url: "http://127.0.0.1:9/x", **secret}).notify_url
