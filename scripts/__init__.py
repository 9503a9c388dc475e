"""Chores of the project: settings page, vendored assets, documentation checks."""
