"""Pure view objects: geometry, texts and formatting, ready for a template to place.

Nothing here touches the request, the services or the clock; everything arrives as arguments.
"""
