"""The words of the field (`domain`), predictors (`forecast`), programmes (`optimise`) and flexibility values."""
