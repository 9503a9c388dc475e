"""Adding and changing a cluster: three fields, the rest under details."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from models.domain.asset import Asset
from models.domain.gpu import GPU_MODELS, MAX_GPU_COUNT
from models.domain.regions import REGIONS
from services.types import AssetDraft
from web.pages.forms import MOST_KW, Form, Wrong, known_region, number, raw_form, whole

FIELDS = ("name", "region", "max_power_kw", "pue", "base_load_kw", "gpu_model", "gpu_count", "is_deferrable")  # fmt: skip
"""Fields of the form."""

LABELS = {
    "name": "Name",
    "region": "Region",
    "max_power_kw": "Most power",
    "pue": "PUE",
    "base_load_kw": "Base load",
    "gpu_model": "GPU model",
    "gpu_count": "Number of GPUs",
    "is_deferrable": "Jobs may wait",
}
"""How sentences and the summary call a field."""


@dataclass
class ClusterForm:
    """The form as shown."""

    form: Form
    regions: tuple[tuple[str, str], ...] = tuple((slug, r.name) for slug, r in REGIONS.items())
    gpu_models: tuple[str, ...] = tuple(GPU_MODELS)

    @property
    def values(self) -> dict[str, str]:
        """Return what was typed."""
        return self.form.values

    @property
    def errors(self) -> dict[str, str]:
        """Return what is wrong, in the order of the fields."""
        return {name: self.form.errors[name] for name in FIELDS if name in self.form.errors}

    @property
    def has_details(self) -> bool:
        """Return whether the details must be open."""
        plain = {"pue": "1", "base_load_kw": "0", "is_deferrable": "yes"}
        return any(
            self.form.text(name) not in {"", plain.get(name, "")} or name in self.form.errors
            for name in FIELDS[3:]
        )


def cluster_form(source: Any, default_region: str) -> ClusterForm:
    """Return the form with what a request carries."""
    form = raw_form(source, FIELDS)
    for name, value in {"region": default_region, "pue": "1", "base_load_kw": "0", "is_deferrable": "yes"}.items():  # fmt: skip
        if not form.text(name):
            form.values[name] = value
    return ClusterForm(form)


def form_of(asset: Asset) -> ClusterForm:
    """Return the form filled with a cluster."""
    return ClusterForm(
        Form(
            {
                "name": asset.label,
                "region": asset.region,
                "max_power_kw": f"{asset.max_power_kw:g}",
                "pue": f"{asset.pue:g}",
                "base_load_kw": f"{asset.base_load_kw:g}",
                "gpu_model": asset.gpu_model or "",
                "gpu_count": str(asset.gpu_count or ""),
                "is_deferrable": "yes" if asset.is_deferrable else "no",
            }
        )
    )


def read_cluster(shown: ClusterForm) -> dict[str, Any] | None:
    """Return the fields of a cluster by their names in the program, or None with the errors recorded."""
    form = shown.form
    values: dict[str, Any] = {"name": form.text("name")[:80]}

    def read(name: str, parse: Any, *, required: bool = False, blank: Any = None) -> None:
        text = form.text(name)
        if not text and not required:
            values[name] = blank
            return
        try:
            values[name] = parse(text)
        except Wrong as wrong:
            form.fail(name, str(wrong))

    read("region", known_region, required=True)
    read(
        "max_power_kw",
        lambda t: number(t, name="Most power", low=0.001, high=MOST_KW, unit="kW"),
        required=True,
    )
    read("pue", lambda t: number(t, name="PUE", low=1, high=3), blank=1.0)
    read("base_load_kw", lambda t: number(t, name="Base load", low=0, high=MOST_KW, unit="kW"), blank=0.0)  # fmt: skip
    read("gpu_count", lambda t: whole(t, name="Number of GPUs", low=1, high=MAX_GPU_COUNT))
    model = form.text("gpu_model")
    if model and model not in GPU_MODELS:
        form.fail("gpu_model", f"GPU model: “{model}” is not known. Choose one from the list.")
    values["gpu_model"] = model or None
    values["is_deferrable"] = form.text("is_deferrable") != "no"
    return None if form.errors else values


def draft_of(values: dict[str, Any]) -> AssetDraft:
    """Return the draft of a new cluster."""
    return AssetDraft(**values)
