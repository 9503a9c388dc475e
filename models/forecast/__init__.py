"""Predictors of power, carbon, price and demand. Empty until the first is trained; heavy libraries are imported lazily here only."""
