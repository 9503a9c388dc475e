"""Compiled sorting and writing, beside numpy's."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from models.optimise.sort_kernels import RUN, stable_order, write


@given(st.lists(st.sampled_from((-2.0, -0.0, 0.0, 0.5, 1.0, 1e300)) | st.floats(-1.0, 1.0), max_size=5 * RUN))  # fmt: skip
def test_the_order_is_that_of_a_stable_sort(values: list[float]) -> None:
    key = np.array(values, dtype=np.float64)
    assert stable_order(key).tolist() == np.argsort(key, kind="stable").tolist()


@pytest.mark.parametrize("count", [RUN - 1, RUN, RUN + 1, 8 * RUN - 1, 8 * RUN, 8 * RUN + 1, 1000])
def test_long_arrays_with_many_equal_values_are_sorted_too(count: int) -> None:
    key = np.random.default_rng(count).integers(0, 7, count).astype(np.float64)
    assert stable_order(key).tolist() == np.argsort(key, kind="stable").tolist()


def test_values_are_written_over_the_first_ones_and_the_rest_stays() -> None:
    target = np.array([9, 9, 9])
    write(np.array([1, 2]), target)
    assert target.tolist() == [1, 2, 9]
