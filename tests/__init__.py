"""Tests of the whole product, by kind: unit, contract, e2e, ui and architecture."""
