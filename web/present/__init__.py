"""From domain objects to the plain objects of answers; field for field what `web/schemas` describes.

Nothing is validated here and nothing decided: an unknown number is null, never zero.
"""
