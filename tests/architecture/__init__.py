"""Checks of the tree itself: import rules, settings, locks, templates."""
