"""Use cases, one a file. They load through ports, let the agents decide, store, and return typed views."""
