"""The New job form: fields, defaults, and the draft they make."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from models.domain.asset import Asset
from models.domain.gpu import GPU_MODELS, MAX_GPU_COUNT, gpu_power_kw
from models.domain.job import Flexibility, Job, Priority
from models.domain.regions import REGIONS
from services.types import AssetDraft, BestWindowQuery, JobDraft, Repeat
from web.pages.forms import (
    AUTUMN_NOTE,
    MOST_KW,
    Form,
    Wrong,
    duration,
    known_region,
    local_time,
    number,
    raw_form,
    ready_by_text,
    whole,
)

FIELDS = (
    "duration_hours",
    "estimated_power_kw",
    "gpu_model",
    "gpu_count",
    "latest_finish",
    "asset_id",
    "region",
    "job_name",
    "flexibility_type",
    "min_saving_percent",
    "earliest_start",
    "carbon_cap_g_per_kwh",
    "max_price_p_per_kwh",
    "priority",
    "copies",
    "every",
    "times",
    "depends_on",
)
"""Single-valued fields of the form."""

LISTS = ("allowed_regions",)
"""Fields that may be ticked several times."""

LIMIT_FIELDS = frozenset(FIELDS[5:]) | frozenset(LISTS)
"""Fields under "Limits and repeat": it opens when one of them is wrong or filled."""

FIELD_LABELS: Mapping[str, str] = {
    "duration_hours": "How long",
    "estimated_power_kw": "Power",
    "gpu_model": "GPU model",
    "gpu_count": "Number of GPUs",
    "latest_finish": "Ready by",
    "asset_id": "Cluster",
    "region": "Region",
    "job_name": "Name",
    "flexibility_type": "Can it wait or pause",
    "min_saving_percent": "Only wait if it saves",
    "earliest_start": "Not before",
    "allowed_regions": "Other regions",
    "carbon_cap_g_per_kwh": "Carbon cap",
    "max_price_p_per_kwh": "Price cap",
    "priority": "Priority",
    "copies": "Copies",
    "every": "Repeat",
    "times": "How many times",
    "depends_on": "After job",
}
"""How sentences and the summary call a field."""

DRAFT_FIELDS: Mapping[str, str] = {
    "duration": "duration_hours",
    "power_kw": "estimated_power_kw",
    "flexibility": "flexibility_type",
    "max_price_gbp_per_kwh": "max_price_p_per_kwh",
    "max_price_per_kwh": "max_price_p_per_kwh",
    "max_power_kw": "estimated_power_kw",
}
"""Form field by the program's field name, where they differ."""

NEW_CLUSTER_NAME = "My cluster"
"""Name of the cluster that the form makes for an owner who has none."""


@dataclass(frozen=True)
class JobRequest:
    """What a valid form asks for."""

    draft: JobDraft
    repeat: Repeat
    new_cluster: AssetDraft | None
    """Set where the owner has no cluster: made before the job."""


@dataclass
class JobForm:
    """The form as shown: what was typed, what is wrong, what can be chosen."""

    form: Form
    assets: tuple[tuple[str, str], ...] = ()
    regions: tuple[tuple[str, str], ...] = ()
    gpu_models: tuple[str, ...] = tuple(GPU_MODELS)
    predecessors: tuple[tuple[str, str], ...] = ()
    priorities: tuple[str, ...] = tuple(str(p) for p in Priority)
    may_add_cluster: bool = True
    first_pass_note: str = AUTUMN_NOTE
    asset_regions: dict[str, str] = field(default_factory=dict)

    @property
    def values(self) -> dict[str, str]:
        """Return what was typed."""
        return self.form.values

    @property
    def ticked(self) -> tuple[str, ...]:
        """Return the ticked regions."""
        return self.form.lists.get("allowed_regions", ())

    @property
    def errors(self) -> dict[str, str]:
        """Return what is wrong, in the order of the fields."""
        order = [*FIELDS, *LISTS]
        return {name: self.form.errors[name] for name in order if name in self.form.errors} | {
            name: text for name, text in self.form.errors.items() if name not in order
        }

    @property
    def has_limits(self) -> bool:
        """Return whether the details must be open: something in them is wrong or was filled."""
        if LIMIT_FIELDS & self.form.errors.keys() or self.ticked:
            return True
        plain = {
            "flexibility_type": "deferrable",
            "priority": "normal",
            "copies": "1",
            "times": "1",
        }
        return any(
            self.form.text(name) not in {"", plain.get(name, "")}
            for name in LIMIT_FIELDS - {"asset_id", "region", "allowed_regions"}
        )

    @property
    def has_cluster(self) -> bool:
        """Return whether the owner has a cluster to run on."""
        return bool(self.assets)


def job_form(
    source: Any,
    *,
    now: datetime,
    assets: Sequence[Asset],
    predecessors: Sequence[Job],
    default_region: str,
    may_add_cluster: bool,
    is_fresh: bool,
) -> JobForm:
    """Return the form with what a request carries, or with its defaults when it is opened fresh."""
    form = raw_form(source, FIELDS, LISTS)
    defaults = {
        "latest_finish": ready_by_text(now),
        "region": default_region,
        "flexibility_type": "deferrable",
        "priority": "normal",
        "copies": "1",
        "times": "1",
    }
    for name, value in defaults.items():
        if not form.text(name) and (is_fresh or name != "latest_finish"):
            form.values[name] = value
    return JobForm(
        form=form,
        assets=tuple((a.asset_id, f"{a.label} · {REGIONS[a.region].name}") for a in assets),
        asset_regions={a.asset_id: a.region for a in assets},
        regions=tuple((slug, r.name) for slug, r in REGIONS.items()),
        predecessors=tuple((j.job_id, j.job_name) for j in predecessors),
        may_add_cluster=may_add_cluster,
    )


def is_started(form: JobForm) -> bool:
    """Return whether enough is typed to estimate anything."""
    values = form.form
    has_power = bool(values.text("estimated_power_kw") or values.text("gpu_count"))
    return bool(values.text("duration_hours") and has_power)


def read_job(shown: JobForm, now: datetime) -> JobRequest | None:
    """Return the request a form makes, or None with the errors recorded in it."""
    form = shown.form
    values: dict[str, Any] = {}

    def read(name: str, parse: Any, *, required: str | None = None) -> Any:
        text = form.text(name)
        if not text:
            if required:
                form.fail(name, f"{FIELD_LABELS[name]}: {required}")
            return None
        try:
            return parse(text)
        except Wrong as wrong:
            form.fail(name, str(wrong))
            return None

    def bounded(name: str, low: float, high: float, unit: str) -> Any:
        label = FIELD_LABELS[name]
        return read(name, lambda t: number(t, name=label, low=low, high=high, unit=unit))

    def counted(name: str, high: int) -> Any:
        return read(name, lambda t: whole(t, name=FIELD_LABELS[name], low=1, high=high))

    values["duration"] = read("duration_hours", duration, required="type its length in hours, such as 4 or 1:30.")  # fmt: skip
    values["latest_finish"] = read(
        "latest_finish",
        lambda t: local_time(t, name="Ready by", now=now, must_be_future=True),
        required="choose when the result is needed.",
    )
    values["earliest_start"] = read(
        "earliest_start", lambda t: local_time(t, name="Not before", now=now)
    )
    values["estimated_power_kw"] = bounded("estimated_power_kw", 0.001, MOST_KW, "kW")
    values["gpu_count"] = counted("gpu_count", MAX_GPU_COUNT)
    values["gpu_model"] = form.text("gpu_model") or None
    _check_power(form, values)
    values["carbon_cap_g_per_kwh"] = bounded("carbon_cap_g_per_kwh", 0, 2000, "g/kWh")
    cap_pence = bounded("max_price_p_per_kwh", -100, 1000, "p/kWh")
    values["max_price_gbp_per_kwh"] = None if cap_pence is None else cap_pence / 100
    values["min_saving_percent"] = bounded("min_saving_percent", 0, 100, "%")
    copies, times = counted("copies", 100) or 1, counted("times", 60) or 1
    every = form.text("every") or None
    if every not in {None, "day", "weekday", "week"}:
        form.fail("every", "Repeat: choose day, weekday or week.")
    if every is None and times > 1:
        form.fail("every", "Repeat: choose how often, or set How many times to 1.")
    values["flexibility"] = _member(form, "flexibility_type", Flexibility)
    values["priority"] = _member(form, "priority", Priority) or Priority.NORMAL
    regions = tuple(r for r in shown.ticked if r in REGIONS)
    cluster = _cluster(shown, values)
    if form.errors:
        return None
    asset_id = form.text("asset_id") or None
    draft = JobDraft(
        job_name=form.text("job_name")[:80],
        asset_id=asset_id,
        allowed_regions=_with_own(regions, shown, asset_id),
        depends_on=(form.text("depends_on"),) if form.text("depends_on") else (),
        **values,
    )
    return JobRequest(draft, Repeat(copies=copies, every=every, times=times), cluster)


def _check_power(form: Form, values: dict[str, Any]) -> None:
    """Require power, or a GPU model and a count; a count alone or a model alone is named."""
    if values["estimated_power_kw"] is not None or "estimated_power_kw" in form.errors:
        if not form.text("gpu_count"):
            values["gpu_model"] = None
        return
    model, count = values["gpu_model"], form.text("gpu_count")
    if not model and not count:
        form.fail("estimated_power_kw", "Power: type it in kW, or choose a GPU model and how many.")
    elif not count:
        form.fail("gpu_count", f"Number of GPUs: type how many {model} the job uses.")
    elif not model:
        form.fail("gpu_model", "GPU model: choose one from the list, or type the power in kW.")
    elif model not in GPU_MODELS:
        form.fail("gpu_model", f"GPU model: “{model}” is not known. Choose one from the list.")


def _member(form: Form, name: str, kind: Any) -> Any:
    text = form.text(name)
    if not text:
        return None
    try:
        return kind(text)
    except ValueError:
        form.fail(name, f"{FIELD_LABELS[name]}: “{text}” cannot be chosen.")
        return None


def _with_own(ticked: tuple[str, ...], shown: JobForm, asset_id: str | None) -> tuple[str, ...]:
    """Return the ticked regions with the chosen cluster's own; none ticked means the cluster's alone."""
    if not ticked:
        return ()
    own = shown.asset_regions.get(asset_id or "")
    if own is None and len(shown.asset_regions) == 1:
        own = next(iter(shown.asset_regions.values()))
    if own is None:
        own = shown.form.text("region") if not shown.has_cluster else None
    return tuple(dict.fromkeys([*([own] if own else []), *ticked]))


def job_power_kw(draft: JobDraft) -> float:
    """Return the IT power a draft draws. [kW]

    Raises:
        InvalidRequest: If the GPU is unknown.
    """
    if draft.estimated_power_kw is not None:
        return draft.estimated_power_kw
    return gpu_power_kw(draft.gpu_model or "", draft.gpu_count or 1)[0]


def _cluster(shown: JobForm, values: dict[str, Any]) -> AssetDraft | None:
    """Return the cluster to make for an owner without one: as much power as the job draws, in the chosen region."""
    if shown.has_cluster:
        return None
    try:
        region = known_region(shown.form.text("region"))
    except Wrong as wrong:
        shown.form.fail("region", str(wrong))
        return None
    if shown.form.errors:
        return None
    power_kw = values["estimated_power_kw"]
    if power_kw is None:
        power_kw = gpu_power_kw(values["gpu_model"], values["gpu_count"])[0]
    return AssetDraft(region=region, max_power_kw=power_kw, name=NEW_CLUSTER_NAME)


def query_of(request: JobRequest) -> BestWindowQuery:
    """Return the question that estimates a job whose cluster does not exist yet."""
    assert request.new_cluster is not None
    draft = request.draft
    return BestWindowQuery(
        region=request.new_cluster.region,
        duration=draft.duration,
        ready_by=draft.latest_finish,
        power_kw=job_power_kw(draft),
        earliest_start=draft.earliest_start,
    )
