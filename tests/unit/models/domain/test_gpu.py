"""The power of GPUs: formula, table and the note that names the assumptions."""

from __future__ import annotations

import csv

import pytest

from models.domain.errors import InvalidRequest
from models.domain.gpu import GPU_MODELS, FigureStatus, gpu_model, gpu_power_kw
from tests.support.shared import shared_path


def test_a_whole_system_at_full_load_draws_its_greatest_power() -> None:
    # At a load of 1 every GPU draws its TDP, so 8 of them with their share of the server are the server: 10.2 kW.
    power_kw, _ = gpu_power_kw("H100-SXM5", 8, 1.0)
    assert power_kw == pytest.approx(10.2)


def test_power_follows_idle_tdp_load_and_the_share_of_the_system() -> None:
    # One GPU: 75 + (700 - 75) * 0.85 = 606.25 W. Share: 8 * 700 W / 10.2 kW = 0.54902.
    # 8 * 0.60625 / 0.54902 = 8.83393 kW.
    power_kw, _ = gpu_power_kw("H100-SXM5", 8)
    assert power_kw == pytest.approx(8.83393, abs=1e-5)


def test_without_a_system_figure_the_gpus_are_taken_as_sixty_percent() -> None:
    # L40S: 35 + (350 - 35) * 0.5 = 192.5 W; two of them: 0.385 kW; / 0.6 = 0.641667 kW.
    power_kw, note = gpu_power_kw("L40S", 2, 0.5)
    assert power_kw == pytest.approx(0.641667, abs=1e-6)
    assert "server share" in note


def test_power_is_proportional_to_the_number_of_gpus() -> None:
    one, _ = gpu_power_kw("B200-HGX", 1)
    seventeen, _ = gpu_power_kw("B200-HGX", 17)
    assert seventeen == pytest.approx(17 * one)


def test_the_note_says_what_is_assumed_and_what_the_figures_are() -> None:
    _, note = gpu_power_kw("H100-SXM5", 8)
    assert note.startswith("8 × H100-SXM5 at 85% load: 606 W each")
    assert "Assumption: idle power, load, system power" in note


def test_a_load_given_by_the_caller_is_not_called_an_assumption() -> None:
    _, note = gpu_power_kw("B200-HGX", 8, 0.4)
    assert note.endswith("Assumption: idle power")


def test_a_secondary_source_is_named_as_one() -> None:
    _, note = gpu_power_kw("GB200-NVL72-GPU", 72)
    assert note.endswith("secondary source: TDP and system power")


def test_the_name_is_matched_without_regard_to_case() -> None:
    assert gpu_model(" h100-sxm5 ").name == "H100-SXM5"


def test_an_unknown_model_lists_the_known_ones_and_offers_the_nearest() -> None:
    with pytest.raises(InvalidRequest) as caught:
        gpu_power_kw("H100", 8)
    (error,) = caught.value.fields
    assert error.field == "gpu_model"
    assert error.value == "H100"
    assert error.allowed is not None
    assert "MI300X" in error.allowed
    assert error.cure == "did you mean H100-PCIe or H100-SXM5?"


@pytest.mark.parametrize("count", [0, -3, 100_001])
def test_a_count_out_of_range_is_refused(count: int) -> None:
    with pytest.raises(InvalidRequest) as caught:
        gpu_power_kw("L40S", count)
    assert caught.value.fields[0].field == "gpu_count"


@pytest.mark.parametrize("load", [0.0, -0.1, 1.01, float("nan")])
def test_a_load_factor_out_of_range_is_refused(load: float) -> None:
    with pytest.raises(InvalidRequest):
        gpu_power_kw("L40S", 1, load)


def test_the_table_agrees_with_the_reference_table() -> None:
    words = {
        "V": FigureStatus.CHECKED,
        "S": FigureStatus.SECONDARY,
        "U": FigureStatus.ASSUMPTION,
    }
    text = shared_path("domain/gpu_specs.csv").read_text(encoding="utf-8")
    rows = list(csv.DictReader(line for line in text.splitlines() if not line.startswith("#")))
    assert [row["model"] for row in rows] == list(GPU_MODELS)
    for row in rows:
        ours = GPU_MODELS[row["model"]]
        assert ours.form_factor == row["form_factor"]
        assert ours.tdp_w == float(row["tdp_w"])
        assert ours.tdp_status is words[row["tdp_status"]]
        assert ours.idle_w == float(row["idle_w"])
        assert ours.train_load_factor == float(row["train_load_factor"])
        assert ours.gpus_per_system == (
            int(row["gpus_per_system"]) if row["gpus_per_system"] else None
        )
        assert ours.system_max_kw == (float(row["system_max_kw"]) if row["system_max_kw"] else None)
        assert ours.system_status is words[row["system_status"]]
