"""The Beckn participant: codecs per dialect, signing, registry, both roles. No web framework; input and output through ports."""
