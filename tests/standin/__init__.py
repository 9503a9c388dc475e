"""A stand-in for the outside world: the carbon and tariff services on loopback, with a clock and switchable faults.

Run `python -m tests.standin --port 8100 --now 2023-03-20T10:00:00Z` and point the settings at it:
`HALFHOUR_CARBON_INTENSITY_URL=http://127.0.0.1:8100/carbon`, `HALFHOUR_OCTOPUS_URL=http://127.0.0.1:8100/octopus/v1`.
"""
