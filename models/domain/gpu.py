"""GPU figures, and the IT power of a number of GPUs at work.

Only a table and arithmetic live here. Every figure carries how well it is known, so that what is shown can say
"assumption" where it is one.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from models.domain.errors import FieldError, InvalidRequest

DEFAULT_GPU_SHARE = 0.60
"""Share of a system's power that its GPUs draw, where no system figure is known: the middle of 0.55–0.65.

Source: modelling assumption of the domain reference, section 9.
"""

MAX_GPU_COUNT = 100_000
"""More GPUs than this in one request is taken for a slip of the keyboard."""


class FigureStatus(StrEnum):
    """How well a figure is known."""

    CHECKED = "checked"
    """Compared with the publisher's own text."""
    SECONDARY = "secondary source"
    ASSUMPTION = "assumption"
    """Not verified, or a modelling assumption."""


@dataclass(frozen=True, slots=True)
class GpuModel:
    """Power figures of one GPU, and of the system it is usually sold in."""

    name: str
    form_factor: str
    tdp_w: float
    """Thermal design power, the most it draws. [W]"""
    tdp_status: FigureStatus
    idle_w: float
    """Draw when nothing runs; always an assumption. [W]"""
    train_load_factor: float
    """Typical utilisation in training, 0 to 1; always an assumption."""
    system_name: str | None = None
    gpus_per_system: int | None = None
    system_max_kw: float | None = None
    """Greatest power of the whole system. [kW]"""
    system_status: FigureStatus = FigureStatus.ASSUMPTION

    @property
    def gpu_share(self) -> float:
        """Return the share of the system's greatest power that its GPUs draw, 0 to 1."""
        if self.system_max_kw is None or self.gpus_per_system is None:
            return DEFAULT_GPU_SHARE
        return self.gpus_per_system * self.tdp_w / 1000.0 / self.system_max_kw

    def gpu_w(self, utilisation: float) -> float:
        """Return the draw of one GPU: idle + (TDP − idle) × utilisation. [W]"""
        return self.idle_w + (self.tdp_w - self.idle_w) * utilisation


_CHECKED = FigureStatus.CHECKED
_SECONDARY = FigureStatus.SECONDARY
_ASSUMED = FigureStatus.ASSUMPTION

_MODELS = (
    GpuModel("A100-40GB-PCIe", "PCIe", 250, _ASSUMED, 35, 0.80),
    GpuModel("A100-80GB-PCIe", "PCIe", 300, _ASSUMED, 45, 0.80),
    GpuModel("A100-80GB-SXM4", "SXM", 400, _CHECKED, 55, 0.85, "DGX A100", 8, 6.5, _ASSUMED),
    GpuModel("L40S", "PCIe", 350, _ASSUMED, 35, 0.75),
    GpuModel("H100-PCIe", "PCIe", 350, _ASSUMED, 50, 0.80),
    GpuModel("H100-SXM5", "SXM", 700, _CHECKED, 75, 0.85, "DGX H100", 8, 10.2, _ASSUMED),
    GpuModel("H200-SXM", "SXM", 700, _CHECKED, 75, 0.85, "DGX H200", 8, 10.2, _ASSUMED),
    GpuModel("H200-NVL", "PCIe", 600, _ASSUMED, 65, 0.80),
    GpuModel("B200-HGX", "SXM", 1000, _CHECKED, 100, 0.85, "DGX B200", 8, 14.3, _CHECKED),
    GpuModel(
        "GB200-NVL72-GPU", "rack-scale", 1200, _SECONDARY, 120, 0.85,
        "GB200 NVL72 rack", 72, 120.0, _SECONDARY,
    ),
    GpuModel("MI300X", "OAM", 750, _CHECKED, 90, 0.85, "8 × MI300X platform", 8, 11.0, _ASSUMED),
    GpuModel("MI325X", "OAM", 1000, _ASSUMED, 110, 0.85, "8 × MI325X platform", 8, 13.5, _ASSUMED),
)  # fmt: skip

GPU_MODELS: dict[str, GpuModel] = {model.name: model for model in _MODELS}
"""Known GPUs by name.

Source: vendor data sheets of NVIDIA (A100, H100, H200, HGX B200) and AMD (MI300X) as gathered in the domain
reference, table `gpu_specs.csv`; idle power and load factors are modelling assumptions of that table.
"""


def gpu_model(name: str, *, field: str = "gpu_model") -> GpuModel:
    """Return the figures of a GPU; the name is matched without regard to case.

    Raises:
        InvalidRequest: If the GPU is not in the table; the sentence lists the known names.
    """
    wanted = name.strip().casefold()
    for known in _MODELS:
        if known.name.casefold() == wanted:
            return known
    near = [m.name for m in _MODELS if wanted and wanted in m.name.casefold()]
    cure = f"did you mean {' or '.join(near)}?" if near else "or send estimated_power_kw instead"
    raise InvalidRequest(
        f"{name!r} is not a known GPU model",
        (
            FieldError(
                field, f"{name!r} is not a known GPU model", name, ", ".join(GPU_MODELS), cure
            ),
        ),
    )


def gpu_power_kw(model: str, count: int, load_factor: float | None = None) -> tuple[float, str]:
    """Return the IT power of some GPUs at work with their share of the servers, and how it was arrived at.

    P = count · (idle + (TDP − idle) · load) / share, where share is what the GPUs take of their system's power.

    Args:
        model: Name of a known GPU.
        count: Number of GPUs, at least 1.
        load_factor: Mean utilisation while the job runs, above 0 and at most 1; None: the model's training load.

    Returns:
        Power at the servers, before the site's PUE [kW], and one sentence that names every assumption.

    Raises:
        InvalidRequest: If the model is unknown, or count or load factor are out of range.

    Source:
        Domain reference, section 9 (P_gpu and P_system).
    """
    figures = gpu_model(model)
    if isinstance(count, bool) or not 1 <= count <= MAX_GPU_COUNT:
        raise InvalidRequest(
            f"a job cannot run on {count} GPUs",
            (
                FieldError(
                    "gpu_count", f"{count} GPUs are out of range", count, f"1 to {MAX_GPU_COUNT}"
                ),
            ),
        )
    load = figures.train_load_factor if load_factor is None else load_factor
    if not 0.0 < load <= 1.0:
        raise InvalidRequest(
            f"a load factor of {load} is out of range",
            (FieldError("load_factor", f"{load} is out of range", load, "above 0 and at most 1"),),
        )
    each_w = figures.gpu_w(load)
    total_kw = count * each_w / 1000.0 / figures.gpu_share
    return total_kw, _note(
        figures, count, load, each_w, total_kw, load_is_given=load_factor is not None
    )


def _note(
    figures: GpuModel,
    count: int,
    load: float,
    each_w: float,
    total_kw: float,
    *,
    load_is_given: bool,
) -> str:
    share = f"{figures.gpu_share:.0%}"
    assumed = ["idle power"] if load_is_given else ["idle power", "load"]
    if figures.system_max_kw is None:
        system = f"GPUs taken as {share} of the server's power"
        assumed.append("server share")
    else:
        system = f"GPUs are {share} of a {figures.system_name} at {figures.system_max_kw:g} kW"
        if figures.system_status is FigureStatus.ASSUMPTION:
            assumed.append("system power")
    if figures.tdp_status is FigureStatus.ASSUMPTION:
        assumed.append("TDP")
    secondary = [
        word
        for word, status in (("TDP", figures.tdp_status), ("system power", figures.system_status))
        if status is FigureStatus.SECONDARY
    ]
    sources = f"; secondary source: {' and '.join(secondary)}" if secondary else ""
    return (
        f"{count} × {figures.name} at {load:.0%} load: {each_w:.0f} W each "
        f"({figures.idle_w:g} W idle to {figures.tdp_w:g} W TDP), {system}: {total_kw:.3g} kW. "
        f"Assumption: {', '.join(assumed)}{sources}"
    )
