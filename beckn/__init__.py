"""Beckn protocol: codecs per dialect, signing, registry, routes and callbacks. Nothing is traded yet."""
