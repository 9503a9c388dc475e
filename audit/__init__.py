"""The decision audit log on disk: a hash-chained JSONL writer, its verifier, signed anchors and exports.

What a record says is decided elsewhere; nothing here interprets a decision.
"""
